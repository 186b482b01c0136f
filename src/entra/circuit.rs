//! Pauses requests to Entra while it does not answer, and limits concurrent requests.
//!
//! A request about a session passes two circuit breakers: one of the authority, shared by all
//! registrations of the tenant, and one of the registration. Sign-ins do not wait for them, but
//! report their outcome to them.

use super::error::Error;
use super::refresh_failure::{self, FailureScope, RefreshFailure};
use crate::base::clock::Clock;
use crate::base::random::RandomSource;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// First pause after a failure, in milliseconds; doubles with each further failure.
const FIRST_PAUSE_MS: u64 = 1000;
/// Maximum pause, in milliseconds.
const MAX_PAUSE_MS: u64 = 60_000;
/// Maximum pause that a `Retry-After` can request, in seconds.
const MAX_TOKEN_RETRY_AFTER_SECONDS: u64 = 3600;
/// Time until another probe may be sent, in milliseconds; longer than the client waits for a
/// response.
const PROBE_TIMEOUT_MS: u64 = 15_000;

/// Whether requests succeed, judging from the latest ones.
#[derive(Debug)]
pub struct CircuitBreaker {
    state: Mutex<CircuitState>,
    clock: Clock,
    random: RandomSource,
}

/// The two circuit breakers of one request.
#[derive(Clone, Copy, Debug)]
pub struct Circuits<'a> {
    /// Opens if Entra does not answer: then no registration of the tenant is served.
    pub authority: &'a CircuitBreaker,
    /// Opens if Entra refuses this registration, which must not stop the others.
    pub registration: &'a CircuitBreaker,
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
    /// Earliest time of the next request that Entra asked for, in milliseconds since 1970.
    asked: u64,
}

/// Permission for one request; records the rounds in which it fails.
#[derive(Debug)]
#[must_use]
pub struct CircuitTicket {
    authority: u32,
    registration: u32,
}

/// A failure after which later requests are expected to fail too.
#[derive(Debug)]
pub struct CircuitFailure<'a> {
    cause: &'a Error,
    scope: FailureScope,
    /// Seconds that Entra asked to wait.
    retry_after: Option<u64>,
    /// Whether waiting alone does not fix it.
    ours: bool,
}

impl<'a> CircuitFailure<'a> {
    /// Returns the failure, unless `cause` concerns only one person; `are_many` says whether people
    /// from several tenants sign in.
    pub fn of(cause: &'a Error, are_many: bool) -> Option<Self> {
        match refresh_failure::of(cause) {
            RefreshFailure::Later { retry_after, ours }
                if refresh_failure::is_of_all(cause, are_many) =>
            {
                Some(Self { cause, scope: refresh_failure::scope(cause), retry_after, ours })
            }
            _ => None,
        }
    }
}

