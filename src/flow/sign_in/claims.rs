//! Follows a claims challenge that Entra returns instead of redeeming the code of a sign-in.

use super::super::exchange::Exchange;
use super::super::refusal::Refusal;
use super::begin::{self, SignInStart};
use super::organization::{self, OrganizationHint};
use super::recorder::SignInRecorder;
use super::returned::ReturnedSignIn;
use crate::entra;
use crate::entra::authorize::SignInHints;
use crate::entra::claims_challenge::ClaimsChallenge;
use crate::wire::body::Body;
use http::Response;

/// Sends the browser to Entra again if Entra answered a sign-in with a challenge, and otherwise
/// records its outcome. The second value says whether the sign-in goes on.
pub(in crate::flow) async fn follow(
    exchange: &Exchange<'_>,
    returned: &ReturnedSignIn<'_>,
    outcome: Result<Response<Body>, Refusal>,
    recorder: SignInRecorder,
) -> (Result<Response<Body>, Refusal>, bool) {
    if let Some(challenge) = to_follow(returned, outcome.as_ref().err()) {
        let next = start(exchange, returned, challenge).await;
        // If the next round cannot begin, the sign-in ends here.
        if let Err(refusal) = &next {
            recorder.record(exchange, Err(refusal));
        }
        return (next, true);
    }
    recorder.record(exchange, outcome.as_ref().map(|_| ()));
    (outcome, false)
}

/// Returns the challenge to follow. A sign-in that already answered one is refused instead: another
/// round would have the same result.
pub(in crate::flow) fn to_follow(
    returned: &ReturnedSignIn<'_>,
    refusal: Option<&Refusal>,
) -> Option<ClaimsChallenge> {
    match refusal? {
        Refusal::SignIn(entra::Error::Refused(refused), ..)
            if !returned.pending.answers_challenge =>
        {
            refused.claims.clone()
        }
        _ => None,
    }
}

/// Sends the browser to Entra again with the challenge, for the same purpose and at the same
/// organization.
pub(in crate::flow) async fn start(
    exchange: &Exchange<'_>,
    returned: &ReturnedSignIn<'_>,
    challenge: ClaimsChallenge,
) -> Result<Response<Body>, Refusal> {
    let place = organization::place_of_pending(exchange.sidecar, &returned.pending).await?;
    let organization = place.and_then(|it| it.organization);
    let pending = &returned.pending;
    let prompt = pending.prompt_login.then(|| "login".to_owned());
    let typed = pending.typed.as_deref().or(pending.purpose.typed());
    let login_hint = pending.login_hint.clone().or_else(|| typed.and_then(organization::hint));
    let start = SignInStart {
        hints: SignInHints { login_hint, prompt, ..SignInHints::default() },
        at: organization
            .map_or(OrganizationHint::Account, |it| OrganizationHint::Found(Box::new(it))),
        source: Some(returned.client(exchange).source),
        challenge: Some(challenge),
        typed: pending.typed.clone(),
        ..SignInStart::new(pending.purpose.clone())
    };
    begin::start_sign_in(exchange, start).await
}
