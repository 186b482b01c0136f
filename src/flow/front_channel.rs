//! Entra tells that a person signed out there (OpenID Connect Front-Channel Logout 1.0, as Entra really sends it).

use super::refusal::Refusal;
use super::sign_in::only;
use crate::sidecar::Sidecar;
use crate::wire::body::Body;
use crate::wire::inbound::Inbound;
use crate::wire::reply;
use http::header::{CONTENT_SECURITY_POLICY, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderValue, Method, Response, StatusCode};
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep_until};

/// Longest session id, in bytes; Entra's is a GUID.
const SID: usize = 128;

/// When the answer goes out, counted from the turn: whether anything was found shows in no clock.
const PACE: Duration = Duration::from_millis(20);

/// Askings at a time in this process: with `PACE` that is 3 200 a second. Nobody is turned away, since a sign-out must not be lost to a flood of guesses.
static TURNS: Semaphore = Semaphore::const_new(64);

/// `GET /front_channel_logout?sid=`: ends the sessions that began in that session at Entra.
///
/// Neither a cookie nor `iss` is looked at: the frame that Entra opens brings none of the one in most browsers, and never the other.
/// The answer is the same whatever was found.
pub(super) async fn logout(house: &Sidecar, inbound: &Inbound) -> Result<Response<Body>, Refusal> {
    only(inbound, &[Method::GET, Method::HEAD], "GET, HEAD")?;
    let answer = answer(house).ok_or(Refusal::Internal("the authority is no header"))?;
    let _turn = TURNS.acquire().await;
    let due = Instant::now() + PACE;
    // No wait from here to the end of the sessions: a browser that goes on does not keep them alive.
    if let Some(sid) = sid(inbound.target.query().unwrap_or_default()).filter(|_| inbound.target.method() == Method::GET) {
        let ended = house.lasting.store.end_by_sid(&sid);
        if ended > 0 {
            tracing::info!(ended, "Entra told of a sign-out");
        }
    }
    sleep_until(due).await;
    Ok(answer)
}

/// Whether that may be what Entra calls a session.
pub(super) fn is_sid(text: &str) -> bool {
    (1..=SID).contains(&text.len()) && text.bytes().all(|it| it.is_ascii_graphic())
}

/// Two are none: which of them is meant would be a matter of opinion.
fn sid(query: &str) -> Option<String> {
    let mut all = url::form_urlencoded::parse(query.as_bytes()).filter(|it| it.0 == "sid").map(|it| it.1);
    let one = all.next().filter(|it| is_sid(it))?;
    all.next().is_none().then(|| one.into_owned())
}

/// Nothing, which Entra's pages may frame and no others; `X-Frame-Options` is absent, since it cannot say so.
fn answer(house: &Sidecar) -> Option<Response<Body>> {
    let policy = format!("default-src 'none'; frame-ancestors {}", house.entra.origins().join(" "));
    let mut out = reply::empty(StatusCode::OK);
    let headers = out.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_str(&policy).ok()?);
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    Some(out)
}
