//! Handles the callback from Entra. The purpose of the sign-in determines how it ends.

use super::exchange::Exchange;
use super::facts::RequestFacts;
use super::native;
use super::refusal::Refusal;
use super::setup;
use super::sign_in::begin::{self, SignInStart};
use super::sign_in::claims;
use super::sign_in::organization::{self, OrganizationHint};
use super::sign_in::recorder::SignInRecorder;
use super::sign_in::redeem::redeem;
use super::sign_in::returned::{self, CallbackParameters, ReturnedSignIn};
use super::sign_in::rounds;
use super::sign_in::session;
use super::sign_in::state;
use crate::entra::authorize::SignInHints;
use crate::session::pending::{NativeSignIn, PENDING_LIFETIME_SECONDS, SignInPurpose, SignInTrial};
use crate::sidecar::callback_outcomes::{CallbackAnswer, CallbackOutcome};
use crate::wire::body::Body;
use http::header::SET_COOKIE;
use http::{Method, Response};
use hyper::body::Incoming;

/// `GET|POST <redirect_path>`: responds with 303 to the page where the person was going.
pub(super) async fn callback(
    exchange: &Exchange<'_>,
    body: &mut Option<Incoming>,
    facts: &mut RequestFacts,
) -> Result<Response<Body>, Refusal> {
    let Exchange { sidecar, inbound, .. } = *exchange;
    exchange.require_method(&[Method::GET, Method::HEAD, Method::POST], "GET, POST")?;
    if inbound.target.method() == Method::POST {
        let body = body.take().ok_or(Refusal::Internal("no body"))?;
        return returned::posted(exchange, body).await;
    }
    let query = inbound.target.query().unwrap_or_default();
    let parameters = CallbackParameters::read(query).ok_or(Refusal::DuplicateParameter)?;
    let Some(pending) = state::open(exchange, parameters.state()).await else {
        return returned::unknown(exchange, &parameters);
    };
    // The browser is checked before anything else is looked up.
    let Some((browser, bound)) = state::bound(exchange, &pending) else {
        return match parameters.admin_consent() {
            Some(answer) => Err(answer),
            None => returned::stale(exchange, &pending).await,
        };
    };
    if !pending.purpose.can_continue() {
        return returned::stale(exchange, &pending).await;
    }
    let returned = ReturnedSignIn { pending, bound, parameters };
    let outcomes = &sidecar.process.callback_outcomes;
    let answer = match returned.parameters.code() {
        Some(code) => CallbackAnswer::Code(code),
        // A refusal has no code: its parameters identify it.
        None => CallbackAnswer::Refusal(query),
    };
    let turn = outcomes.turn(browser.expose(), returned.parameters.state(), answer);
    let made = turn.outcome(async || {
        if outcomes.is_finished(&returned.pending.id) {
            let stale = returned::stale(exchange, &returned.pending).await;
            return (stale.unwrap_or_else(|it| exchange.refuse_sign_in(it, facts)), None);
        }
        let EndedCallback { response, is_final } = end(exchange, &returned, facts).await;
        (response, is_final.then(|| inbound.request_id.clone()))
    });
    match made.await {
        CallbackOutcome::Made(response) => Ok(response),
        CallbackOutcome::Repeated(response, reference) => {
            facts.cause = Some("the same callback again; it got the same answer".to_owned());
            facts.answered_as = Some(reference);
            Ok(response)
        }
    }
}

/// How a callback ended.
struct EndedCallback {
    response: Response<Body>,
    /// Whether the same callback would have the same outcome: not if it only has to wait.
    is_final: bool,
}

