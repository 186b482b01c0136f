//! Decides who may use the admin API: clients with the token or, if there is no token, clients on
//! this machine. Web pages never may.

use crate::base::secret::Secret;
use crate::base::site::{is_loopback, split_authority};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST, ORIGIN, REFERER};
use http::request::Parts;
use http::{HeaderName, StatusCode};

/// The access check of one admin listener.
#[derive(Debug)]
pub(super) struct AdminGate {
    /// Whether the listener can be reached only from this machine.
    pub(super) is_local: bool,
    /// If set, clients need it even on this machine, because containers of one pod share their
    /// loopback address.
    pub(super) token: Option<Secret>,
}

/// Why a call is rejected.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum GateRefusal {
    #[error("web pages cannot use the admin API, and a browser sent this request")]
    Browser,
    #[error(
        "the token is missing: send Authorization: Bearer with the value of [server] admin_token"
    )]
    NoToken,
    #[error("the token does not match [server] admin_token")]
    OtherToken,
    #[error(
        "without [server] admin_token, the admin API is available only on a unix socket or a loopback address, and this listener is neither"
    )]
    NotLocal,
    #[error("the host is not this machine: use localhost, 127.0.0.1 or [::1]")]
    Host,
}

impl AdminGate {
    /// Rejects all requests that a web page can make a browser send. Each of these checks is
    /// sufficient on its own, even if a host name of the page resolves to Entrada's address. Web
    /// pages cannot send the token.
    pub(super) fn judge(&self, parts: &Parts) -> Result<(), GateRefusal> {
        let says_browser = |name: &HeaderName| {
            *name == ORIGIN || *name == REFERER || name.as_str().starts_with("sec-")
        };
        if parts.headers.keys().any(says_browser) {
            return Err(GateRefusal::Browser);
        }
        match &self.token {
            Some(token) => has(parts, token),
            None if !self.is_local => Err(GateRefusal::NotLocal),
            None => is_for_this_machine(parts),
        }
    }
}

/// Compares digests in constant time, so that neither the length nor a prefix is revealed.
fn has(parts: &Parts, token: &Secret) -> Result<(), GateRefusal> {
    let mut sent = parts.headers.get_all(AUTHORIZATION).iter();
    let (Some(one), None) = (sent.next(), sent.next()) else { return Err(GateRefusal::NoToken) };
    let (scheme, sent) =
        one.to_str().ok().and_then(|it| it.split_once(' ')).ok_or(GateRefusal::NoToken)?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(GateRefusal::NoToken);
    }
    let of = |text: &str| digest(&SHA256, text.trim().as_bytes());
    verify_slices_are_equal(of(sent).as_ref(), of(token.expose()).as_ref())
        .map_err(|_| GateRefusal::OtherToken)
}

fn is_for_this_machine(parts: &Parts) -> Result<(), GateRefusal> {
    let written = parts.headers.get_all(HOST).iter().map(|it| it.to_str().unwrap_or_default());
    let mut hosts =
        written.chain(parts.uri.authority().map(http::uri::Authority::as_str)).peekable();
    let all_ours = hosts.peek().is_some()
        && hosts.all(|it| split_authority(it).is_some_and(|it| is_loopback(it.0)));
    if all_ours { Ok(()) } else { Err(GateRefusal::Host) }
}

/// Whether the body has exactly this media type. Without a preflight request, a web page can send
/// only the media types of forms.
pub(super) fn is_of_type(parts: &Parts, kind: &str) -> bool {
    let mut types = parts.headers.get_all(CONTENT_TYPE).iter();
    let one = types
        .next()
        .and_then(|it| it.to_str().ok())
        .map(|it| it.split(';').next().unwrap_or_default().trim());
    one.is_some_and(|it| it.eq_ignore_ascii_case(kind)) && types.next().is_none()
}

impl GateRefusal {
    /// The HTTP status.
    pub(super) fn status(&self) -> StatusCode {
        match self {
            Self::Browser | Self::NotLocal => StatusCode::FORBIDDEN,
            Self::NoToken | Self::OtherToken => StatusCode::UNAUTHORIZED,
            Self::Host => StatusCode::MISDIRECTED_REQUEST,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "a-token-of-the-admin-listener-0123456789";

    fn judged(near: bool, token: bool, headers: &[(&str, &str)]) -> Result<(), GateRefusal> {
        let mut request = http::Request::get("/organizations");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let token = token.then(|| Secret::new(TOKEN));
        AdminGate { is_local: near, token }.judge(&request.body(()).unwrap().into_parts().0)
    }

    #[test]
    fn where_a_token_is_set_everybody_needs_it_and_no_other_will_do() {
        let bearer = format!("Bearer {TOKEN}");
        for near in [true, false] {
            assert_eq!(
                judged(near, true, &[("host", "entrada.internal"), ("authorization", &bearer)]),
                Ok(())
            );
            assert_eq!(
                judged(
                    near,
                    true,
                    &[("host", "localhost"), ("authorization", &format!("bearer {TOKEN}"))]
                ),
                Ok(())
            );
            assert_eq!(judged(near, true, &[("host", "localhost")]), Err(GateRefusal::NoToken));
            for other in [TOKEN, "Basic dTpw", "Bearer", ""] {
                assert_eq!(
                    judged(near, true, &[("authorization", other)]),
                    Err(GateRefusal::NoToken),
                    "{other:?}"
                );
            }
            for other in
                ["Bearer x", &format!("Bearer {TOKEN}x"), &bearer[..bearer.len() - 1], "Bearer  "]
            {
                assert_eq!(
                    judged(near, true, &[("authorization", other)]),
                    Err(GateRefusal::OtherToken),
                    "{other:?}"
                );
            }
            assert_eq!(
                judged(near, true, &[("authorization", &bearer), ("authorization", &bearer)]),
                Err(GateRefusal::NoToken)
            );
            assert_eq!(
                judged(near, true, &[("authorization", &bearer), ("origin", "http://localhost")]),
                Err(GateRefusal::Browser)
            );
        }
    }

    #[test]
    fn without_a_token_only_this_machine_is_answered() {
        assert_eq!(judged(true, false, &[("host", "localhost:4181")]), Ok(()));
        assert_eq!(judged(true, false, &[("host", "entrada.internal")]), Err(GateRefusal::Host));
        assert_eq!(judged(true, false, &[]), Err(GateRefusal::Host));
        assert_eq!(judged(false, false, &[("host", "localhost")]), Err(GateRefusal::NotLocal));
        assert_eq!(
            judged(
                false,
                false,
                &[("host", "localhost"), ("authorization", &format!("Bearer {TOKEN}"))]
            ),
            Err(GateRefusal::NotLocal)
        );
    }
}
