//! Begins a sign-in at Entra.

use super::super::exchange::Exchange;
use super::super::refusal::Refusal;
use super::super::sign_in_url::native_url;
use super::organization::{self, OrganizationHint, SignInPlace};
use super::rounds::{self, LostRounds};
use super::start_link::StartLink;
use super::state::{self, SealedSignIn};
use crate::base::return_to::ReturnTo;
use crate::entra::authorize::{SignInHints, SignInValues};
use crate::entra::claims_challenge::{ClaimsChallenge, requested_claims};
use crate::session::pending::{PendingSignIn, SessionRequest, SignInPurpose};
use crate::sidecar::guesses::RequestSource;
use crate::wire::body::Body;
use http::header::SET_COOKIE;
use http::{Response, StatusCode};
use std::sync::Arc;

/// The parameters of a new sign-in.
pub(in crate::flow) struct SignInStart {
    pub(in crate::flow) purpose: SignInPurpose,
    pub(in crate::flow) hints: SignInHints,
    /// The rounds that `state` reports for a sign-in that returned and could not end.
    pub(in crate::flow) lost: Option<LostRounds>,
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

/// Maximum length of a login hint that is sealed for another round, in bytes: `state` has little
/// room.
const MAX_SEALED_HINT_BYTES: usize = 256;

/// Marks a session whose sign-in answered Entra's own claims challenge.
const ENTRA_CHALLENGE_MARK: &str = "entra";

impl SignInStart {
    /// A sign-in without hints for Entra.
    pub(in crate::flow) fn new(purpose: SignInPurpose) -> Self {
        Self {
            purpose,
            hints: SignInHints::default(),
            lost: None,
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

/// Seals the pending sign-in into `state` and redirects the browser to Entra. If the organization
/// is not known, redirects to the page that asks for it.
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
    let asks = async || organization::identify_page(exchange, &return_to, acrs).await;
    if let Some(place) = organization::place(exchange, at, asks).await? {
        if start.purpose.starts_session() {
            // Before Entra is asked, not after: nobody signs in twice.
            exchange.sidecar.process.store.ready()?;
        }
        start_sign_in_at(exchange, start, place).await
    } else {
        let link = StartLink::of(exchange, &return_to, acrs).await;
        exchange.redirect(StatusCode::FOUND, &link.page())
    }
}

async fn start_sign_in_at(
    exchange: &Exchange<'_>,
    mut start: SignInStart,
    place: SignInPlace,
) -> Result<Response<Body>, Refusal> {
    let is_other_tab = start.lost.is_some_and(|it| it.is_other_tab);
    let rounds =
        rounds::count_start(exchange, &start.purpose, start.hints.prompt.is_some(), start.lost)?;
    // Only an organization's own names are shown with an error.
    let again = place.organization.as_ref().map(|it| (it.code.to_string(), start.purpose.clone()));
    let given_hint = start.hints.login_hint.clone();
    let (hints, answers_challenge) = hints(exchange, &mut start);
    if let (SignInPurpose::Session(it), true) = (&mut start.purpose, answers_challenge) {
        it.challenge.get_or_insert_with(|| ENTRA_CHALLENGE_MARK.into());
    }
    let source = start.source.unwrap_or_else(|| match start.purpose.typed() {
        Some(_) => exchange.typing_client().source,
        None => exchange.request_source(),
    });
    let found = place.organization.as_ref().zip(start.typed.as_deref());
    let typed = found.and_then(|(it, typed)| organization::typed_username(it, typed));
    let typed = typed.map(|it| it.to_string());
    let login_hint = given_hint.filter(|it| {
        it.len() <= MAX_SEALED_HINT_BYTES
            && typed.as_deref().and_then(organization::hint).as_ref() != Some(it)
    });
    let pending = PendingSignIn {
        id: String::new(),
        browser: String::new(),
        started_at: exchange.sidecar.process.clock.now(),
        organization: place.organization.map(|it| it.id.to_string()),
        prompt_login: hints.prompt.as_deref() == Some("login"),
        by_other_site: source == RequestSource::Other,
        answers_challenge,
        typed,
        login_hint,
        rounds,
        kept: None,
        purpose: start.purpose,
    };
    let SealedSignIn { state, bound, cookie } = state::seal(exchange, pending).await?;
    let values = SignInValues { state: &state, nonce: &bound.nonce, verifier: &bound.verifier };
    let redirect_uri = exchange.app.site.redirect_uri();
    let location = match (place.entra.begin(&redirect_uri, &hints, values).await, again) {
        (Ok(location), _) => location,
        (Err(error), Some((code, purpose))) => {
            let again = again_at(exchange, &code, &purpose).await;
            return Err(Refusal::SignIn(error, again, Arc::clone(&place.entra)));
        }
        (Err(error), None) => return Err(error.into()),
    };
    let mut response = exchange.redirect(StatusCode::FOUND, &location)?;
    // The rounds of one tab do not replace those of the others.
    let counted = (!is_other_tab).then(|| rounds::counted(exchange, rounds)).flatten();
    for cookie in cookie.into_iter().chain(counted) {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
    Ok(response)
}

/// Returns the URL to try again at the organization with this code.
async fn again_at(exchange: &Exchange<'_>, code: &str, purpose: &SignInPurpose) -> String {
    let site = &exchange.app.site;
    if let Some(native) = purpose.app() {
        return native_url(site, native, Some(code));
    }
    StartLink::of(exchange, &purpose.return_to(site), purpose.acrs()).await.start(Some(code))
}

/// Adds the hints for additional proof. It must come from the person who is signed in, or who was
/// until Entra required the proof. Also returns whether it is what Entra requires.
fn hints(exchange: &Exchange<'_>, start: &mut SignInStart) -> (SignInHints, bool) {
    let mut hints = std::mem::take(&mut start.hints);
    // The sign-in of an app, or a test, is independent of the browser's own session.
    let is_own = start.purpose.session().is_some();
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
