//! Caches recent responses from Graph, one entry per person. Concurrent callers wait for the same
//! response.
//!
//! The request to Graph runs in its own task, so that an aborted request does not abort it.

use super::graph::{Error, GroupMembership};
use crate::base::clock::Clock;
use crate::base::guid::Guid;
use moka::policy::EvictionPolicy;
use moka::sync::Cache;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio_util::task::TaskTracker;

/// Object ID, tenant, and the organization whose app registration asks. Registrations have
/// different permissions, so a response to one does not apply to another.
pub type GroupsSubject = (Guid, Guid, Option<Guid>);

/// Maximum memory of all entries, in bytes; an evicted entry is requested again.
const MAX_CACHE_BYTES: u64 = 32 * 1024 * 1024;
/// Time until an unused entry is dropped. It must be longer than every pause.
const ENTRY_IDLE_TIMEOUT: Duration = Duration::from_secs(180);
/// Pause for one person after a refusal that only people can fix, in seconds.
const REFUSED_PAUSE_SECONDS: u64 = 30;
/// Up to this number, sessions of one person are refused one by one; after that, a refusal applies
/// to all of them.
const MAX_REFUSED_SESSIONS: usize = 8;
/// While Graph is out, only one attempt runs within this time, in seconds.
const OUTAGE_TRY_SECONDS: u64 = 30;
/// Pauses between attempts, in seconds, while Graph is out and does not say for how long.
const OUTAGE_PAUSES_SECONDS: [u64; 4] = [1, 15, 30, 60];

/// The groups, and when they were asked for, in seconds since 1970.
#[derive(Clone, Debug)]
pub struct KnownGroups {
    /// The groups, with proof of their origin.
    pub membership: Arc<GroupMembership>,
    /// When the request to Graph started.
    pub at: u64,
}

/// Why there are no groups, and how long no further request is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupsUnavailable {
    /// The cause.
    pub cause: Error,
    /// End of the pause, in seconds since 1970.
    pub until: u64,
    /// Number that the caller gave to the session whose refresh token was used.
    pub by: usize,
}

/// Recent results for all people.
#[derive(Debug)]
pub struct MembershipCache {
    people: Cache<GroupsSubject, Arc<MembershipEntry>>,
    gate: Mutex<GraphGate>,
    has_answered: AtomicBool,
    tasks: TaskTracker,
    clock: Clock,
}

#[derive(Debug, Default)]
struct MembershipEntry(watch::Sender<MembershipState>);

#[derive(Debug, Default)]
struct MembershipState {
    groups: Option<KnownGroups>,
    /// Recent failures, the newest last; several only if each concerns the refresh token of one
    /// session.
    failures: Vec<GroupsUnavailable>,
    is_asking: bool,
}

/// Whether Graph can be asked at all.
#[derive(Debug, Default)]
struct GraphGate {
    failures: usize,
    shut: Option<(Error, u64)>,
    /// The cause that was last logged.
    logged: Option<Error>,
}

enum MembershipTurn {
    Known(Result<KnownGroups, GroupsUnavailable>),
    Wait,
    Request,
}

impl MembershipCache {
    /// Creates an empty cache. The requests run in `tasks`.
    pub fn new(clock: Clock, tasks: TaskTracker) -> Self {
        let people = Cache::builder()
            .max_capacity(MAX_CACHE_BYTES)
            .eviction_policy(EvictionPolicy::lru())
            .weigher(|_, it: &Arc<MembershipEntry>| it.weight())
            .time_to_idle(ENTRY_IDLE_TIMEOUT)
            .build();
        Self { people, gate: Mutex::default(), has_answered: AtomicBool::new(false), tasks, clock }
    }

    /// Returns the groups of a person as of `since` or later. If they are not known, the first
    /// caller runs `ask`.
    ///
    /// # Errors
    /// Why they are not available, and until when no further request is made.
    pub async fn ask<F>(
        self: &Arc<Self>,
        person: GroupsSubject,
        by: usize,
        since: u64,
        ask: impl FnOnce() -> F,
    ) -> Result<KnownGroups, GroupsUnavailable>
    where
        F: Future<Output = Result<GroupMembership, Error>> + Send + 'static,
    {
        let entry = self.people.get_with(person, Arc::default);
        let mut updates = entry.0.subscribe();
        match self.next_turn(&entry, by, since) {
            MembershipTurn::Known(outcome) => return outcome,
            MembershipTurn::Wait => {}
            MembershipTurn::Request => {
                drop(self.tasks.spawn(Arc::clone(self).run(person, Arc::clone(&entry), by, ask())));
            }
        }
        let known = updates.wait_for(|it| !it.is_asking).await.ok();
        known.and_then(|it| it.outcome()).unwrap_or_else(|| {
            Err(GroupsUnavailable { cause: Error::Interrupted, until: self.clock.now(), by })
        })
    }

    /// Whether Graph answered at least once since the start.
    pub fn has_answered(&self) -> bool {
        self.has_answered.load(Ordering::Relaxed)
    }

