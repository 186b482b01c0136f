//! Handles notifications from Entra that a person signed out there (OpenID Connect Front-Channel
//! Logout 1.0, in the form that Entra sends).

use super::exchange::Exchange;
use super::refusal::Refusal;
use crate::session::store::SessionStore;
use crate::sidecar::Sidecar;
use crate::wire::body::Body;
use crate::wire::reply;
use http::header::{CONTENT_SECURITY_POLICY, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderValue, Method, Response, StatusCode};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep_until};
use tokio_util::task::TaskTracker;

/// Maximum length of a session ID, in bytes. Entra uses GUIDs.
const MAX_SID_BYTES: usize = 128;

/// Time from the request to its response. It is constant so that it does not reveal whether a
/// session was found.
const ANSWER_DELAY: Duration = Duration::from_millis(20);

/// Maximum number of responses that this process delays at the same time. Each holds a request in
/// memory.
const MAX_DELAYED_ANSWERS: usize = 1024;

static DELAYED_ANSWERS: Semaphore = Semaphore::const_new(MAX_DELAYED_ANSWERS);

/// `GET /front_channel_logout?sid=`: ends the sessions that began in this Entra session.
///
/// Cookies and `iss` are ignored: in most browsers the frame that Entra opens sends no cookies, and
/// Entra never sends `iss`. The response is the same whether or not a session was found.
pub(super) async fn logout(exchange: &Exchange<'_>) -> Result<Response<Body>, Refusal> {
    let Exchange { sidecar, inbound, .. } = *exchange;
    exchange.require_method(&[Method::GET, Method::HEAD], "GET, HEAD")?;
    let answer =
        answer(sidecar).ok_or(Refusal::Internal("the authority is not a valid header value"))?;
    let sid = sid(inbound.target.query().unwrap_or_default())
        .filter(|_| inbound.target.method() == Method::GET);
    end_and_wait(&sidecar.process.store, &sidecar.process.background, sid).await;
    Ok(answer)
}

/// Ends the sessions and returns when the response is due.
async fn end_and_wait(store: &Arc<SessionStore>, background: &TaskTracker, sid: Option<String>) {
    let due = Instant::now() + ANSWER_DELAY;
    let store = Arc::clone(store);
    let mut ending = Box::pin(async move { end_sessions(&store, sid).await });
    if let Ok(_permit) = DELAYED_ANSWERS.try_acquire() {
        tokio::select! {
            // The sessions end before the first await, so that other requests cannot delay a
            // sign-out.
            biased;
            () = &mut ending => sleep_until(due).await,
            // Recording the end can take longer, which would reveal that a session was found.
            () = sleep_until(due) => drop(background.spawn(ending)),
        }
    } else {
        // Too many responses are waiting, so this one is sent at once. The sessions end in a
        // background task, so the response time still does not depend on whether a session was
        // found.
        background.spawn(ending);
    }
}

async fn end_sessions(store: &SessionStore, sid: Option<String>) {
    let Some(sid) = sid else { return };
    let ended = store.end_by_sid(&sid).await;
    if ended > 0 {
        tracing::info!(sessions = ended, "sign-out reported by Entra");
    }
}

/// Whether the text is a plausible Entra session ID.
pub(super) fn is_sid(text: &str) -> bool {
    (1..=MAX_SID_BYTES).contains(&text.len()) && text.bytes().all(|it| it.is_ascii_graphic())
}

/// Returns the `sid` parameter. Returns nothing if it is repeated, because the intended value would
/// be ambiguous.
fn sid(query: &str) -> Option<String> {
    let mut all =
        url::form_urlencoded::parse(query.as_bytes()).filter(|it| it.0 == "sid").map(|it| it.1);
    let one = all.next().filter(|it| is_sid(it))?;
    all.next().is_none().then(|| one.into_owned())
}

/// An empty response that only Entra's pages may frame. `X-Frame-Options` is absent because it
/// cannot express this.
fn answer(sidecar: &Sidecar) -> Option<Response<Body>> {
    let policy =
        format!("default-src 'none'; frame-ancestors {}", sidecar.entra.origins().join(" "));
    let mut out = reply::empty(StatusCode::OK);
    let headers = out.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_str(&policy).ok()?);
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::Clock;
    use crate::base::guid::Guid;
    use crate::base::identity::Identity;
    use crate::base::secret::Secret;
    use crate::config::session::SessionConfig;
    use crate::entra::verified::VerifiedUser;
    use crate::session::live::LiveSessions;
    use futures_util::FutureExt as _;

    fn live() -> Arc<LiveSessions> {
        let (idle, lifetime) = (Duration::from_mins(10), Duration::from_hours(1));
        let config = SessionConfig {
            secrets: Vec::new(),
            idle,
            lifetime,
            capacity: 100,
            per_person: 100,
            ..SessionConfig::sample()
        };
        Arc::new(LiveSessions::new(&config, Clock::system(), crate::seal::random::system()))
    }

    fn begin(live: &LiveSessions, sid: &str) -> Secret {
        let guid = Guid::parse("00aa00aa-bb11-cc22-dd33-44ee44ee0001").unwrap();
        let identity = Identity { entra_sid: Some(sid.into()), ..Identity::new(guid, guid) };
        live.create(VerifiedUser::pretended(identity).into()).0
    }

    /// Regression: sign-outs used to wait for a permit before they ended the sessions.
    #[tokio::test]
    async fn a_sign_out_waits_for_no_other_and_its_answer_does_not_wait_for_it() {
        let (live, background) = (live(), TaskTracker::new());
        let store = Arc::new(SessionStore::memory(Arc::clone(&live)));
        let (one, two) = (begin(&live, "one"), begin(&live, "two"));
        let lives = |it: &Secret| live.peek(it.expose()).is_some();
        let began = Instant::now();
        let mut delayed = Box::pin(end_and_wait(&store, &background, Some("one".to_owned())));
        assert!(
            delayed.as_mut().now_or_never().is_none() && !lives(&one),
            "the session ends at once, the answer waits"
        );
        delayed.await;
        assert!(began.elapsed() >= ANSWER_DELAY);

        let _all = DELAYED_ANSWERS
            .acquire_many(u32::try_from(MAX_DELAYED_ANSWERS).unwrap())
            .await
            .unwrap();
        assert!(
            end_and_wait(&store, &background, Some("two".to_owned())).now_or_never().is_some()
                && lives(&two),
            "the answer is sent at once"
        );
        background.close();
        background.wait().await;
        assert!(!lives(&two));
    }
}
