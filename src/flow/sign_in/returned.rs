//! Reads Entra's callback and finds its pending sign-in.

use super::super::exchange::Exchange;
use super::super::front_channel::is_sid;
use super::super::refusal::Refusal;
use super::super::sign_in_url::start_url;
use super::begin::{SignInStart, start_sign_in};
use super::rounds;
use crate::base::return_to::ReturnTo;
use crate::session::pending::PendingSignIn;
use crate::session::rounds::SignInAim;
use crate::sidecar::guesses::{GuessingClient, RequestSource};
use crate::wire::body::Body;
use crate::wire::cookies::{CookieMatch, find};
use crate::wire::form;
use crate::wire::reply;
use http::header::SET_COOKIE;
use http::{Response, StatusCode};
use hyper::body::Incoming;
use std::borrow::Cow;

/// A sign-in whose browser has returned, with the parameters from Entra.
pub(in crate::flow) struct ReturnedSignIn<'a> {
    pub(in crate::flow) pending: PendingSignIn,
    pub(in crate::flow) parameters: CallbackParameters<'a>,
}

impl ReturnedSignIn<'_> {
    /// Returns the page where the person was going.
    pub(in crate::flow) fn return_to(&self, exchange: &Exchange<'_>) -> ReturnTo {
        self.pending.purpose.return_to(&exchange.app.site)
    }

    /// Returns the client whose wrong attempts are counted together with this sign-in.
    pub(in crate::flow) fn client(&self, exchange: &Exchange<'_>) -> GuessingClient {
        let source =
            if self.pending.by_other_site { RequestSource::Other } else { RequestSource::Own };
        GuessingClient { address: exchange.inbound.origin.client, source }
    }
}

/// Returns the pending sign-in of a `state`, from its cookie.
pub(in crate::flow) fn open(
    exchange: &Exchange<'_>,
    cookie: &str,
    state: &str,
) -> Option<PendingSignIn> {
    let CookieMatch::One(sealed) = find(exchange.headers, cookie) else { return None };
    let pending = PendingSignIn::read(
        &exchange.sidecar.pending.open(cookie, sealed)?,
        exchange.sidecar.process.clock.now(),
    )?;
    pending.is_for(state).then_some(pending)
}

/// The parameters that Entra sends. A repeated parameter is ambiguous.
#[derive(Default)]
pub(in crate::flow) struct CallbackParameters<'a> {
    pub(super) code: Option<Cow<'a, str>>,
    pub(super) state: Option<Cow<'a, str>>,
    pub(super) error: Option<Cow<'a, str>>,
    pub(super) description: Option<Cow<'a, str>>,
    pub(super) session_state: Option<Cow<'a, str>>,
    pub(super) subcode: Option<Cow<'a, str>>,
}

impl<'a> CallbackParameters<'a> {
    /// Reads the parameters from a query or from a form that Entra posted.
    pub(in crate::flow) fn read(query: &'a str) -> Option<Self> {
        let mut out = Self::default();
        for (key, value) in url::form_urlencoded::parse(query.as_bytes()) {
            let slot = match &*key {
                "code" => &mut out.code,
                "state" => &mut out.state,
                "error" => &mut out.error,
                "error_description" => &mut out.description,
                "session_state" => &mut out.session_state,
                "error_subcode" => &mut out.subcode,
                _ => continue,
            };
            if slot.replace(value).is_some() {
                return None;
            }
        }
        Some(out)
    }

    /// Returns Entra's session ID if it is plausible.
    pub(super) fn session(&self) -> Option<&str> {
        self.session_state.as_deref().filter(|it| is_sid(it))
    }

    /// Returns the `state` that identifies the sign-in, or an empty string.
    pub(in crate::flow) fn state(&self) -> &str {
        self.state.as_deref().unwrap_or_default()
    }
}

/// Maximum length of the URL that a posted callback is redirected to, in bytes. A form can grow
/// threefold when it is escaped, and front proxies accept request lines of 8 KiB (nginx's
/// `large_client_header_buffers`).
const MAX_LOCATION_BYTES: usize = 8 * 1024;

/// Redirects a posted callback. A cross-site POST has no Lax cookies, so the browser repeats the
/// request with GET. Forms that are too long for that are rejected.
pub(in crate::flow) async fn posted(
    exchange: &Exchange<'_>,
    body: Incoming,
) -> Result<Response<Body>, Refusal> {
    let body = form::bytes(body).await?;
    let text = std::str::from_utf8(&body).map_err(|_| Refusal::BadForm)?;
    let answer = CallbackParameters::read(text).ok_or(Refusal::DuplicateParameter)?;
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    let error = [
        ("error", answer.error),
        ("error_description", answer.description),
        ("error_subcode", answer.subcode),
    ];
    let parts =
        [("code", answer.code), ("state", answer.state), ("session_state", answer.session_state)]
            .into_iter()
            .chain(error);
    for (key, value) in parts.filter_map(|(key, value)| Some((key, value?))) {
        query.append_pair(key, &value);
    }
    let location = format!("{}?{}", exchange.app.site.redirect_path(), query.finish());
    if location.len() > MAX_LOCATION_BYTES {
        return Err(Refusal::BadForm);
    }
    reply::redirect(StatusCode::SEE_OTHER, &location).ok_or(Refusal::BadForm)
}

/// Handles a callback without a pending sign-in: the Back button, a reload, a bookmark, or a
/// sign-in that began in another browser. Nothing is sent to Entra.
pub(in crate::flow) async fn stale(
    exchange: &Exchange<'_>,
    state: &str,
) -> Result<Response<Body>, Refusal> {
    // The sign-in began here, but its cookie was not returned.
    let lost = rounds::rounds_in_state(exchange.sidecar, state);
    match lost.map(|it| it.origin.aim) {
        Some(SignInAim::Trial) => {
            let place = exchange.app.site.setup_path();
            return reply::redirect(StatusCode::SEE_OTHER, &place)
                .ok_or(Refusal::Internal("no redirect"));
        }
        Some(SignInAim::App) => return Err(Refusal::AppWaits),
        Some(SignInAim::Session) | None => {}
    }
    if exchange.session_of_cookie().is_some() {
        let mut response =
            reply::redirect(StatusCode::SEE_OTHER, "/").ok_or(Refusal::Internal("no redirect"))?;
        if let Some(counted) =
            lost.map(|it| rounds::resume_without_cookie(exchange, it)).transpose()?.flatten()
        {
            response.headers_mut().append(SET_COOKIE, counted);
        }
        return Ok(response);
    }
    match lost {
        // Begins again and keeps counting.
        Some(_) => {
            start_sign_in(
                exchange,
                SignInStart { lost_rounds: lost, ..SignInStart::to(&ReturnTo::home(), &[]) },
            )
            .await
        }
        None => Err(Refusal::NoPendingSignIn(start_url(&exchange.app.site, &ReturnTo::home()))),
    }
}