/// Ends a sign-in in its own browser, according to its purpose.
async fn end(
    exchange: &Exchange<'_>,
    returned: &ReturnedSignIn<'_>,
    facts: &mut RequestFacts,
) -> EndedCallback {
    let sidecar = exchange.sidecar;
    let back =
        returned.pending.purpose.app().and_then(|it| native::app_return::refused(exchange, it));
    let mut recorder = SignInRecorder::of(&returned.pending, returned.client(exchange));
    let (outcome, label) = match &returned.pending.purpose {
        SignInPurpose::Trial(trial) => return tried(exchange, returned, trial, facts).await,
        SignInPurpose::Account { typed, then } => {
            (named(exchange, returned, typed, then).await, "first_step")
        }
        SignInPurpose::App(native) => {
            (to_app(exchange, returned, native, &mut recorder).await, "signed_in")
        }
        SignInPurpose::Session(request) => {
            (session::finish(exchange, returned, request, facts, &mut recorder).await, "signed_in")
        }
    };
    let (outcome, goes_on) = claims::follow(exchange, returned, outcome, recorder).await;
    let label = if goes_on { "first_step" } else { label };
    let label = if outcome.is_ok() { label } else { "refused" };
    sidecar.process.metrics.signed_in(label);
    if outcome.is_ok() {
        finish(exchange, returned);
    }
    let is_final = !matches!(outcome, Err(Refusal::TooManyCodes(_)));
    let response = outcome.unwrap_or_else(|refusal| {
        let refusal = match back {
            // These refusals have their own page, which continues the app's sign-in.
            Some(_) if refusal.continues_itself() => refusal,
            Some(back) => Refusal::ForApp(Box::new(refusal), Box::new(back)),
            None => refusal,
        };
        exchange.refuse_sign_in(refusal, facts)
    });
    EndedCallback { response, is_final }
}

/// Keeps the `state` of a sign-in that succeeded from being used again, with another code.
fn finish(exchange: &Exchange<'_>, returned: &ReturnedSignIn<'_>) {
    let pending = &returned.pending;
    let until = pending.started_at.saturating_add(PENDING_LIFETIME_SECONDS);
    exchange.sidecar.process.callback_outcomes.finish(&pending.id, until);
}

/// Finishes a trial sign-in of the set-up page. Works like a normal sign-in until the identity is
/// known, but begins and ends no session.
async fn tried(
    exchange: &Exchange<'_>,
    returned: &ReturnedSignIn<'_>,
    trial: &SignInTrial,
    facts: &mut RequestFacts,
) -> EndedCallback {
    let outcome = redeem(exchange, returned).await;
    let is_final = !matches!(outcome, Err(Refusal::TooManyCodes(_)));
    if outcome.is_ok() {
        finish(exchange, returned);
    }
    let shown = match claims::to_follow(returned, outcome.as_ref().err()) {
        Some(challenge) => claims::start(exchange, returned, challenge).await,
        None => setup::trial::finish(exchange, trial, outcome).await,
    };
    let response = shown.unwrap_or_else(|it| exchange.refuse_sign_in(it, facts));
    EndedCallback { response, is_final }
}

/// Finishes a sign-in that an app requested. The app receives a code, and the browser gets no
/// session.
async fn to_app(
    exchange: &Exchange<'_>,
    returned: &ReturnedSignIn<'_>,
    native: &NativeSignIn,
    recorder: &mut SignInRecorder,
) -> Result<Response<Body>, Refusal> {
    let signed_in = redeem(exchange, returned).await?;
    let mut response = native::finish::finish(
        exchange,
        native,
        signed_in,
        recorder,
        returned.pending.typed.as_deref(),
    )
    .await?;
    response
        .headers_mut()
        .extend(rounds::count_return(exchange, returned.pending.rounds).map(|it| (SET_COOKIE, it)));
    Ok(response)
}

/// Entra identified the account, but this step does not begin a session. If the organization
/// belongs to the account's tenant, the typed text leads to that organization's own Entra.
async fn named(
    exchange: &Exchange<'_>,
    returned: &ReturnedSignIn<'_>,
    typed: &str,
    then: &SignInPurpose,
) -> Result<Response<Body>, Refusal> {
    let Exchange { sidecar, .. } = *exchange;
    let return_to = returned.return_to(exchange);
    let who = redeem(exchange, returned).await?.redeemed.user.into_identity();
    let asks = async || match then
        .app()
        .and_then(|it| Some((it, native::app_return::RequestingApp::of(sidecar, it)?)))
    {
        Some((native, caller)) => native::authorize::identify_page(exchange, native, caller.name),
        None => organization::identify_page(exchange, &return_to, then.acrs()).await,
    };
    let found =
        organization::find_by_account(sidecar, returned.client(exchange), typed, who.tid, asks)
            .await?;
    // The second step uses the same prompt as the first, because only the second step begins a
    // session.
    let prompt = returned.pending.prompt_login.then(|| "login".to_owned());
    let hints = SignInHints {
        login_hint: who.preferred_username.map(Into::into),
        prompt,
        ..SignInHints::default()
    };
    let source = Some(returned.client(exchange).source);
    let start = SignInStart {
        hints,
        source,
        at: OrganizationHint::Found(Box::new(found)),
        typed: Some(typed.to_owned()),
        ..SignInStart::new(then.clone())
    };
    begin::start_sign_in(exchange, start).await
}
