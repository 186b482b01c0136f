//! Limits the number of refused sign-in codes from one client: each of them costs a token request,
//! and Entra throttles an app that sends too many.
//!
//! Only programs at the same address can use up a client's limit. Another site cannot, because a
//! code is redeemed only with a `state` of the browser's own sign-in, and no other site can read it.
//! A code cannot be judged before it is redeemed, so a program that continuously sends wrong codes
//! delays new sign-ins from its address. The effect is limited:
//! people who are already signed in are counted separately, any number of valid codes is redeemed
//! at the same time, and a delayed code is still valid when the browser loads the same address
//! again.
//!
//! A code that Entra refused is refused again while it could be valid, so a repeated one, such as a
//! reload of the callback, is answered here and counts once.

use super::guesses::network;
use crate::base::clock::Clock;
use crate::base::guid::Guid;
use crate::entra::failure::EntraRefusal;
use moka::policy::EvictionPolicy;
use moka::sync::Cache;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// Maximum number of refused codes from one client in `WRONG_CODE_WINDOW_SECONDS`; also the maximum number of
/// its codes that are redeemed at the same time.
const MAX_WRONG_CODES: usize = 30;

/// Time in which refused codes are counted, in seconds.
const WRONG_CODE_WINDOW_SECONDS: u64 = 60;

/// Maximum number of one client's codes that wait for its other codes.
const MAX_WAITING_CODES: usize = 256;

/// Maximum time that a code waits for other codes from the same client: as long as a token request
/// may take.
const MAX_CODE_WAIT: Duration = Duration::from_secs(10);

/// Maximum number of refused codes that are remembered. One client can add `MAX_WRONG_CODES` in
/// each window, so many clients are needed to displace the others' codes; those then cost one more
/// token request.
const MAX_REFUSED_CODES: u64 = 4096;

/// How long a refused code is remembered, in seconds: as long as codes are valid at Entra.
const ENTRA_CODE_LIFETIME_SECONDS: u64 = 10 * 60;

/// Maximum number of clients that are remembered.
const MAX_COUNTED_CLIENTS: u64 = 100_000;

/// Clients whose refused codes are counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CodeSource {
    /// A signed-in person: tenant and object ID.
    Person(Guid, Guid),
    /// Everyone else at an address; `None` for a unix socket.
    Address(Option<IpAddr>),
}

/// Why a code is not redeemed.
#[derive(Debug)]
pub enum CodeNotRedeemable {
    /// The client must wait this number of seconds.
    MustWait(u64),
    /// Entra refused the same code of this client before.
    RefusedBefore(EntraRefusal),
}

/// A code with the `state` of its sign-in. The code alone would not be enough: Entra refuses it for
/// every sign-in except its own, and a refusal must not be repeated to that one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SentCode<'a> {
    /// The code.
    pub code: &'a str,
    /// The `state` of its sign-in.
    pub state: &'a str,
}

/// Counts refused codes for each client.
#[derive(Debug)]
pub struct CodeAttempts {
    windows: Cache<CodeSource, Arc<Mutex<Arc<AttemptWindow>>>>,
    refused: RefusedCodes,
    /// The key of the digests, so that outsiders cannot choose colliding codes.
    digest_key: RandomState,
    clock: Clock,
}

/// The refused codes by their keyed digest.
type RefusedCodes = Cache<u64, Arc<RefusedCode>>;

#[derive(Debug)]
struct RefusedCode {
    /// The time of the refusal, in seconds since 1970.
    at: u64,
    refusal: EntraRefusal,
}

#[derive(Debug)]
struct AttemptWindow {
    /// Start of the window, in seconds since 1970.
    started_at: u64,
    /// A permit for each code that may still be refused; closed when the limit is reached.
    attempts: Arc<Semaphore>,
    waiting: Semaphore,
    wrong: AtomicUsize,
}

/// A code that may be redeemed. It counts as refused unless it is released.
#[derive(Debug)]
#[must_use]
pub struct CodeAttempt {
    window: Arc<AttemptWindow>,
    permit: Option<OwnedSemaphorePermit>,
    digest: u64,
    refused: RefusedCodes,
    clock: Clock,
}