    fn next_turn(&self, entry: &MembershipEntry, by: usize, since: u64) -> MembershipTurn {
        let now = self.clock.now();
        let mut turn = MembershipTurn::Wait;
        entry.0.send_if_modified(|known| {
            if known.is_asking {
                return false;
            }
            let groups = known.groups.as_ref().filter(|it| it.at >= since && it.at <= now);
            turn = match (groups, known.refused(by, now)) {
                (Some(groups), _) => MembershipTurn::Known(Ok(groups.clone())),
                (None, Some(unavailable)) => MembershipTurn::Known(Err(unavailable)),
                (None, None) => match self.gate().check(now) {
                    Ok(()) => MembershipTurn::Request,
                    Err((cause, until)) => {
                        MembershipTurn::Known(Err(GroupsUnavailable { cause, until, by }))
                    }
                },
            };
            known.is_asking = matches!(turn, MembershipTurn::Request);
            known.is_asking
        });
        turn
    }

    async fn run(
        self: Arc<Self>,
        person: GroupsSubject,
        entry: Arc<MembershipEntry>,
        by: usize,
        asking: impl Future<Output = Result<GroupMembership, Error>> + Send,
    ) {
        // Wakes the waiting callers on every outcome.
        let done = AskingGuard(&entry);
        let at = self.clock.now();
        let outcome = asking.await;
        let now = self.clock.now();
        if outcome.as_ref().err().is_none_or(Error::is_answer) {
            self.has_answered.store(true, Ordering::Relaxed);
        }
        let rest = self.gate().record_outcome(outcome.as_ref().err(), now);
        entry.0.send_modify(|known| match outcome {
            Ok(membership) => {
                known.groups = Some(KnownGroups { membership: Arc::new(membership), at });
                known.failures.clear();
            }
            Err(cause) => {
                known
                    .failures
                    .retain(|it| it.until > now && it.by != by && cause.is_about_refresh_token());
                known.failures.push(GroupsUnavailable {
                    until: now.saturating_add(rest),
                    cause,
                    by,
                });
            }
        });
        drop(done);
        // Inserting the entry again updates its weight.
        self.people.insert(person, entry);
    }

    fn gate(&self) -> std::sync::MutexGuard<'_, GraphGate> {
        self.gate.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl MembershipEntry {
    fn weight(&self) -> u32 {
        let ids = self.0.borrow().groups.as_ref().map_or(0, |it| it.membership.ids().len());
        u32::try_from(ids.saturating_mul(40).saturating_add(400)).unwrap_or(u32::MAX)
    }
}

impl MembershipState {
    /// Returns why `by` may not ask. A failure of one session's refresh token does not apply to
    /// other sessions, but after that many refused sessions it applies to all of them.
    fn refused(&self, by: usize, now: u64) -> Option<GroupsUnavailable> {
        let mut all = self.failures.iter().filter(|it| it.until > now);
        let its = all.clone().find(|it| it.by == by || !it.cause.is_about_refresh_token());
        its.or_else(|| all.nth(MAX_REFUSED_SESSIONS - 1))
            .map(|it| GroupsUnavailable { by, ..it.clone() })
    }

    fn outcome(&self) -> Option<Result<KnownGroups, GroupsUnavailable>> {
        self.failures.last().cloned().map(Err).or_else(|| self.groups.clone().map(Ok))
    }
}

struct AskingGuard<'a>(&'a MembershipEntry);

impl Drop for AskingGuard<'_> {
    fn drop(&mut self) {
        self.0.0.send_modify(|it| it.is_asking = false);
    }
}