impl Circuits<'_> {
    /// Waits for one of the `permits` for concurrent requests. After a pause, one request is sent,
    /// and the others wait for its outcome.
    ///
    /// # Errors
    /// `Paused` while requests to Entra are paused.
    pub async fn enter(
        self,
        permits: &Arc<Semaphore>,
    ) -> Result<(CircuitTicket, OwnedSemaphorePermit), Error> {
        match self.pause_seconds() {
            0 => {}
            seconds => return Err(Error::Paused(seconds)),
        }
        // The semaphore is never closed, so this error cannot occur.
        let place = Arc::clone(permits).acquire_owned().await.map_err(|_| Error::Paused(1))?;
        let now = self.authority.clock.now_millis();
        // Always locked in this order. Both are checked before either takes the request as its
        // probe, because a probe that is not sent delays the next one.
        let (mut authority, mut registration) = (self.authority.state(), self.registration.state());
        let pause = authority.pause_seconds(now).max(registration.pause_seconds(now));
        if pause > 0 {
            return Err(Error::Paused(pause));
        }
        let ticket = CircuitTicket {
            authority: authority.start(now),
            registration: registration.start(now),
        };
        Ok((ticket, place))
    }

    /// Returns a ticket for a request that is sent in any state.
    pub fn ticket(self) -> CircuitTicket {
        CircuitTicket {
            authority: self.authority.state().failures,
            registration: self.registration.state().failures,
        }
    }

    /// Records that Entra answered with a success.
    pub fn answered(self) {
        self.authority.answered();
        self.registration.answered();
    }

    /// Records that Entra answered with a refusal that concerns one person. It ends no pause that
    /// Entra asked for: that it refuses someone does not show that it has taken back the request.
    pub fn refused(self) {
        self.authority.refused();
        self.registration.refused();
    }

    /// Records a failure where it belongs.
    pub fn failed(self, ticket: CircuitTicket, failure: &CircuitFailure<'_>) {
        match failure.scope {
            FailureScope::Authority => self.authority.failed(ticket.authority, failure),
            FailureScope::Registration => {
                self.authority.answered();
                self.registration.failed(ticket.registration, failure);
            }
            FailureScope::NotSent => self.registration.failed(ticket.registration, failure),
        }
    }

    /// Remaining pause in seconds, rounded up; 0 if requests may be sent.
    pub fn pause_seconds(self) -> u64 {
        self.authority.pause_seconds().max(self.registration.pause_seconds())
    }
}

impl CircuitBreaker {
    /// Creates a circuit breaker that lets every request through.
    pub fn new(clock: Clock, random: RandomSource) -> Self {
        Self { state: Mutex::default(), clock, random }
    }

    fn answered(&self) {
        let before = std::mem::take(&mut *self.state());
        if before.failures > 0 {
            tracing::info!(failures = before.failures, "Entra answers again");
        }
    }

    fn refused(&self) {
        let is_asked_to_wait = self.state().is_asked_to_wait(self.clock.now_millis());
        if !is_asked_to_wait {
            self.answered();
        }
    }

    fn failed(&self, round: u32, failure: &CircuitFailure<'_>) {
        let now = self.clock.now_millis();
        let jitter = u64::from(u16::from_be_bytes(self.random.bytes()));
        let mut state = self.state();
        // Requests that were under way together count as one failure.
        if round == state.failures {
            state.failures = state.failures.saturating_add(1);
            let pause = FIRST_PAUSE_MS
                .saturating_mul(2_u64.saturating_pow(state.failures - 1))
                .min(MAX_PAUSE_MS);
            let pause = pause / 2 + pause / 2 * jitter / u64::from(u16::MAX);
            (state.since, state.until) = (now, now.saturating_add(pause));
        }
        if let Some(seconds) = failure.retry_after {
            let wait = seconds.min(MAX_TOKEN_RETRY_AFTER_SECONDS) * 1000;
            state.asked = state.asked.max(now.saturating_add(wait));
            state.until = state.until.max(state.asked);
        }
        let first = round == 0 && state.failures == 1;
        drop(state);
        let cause = failure.cause;
        match (first, failure.ours) {
            (true, true) => {
                tracing::error!(%cause, "rechecks with Entra fail because of this app registration or this machine; sessions continue for [entra] recheck_grace");
            }
            (true, false) => {
                tracing::warn!(%cause, "Entra does not answer; asking less often, sessions continue for [entra] recheck_grace");
            }
            (false, _) => {}
        }
    }

    fn pause_seconds(&self) -> u64 {
        self.state().pause_seconds(self.clock.now_millis())
    }

    /// Takes over the state of another circuit breaker for the same authority or registration.
    pub fn inherit(&self, old: &Self) {
        let known = *old.state();
        *self.state() = known;
    }

    fn state(&self) -> MutexGuard<'_, CircuitState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl CircuitState {
    /// Starts a request, the probe after a failure; returns its round.
    fn start(&mut self, now: u64) -> u32 {
        if self.failures > 0 {
            (self.since, self.until, self.asked) = (now, now + PROBE_TIMEOUT_MS, 0);
        }
        self.failures
    }

