//! Reads Entra's callback, and handles one whose sign-in cannot end here.

use super::super::exchange::Exchange;
use super::super::front_channel::is_sid;
use super::super::refusal::Refusal;
use super::super::sign_in_url::start_url;
use super::begin::{SignInStart, start_sign_in};
use super::rounds::{self, LostRounds};
use super::start_link::StartLink;
use super::state;
use crate::base::return_to::ReturnTo;
use crate::entra::failure::EntraRefusal;
use crate::session::browser_secret::BoundValues;
use crate::session::pending::{PendingSignIn, SignInPurpose};
use crate::sidecar::guesses::{GuessingClient, RequestSource};
use crate::wire::body::Body;
use crate::wire::form;
use http::header::SET_COOKIE;
use http::{Response, StatusCode};
use hyper::body::Incoming;
use std::borrow::Cow;

/// A sign-in that has returned to its own browser, with the parameters from Entra.
pub(in crate::flow) struct ReturnedSignIn<'a> {
    pub(in crate::flow) pending: PendingSignIn,
    /// The values that only its browser leads to.
    pub(in crate::flow) bound: BoundValues,
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

/// The parameters that Entra sends. A repeated parameter is ambiguous.
#[derive(Default)]
pub(in crate::flow) struct CallbackParameters<'a> {
    pub(super) code: Option<Cow<'a, str>>,
    pub(super) state: Option<Cow<'a, str>>,
    pub(super) error: Option<Cow<'a, str>>,
    pub(super) description: Option<Cow<'a, str>>,
    pub(super) session_state: Option<Cow<'a, str>>,
    pub(super) subcode: Option<Cow<'a, str>>,
    admin_consent: Option<Cow<'a, str>>,
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
                "admin_consent" => &mut out.admin_consent,
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

    /// Returns the code, if there is one.
    pub(in crate::flow) fn code(&self) -> Option<&str> {
        self.code.as_deref().filter(|it| !it.is_empty())
    }

    /// Returns the answer if an admin came back from a request for consent
    /// (`learn:/v2-admin-consent`). Nothing proves it: anyone can send a browser here.
    pub(in crate::flow) fn admin_consent(&self) -> Option<Refusal> {
        self.admin_consent.as_ref().filter(|_| self.code.is_none())?;
        let refusal = |error: &str| {
            EntraRefusal::of_callback(error, self.description.as_deref())
                .because(self.subcode.as_deref())
        };
        Some(Refusal::AdminConsent(self.error.as_deref().map(refusal).map(Box::new)))
    }

    /// Returns the `state` that identifies the sign-in, or an empty string.
    pub(in crate::flow) fn state(&self) -> &str {
        self.state.as_deref().unwrap_or_default()
    }
}

/// Maximum length of the URL that a posted callback is redirected to, in bytes. A form can grow
/// threefold when it is escaped, and front proxies accept request lines of 8 KiB (nginx's
/// `large_client_header_buffers`).
const MAX_REPEATED_CALLBACK_BYTES: usize = 8 * 1024;

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
    let parts = [
        ("code", answer.code),
        ("state", answer.state),
        ("session_state", answer.session_state),
        ("admin_consent", answer.admin_consent),
    ]
    .into_iter()
    .chain(error);
    for (key, value) in parts.filter_map(|(key, value)| Some((key, value?))) {
        query.append_pair(key, &value);
    }
    let location = format!("{}?{}", exchange.app.site.redirect_path(), query.finish());
    if location.len() > MAX_REPEATED_CALLBACK_BYTES {
        return Err(Refusal::BadForm);
    }
    exchange.redirect(StatusCode::SEE_OTHER, &location).map_err(|_| Refusal::BadForm)
}

/// Handles a callback whose `state` Entrada did not seal. Nothing is sent to Entra.
pub(in crate::flow) fn unknown(
    exchange: &Exchange<'_>,
    parameters: &CallbackParameters<'_>,
) -> Result<Response<Body>, Refusal> {
    if let Some(answer) = parameters.admin_consent() {
        return Err(answer);
    }
    if exchange.session_of_cookie().is_some() {
        return exchange.redirect(StatusCode::SEE_OTHER, "/");
    }
    Err(Refusal::NoPendingSignIn(start_url(&exchange.app.site, &ReturnTo::home())))
}

/// Handles a callback whose sign-in cannot end here: it started too long ago or in another browser,
/// or has ended already (the Back button, a reload, a bookmark). Nothing is sent to Entra: `state`
/// only says which page was wanted, as a link would.
pub(in crate::flow) async fn stale(
    exchange: &Exchange<'_>,
    pending: &PendingSignIn,
) -> Result<Response<Body>, Refusal> {
    let site = &exchange.app.site;
    let page = match &pending.purpose {
        SignInPurpose::Session(_) => pending.purpose.return_to(site),
        // None of these starts again by itself: another browser must not continue the app's or the
        // admin's sign-in, nor sign in where someone else chose to.
        SignInPurpose::Trial(_) => {
            return exchange.redirect(StatusCode::SEE_OTHER, &site.setup_path());
        }
        purpose if purpose.app().is_some() => return Err(Refusal::AppWaits),
        purpose => {
            let link = StartLink::of(exchange, &purpose.return_to(site), &[]).await;
            return Err(Refusal::NoPendingSignIn(link.start(None)));
        }
    };
    let lost = LostRounds {
        rounds: pending.rounds,
        is_other_tab: state::browser_secret(exchange).is_some()
            && !pending.rounds.origin.elsewhere
            && !pending.rounds.origin.http,
    };
    if exchange.session_of_cookie().is_some() {
        let mut response = exchange.go_on(&page)?;
        if let Some(counted) = rounds::resume_without_cookie(exchange, pending.rounds)? {
            response.headers_mut().append(SET_COOKIE, counted);
        }
        return Ok(response);
    }
    // Begins again and keeps counting.
    start_sign_in(exchange, SignInStart { lost: Some(lost), ..SignInStart::to(&page, &[]) }).await
}