impl CodeAttempts {
    /// Creates a counter without refused codes.
    pub fn new(clock: Clock) -> Self {
        let idle = Duration::from_secs(2 * WRONG_CODE_WINDOW_SECONDS);
        Self {
            windows: Cache::builder()
                .max_capacity(MAX_COUNTED_CLIENTS)
                .eviction_policy(EvictionPolicy::lru())
                .time_to_idle(idle)
                .build(),
            refused: Cache::builder()
                .max_capacity(MAX_REFUSED_CODES)
                .eviction_policy(EvictionPolicy::lru())
                .time_to_live(Duration::from_secs(ENTRA_CODE_LIFETIME_SECONDS))
                .build(),
            digest_key: RandomState::new(),
            clock,
        }
    }

    /// Waits until the client's code may be redeemed.
    ///
    /// # Errors
    /// `CodeNotRedeemable` if the client must wait, or if Entra has refused the code before.
    pub async fn start(
        &self,
        from: CodeSource,
        code: SentCode<'_>,
    ) -> Result<CodeAttempt, CodeNotRedeemable> {
        let source = source_by_network(from);
        let digest = self.digest_key.hash_one((source, code));
        self.check_not_refused(digest)?;
        let window = self.window(source);
        let waited = async {
            let _waiting = window.waiting.try_acquire().ok()?;
            timeout(MAX_CODE_WAIT, Arc::clone(&window.attempts).acquire_owned()).await.ok()?.ok()
        };
        let rest = || {
            WRONG_CODE_WINDOW_SECONDS
                .saturating_sub(self.clock.now().abs_diff(window.started_at))
                .max(1)
        };
        let Some(permit) = waited.await else { return Err(CodeNotRedeemable::MustWait(rest())) };
        // It may have been refused meanwhile. The permit returns to the window.
        self.check_not_refused(digest)?;
        Ok(CodeAttempt {
            window,
            permit: Some(permit),
            digest,
            refused: self.refused.clone(),
            clock: self.clock.clone(),
        })
    }

    fn check_not_refused(&self, digest: u64) -> Result<(), CodeNotRedeemable> {
        match self.refused.get(&digest).filter(|it| it.may_be_valid(self.clock.now())) {
            Some(known) => Err(CodeNotRedeemable::RefusedBefore(known.refusal.clone())),
            None => Ok(()),
        }
    }

    fn window(&self, source: CodeSource) -> Arc<AttemptWindow> {
        let now = self.clock.now();
        let entry = self
            .windows
            .get_with(source, || Arc::new(Mutex::new(Arc::new(AttemptWindow::new(now)))));
        let mut window = entry.lock().unwrap_or_else(PoisonError::into_inner);
        if now.abs_diff(window.started_at) >= WRONG_CODE_WINDOW_SECONDS {
            *window = Arc::new(AttemptWindow::new(now));
        }
        Arc::clone(&window)
    }
}

fn source_by_network(from: CodeSource) -> CodeSource {
    match from {
        CodeSource::Address(address) => CodeSource::Address(Some(network(address))),
        person @ CodeSource::Person(..) => person,
    }
}

impl RefusedCode {
    /// Whether the code could still be valid if Entra had not refused it.
    fn may_be_valid(&self, now: u64) -> bool {
        now.abs_diff(self.at) < ENTRA_CODE_LIFETIME_SECONDS
    }
}

impl AttemptWindow {
    fn new(began: u64) -> Self {
        Self {
            started_at: began,
            attempts: Arc::new(Semaphore::new(MAX_WRONG_CODES)),
            waiting: Semaphore::new(MAX_WAITING_CODES),
            wrong: AtomicUsize::new(0),
        }
    }
}

impl CodeAttempt {
    /// Records that the code was not refused, so that it no longer counts.
    pub fn release(mut self) {
        drop(self.permit.take());
    }

    /// Records that Entra refused the code. If the same code was redeemed several times at once,
    /// only the first refusal counts.
    pub fn refuse(self, refusal: &EntraRefusal) {
        let now = self.clock.now();
        let known = self.refused.entry(self.digest).or_insert_with_if(
            || Arc::new(RefusedCode { at: now, refusal: refusal.clone() }),
            |old| !old.may_be_valid(now),
        );
        if !known.is_fresh() {
            self.release();
        }
    }
}

impl Drop for CodeAttempt {
    fn drop(&mut self) {
        let Some(permit) = self.permit.take() else { return };
        permit.forget();
        if self.window.wrong.fetch_add(1, Ordering::Relaxed) + 1 >= MAX_WRONG_CODES {
            self.window.attempts.close();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt as _;

    const HERE: CodeSource =
        CodeSource::Address(Some(IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1))));

