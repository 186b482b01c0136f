//! Back from Entra: what a sign-in was for decides how it ends.

use super::exchange::Exchange;
use super::facts::RequestFacts;
use super::native;
use super::refusal::Refusal;
use super::refusal::entra_refusal;
use super::setup;
use super::sign_in::begin::{self, SignInStart};
use super::sign_in::organization::{self, OrganizationHint};
use super::sign_in::redeem::redeem;
use super::sign_in::returned::{self, CallbackParameters, ReturnedSignIn};
use super::sign_in::rounds;
use super::sign_in::session;
use super::sign_in::trail::SignInTrail;
use crate::entra::authorize::SignInHints;
use crate::session::pending::{NativeSignIn, SignInPurpose, SignInTrial};
use crate::wire::body::Body;
use http::header::SET_COOKIE;
use http::{Method, Response};
use hyper::body::Incoming;

/// `GET|POST <redirect_path>`: 303 to where the person was going.
pub(super) async fn callback(exchange: &Exchange<'_>, body: &mut Option<Incoming>, facts: &mut RequestFacts) -> Result<Response<Body>, Refusal> {
    let Exchange { sidecar, inbound, .. } = *exchange;
    exchange.require_method(&[Method::GET, Method::HEAD, Method::POST], "GET, POST")?;
    if inbound.target.method() == Method::POST {
        let body = body.take().ok_or(Refusal::Internal("no body"))?;
        return returned::posted(exchange, body).await;
    }
    let query = inbound.target.query().unwrap_or_default();
    let parameters = CallbackParameters::read(query).ok_or(Refusal::DuplicateParameter)?;
    let cookie = sidecar.names.pending(parameters.state());
    let Some(pending) = returned::open(exchange, &cookie, parameters.state()) else {
        return returned::stale(exchange, parameters.state()).await;
    };
    let returned = ReturnedSignIn { pending, parameters };
    let back = returned.pending.purpose.app().and_then(|it| native::app_return::refused(sidecar, it));
    let mut trail = SignInTrail::of(&returned.pending, returned.client(exchange));
    let (outcome, label) = match &returned.pending.purpose {
        SignInPurpose::Trial(trial) => return tried(exchange, &returned, trial, &cookie, facts).await,
        SignInPurpose::Account { typed, then } => (named(exchange, &returned, typed, then).await, "first_step"),
        SignInPurpose::App(native) => (to_app(exchange, &returned, native, &mut trail).await, "signed_in"),
        SignInPurpose::Session(request) => (session::finish(exchange, &returned, request, facts, &mut trail).await, "signed_in"),
    };
    trail.ends(exchange, outcome.as_ref().map(|_| ()));
    let label = if outcome.is_ok() { label } else { "refused" };
    sidecar.process.metrics.signed_in(label);
    // Whatever came of it, this sign-in is over, unless the same code may be brought again.
    let waits = matches!(outcome, Err(Refusal::TooManyCodes(_)));
    let mut response = outcome.unwrap_or_else(|refusal| {
        facts.cause = Some(refusal.cause());
        if let Refusal::SignIn(error, _, entra) = &refusal {
            entra_refusal::write_down(sidecar, entra, error, inbound.reference());
        }
        let refusal = match back {
            // A page of its own, which goes on for the app.
            Some(_) if matches!(refusal, Refusal::Unknown(_) | Refusal::TooManyCodes(_)) => refusal,
            Some(back) => Refusal::ForApp(Box::new(refusal), Box::new(back)),
            None => refusal,
        };
        exchange.refuse(refusal)
    });
    if let Some(gone) = sidecar.names.remove(&cookie).filter(|_| !waits) {
        response.headers_mut().append(SET_COOKIE, gone);
    }
    Ok(response)
}

/// A trial of the set-up page: the same, up to who it is. It begins no session and ends none.
async fn tried(
    exchange: &Exchange<'_>,
    returned: &ReturnedSignIn<'_>,
    trial: &SignInTrial,
    cookie: &str,
    facts: &mut RequestFacts,
) -> Result<Response<Body>, Refusal> {
    let outcome = redeem(exchange, returned).await.map(|it| (it.place.organization, it.redeemed));
    let waits = matches!(outcome, Err(Refusal::TooManyCodes(_)));
    let shown = setup::trial::finish(exchange, trial, outcome).await;
    let mut response = shown.unwrap_or_else(|refusal| {
        facts.cause = Some(refusal.cause());
        exchange.refuse(refusal)
    });
    if let Some(gone) = exchange.sidecar.names.remove(cookie).filter(|_| !waits) {
        response.headers_mut().append(SET_COOKIE, gone);
    }
    Ok(response)
}

/// An app asked for it: it gets a code, and the browser no session.
async fn to_app(exchange: &Exchange<'_>, returned: &ReturnedSignIn<'_>, native: &NativeSignIn, trail: &mut SignInTrail) -> Result<Response<Body>, Refusal> {
    let signed_in = redeem(exchange, returned).await?;
    let mut response = native::finish::finish(exchange, native, signed_in, trail).await?;
    response.headers_mut().extend(rounds::count_return(exchange, &returned.pending.state).map(|it| (SET_COOKIE, it)));
    Ok(response)
}

/// Entra has said whose account it is, and that begins no session: what was typed leads on to the organization's own Entra, where the account is
/// of its tenant.
async fn named(exchange: &Exchange<'_>, returned: &ReturnedSignIn<'_>, typed: &str, then: &SignInPurpose) -> Result<Response<Body>, Refusal> {
    let Exchange { sidecar, .. } = *exchange;
    let return_to = returned.return_to(exchange);
    let who = redeem(exchange, returned).await?.redeemed.user.into_identity();
    let asks = || match then.app().and_then(|it| Some((it, native::app_return::RequestingApp::of(sidecar, it)?))) {
        Some((native, caller)) => native::authorize::identify_page(exchange, native, caller.name),
        None => organization::identify_page(exchange, &return_to, then.acrs()),
    };
    let found = organization::find_by_account(sidecar, returned.client(exchange), typed, who.tid, asks).await?;
    // The second step is asked for what the first one was: only its sign-in begins a session.
    let prompt = returned.pending.prompt_login.then(|| "login".to_owned());
    let hints = SignInHints { login_hint: who.preferred_username.map(Into::into), prompt, ..SignInHints::default() };
    let source = Some(returned.client(exchange).source);
    let start = SignInStart { hints, source, at: OrganizationHint::Found(Box::new(found)), ..SignInStart::new(then.clone()) };
    begin::start_sign_in(exchange, start).await
}
