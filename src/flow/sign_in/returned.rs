//! What comes back from Entra, and the sign-in under way that it belongs to.

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

/// A sign-in whose browser has come back, with Entra's answer to it.
pub(in crate::flow) struct ReturnedSignIn<'a> {
    pub(in crate::flow) pending: PendingSignIn,
    pub(in crate::flow) parameters: CallbackParameters<'a>,
}

impl ReturnedSignIn<'_> {
    /// Where the person was going.
    pub(in crate::flow) fn return_to(&self, exchange: &Exchange<'_>) -> ReturnTo {
        self.pending.purpose.return_to(&exchange.sidecar.site)
    }

    /// Whose wrong answers count together with those of this sign-in.
    pub(in crate::flow) fn client(&self, exchange: &Exchange<'_>) -> GuessingClient {
        let source = if self.pending.by_other_site { RequestSource::Other } else { RequestSource::Own };
        GuessingClient { address: exchange.inbound.origin.client, source }
    }
}

/// The sign-in of that state, from its cookie.
pub(in crate::flow) fn open(exchange: &Exchange<'_>, cookie: &str, state: &str) -> Option<PendingSignIn> {
    let CookieMatch::One(sealed) = find(exchange.headers, cookie) else { return None };
    let pending = PendingSignIn::read(&exchange.sidecar.pending.open(cookie, sealed)?, exchange.sidecar.process.clock.now())?;
    pending.is_for(state).then_some(pending)
}

/// What Entra sends along. A parameter that stands twice has no one reading.
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
    /// Reads a query, or a form that Entra posted.
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

    /// What Entra calls the session there, where it can be meant.
    pub(super) fn session(&self) -> Option<&str> {
        self.session_state.as_deref().filter(|it| is_sid(it))
    }

    /// The state that names the sign-in; empty where there is none.
    pub(in crate::flow) fn state(&self) -> &str {
        self.state.as_deref().unwrap_or_default()
    }
}

/// Longest address that a posted callback is redirected to, in bytes. Escaped, a form grows threefold, and front proxies accept request lines
/// of 8 KiB (nginx's `large_client_header_buffers`).
const MAX_LOCATION_BYTES: usize = 8 * 1024;

/// A cross-site POST carries no Lax cookie: the browser repeats the request with GET. What is too long for that is rejected.
pub(in crate::flow) async fn posted(exchange: &Exchange<'_>, body: Incoming) -> Result<Response<Body>, Refusal> {
    let body = form::bytes(body).await?;
    let text = std::str::from_utf8(&body).map_err(|_| Refusal::BadForm)?;
    let answer = CallbackParameters::read(text).ok_or(Refusal::DuplicateParameter)?;
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    let told = [("error", answer.error), ("error_description", answer.description), ("error_subcode", answer.subcode)];
    let parts = [("code", answer.code), ("state", answer.state), ("session_state", answer.session_state)].into_iter().chain(told);
    for (key, value) in parts.filter_map(|(key, value)| Some((key, value?))) {
        query.append_pair(key, &value);
    }
    let location = format!("{}?{}", exchange.sidecar.site.redirect_path(), query.finish());
    if location.len() > MAX_LOCATION_BYTES {
        return Err(Refusal::BadForm);
    }
    reply::redirect(StatusCode::SEE_OTHER, &location).ok_or(Refusal::BadForm)
}

/// Nothing under way that this belongs to: Back, reload, a bookmark, or a callback that another browser began. Entra hears nothing of it.
pub(in crate::flow) async fn stale(exchange: &Exchange<'_>, state: &str) -> Result<Response<Body>, Refusal> {
    // Ours, but its cookie did not come back.
    let lost = rounds::rounds_in_state(exchange.sidecar, state);
    match lost.map(|it| it.origin.aim) {
        Some(SignInAim::Trial) => {
            let place = exchange.sidecar.site.setup_path();
            return reply::redirect(StatusCode::SEE_OTHER, &place).ok_or(Refusal::Internal("no redirect"));
        }
        Some(SignInAim::App) => return Err(Refusal::AppWaits),
        Some(SignInAim::Session) | None => {}
    }
    if exchange.session_of_cookie().is_some() {
        let mut response = reply::redirect(StatusCode::SEE_OTHER, "/").ok_or(Refusal::Internal("no redirect"))?;
        if let Some(counted) = lost.map(|it| rounds::resume_without_cookie(exchange, it)).transpose()?.flatten() {
            response.headers_mut().append(SET_COOKIE, counted);
        }
        return Ok(response);
    }
    match lost {
        // Begin again, and keep counting.
        Some(_) => start_sign_in(exchange, SignInStart { lost_rounds: lost, ..SignInStart::to(&ReturnTo::home(), &[]) }).await,
        None => Err(Refusal::NoPendingSignIn(start_url(&exchange.sidecar.site, &ReturnTo::home()))),
    }
}