    fn sent(code: &str) -> SentCode<'_> {
        SentCode { code, state: "state" }
    }

    #[tokio::test]
    async fn a_refused_code_counts_once_for_its_sign_in_and_is_known_for_ten_minutes() {
        let clock = Clock::system();
        let attempts = CodeAttempts::new(clock.clone());
        let refusal = EntraRefusal::of_callback("invalid_grant", None);
        // Redeemed ten times at once, and again and again.
        let mut held = Vec::new();
        for _ in 0..10 {
            held.push(attempts.start(HERE, sent("code")).await.unwrap());
        }
        for attempt in held {
            attempt.refuse(&refusal);
        }
        let is_known = async |code: SentCode<'_>| match attempts.start(HERE, code).await {
            Err(CodeNotRedeemable::RefusedBefore(it)) => it == refusal,
            Err(CodeNotRedeemable::MustWait(_)) => false,
            Ok(attempt) => {
                attempt.release();
                false
            }
        };
        for _ in 0..2 * MAX_WRONG_CODES {
            assert!(is_known(sent("code")).await);
        }
        // Another sign-in with that code is not judged by it, nor is another client.
        assert!(!is_known(SentCode { state: "other", ..sent("code") }).await);
        attempts.start(CodeSource::Address(None), sent("code")).await.unwrap().release();
        for at in 1..MAX_WRONG_CODES {
            attempts.start(HERE, sent(&at.to_string())).await.unwrap().refuse(&refusal);
        }
        assert!(attempts.start(HERE, sent("more")).await.is_err(), "codes that differ count");
        assert!(is_known(sent("code")).await);
        clock.shift(60);
        assert!(is_known(sent("code")).await);
        clock.shift(9 * 60);
        assert!(!is_known(sent("code")).await);
    }

    #[tokio::test]
    async fn of_many_wrong_codes_at_once_no_more_than_that_are_redeemed_and_any_number_of_right_ones()
     {
        let clock = Clock::system();
        let attempts = Arc::new(CodeAttempts::new(clock.clone()));
        let all = |right: bool| {
            let one = |attempts: Arc<CodeAttempts>, at: usize| async move {
                let code = format!("{right} {at}");
                let attempt = attempts.start(HERE, sent(&code)).await.ok()?;
                tokio::time::sleep(Duration::from_millis(5)).await;
                if right {
                    attempt.release();
                }
                Some(())
            };
            futures_util::future::join_all((0..200).map(|at| one(Arc::clone(&attempts), at)))
        };
        assert_eq!(all(true).await.iter().flatten().count(), 200);
        assert_eq!(all(false).await.iter().flatten().count(), MAX_WRONG_CODES);
        assert!(matches!(
            attempts.start(HERE, sent("one more")).await,
            Err(CodeNotRedeemable::MustWait(1..=WRONG_CODE_WINDOW_SECONDS))
        ));
        let person = CodeSource::Person(Guid::PERSONAL, Guid::PERSONAL);
        for other in [
            person,
            CodeSource::Address(Some("192.0.2.2".parse().unwrap())),
            CodeSource::Address(None),
        ] {
            attempts.start(other, sent("code")).await.unwrap().release();
        }
        clock.shift(60);
        attempts.start(HERE, sent("code")).await.unwrap().release();
    }

    #[tokio::test]
    async fn more_waiting_codes_than_the_limit_are_refused_at_once() {
        let attempts = Arc::new(CodeAttempts::new(Clock::system()));
        let mut held = Vec::new();
        for _ in 0..MAX_WRONG_CODES {
            held.push(attempts.start(HERE, sent("code")).await.unwrap());
        }
        let mut waiting = tokio::task::JoinSet::new();
        for _ in 0..MAX_WAITING_CODES {
            let attempts = Arc::clone(&attempts);
            waiting.spawn(async move {
                attempts.start(HERE, sent("code")).await.map(CodeAttempt::release)
            });
        }
        // The scheduler may need several turns to poll all of them.
        for _ in 0..MAX_WAITING_CODES {
            tokio::task::yield_now().await;
        }
        assert!(
            attempts.start(HERE, sent("code")).now_or_never().is_some_and(|it| it.is_err()),
            "it waits beyond the limit"
        );
        held.into_iter().for_each(CodeAttempt::release);
        assert!(waiting.join_all().await.iter().all(Result::is_ok));
    }
}
