//! Pauses requests to Entra while it does not answer, and limits concurrent requests.
//!
//! There is one circuit breaker for each authority. Questions about sessions go through it.
//! Sign-ins do not wait for it, but report their outcome to it.

use super::error::Error;
use crate::base::clock::Clock;
use crate::base::random::RandomSource;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Maximum number of concurrent refreshes.
const MAX_CONCURRENT_REFRESHES: usize = 16;
/// First pause after a failure, in milliseconds; doubles with each further failure.
const FIRST_PAUSE_MS: u64 = 1000;
/// Maximum pause, in milliseconds.
const MAX_PAUSE_MS: u64 = 60_000;
/// Maximum pause that a `Retry-After` can request, in seconds.
const MAX_RETRY_AFTER_SECONDS: u64 = 3600;
/// Time until another probe may be sent, in milliseconds; longer than the client waits for a
/// response.
const PROBE_TIMEOUT_MS: u64 = 15_000;

/// Whether Entra answers, judging from the latest requests.
#[derive(Debug)]
pub struct CircuitBreaker {
    state: Mutex<CircuitState>,
    permits: Arc<Semaphore>,
    clock: Clock,
    random: RandomSource,
}

#[derive(Clone, Copy, Debug, Default)]
struct CircuitState {
    /// Consecutive failures, counted in rounds: requests that were under way together fail
    /// together. 0: Entra answers.
    failures: u32,
    /// Earliest time of the next request, in milliseconds since 1970.
    until: u64,
    /// Start of the pause, in milliseconds since 1970: a clock that was set back must not extend
    /// the pause.
    since: u64,
}

/// Permission for one request; records the round in which it fails.
#[derive(Debug)]
#[must_use]
pub struct CircuitTicket(u32);

impl CircuitBreaker {
    /// Creates a circuit breaker that lets every request through.
    pub fn new(clock: Clock, random: RandomSource) -> Self {
        Self {
            state: Mutex::default(),
            permits: Arc::new(Semaphore::new(MAX_CONCURRENT_REFRESHES)),
            clock,
            random,
        }
    }

    /// Waits for a free place among the concurrent requests. After a pause, one request is sent,
    /// and the others wait for its outcome.
    ///
    /// # Errors
    /// `Resting` while requests to Entra are paused.
    pub async fn enter(&self) -> Result<(CircuitTicket, OwnedSemaphorePermit), Error> {
        self.may_go()?;
        // The semaphore is never closed, so this error cannot occur.
        let place =
            Arc::clone(&self.permits).acquire_owned().await.map_err(|_| Error::Resting(1))?;
        let now = self.clock.now_millis();
        let mut state = self.state();
        let pause = state.pause_seconds(now);
        if pause > 0 {
            return Err(Error::Resting(pause));
        }
        if state.failures > 0 {
            // This request is the probe.
            (state.since, state.until) = (now, now + PROBE_TIMEOUT_MS);
        }
        Ok((CircuitTicket(state.failures), place))
    }

    /// Returns a ticket for a request that is sent in any state.
    pub fn ticket(&self) -> CircuitTicket {
        CircuitTicket(self.state().failures)
    }

    /// Records that Entra answered, with any result.
    pub fn answered(&self) {
        let before = std::mem::take(&mut *self.state());
        if before.failures > 0 {
            tracing::info!(failures = before.failures, "Entra answers again");
        }
    }

    /// Records that Entra did not answer, or answered unexpectedly; `retry_after` is the number of
    /// seconds that it asked to wait. `ours` means that Entra refuses this app registration, which
    /// waiting alone does not fix.
    pub fn failed(
        &self,
        ticket: CircuitTicket,
        retry_after: Option<u64>,
        ours: bool,
        cause: &Error,
    ) {
        let now = self.clock.now_millis();
        let jitter = u64::from(u16::from_be_bytes(self.random.bytes()));
        let mut state = self.state();
        // Requests that were under way together count as one failure.
        if ticket.0 == state.failures {
            state.failures = state.failures.saturating_add(1);
            let pause = FIRST_PAUSE_MS
                .saturating_mul(2_u64.saturating_pow(state.failures - 1))
                .min(MAX_PAUSE_MS);
            let pause = pause / 2 + pause / 2 * jitter / u64::from(u16::MAX);
            (state.since, state.until) = (now, now.saturating_add(pause));
        }
        let asked = retry_after.unwrap_or(0).min(MAX_RETRY_AFTER_SECONDS) * 1000;
        state.until = state.until.max(now.saturating_add(asked));
        let first = ticket.0 == 0 && state.failures == 1;
        drop(state);
        match (first, ours) {
            (true, true) => {
                tracing::error!(%cause, "rechecks with Entra fail because of this app registration or this machine; sessions continue for [entra] recheck_grace")
            }
            (true, false) => {
                tracing::warn!(%cause, "Entra does not answer; asking less often, sessions continue for [entra] recheck_grace")
            }
            (false, _) => {}
        }
    }

