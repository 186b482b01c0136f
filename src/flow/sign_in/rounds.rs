//! Counts how often a browser goes to Entra and back, in a cookie and in `state`, and collects the
//! evidence for a sign-in loop.

use super::super::exchange::Exchange;
use super::super::refusal::Refusal;
use super::super::refusal::loops::{LoopEvidence, SessionCookieState};
use crate::session::rounds::{ROUNDS_WINDOW_SECONDS, SignInAim, SignInOrigin, SignInRounds};
use crate::sidecar::Sidecar;
use crate::wire::cookies::{self, CookieMatch};
use crate::wire::forwarded::why_http;
use http::HeaderValue;

/// Counts a sign-in that begins, and refuses it if the browser is in a sign-in loop. `lost`
/// contains the rounds from `state` if their cookie was not returned.
pub(super) fn set_out(
    exchange: &Exchange<'_>,
    aim: SignInAim,
    prompts: bool,
    lost: Option<SignInRounds>,
) -> Result<SignInRounds, Refusal> {
    let now = exchange.sidecar.process.clock.now();
    // People who choose an account or sign in again interact at each round, so this cannot be an
    // automatic loop.
    let kept = rounds_in_cookie(exchange).filter(|_| !prompts);
    let rounds = kept.unwrap_or_default().or(lost.unwrap_or_default());
    let rounds = if lost.is_some() { rounds.count_return(now) } else { rounds }
        .sets_out(now, SignInOrigin { aim, ..origin(exchange) });
    if rounds.is_loop() {
        return Err(Refusal::Loop(Box::new(loop_evidence(exchange, rounds, lost))));
    }
    Ok(rounds)
}

/// Returns the rounds that a `state` contains, or `None` if it was not issued by Entrada.
pub(in crate::flow) fn rounds_in_state(sidecar: &Sidecar, state: &str) -> Option<SignInRounds> {
    let (id, sealed) = state.split_once('.')?;
    SignInRounds::read(&sidecar.state.open(id, sealed)?)
}

/// Returns an unguessable `state` that contains the same rounds as their cookie.
pub(super) fn new_state(sidecar: &Sidecar, rounds: SignInRounds) -> Result<String, Refusal> {
    let id = sidecar.process.random.text::<16>();
    let sealed =
        sidecar.state.seal(&id, &rounds.write()).ok_or(Refusal::Internal("sealing failed"))?;
    Ok(format!("{id}.{sealed}"))
}

fn rounds_in_cookie(exchange: &Exchange<'_>) -> Option<SignInRounds> {
    let name = exchange.app.names.rounds();
    match cookies::find(exchange.headers, &name) {
        CookieMatch::One(value) => SignInRounds::read(&exchange.sidecar.rounds.open(&name, value)?),
        CookieMatch::None | CookieMatch::Several => None,
    }
}

/// Returns the cookie that counts rounds.
pub(super) fn counted(exchange: &Exchange<'_>, rounds: SignInRounds) -> Option<HeaderValue> {
    let Exchange { sidecar, app, .. } = *exchange;
    let name = app.names.rounds();
    app.names.set(&name, &sidecar.rounds.seal(&name, &rounds.write())?, Some(ROUNDS_WINDOW_SECONDS))
}

/// Returns the cookie that counts one more return with `state`.
pub(in crate::flow) fn count_return(exchange: &Exchange<'_>, state: &str) -> Option<HeaderValue> {
    counted(
        exchange,
        with_one_more(exchange, rounds_in_state(exchange.sidecar, state).unwrap_or_default()),
    )
}

/// Like `count_return`, for a sign-in that returned without its cookie while the browser has a
/// session. If it began on another host, something may redirect to that host again and again.
pub(in crate::flow) fn resume_without_cookie(
    exchange: &Exchange<'_>,
    lost: SignInRounds,
) -> Result<Option<HeaderValue>, Refusal> {
    let rounds = with_one_more(exchange, lost);
    if lost.origin.elsewhere && rounds.is_loop() {
        return Err(Refusal::Loop(Box::new(loop_evidence(exchange, rounds, Some(lost)))));
    }
    Ok(counted(exchange, rounds).filter(|_| lost.origin.elsewhere))
}

fn with_one_more(exchange: &Exchange<'_>, returned: SignInRounds) -> SignInRounds {
    rounds_in_cookie(exchange)
        .unwrap_or_default()
        .or(returned)
        .count_return(exchange.sidecar.process.clock.now())
}

fn origin(exchange: &Exchange<'_>) -> SignInOrigin {
    let Exchange { app, inbound, .. } = *exchange;
    let elsewhere = !app.site.is_public_host(inbound.host.to_str().unwrap_or_default());
    SignInOrigin { http: app.site.is_https() && !inbound.https, elsewhere, aim: SignInAim::Session }
}

fn loop_evidence(
    exchange: &Exchange<'_>,
    rounds: SignInRounds,
    lost: Option<SignInRounds>,
) -> LoopEvidence {
    let Exchange { sidecar, app, inbound, headers } = *exchange;
    let SignInOrigin { http, elsewhere, .. } = origin(exchange);
    let has_cookie = cookies::find(headers, app.names.session()) != CookieMatch::None;
    LoopEvidence {
        rounds,
        lost: lost.map(|it| it.origin),
        cookie: rounds_in_cookie(exchange).is_some(),
        other_host: elsewhere
            .then(|| String::from_utf8_lossy(inbound.host.as_bytes()).into_owned()),
        http: http.then(|| why_http(headers, &inbound.origin)),
        ahead: sidecar.entra.clock_ahead(),
        session: match exchange.session_of_cookie() {
            Some(_) => SessionCookieState::Live,
            None if has_cookie => SessionCookieState::Unknown,
            None => SessionCookieState::None,
        },
    }
}
