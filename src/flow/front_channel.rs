//! Entra tells that a person signed out there (OpenID Connect Front-Channel Logout 1.0, as Entra really sends it).

use super::refusal::Refusal;
use super::sign_in::only;
use crate::session::store::Store;
use crate::sidecar::Sidecar;
use crate::wire::body::Body;
use crate::wire::inbound::Inbound;
use crate::wire::reply;
use http::header::{CONTENT_SECURITY_POLICY, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderValue, Method, Response, StatusCode};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep_until};

/// Longest session id, in bytes; Entra's is a GUID.
const SID: usize = 128;

/// The time from the request to its answer, so that the time to answer does not depend on whether a session was found.
const ANSWER_DELAY: Duration = Duration::from_millis(20);

/// Maximum number of answers that are delayed at the same time in this process. Each holds a request in memory.
const MAX_DELAYED_ANSWERS: usize = 1024;

static DELAYED_ANSWERS: Semaphore = Semaphore::const_new(MAX_DELAYED_ANSWERS);

/// `GET /front_channel_logout?sid=`: ends the sessions that began in that session at Entra.
///
/// Neither a cookie nor `iss` is looked at: the frame that Entra opens brings none of the one in most browsers, and never the other.
/// The answer is the same whatever was found.
pub(super) async fn logout(house: &Sidecar, inbound: &Inbound) -> Result<Response<Body>, Refusal> {
    only(inbound, &[Method::GET, Method::HEAD], "GET, HEAD")?;
    let answer = answer(house).ok_or(Refusal::Internal("the authority is no header"))?;
    let due = Instant::now() + ANSWER_DELAY;
    let sid = sid(inbound.target.query().unwrap_or_default()).filter(|_| inbound.target.method() == Method::GET);
    // The sessions end before the first await, so that no other request can delay a sign-out.
    match DELAYED_ANSWERS.try_acquire() {
        Ok(_permit) => {
            end_sessions(&house.lasting.store, sid);
            sleep_until(due).await;
        }
        // Too many answers wait. This one is sent at once, so the sessions end in another task, for which the answer does
        // not wait: its time still does not depend on whether a session was found.
        Err(_) => {
            let store = Arc::clone(&house.lasting.store);
            house.lasting.background.spawn(async move { end_sessions(&store, sid) });
        }
    }
    Ok(answer)
}

fn end_sessions(store: &Store, sid: Option<String>) {
    let ended = sid.map_or(0, |it| store.end_by_sid(&it));
    if ended > 0 {
        tracing::info!(ended, "Entra told of a sign-out");
    }
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
