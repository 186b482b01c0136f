//! Recent outcomes of callbacks.
//!
//! Browsers and the programs around them send a callback twice: a double click, a reload, a restored
//! tab, a link scanner. Entra redeems a code only once, so the second request would show an error to
//! the window that stays. It gets the outcome of the first one instead, within a few seconds and in
//! the same browser only: the caller checks the browser's secret before it looks here.
//!
//! A sign-in that succeeded is remembered for as long as its `state` is valid: `state` is not stored
//! anywhere, so nothing else keeps it from being used again with another code.

use crate::base::clock::Clock;
use crate::session::pending::PENDING_LIFETIME_SECONDS;
use crate::wire::body::Body;
use aws_lc_rs::digest::{SHA256, digest};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use moka::policy::EvictionPolicy;
use moka::sync::Cache;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tokio::sync::Mutex;

/// How long a callback that arrives again gets the same outcome, in milliseconds.
const SAME_OUTCOME_MILLIS: u64 = 10_000;

/// Maximum size of all outcomes together, in bytes. The limit on codes per client
/// (`code_attempts`) keeps one client from displacing the others' outcomes, and refusals have one
/// slot for each `state`.
const MAX_OUTCOME_BYTES: u64 = 16 * 1024 * 1024;
/// What an outcome uses in addition to its page and its fields, in bytes.
const OUTCOME_OVERHEAD_BYTES: u32 = 1024;
/// What a field uses in addition to its name and its value, in bytes.
const FIELD_OVERHEAD_BYTES: usize = 64;

/// Maximum number of finished sign-ins that are remembered.
const MAX_FINISHED_SIGN_INS: u64 = 100_000;

type CallbackKey = [u8; 32];

/// The outcomes by the digest of what identifies a callback.
#[derive(Debug)]
pub struct CallbackOutcomes {
    outcomes: Cache<CallbackKey, Arc<CallbackSlot>>,
    /// The times until which finished sign-ins are remembered, in seconds since 1970.
    finished: Cache<String, u64>,
    clock: Clock,
}

/// What a callback brings, besides the `state` of its sign-in.
#[derive(Clone, Copy)]
pub enum CallbackAnswer<'a> {
    /// A code, which names the callback.
    Code(&'a str),
    /// The query of a refusal. Anyone can write one, so all refusals of a sign-in share one slot, and
    /// the last one is saved.
    Refusal(&'a str),
}

/// The outcome of one callback. While the first request holds the lock, others wait for it.
#[derive(Debug, Default)]
struct CallbackSlot {
    outcome: Mutex<Option<SavedOutcome>>,
    bytes: AtomicU32,
}

/// A response that was sent, and when. It holds the cookie of a session.
struct SavedOutcome {
    /// The digest of the callback.
    of: CallbackKey,
    at_millis: u64,
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
    reference: HeaderValue,
}

impl CallbackOutcomes {
    /// Creates an empty table.
    pub fn new(clock: Clock) -> Self {
        let keeps = Duration::from_millis(2 * SAME_OUTCOME_MILLIS);
        Self {
            outcomes: Cache::builder()
                .max_capacity(MAX_OUTCOME_BYTES)
                .weigher(|_, it: &Arc<CallbackSlot>| {
                    OUTCOME_OVERHEAD_BYTES.saturating_add(it.bytes.load(Ordering::Relaxed))
                })
                .eviction_policy(EvictionPolicy::lru())
                .time_to_live(keeps)
                .build(),
            finished: Cache::builder()
                .max_capacity(MAX_FINISHED_SIGN_INS)
                .eviction_policy(EvictionPolicy::lru())
                .time_to_live(Duration::from_secs(PENDING_LIFETIME_SECONDS))
                .build(),
            clock,
        }
    }

    /// Returns the turn of a callback: the secret of its browser, its `state` and its answer.
    pub fn turn(&self, browser: &str, state: &str, answer: CallbackAnswer<'_>) -> CallbackTurn<'_> {
        // A secret and a `state` are base64url, so neither contains the separator.
        let (kind, text, in_slot) = match answer {
            CallbackAnswer::Code(code) => ("code", code, code),
            CallbackAnswer::Refusal(query) => ("refusal", query, ""),
        };
        let of = key(&[browser, state, kind, text]);
        let slot = key(&[browser, state, kind, in_slot]);
        CallbackTurn { all: self, of, key: slot, slot: self.outcomes.get_with(slot, Arc::default) }
    }

    /// Remembers that a sign-in has finished, until its `state` is no longer valid.
    pub fn finish(&self, id: &str, until: u64) {
        self.finished.insert(id.to_owned(), until);
    }

    /// Whether that sign-in has finished.
    pub fn is_finished(&self, id: &str) -> bool {
        self.finished.get(id).is_some_and(|until| self.clock.now() < until)
    }
}

fn key(parts: &[&str]) -> CallbackKey {
    let mut key = CallbackKey::default();
    key.copy_from_slice(digest(&SHA256, parts.join("\0").as_bytes()).as_ref());
    key
}

/// A callback that waits for the outcome of the same one, or makes it.
pub struct CallbackTurn<'a> {
    all: &'a CallbackOutcomes,
    of: CallbackKey,
    key: CallbackKey,
    slot: Arc<CallbackSlot>,
}

impl CallbackTurn<'_> {
    /// Returns the outcome of the same callback, or else the response that `make` makes. `make`
    /// returns nothing to save if the same callback may have another outcome later.
    pub async fn outcome(
        &self,
        make: impl AsyncFnOnce() -> (Response<Body>, Option<HeaderValue>),
    ) -> CallbackOutcome {
        let mut saved = self.slot.outcome.lock().await;
        let now = self.all.clock.now_millis();
        if let Some(saved) = saved
            .as_ref()
            .filter(|it| it.of == self.of && now.abs_diff(it.at_millis) < SAME_OUTCOME_MILLIS)
        {
            return CallbackOutcome::Repeated(saved.response(), saved.reference.clone());
        }
        let (response, reference) = make().await;
        let Some(reference) = reference else {
            // A slot without an outcome takes no room from others.
            if saved.is_none() {
                self.all.outcomes.invalidate(&self.key);
            }
            return CallbackOutcome::Made(response);
        };
        let (parts, body) = response.into_parts();
        let body = match body.into_full() {
            Ok(bytes) => bytes,
            Err(stream) => return CallbackOutcome::Made(Response::from_parts(parts, stream)),
        };
        let outcome = SavedOutcome {
            of: self.of,
            at_millis: self.all.clock.now_millis(),
            status: parts.status,
            headers: parts.headers,
            body,
            reference,
        };
        let response = outcome.response();
        let bytes = outcome.bytes();
        *saved = Some(outcome);
        drop(saved);
        self.slot.bytes.store(bytes, Ordering::Relaxed);
        // Inserted again with its size.
        self.all.outcomes.insert(self.key, Arc::clone(&self.slot));
        CallbackOutcome::Made(response)
    }
}

