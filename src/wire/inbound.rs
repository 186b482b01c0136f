//! The facts about a request, read once.

use super::forwarded::{self, RequestOrigin};
use super::peer::Peer;
use crate::base::ids::RequestIds;
use crate::base::language::Language;
use crate::base::target::{AmbiguousTarget, PathStrictness, Target};
use crate::config::server::ProxyTrust;
use http::header::{
    ACCEPT, ACCEPT_LANGUAGE, CONNECTION, HOST, HeaderMap, HeaderValue, TRANSFER_ENCODING, UPGRADE,
};
use http::request::Parts;
use http::{HeaderName, Method, Version};

const SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");
const SEC_PURPOSE: HeaderName = HeaderName::from_static("sec-purpose");
const PURPOSE: HeaderName = HeaderName::from_static("purpose");
const X_REQUESTED_WITH: HeaderName = HeaderName::from_static("x-requested-with");

/// A request with everything that is known before the caller is identified.
#[derive(Debug)]
pub struct InboundRequest {
    /// The requested target, in its only reading.
    pub target: Target,
    /// The requested host, as written.
    pub host: HeaderValue,
    /// How the request arrived.
    pub origin: RequestOrigin,
    /// Whether the client used https.
    pub https: bool,
    /// The kind of caller, which decides the form of a refusal.
    pub caller: CallerKind,
    /// Request ID, shown in the response, the log and the page.
    pub request_id: HeaderValue,
    /// Whether the client asks to leave HTTP (`Upgrade`, or extended `CONNECT`).
    pub upgrade: bool,
}

/// The kind of a caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallerKind {
    /// A browser that navigates to a page: it can be redirected.
    Navigation,
    /// A browser that submits a form: it gets a page, but the form is not forwarded.
    Form,
    /// A script, an API client, a preflight or a WebSocket: it gets JSON and no redirect.
    Script,
}

/// The reason why a request cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InboundError {
    /// The target can be read in two ways.
    #[error("the target can be read two ways: {0}")]
    Target(#[from] AmbiguousTarget),
    /// The host is missing or repeated, or two hosts differ (RFC 9112 section 3.2).
    #[error("the host is missing or repeated")]
    Host,
    /// A transfer coding other than `chunked`, or a repeated one: servers could disagree on the end
    /// of the body (RFC 9112 section 6.1).
    #[error("a transfer coding that is not supported")]
    Framing,
}

impl InboundRequest {
    /// Reads the head of a request.
    ///
    /// # Errors
    /// Returns an `InboundError` if two servers could disagree on its meaning.
    pub fn read(
        parts: &Parts,
        peer: &Peer,
        trust: &ProxyTrust,
        strictness: PathStrictness,
        ids: &RequestIds,
    ) -> Result<Self, InboundError> {
        if parts
            .headers
            .get_all(TRANSFER_ENCODING)
            .iter()
            .enumerate()
            .any(|(at, it)| at > 0 || !it.as_bytes().eq_ignore_ascii_case(b"chunked"))
        {
            return Err(InboundError::Framing);
        }
        let host = host(parts)?;
        let connect = parts.method == Method::CONNECT
            && parts
                .extensions
                .get::<hyper::ext::Protocol>()
                .is_some_and(|it| it.as_str() == "websocket");
        // RFC 8441: an extended CONNECT requests a resource as GET does, so it is judged as GET.
        let method = if connect { &Method::GET } else { &parts.method };
        let target = Target::read(method, &parts.uri, strictness)?;
        let origin = forwarded::read(&parts.headers, peer, trust);
        let https = origin.https.unwrap_or(peer.tls);
        let upgrade = connect || asks_to_upgrade(parts);
        let caller = if upgrade {
            CallerKind::Script
        } else {
            kind_of_caller(&parts.method, &parts.headers)
        };
        let request_id = HeaderValue::from_bytes(&ids.next()).map_err(|_| InboundError::Host)?;
        let host = origin.host.clone().unwrap_or(host);
        Ok(Self { target, host, origin, https, caller, request_id, upgrade })
    }

    /// The request ID as text.
    pub fn reference(&self) -> &str {
        self.request_id.to_str().unwrap_or_default()
    }
}

/// The host of a request: `Host` in HTTP/1.1, `:authority` in HTTP/2. Two that differ are rejected.
fn host(parts: &Parts) -> Result<HeaderValue, InboundError> {
    let mut lines = parts.headers.get_all(HOST).iter();
    let line = lines.next();
    if lines.next().is_some() {
        return Err(InboundError::Host);
    }
    let authority = parts.uri.authority().map(http::uri::Authority::as_str);
    match (line, authority) {
        (Some(line), None) => Ok(line.clone()),
        (Some(line), Some(authority))
            if line.as_bytes().eq_ignore_ascii_case(authority.as_bytes()) =>
        {
            Ok(line.clone())
        }
        (None, Some(authority)) if parts.version >= Version::HTTP_2 => {
            HeaderValue::from_str(authority).map_err(|_| InboundError::Host)
        }
        _ => Err(InboundError::Host),
    }
}

/// RFC 9110 section 7.8. Upgrades to cleartext HTTP/2 or to TLS (RFC 2817) are not accepted:
/// requests would follow without being judged.
fn asks_to_upgrade(parts: &Parts) -> bool {
    let mut lines = parts.headers.get_all(UPGRADE).iter();
    let (Some(protocol), None) = (lines.next().and_then(|it| it.to_str().ok()), lines.next())
    else {
        return false;
    };
    let begins =
        |it: &str, with: &str| it.get(..with.len()).is_some_and(|it| it.eq_ignore_ascii_case(with));
    let http = protocol
        .split(',')
        .map(str::trim)
        .any(|it| ["h2", "http", "tls"].iter().any(|with| begins(it, with)));
    let named = parts
        .headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|it| it.to_str().ok())
        .flat_map(|it| it.split(','));
    parts.version == Version::HTTP_11
        && !http
        && named.map(str::trim).any(|it| it.eq_ignore_ascii_case("upgrade"))
}

