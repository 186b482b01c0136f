//! Begins a sign-in at Entra.

use super::super::exchange::Exchange;
use super::super::refusal::Refusal;
use super::super::sign_in_url::{native_url, page_url};
use super::organization::{self, OrganizationHint, SignInPlace};
use super::rounds;
use crate::base::own_path;
use crate::base::return_to::ReturnTo;
use crate::base::site::Site;
use crate::entra::authorize::SignInHints;
use crate::entra::claims_challenge::{ClaimsChallenge, requested_claims};
use crate::session::pending::{
    MAX_PENDING_SIGN_INS, PENDING_LIFETIME_SECONDS, PendingSignIn, SessionRequest, SignInPurpose,
};
use crate::session::rounds::SignInRounds;
use crate::sidecar::guesses::RequestSource;
use crate::wire::body::Body;
use crate::wire::cookies;
use crate::wire::reply;
use http::header::SET_COOKIE;
use http::{HeaderValue, Response, StatusCode};
use std::sync::Arc;

/// The parameters of a new sign-in.
pub(in crate::flow) struct SignInStart {
    pub(in crate::flow) purpose: SignInPurpose,
    pub(in crate::flow) hints: SignInHints,
    /// The rounds that `state` reports for earlier sign-ins that returned without their cookie.
    pub(in crate::flow) lost_rounds: Option<SignInRounds>,
    /// The organization that the sign-in is for, if organizations are configured.
    pub(in crate::flow) at: OrganizationHint,
    /// The text that was typed in an earlier step, if the organization was found with it.
    pub(in crate::flow) typed: Option<String>,
    /// Which site made the browser begin the sign-in, if not the current request: the callback of
    /// the previous step always comes from Entra's page.
    pub(in crate::flow) source: Option<RequestSource>,
    /// What Entra requires of this sign-in.
    pub(in crate::flow) challenge: Option<ClaimsChallenge>,
}

/// Marks a session whose sign-in answered Entra's own claims challenge.
const ENTRA_CHALLENGE_MARK: &str = "entra";

impl SignInStart {
    /// A sign-in without hints for Entra.
    pub(in crate::flow) fn new(purpose: SignInPurpose) -> Self {
        Self {
            purpose,
            hints: SignInHints::default(),
            lost_rounds: None,
            at: OrganizationHint::None,
            typed: None,
            source: None,
            challenge: None,
        }
    }

    /// A sign-in for a session. If `acrs` names authentication contexts, one of them must be
    /// satisfied.
    pub(in crate::flow) fn to(return_to: &ReturnTo, acrs: &[String]) -> Self {
        Self::new(SignInPurpose::Session(SessionRequest {
            acrs: acrs.to_vec(),
            ..SessionRequest::to(return_to)
        }))
    }
}

/// Seals the pending sign-in into its own cookie and redirects the browser to Entra. If the
/// organization is not known, redirects to the page that asks for it.
pub(in crate::flow) async fn start_sign_in(
    exchange: &Exchange<'_>,
    mut start: SignInStart,
) -> Result<Response<Body>, Refusal> {
    let at = match std::mem::replace(&mut start.at, OrganizationHint::None) {
        OrganizationHint::Typed(typed) if exchange.sidecar.asks_entra => {
            start.hints.login_hint = start.hints.login_hint.or_else(|| organization::hint(&typed));
            start.purpose = SignInPurpose::Account { typed, then: Box::new(start.purpose) };
            OrganizationHint::Account
        }
        at => at,
    };
    if let OrganizationHint::Typed(typed) = &at {
        start.typed = Some(typed.clone());
    }
    let (return_to, acrs) = (start.purpose.return_to(&exchange.app.site), start.purpose.acrs());
    let asks = || organization::identify_page(exchange, &return_to, acrs);
    if let Some(place) = organization::place(exchange, at, asks).await? {
        start_sign_in_at(exchange, start, place).await
    } else {
        let page = page_url(&exchange.app.site, own_path::SIGN_IN, &return_to, acrs, None);
        reply::redirect(StatusCode::FOUND, &page).ok_or(Refusal::Internal("no redirect"))
    }
}