    fn is_asked_to_wait(&self, now: u64) -> bool {
        (self.since..self.asked).contains(&now)
    }

    fn pause_seconds(&self, now: u64) -> u64 {
        let is_set_back = now < self.since;
        if is_set_back { 0 } else { self.until.saturating_sub(now).div_ceil(1000) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entra::authority::MAX_CONCURRENT_REFRESHES;
    use crate::entra::failure::EntraRefusal;

    /// Two registrations of one tenant.
    struct Tenant {
        authority: CircuitBreaker,
        registrations: [CircuitBreaker; 2],
        permits: Arc<Semaphore>,
        clock: Clock,
    }

    impl Tenant {
        fn new() -> Self {
            let clock = Clock::system();
            let new = || CircuitBreaker::new(clock.clone(), RandomSource::new(|it| it.fill(0xff)));
            Self {
                authority: new(),
                registrations: [new(), new()],
                permits: Arc::new(Semaphore::new(MAX_CONCURRENT_REFRESHES)),
                clock,
            }
        }

        fn of(&self, registration: usize) -> Circuits<'_> {
            Circuits { authority: &self.authority, registration: &self.registrations[registration] }
        }

        async fn goes(&self, registration: usize) -> Option<CircuitTicket> {
            self.of(registration).enter(&self.permits).await.ok().map(|it| it.0)
        }
    }

    fn down(retry_after: Option<u64>) -> Error {
        Error::Status { endpoint: "token endpoint", status: 503, retry_after }
    }

    fn refused_client() -> Error {
        EntraRefusal::of_callback("invalid_client", None).into()
    }

    fn failure(cause: &Error) -> CircuitFailure<'_> {
        CircuitFailure::of(cause, false).unwrap()
    }