impl GraphGate {
    /// Whether a request may be made; after a pause, one request is made, and the others wait for
    /// its outcome.
    fn check(&mut self, now: u64) -> Result<(), (Error, u64)> {
        match &mut self.shut {
            Some((cause, until)) if now < *until => Err((cause.clone(), *until)),
            Some((_, until)) => {
                *until = now.saturating_add(OUTAGE_TRY_SECONDS);
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// Records the outcome of a request; returns the pause for that person in seconds.
    fn record_outcome(&mut self, cause: Option<&Error>, now: u64) -> u64 {
        self.log(cause);
        let Some(cause) = cause.filter(|it| it.is_outage()) else {
            self.failures = 0;
            self.shut = None;
            return REFUSED_PAUSE_SECONDS;
        };
        let rest = cause
            .retry_after()
            .or_else(|| OUTAGE_PAUSES_SECONDS.get(self.failures).copied())
            .or(OUTAGE_PAUSES_SECONDS.last().copied())
            .unwrap_or(REFUSED_PAUSE_SECONDS)
            .max(1);
        self.failures = self.failures.saturating_add(1);
        self.shut = Some((cause.clone(), now.saturating_add(rest)));
        rest
    }

    /// Logs one line for each change, regardless of the number of people.
    fn log(&mut self, cause: Option<&Error>) {
        match cause {
            Some(cause)
                if self.logged.as_ref().is_none_or(|it| {
                    std::mem::discriminant(it) != std::mem::discriminant(cause)
                }) =>
            {
                tracing::warn!(%cause, "Microsoft Graph does not return groups; using known groups for a while");
                self.logged = Some(cause.clone());
            }
            None if self.logged.take().is_some() => {
                tracing::info!("Microsoft Graph is answering again");
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOWN: Error = Error::Busy { status: 503, rest: None, is_from_graph: true };

    #[test]
    fn while_graph_is_out_rests_grow_and_one_at_a_time_tries() {
        let mut gate = GraphGate::default();
        let mut now = 1000;
        for rest in [1, 15, 30, 60, 60, 60] {
            assert_eq!(gate.check(now), Ok(()));
            assert_eq!(gate.record_outcome(Some(&DOWN), now), rest);
            assert_eq!(gate.check(now), Err((DOWN, now + rest)));
            now += rest;
        }
        assert_eq!(gate.check(now), Ok(()));
        assert_eq!(gate.check(now), Err((DOWN, now + OUTAGE_TRY_SECONDS)));
        gate.record_outcome(None, now);
        assert_eq!((gate.check(now), gate.check(now)), (Ok(()), Ok(())));
    }

    #[test]
    fn graph_is_given_the_rest_that_it_wants_and_what_is_about_one_person_shuts_out_nobody() {
        let mut gate = GraphGate::default();
        let busy = Error::Busy { status: 429, rest: Some(7), is_from_graph: true };
        assert_eq!(gate.record_outcome(Some(&busy), 1000), 7);
        assert!(gate.check(1006).is_err() && gate.check(1007).is_ok());
        for cause in [Error::Forbidden, Error::NoRefreshToken, Error::TooMany, Error::Answer] {
            assert_eq!(gate.record_outcome(Some(&cause), 1000), REFUSED_PAUSE_SECONDS);
            assert_eq!(gate.check(1000), Ok(()));
        }
    }

    #[tokio::test]
    async fn an_asking_that_breaks_off_leaves_nobody_waiting() {
        let memberships = Arc::new(MembershipCache::new(Clock::system(), TaskTracker::new()));
        let person = (Guid::from_random([1; 16]), Guid::from_random([2; 16]), None);
        let unavailable =
            memberships.ask(person, 1, 0, || async { panic!("of a test") }).await.unwrap_err();
        assert_eq!(unavailable.cause, Error::Interrupted);
        assert_eq!(
            memberships
                .ask(person, 1, 0, || async { Err(Error::Forbidden) })
                .await
                .unwrap_err()
                .cause,
            Error::Forbidden
        );
    }

    #[tokio::test]
    async fn what_one_session_has_to_ask_by_says_nothing_of_another() {
        let memberships = Arc::new(MembershipCache::new(Clock::system(), TaskTracker::new()));
        let person = (Guid::from_random([1; 16]), Guid::from_random([2; 16]), None);
        assert!(
            memberships.ask(person, 1, 0, || async { Err(Error::NoRefreshToken) }).await.is_err()
        );
        let second =
            memberships.ask(person, 1, 0, || async { Err(Error::TooMany) }).await.unwrap_err();
        assert_eq!((second.cause, second.by), (Error::NoRefreshToken, 1));
        let other =
            memberships.ask(person, 2, 0, || async { Err(Error::TooMany) }).await.unwrap_err();
        assert_eq!((other.cause, other.by), (Error::TooMany, 2));
    }

    #[tokio::test]
    async fn what_one_organizations_registration_was_answered_says_nothing_of_another() {
        let memberships = Arc::new(MembershipCache::new(Clock::system(), TaskTracker::new()));
        let of = |organization: u8| {
            (
                Guid::from_random([1; 16]),
                Guid::from_random([2; 16]),
                Some(Guid::from_random([organization; 16])),
            )
        };
        assert!(memberships.ask(of(3), 1, 0, || async { Err(Error::Forbidden) }).await.is_err());
        let other =
            memberships.ask(of(4), 2, 0, || async { Err(Error::TooMany) }).await.unwrap_err();
        assert_eq!(other.cause, Error::TooMany);
    }

    #[tokio::test]
    async fn sessions_that_are_refused_in_turns_are_not_asked_by_again_and_again() {
        let memberships = Arc::new(MembershipCache::new(Clock::system(), TaskTracker::new()));
        let person = (Guid::from_random([1; 16]), Guid::from_random([2; 16]), None);
        let asked = Arc::new(std::sync::atomic::AtomicUsize::new(0));
        for by in (0..2).cycle().take(20).chain(0..50).chain(0..50) {
            let asked = Arc::clone(&asked);
            let ask = || async move {
                asked.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                Err(Error::NoRefreshToken)
            };
            let unavailable = memberships.ask(person, by, 0, ask).await.unwrap_err();
            assert_eq!(
                (unavailable.cause, unavailable.by),
                (Error::NoRefreshToken, by),
                "whoever hears of another's refusal asks again at once"
            );
        }
        assert_eq!(asked.load(std::sync::atomic::Ordering::Relaxed), MAX_REFUSED_SESSIONS);
    }
}