/// The response to a callback.
pub enum CallbackOutcome {
    /// This request made it.
    Made(Response<Body>),
    /// The same callback made it, in the request with this ID.
    Repeated(Response<Body>, HeaderValue),
}

impl SavedOutcome {
    fn response(&self) -> Response<Body> {
        let mut response = Response::new(Body::full(self.body.clone()));
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers.clone();
        response
    }

    /// The size of the page and of all fields, in bytes.
    fn bytes(&self) -> u32 {
        let field = |(name, value): (&http::HeaderName, &HeaderValue)| {
            FIELD_OVERHEAD_BYTES + name.as_str().len() + value.len()
        };
        let fields: usize = self.headers.iter().map(field).sum();
        u32::try_from(self.body.len() + fields).unwrap_or(u32::MAX)
    }
}

/// Neither the cookie of the session nor the page is printed.
impl fmt::Debug for SavedOutcome {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "SavedOutcome({})", self.status.as_u16())
    }
}

impl fmt::Debug for CallbackTurn<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("CallbackTurn")
    }
}

impl fmt::Debug for CallbackAnswer<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Code(_) => "Code",
            Self::Refusal(_) => "Refusal",
        })
    }
}

impl fmt::Debug for CallbackOutcome {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, response) = match self {
            Self::Made(it) => ("Made", it),
            Self::Repeated(it, _) => ("Repeated", it),
        };
        write!(out, "{name}({})", response.status().as_u16())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicUsize;

    fn page(text: &'static str) -> (Response<Body>, Option<HeaderValue>) {
        (Response::new(Body::full(text)), Some(HeaderValue::from_static("r")))
    }

    fn text(outcome: CallbackOutcome) -> (bool, Bytes) {
        let (repeated, response) = match outcome {
            CallbackOutcome::Made(it) => (false, it),
            CallbackOutcome::Repeated(it, _) => (true, it),
        };
        (repeated, response.into_body().into_full().unwrap())
    }

    #[tokio::test]
    async fn the_same_callback_has_the_same_outcome_for_ten_seconds_and_no_other_has_it() {
        let clock = Clock::stopped();
        let all = CallbackOutcomes::new(clock.clone());
        let ask = async |browser: &str, state: &str, code: &str, new: &'static str| {
            text(
                all.turn(browser, state, CallbackAnswer::Code(code))
                    .outcome(async || page(new))
                    .await,
            )
        };
        assert_eq!(ask("b", "s", "c", "one").await, (false, "one".into()));
        assert_eq!(ask("b", "s", "c", "two").await, (true, "one".into()));
        assert_eq!(ask("x", "s", "c", "two").await, (false, "two".into()));
        assert_eq!(ask("b", "x", "c", "three").await, (false, "three".into()));
        assert_eq!(ask("b", "s", "x", "four").await, (false, "four".into()));
        clock.shift(9);
        assert_eq!(ask("b", "s", "c", "two").await, (true, "one".into()));
        clock.shift(1);
        assert_eq!(ask("b", "s", "c", "two").await, (false, "two".into()));
    }

    #[tokio::test]
    async fn callbacks_at_the_same_time_wait_for_one_outcome() {
        let all = CallbackOutcomes::new(Clock::system());
        let made = AtomicUsize::new(0);
        let one = async || {
            let slot = all.turn("b", "s", CallbackAnswer::Code("c"));
            let make = async || {
                made.fetch_add(1, Ordering::Relaxed);
                tokio::time::sleep(Duration::from_millis(20)).await;
                page("one")
            };
            text(slot.outcome(make).await).1
        };
        let answers = futures_util::future::join_all((0..20).map(|_| one())).await;
        assert!(answers.iter().all(|it| it == "one"));
        assert_eq!(made.load(Ordering::Relaxed), 1);
    }

    #[tokio::test]
    async fn an_outcome_that_may_change_is_not_saved() {
        let all = CallbackOutcomes::new(Clock::system());
        let slot = all.turn("b", "s", CallbackAnswer::Code("c"));
        let first = slot.outcome(async || (page("wait").0, None)).await;
        assert_eq!(text(first), (false, "wait".into()));
        assert_eq!(text(slot.outcome(async || page("one")).await), (false, "one".into()));
    }

    #[tokio::test]
    async fn refusals_of_one_sign_in_share_a_slot_and_each_has_its_own_outcome() {
        let all = CallbackOutcomes::new(Clock::stopped());
        let ask = async |query: &str, new: &'static str| {
            let turn = all.turn("b", "s", CallbackAnswer::Refusal(query));
            text(turn.outcome(async || page(new)).await)
        };
        assert_eq!(ask("error=one", "one").await, (false, "one".into()));
        assert_eq!(ask("error=one", "other").await, (true, "one".into()));
        for at in 0..100 {
            assert_eq!(ask(&format!("error={at}"), "new").await, (false, "new".into()));
        }
        // A code is not answered with a refusal.
        let turn = all.turn("b", "s", CallbackAnswer::Code(""));
        assert_eq!(text(turn.outcome(async || page("code")).await), (false, "code".into()));
        all.outcomes.run_pending_tasks();
        assert_eq!(all.outcomes.entry_count(), 2);
    }

    #[tokio::test]
    async fn an_outcome_weighs_its_page_and_its_fields_and_one_that_is_not_saved_weighs_nothing() {
        let all = CallbackOutcomes::new(Clock::stopped());
        let cookie = HeaderValue::from_str(&"x".repeat(5000)).unwrap();
        let with_cookie = async || {
            let (mut response, reference) = page("one");
            response.headers_mut().insert("set-cookie", cookie.clone());
            (response, reference)
        };
        all.turn("b", "s", CallbackAnswer::Code("c")).outcome(with_cookie).await;
        all.outcomes.run_pending_tasks();
        let weight = all.outcomes.weighted_size();
        assert!((6000..8000).contains(&weight), "{weight}");
        for at in 0..100 {
            let code = at.to_string();
            let turn = all.turn("b", "s", CallbackAnswer::Code(&code));
            turn.outcome(async || (page("wait").0, None)).await;
        }
        all.outcomes.run_pending_tasks();
        assert_eq!(all.outcomes.weighted_size(), weight);
    }

    #[tokio::test]
    async fn neither_a_cookie_nor_a_page_nor_a_code_is_printed() {
        let all = CallbackOutcomes::new(Clock::stopped());
        let make = async || {
            let (mut response, reference) = page("the-page");
            let cookie = HeaderValue::from_static("entrada=the-cookie");
            response.headers_mut().insert("set-cookie", cookie);
            (response, reference)
        };
        let answer = CallbackAnswer::Code("the-code");
        let turn = all.turn("the-browser", "the-state", answer);
        let made = turn.outcome(&make).await;
        let again = turn.outcome(&make).await;
        let printed = format!("{all:?} {turn:?} {answer:?} {made:?} {again:?} {:?}", turn.slot);
        for secret in ["the-page", "the-cookie", "the-code", "the-browser", "the-state"] {
            assert!(!printed.contains(secret), "{secret} in {printed}");
        }
        assert!(printed.contains("Made(200) Repeated(200)"), "{printed}");
        assert!(printed.contains("SavedOutcome(200)"), "{printed}");
    }

    #[test]
    fn a_finished_sign_in_is_remembered_as_long_as_its_state_is_valid() {
        let clock = Clock::stopped();
        let all = CallbackOutcomes::new(clock.clone());
        all.finish("a", clock.now() + 600);
        clock.shift(599);
        assert!(all.is_finished("a") && !all.is_finished("b"));
        clock.shift(1);
        assert!(!all.is_finished("a"));
        // Nor does it stay in memory for longer than a sign-in may take.
        let kept = all.finished.policy().time_to_live();
        assert_eq!(kept, Some(Duration::from_secs(PENDING_LIFETIME_SECONDS)));
    }
}