async fn start_sign_in_at(
    exchange: &Exchange<'_>,
    mut start: SignInStart,
    place: SignInPlace,
) -> Result<Response<Body>, Refusal> {
    let now = exchange.sidecar.process.clock.now();
    let rounds = rounds::set_out(
        exchange,
        start.purpose.aim(),
        start.hints.prompt.is_some(),
        start.lost_rounds,
    )?;
    let state = rounds::new_state(exchange.sidecar, rounds)?;
    let again = again(&exchange.app.site, &place, &start.purpose);
    let (hints, answers_challenge) = hints(exchange, &mut start);
    if let (SignInPurpose::Session(it), true) = (&mut start.purpose, answers_challenge) {
        it.challenge.get_or_insert_with(|| ENTRA_CHALLENGE_MARK.into());
    }
    let prompt_login = hints.prompt.as_deref() == Some("login");
    let redirect_uri = exchange.app.site.redirect_uri();
    let begun =
        place.entra.begin(&redirect_uri, &hints, &state).await.map_err(|it| match again {
            Some(again) => Refusal::SignIn(it, again, Arc::clone(&place.entra)),
            None => it.into(),
        })?;
    let source = start.source.unwrap_or_else(|| match start.purpose.typed() {
        Some(_) => exchange.typing_client().source,
        None => exchange.request_source(),
    });
    let by_other_site = source == RequestSource::Other;
    let found = place.organization.as_ref().zip(start.typed.as_deref());
    let typed = found.and_then(|(it, typed)| organization::typed_username(it, typed));
    let organization = place.organization.map(|it| it.id.to_string());
    let (nonce, verifier, purpose) = (begun.nonce, begun.verifier, start.purpose);
    let pending = PendingSignIn {
        state,
        nonce,
        verifier,
        started_at: now,
        organization,
        prompt_login,
        by_other_site,
        answers_challenge,
        typed: typed.map(|it| it.to_string()),
        purpose,
    };
    let mut response = reply::redirect(StatusCode::FOUND, &begun.location)
        .ok_or(Refusal::Internal("the address of Entra is not a valid header value"))?;
    for cookie in cookies_of(exchange, &pending, rounds)? {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
    Ok(response)
}

/// Returns the URL to try again at the same organization. With it, the error for a sign-in that
/// cannot begin shows the organization's own names.
fn again(site: &Site, place: &SignInPlace, purpose: &SignInPurpose) -> Option<String> {
    let code = place.organization.as_ref()?.code.as_str();
    Some(match purpose.app() {
        Some(native) => native_url(site, native, Some(code)),
        None => {
            page_url(site, own_path::START, &purpose.return_to(site), purpose.acrs(), Some(code))
        }
    })
}

/// Adds the hints for additional proof. It must come from the person who is signed in, or who was
/// until Entra required the proof. Also returns whether it is what Entra requires.
fn hints(exchange: &Exchange<'_>, start: &mut SignInStart) -> (SignInHints, bool) {
    let mut hints = std::mem::take(&mut start.hints);
    // An app's sign-in is independent of the browser's own session.
    let is_own = start.purpose.app().is_none();
    let ended = exchange.ended_session().filter(|_| is_own);
    let session = exchange.session_of_cookie().filter(|_| is_own);
    let wanted = || session.as_ref().or(ended.as_ref())?.standing().challenge();
    let challenge = start.challenge.take().or_else(wanted).filter(|_| hints.claims.is_none());
    hints.claims =
        hints.claims.or_else(|| requested_claims(start.purpose.acrs(), challenge.as_ref()));
    let session = session.filter(|_| hints.claims.is_some());
    if let Some(session) = session.or(ended).filter(|_| hints.login_hint.is_none()) {
        let who = session.identity();
        hints.login_hint =
            who.login_hint.as_deref().or(who.preferred_username.as_deref()).map(str::to_owned);
    }
    (hints, challenge.is_some())
}

fn cookies_of(
    exchange: &Exchange<'_>,
    pending: &PendingSignIn,
    rounds: SignInRounds,
) -> Result<Vec<HeaderValue>, Refusal> {
    let Exchange { sidecar, app, .. } = *exchange;
    let failed = Refusal::Internal("sealing failed");
    let name = app.names.pending(&pending.state);
    let Some(sealed) = sidecar.pending.seal(&name, &pending.write()) else { return Err(failed) };
    let mut out = vec![
        app.names.set(&name, &sealed, Some(PENDING_LIFETIME_SECONDS)),
        rounds::counted(exchange, rounds),
    ];
    out.extend(excess_pending(exchange).into_iter().map(|it| app.names.remove(it)));
    out.into_iter().collect::<Option<_>>().ok_or(failed)
}

/// Maximum number of pending sign-in cookies that are opened for one request. Browsers keep about
/// 180 cookies for a site; a program can send thousands.
const MAX_OPENED_PENDING: usize = 32;
/// Maximum number of cookies that one response removes, so that the response does not grow with the
/// request. The next sign-in removes more.
const MAX_REMOVED_COOKIES: usize = 8;

/// Returns the cookies to remove so that at most five sign-ins are pending in one browser,
/// including the new one. Unreadable cookies go first, and each is returned once.
fn excess_pending<'a>(exchange: &Exchange<'a>) -> Vec<&'a str> {
    let Exchange { sidecar, app, headers, .. } = *exchange;
    let now = sidecar.process.clock.now();
    let mut seen: Vec<(Option<u64>, &str)> = Vec::new();
    for (name, value) in cookies::all(headers).filter(|it| app.names.is_pending(it.0)) {
        if seen.len() == MAX_OPENED_PENDING {
            break;
        }
        if !seen.iter().any(|it| it.1 == name) {
            let begun = sidecar
                .pending
                .open(name, value)
                .and_then(|it| PendingSignIn::read(&it, now))
                .map(|it| it.started_at);
            seen.push((begun, name));
        }
    }
    seen.sort_unstable();
    let live = seen.iter().filter(|it| it.0.is_some()).count();
    let unreadable = seen.len() - live;
    let excess = unreadable + (live + 1).saturating_sub(MAX_PENDING_SIGN_INS);
    seen.into_iter().map(|it| it.1).take(excess.min(MAX_REMOVED_COOKIES)).collect()
}