    /// Remaining pause in seconds, rounded up; 0 if requests may be sent.
    pub fn pause_seconds(&self) -> u64 {
        self.state().pause_seconds(self.clock.now_millis())
    }

    /// Takes over the state of another circuit breaker for the same authority.
    pub fn inherit(&self, old: &Self) {
        let known = *old.state();
        *self.state() = known;
    }

    fn may_go(&self) -> Result<(), Error> {
        match self.pause_seconds() {
            0 => Ok(()),
            seconds => Err(Error::Resting(seconds)),
        }
    }

    fn state(&self) -> MutexGuard<'_, CircuitState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl CircuitState {
    fn pause_seconds(&self, now: u64) -> u64 {
        let is_set_back = now < self.since;
        if is_set_back { 0 } else { self.until.saturating_sub(now).div_ceil(1000) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn circuit() -> (CircuitBreaker, Clock) {
        let clock = Clock::system();
        (CircuitBreaker::new(clock.clone(), RandomSource::new(|it| it.fill(0xff))), clock)
    }

    async fn goes(circuit: &CircuitBreaker) -> Option<CircuitTicket> {
        circuit.enter().await.ok().map(|it| it.0)
    }

    #[tokio::test]
    async fn pauses_grow_to_a_minute_and_one_probe_goes_after_each() {
        let (circuit, clock) = circuit();
        let mut pauses = Vec::new();
        for _ in 0..9 {
            let ticket = goes(&circuit).await.unwrap();
            if !pauses.is_empty() {
                assert!(goes(&circuit).await.is_none(), "two probes");
            }
            circuit.failed(ticket, None, false, &Error::Answer);
            pauses.push(circuit.pause_seconds());
            assert!(goes(&circuit).await.is_none());
            clock.shift(i64::try_from(circuit.pause_seconds()).unwrap());
        }
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
        let _ = goes(&circuit).await.unwrap();
        circuit.answered();
        assert!(goes(&circuit).await.is_some() && goes(&circuit).await.is_some());
    }

    #[tokio::test]
    async fn what_was_under_way_together_is_one_failure() {
        let (circuit, _) = circuit();
        let tickets = [
            goes(&circuit).await.unwrap(),
            goes(&circuit).await.unwrap(),
            goes(&circuit).await.unwrap(),
        ];
        for ticket in tickets {
            circuit.failed(ticket, None, false, &Error::Answer);
        }
        assert_eq!(circuit.pause_seconds(), 1);
    }

    #[tokio::test]
    async fn retry_after_is_kept_to_within_an_hour() {
        let (circuit, _) = circuit();
        circuit.failed(circuit.ticket(), Some(120), false, &Error::Answer);
        assert_eq!(circuit.pause_seconds(), 120);
        circuit.failed(circuit.ticket(), Some(u64::MAX), false, &Error::Answer);
        assert_eq!(circuit.pause_seconds(), 3600);
        // A sign-in in the meantime shows that the outage is over.
        circuit.answered();
        assert_eq!(circuit.pause_seconds(), 0);
    }

    #[tokio::test]
    async fn a_probe_that_never_ends_does_not_hold_the_door() {
        let (circuit, clock) = circuit();
        circuit.failed(circuit.ticket(), None, false, &Error::Answer);
        clock.shift(2);
        let _lost = goes(&circuit).await.unwrap();
        assert!(goes(&circuit).await.is_none());
        clock.shift(16);
        assert!(goes(&circuit).await.is_some());
    }

    #[tokio::test]
    async fn a_clock_that_is_set_back_makes_no_pause_longer() {
        let (circuit, clock) = circuit();
        circuit.failed(circuit.ticket(), Some(600), false, &Error::Answer);
        clock.shift(-86_400);
        assert!(goes(&circuit).await.is_some());
    }

    #[tokio::test]
    async fn a_reload_keeps_the_state_and_no_more_than_sixteen_ask_at_once() {
        let (circuit, clock) = circuit();
        circuit.failed(circuit.ticket(), Some(60), false, &Error::Answer);
        let fresh = CircuitBreaker::new(clock, RandomSource::new(|it| it.fill(0)));
        fresh.inherit(&circuit);
        assert_eq!(fresh.pause_seconds(), 60);
        fresh.answered();
        let mut held = Vec::new();
        for _ in 0..MAX_CONCURRENT_REFRESHES {
            held.push(fresh.enter().await.unwrap());
        }
        let next = tokio::time::timeout(std::time::Duration::from_millis(20), fresh.enter()).await;
        assert!(next.is_err(), "a seventeenth went");
        held.pop();
        assert!(fresh.enter().await.is_ok());
    }
}