/// Determines the kind of caller from the browser's Fetch Metadata headers and from `Accept`.
pub fn kind_of_caller(method: &Method, headers: &HeaderMap) -> CallerKind {
    let text = |name: HeaderName| headers.get(name).and_then(|it| it.to_str().ok());
    // Checked in this order and only as far as needed: each check is a search in every request.
    let early = || {
        text(SEC_PURPOSE)
            .or_else(|| text(PURPOSE))
            .is_some_and(|it| it.contains("prefetch") || it.contains("prerender"))
    };
    let html =
        || headers.get_all(ACCEPT).iter().filter_map(|it| it.to_str().ok()).any(accepts_html);
    let navigates = || match text(SEC_FETCH_MODE) {
        Some(mode) => mode == "navigate",
        None => html() && text(X_REQUESTED_WITH).is_none(),
    };
    match *method {
        Method::GET | Method::HEAD if navigates() && !early() => CallerKind::Navigation,
        Method::POST if navigates() && html() && !early() => CallerKind::Form,
        _ => CallerKind::Script,
    }
}

/// The language that the browser prefers for pages.
pub fn language(headers: &HeaderMap) -> Language {
    let mut lines = headers.get_all(ACCEPT_LANGUAGE).iter();
    match (lines.next().and_then(|it| it.to_str().ok()), lines.next()) {
        (Some(accepted), None) => Language::preferred(accepted),
        _ => Language::default(),
    }
}

fn accepts_html(accept: &str) -> bool {
    accept.split(',').any(|entry| {
        let mut parts = entry.split(';').map(str::trim);
        let kind = parts.next().unwrap_or_default();
        let html = kind.eq_ignore_ascii_case("text/html")
            || kind.eq_ignore_ascii_case("application/xhtml+xml");
        html && !parts.any(|it| matches!(it, "q=0" | "q=0.0" | "q=0.00" | "q=0.000"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;

    fn read(request: http::request::Builder) -> Result<InboundRequest, InboundError> {
        let parts = request.body(()).unwrap().into_parts().0;
        let peer = Peer::of_socket(Some("192.0.2.1:1".parse().unwrap()), false);
        InboundRequest::read(
            &parts,
            &peer,
            &ProxyTrust::default(),
            PathStrictness::Strict,
            &RequestIds::new(&crate::seal::random::system()),
        )
    }

    #[test]
    fn one_host_or_none_at_all() {
        assert!(read(Request::get("/").header("host", "a")).is_ok());
        assert!(read(Request::get("http://a/").header("host", "A")).is_ok());
        assert_eq!(read(Request::get("/")).unwrap_err(), InboundError::Host);
        assert_eq!(
            read(Request::get("/").header("host", "a").header("host", "a")).unwrap_err(),
            InboundError::Host
        );
        assert_eq!(
            read(Request::get("http://b/").header("host", "a")).unwrap_err(),
            InboundError::Host
        );
        assert!(read(Request::get("http://b/").version(Version::HTTP_2)).is_ok());
        assert!(matches!(
            read(Request::builder().method("CONNECT").uri("a:443").header("host", "a:443")),
            Err(InboundError::Target(_))
        ));
    }

    #[test]
    fn no_upgrade_leads_to_requests_that_nobody_judges() {
        let upgrade = |protocol: &str| {
            read(
                Request::get("/")
                    .header("host", "a")
                    .header("connection", "upgrade")
                    .header("upgrade", protocol),
            )
            .unwrap()
            .upgrade
        };
        for protocol in ["websocket", "mine/1", "WebSocket"] {
            assert!(upgrade(protocol), "{protocol}");
        }
        for protocol in [
            "h2c",
            "H2C",
            "TLS/1.0",
            "tls/1.3",
            "TLS",
            "HTTP/2.0",
            "websocket, TLS/1.0",
            "websocket, h2c",
        ] {
            assert!(!upgrade(protocol), "{protocol}");
        }
    }

    #[test]
    fn who_can_be_redirected_and_who_cannot() {
        let caller = |method: &str, headers: &[(&str, &str)]| {
            let mut request = Request::builder().method(method).uri("/").header("host", "a");
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            read(request).unwrap().caller
        };
        assert_eq!(caller("GET", &[("sec-fetch-mode", "navigate")]), CallerKind::Navigation);
        assert_eq!(caller("GET", &[("accept", "text/html,*/*;q=0.8")]), CallerKind::Navigation);
        assert_eq!(
            caller("POST", &[("accept", "text/html"), ("sec-fetch-mode", "navigate")]),
            CallerKind::Form
        );
        for script in [
            &[("sec-fetch-mode", "cors"), ("accept", "text/html")][..],
            &[("accept", "*/*")],
            &[("accept", "application/json")],
            &[("accept", "text/html;q=0")],
            &[("accept", "text/html"), ("x-requested-with", "XMLHttpRequest")],
            &[("sec-fetch-mode", "navigate"), ("sec-purpose", "prefetch")],
            &[
                ("accept", "text/html"),
                ("connection", "keep-alive, Upgrade"),
                ("upgrade", "websocket"),
            ],
        ] {
            assert_eq!(caller("GET", script), CallerKind::Script, "{script:?}");
        }
        assert_eq!(caller("OPTIONS", &[("accept", "text/html")]), CallerKind::Script);
        assert_eq!(caller("PUT", &[("accept", "text/html")]), CallerKind::Script);
    }
}