    #[tokio::test]
    async fn pauses_grow_to_a_minute_and_one_probe_goes_after_each() {
        for cause in [down(None), refused_client()] {
            let tenant = Tenant::new();
            let mut pauses = Vec::new();
            for _ in 0..9 {
                let ticket = tenant.goes(0).await.unwrap();
                if !pauses.is_empty() {
                    assert!(tenant.goes(0).await.is_none(), "two probes");
                }
                tenant.of(0).failed(ticket, &failure(&cause));
                pauses.push(tenant.of(0).pause_seconds());
                assert!(tenant.goes(0).await.is_none());
                tenant.clock.shift(i64::try_from(tenant.of(0).pause_seconds()).unwrap());
            }
            assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60, 60], "{cause}");
            let _ = tenant.goes(0).await.unwrap();
            tenant.of(0).answered();
            assert!(tenant.goes(0).await.is_some() && tenant.goes(0).await.is_some());
        }
    }

    #[tokio::test]
    async fn a_refused_registration_pauses_alone_and_a_silent_authority_pauses_all() {
        let tenant = Tenant::new();
        let ticket = tenant.goes(0).await.unwrap();
        tenant.of(0).failed(ticket, &failure(&refused_client()));
        assert_eq!((tenant.of(0).pause_seconds(), tenant.of(1).pause_seconds()), (1, 0));
        let ticket = tenant.goes(1).await.unwrap();
        tenant.of(1).failed(ticket, &failure(&down(Some(60))));
        assert_eq!((tenant.of(0).pause_seconds(), tenant.of(1).pause_seconds()), (60, 60));
        // A refusal shows that the authority answers again.
        tenant.of(0).failed(tenant.of(0).ticket(), &failure(&refused_client()));
        assert_eq!((tenant.of(0).pause_seconds(), tenant.of(1).pause_seconds()), (2, 0));
        // The success of another registration says nothing about this one.
        tenant.of(1).answered();
        assert_eq!(tenant.of(0).pause_seconds(), 2);
    }

    #[tokio::test]
    async fn a_request_that_is_not_sent_says_nothing_about_the_authority() {
        let tenant = Tenant::new();
        tenant.of(1).failed(tenant.of(1).ticket(), &failure(&down(Some(60))));
        let unreadable = Error::Credential("no such file".to_owned());
        tenant.of(0).failed(tenant.of(0).ticket(), &failure(&unreadable));
        assert_eq!(tenant.of(1).pause_seconds(), 60);
        tenant.of(1).answered();
        assert_eq!((tenant.of(0).pause_seconds(), tenant.of(1).pause_seconds()), (1, 0));
    }

    #[tokio::test]
    async fn a_paused_registration_takes_no_probe_of_the_authority() {
        let tenant = Tenant::new();
        tenant.of(0).failed(tenant.of(0).ticket(), &failure(&down(None)));
        tenant.of(0).registration.failed(0, &failure(&down(Some(60))));
        tenant.clock.shift(2);
        assert!(tenant.goes(0).await.is_none());
        assert!(tenant.goes(1).await.is_some());
    }

    #[tokio::test]
    async fn what_was_under_way_together_is_one_failure() {
        let tenant = Tenant::new();
        let mut tickets = Vec::new();
        for registration in [0, 0, 1] {
            tickets.push(tenant.goes(registration).await.unwrap());
        }
        for ticket in tickets {
            tenant.of(0).failed(ticket, &failure(&down(None)));
        }
        assert_eq!(tenant.of(0).pause_seconds(), 1);
    }

    #[tokio::test]
    async fn retry_after_is_kept_to_within_an_hour() {
        let tenant = Tenant::new();
        let circuits = tenant.of(0);
        circuits.failed(circuits.ticket(), &failure(&down(Some(120))));
        assert_eq!(circuits.pause_seconds(), 120);
        circuits.failed(circuits.ticket(), &failure(&down(Some(u64::MAX))));
        assert_eq!(circuits.pause_seconds(), 3600);
        // A sign-in in the meantime shows that the outage is over.
        circuits.answered();
        assert_eq!(circuits.pause_seconds(), 0);
    }

    #[tokio::test]
    async fn a_probe_that_never_ends_does_not_hold_the_door() {
        let tenant = Tenant::new();
        tenant.of(0).failed(tenant.of(0).ticket(), &failure(&down(None)));
        tenant.clock.shift(2);
        let _lost = tenant.goes(0).await.unwrap();
        assert!(tenant.goes(0).await.is_none() && tenant.goes(1).await.is_none());
        tenant.clock.shift(16);
        assert!(tenant.goes(0).await.is_some());
    }

    #[tokio::test]
    async fn a_clock_that_is_set_back_makes_no_pause_longer() {
        let tenant = Tenant::new();
        tenant.of(0).failed(tenant.of(0).ticket(), &failure(&down(Some(600))));
        tenant.clock.shift(-86_400);
        assert!(tenant.goes(0).await.is_some());
    }

    #[tokio::test]
    async fn a_reload_keeps_the_state_and_no_more_than_sixteen_ask_at_once() {
        let (old, new) = (Tenant::new(), Tenant::new());
        old.of(0).failed(old.of(0).ticket(), &failure(&down(Some(60))));
        new.authority.inherit(&old.authority);
        assert_eq!(new.of(0).pause_seconds(), 60);
        new.of(0).answered();
        let mut held = Vec::new();
        for at in 0..MAX_CONCURRENT_REFRESHES {
            held.push(new.of(at % 2).enter(&new.permits).await.unwrap());
        }
        let next = new.of(0);
        let next = next.enter(&new.permits);
        let next = tokio::time::timeout(std::time::Duration::from_millis(20), next).await;
        assert!(next.is_err(), "a seventeenth went");
        held.pop();
        assert!(new.goes(0).await.is_some());
    }
}
