//! Limits the number of refused sign-in codes from one client: each of them costs a token request,
//! and Entra throttles an app that sends too many.
//!
//! Only programs at the same address can use up a client's limit. Another site cannot, because a
//! code is redeemed only with the `state` that is sealed in the browser's own pending cookie, and
//! no other site can read it. A code cannot be judged before it is redeemed, so a program that
//! continuously sends wrong codes delays new sign-ins from its address. The effect is limited:
//! people who are already signed in are counted separately, any number of valid codes is redeemed
//! at the same time, and a delayed code is still valid when the browser loads the same address
//! again.

use super::guesses::network;
use crate::base::clock::Clock;
use crate::base::guid::Guid;
use moka::policy::EvictionPolicy;
use moka::sync::Cache;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// Maximum number of refused codes from one client in `WINDOW_SECONDS`; also the maximum number of
/// its codes that are redeemed at the same time.
const MAX_WRONG_CODES: usize = 30;

/// Time in which refused codes are counted, in seconds.
const WINDOW_SECONDS: u64 = 60;

/// Maximum number of one client's codes that wait for its other codes.
const MAX_WAITING_CODES: usize = 256;

/// Maximum time that a code waits for other codes from the same client: as long as a token request
/// may take.
const MAX_WAIT: Duration = Duration::from_secs(10);

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

/// Counts refused codes for each client.
#[derive(Debug)]
pub struct CodeAttempts {
    windows: Cache<CodeSource, Arc<Mutex<Arc<AttemptWindow>>>>,
    clock: Clock,
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
}

impl CodeAttempts {
    /// Creates a counter without refused codes.
    pub fn new(clock: Clock) -> Self {
        let idle = Duration::from_secs(2 * WINDOW_SECONDS);
        Self {
            windows: Cache::builder()
                .max_capacity(MAX_COUNTED_CLIENTS)
                .eviction_policy(EvictionPolicy::lru())
                .time_to_idle(idle)
                .build(),
            clock,
        }
    }

    /// Waits until the client's code may be redeemed.
    ///
    /// # Errors
    /// Seconds that the client must wait.
    pub async fn start(&self, from: CodeSource) -> Result<CodeAttempt, u64> {
        let window = self.window(from);
        let waited = async {
            let _waiting = window.waiting.try_acquire().ok()?;
            timeout(MAX_WAIT, Arc::clone(&window.attempts).acquire_owned()).await.ok()?.ok()
        };
        let rest =
            || WINDOW_SECONDS.saturating_sub(self.clock.now().abs_diff(window.started_at)).max(1);
        match waited.await {
            Some(permit) => Ok(CodeAttempt { permit: Some(permit), window }),
            None => Err(rest()),
        }
    }

    fn window(&self, from: CodeSource) -> Arc<AttemptWindow> {
        let key = match from {
            CodeSource::Address(address) => CodeSource::Address(Some(network(address))),
            person @ CodeSource::Person(..) => person,
        };
        let now = self.clock.now();
        let entry =
            self.windows.get_with(key, || Arc::new(Mutex::new(Arc::new(AttemptWindow::new(now)))));
        let mut window = entry.lock().unwrap_or_else(PoisonError::into_inner);
        if now.abs_diff(window.started_at) >= WINDOW_SECONDS {
            *window = Arc::new(AttemptWindow::new(now));
        }
        Arc::clone(&window)
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

    #[tokio::test]
    async fn of_many_wrong_codes_at_once_no_more_than_that_are_redeemed_and_any_number_of_right_ones()
     {
        let clock = Clock::system();
        let attempts = Arc::new(CodeAttempts::new(clock.clone()));
        let all = |right: bool| {
            let one = |attempts: Arc<CodeAttempts>| async move {
                let attempt = attempts.start(HERE).await.ok()?;
                tokio::time::sleep(Duration::from_millis(5)).await;
                if right {
                    attempt.release()
                }
                Some(())
            };
            futures_util::future::join_all((0..200).map(|_| one(Arc::clone(&attempts))))
        };
        assert_eq!(all(true).await.iter().flatten().count(), 200);
        assert_eq!(all(false).await.iter().flatten().count(), MAX_WRONG_CODES);
        assert!(attempts.start(HERE).await.is_err_and(|it| (1..=WINDOW_SECONDS).contains(&it)));
        let person = CodeSource::Person(Guid::PERSONAL, Guid::PERSONAL);
        for other in [
            person,
            CodeSource::Address(Some("192.0.2.2".parse().unwrap())),
            CodeSource::Address(None),
        ] {
            attempts.start(other).await.unwrap().release();
        }
        clock.shift(60);
        attempts.start(HERE).await.unwrap().release();
    }

    #[tokio::test]
    async fn more_waiting_codes_than_the_limit_are_refused_at_once() {
        let attempts = Arc::new(CodeAttempts::new(Clock::system()));
        let mut held = Vec::new();
        for _ in 0..MAX_WRONG_CODES {
            held.push(attempts.start(HERE).await.unwrap());
        }
        let mut waiting = tokio::task::JoinSet::new();
        for _ in 0..MAX_WAITING_CODES {
            let attempts = Arc::clone(&attempts);
            waiting.spawn(async move { attempts.start(HERE).await.map(CodeAttempt::release) });
        }
        // The scheduler may need several turns to poll all of them.
        for _ in 0..MAX_WAITING_CODES {
            tokio::task::yield_now().await;
        }
        assert!(
            attempts.start(HERE).now_or_never().is_some_and(|it| it.is_err()),
            "it waits beyond the limit"
        );
        held.into_iter().for_each(CodeAttempt::release);
        assert!(waiting.join_all().await.iter().all(Result::is_ok));
    }
}
