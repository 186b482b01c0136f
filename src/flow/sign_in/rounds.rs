//! Counts how often a browser goes to Entra and back, in a cookie and in `state`, and collects the
//! evidence for a sign-in loop.

use super::super::exchange::Exchange;
use super::super::refusal::Refusal;
use super::super::refusal::loops::{LoopEvidence, SessionCookieState};
use crate::session::pending::SignInPurpose;
use crate::session::rounds::{ROUNDS_WINDOW_SECONDS, SignInOrigin, SignInRounds};
use crate::wire::cookies::{self, CookieMatch};
use crate::wire::forwarded::why_http;
use aws_lc_rs::digest::{SHA256, digest};
use http::HeaderValue;

/// The rounds of a sign-in that returned and could not end, from its `state`.
#[derive(Clone, Copy, Debug)]
pub(in crate::flow) struct LostRounds {
    pub(in crate::flow) rounds: SignInRounds,
    /// Whether the browser returned a secret, but another one than that of the sign-in: several
    /// tabs that start at once each get one, and the browser keeps the last. The rounds of its
    /// other tabs then do not count.
    pub(in crate::flow) is_other_tab: bool,
}

/// Counts a sign-in that begins, and refuses it if the browser is in a sign-in loop. `lost`
/// contains the rounds from `state` if the sign-in before could not end.
pub(super) fn count_start(
    exchange: &Exchange<'_>,
    purpose: &SignInPurpose,
    prompts: bool,
    lost: Option<LostRounds>,
) -> Result<SignInRounds, Refusal> {
    let now = exchange.sidecar.process.clock.now();
    // People who choose an account or sign in again interact at each round, so this cannot be an
    // automatic loop.
    let is_counted = !prompts && !lost.is_some_and(|it| it.is_other_tab);
    let kept = rounds_in_cookie(exchange).filter(|_| is_counted);
    let before = lost.map(|it| it.rounds);
    let rounds = kept.unwrap_or_default().or(before.unwrap_or_default());
    let rounds = if lost.is_some() { rounds.count_return(now) } else { rounds }.count_start(
        now,
        origin(exchange),
        page_digest(purpose),
    );
    if rounds.is_loop() {
        return Err(Refusal::Loop(Box::new(loop_evidence(exchange, rounds, before))));
    }
    Ok(rounds)
}

/// Distinguishes the pages of several tabs. A collision only makes two tabs count as one.
fn page_digest(purpose: &SignInPurpose) -> u32 {
    let page = purpose.session().map_or("", |it| it.return_to.as_str());
    let digest = digest(&SHA256, page.as_bytes());
    digest.as_ref().first_chunk().map_or(0, |it| u32::from_be_bytes(*it))
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

/// Returns the cookie that counts one more return of a sign-in with these rounds.
pub(in crate::flow) fn count_return(
    exchange: &Exchange<'_>,
    returned: SignInRounds,
) -> Option<HeaderValue> {
    counted(exchange, with_one_more(exchange, returned))
}

/// Like `count_return`, for a sign-in that could not end here while the browser has a session. If it began on another host, something may redirect to that host again and again.
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
    SignInOrigin { http: app.site.is_https() && !inbound.https, elsewhere }
}

fn loop_evidence(
    exchange: &Exchange<'_>,
    rounds: SignInRounds,
    lost: Option<SignInRounds>,
) -> LoopEvidence {
    let Exchange { sidecar, app, inbound, headers } = *exchange;
    let SignInOrigin { http, elsewhere } = origin(exchange);
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
