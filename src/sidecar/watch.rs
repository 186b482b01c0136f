//! Follows changes in the directory by any process, and updates the sessions of this process within
//! seconds.
//!
//! Every process queries the history for its newest rows. A history row only says who changed; the
//! current state is read again, so that rows can arrive late, twice or in any order. Nothing here
//! is on the request path.

use crate::base::clock::Clock;
use crate::base::guid::Guid;
use crate::base::identity::DirectoryMember;
use crate::base::random::RandomSource;
use crate::directory::watch::{DirectoryChange, MAX_CHANGES_PER_PAGE};
use crate::directory::{Directory, Error};
use crate::session::live::LiveSessions;
use crate::session::record::Session;
use crate::telemetry::metrics::Metrics;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Interval between queries in milliseconds, shortened randomly by up to a tenth so that replicas
/// do not query at the same time.
const POLL_INTERVAL_MS: u64 = 2000;

/// Timeout of a query: a connection that died silently is given up, and opened again.
const POLL_TIMEOUT: Duration = Duration::from_secs(30);

/// Time that each query looks back, in seconds: a change becomes visible when it is committed, and
/// has the time of another machine's clock.
const LOOKBACK_SECONDS: u64 = 300;

/// Seconds after which a change is applied once more: a sign-in that was admitted immediately
/// before has its session by then.
const SECOND_APPLICATION_SECONDS: u64 = 5;

/// A change this many seconds before the last applied one may be new, according to the clock of the
/// machine that made it.
const CLOCK_DIFFERENCE_SECONDS: u64 = 10;

/// The directory, and the sessions to which its changes apply.
#[derive(Debug)]
pub struct WatchedSessions {
    /// The directory.
    pub directory: Directory,
    /// The live sessions.
    pub live: Arc<LiveSessions>,
    /// The metrics.
    pub metrics: Arc<Metrics>,
    /// The clock.
    pub clock: Clock,
    /// The source of randomness.
    pub random: RandomSource,
    /// Until when changes were applied to restored sessions, in seconds since 1970.
    pub applied_until: Option<u64>,
}

/// The task of one process that follows the directory.
#[derive(Debug)]
pub struct DirectoryWatch {
    directory: Directory,
    live: Arc<LiveSessions>,
    metrics: Arc<Metrics>,
    clock: Clock,
    random: RandomSource,
    /// Start time of the last successful query, in seconds since 1970. After failures, the next
    /// query looks back to this time.
    last_answer: u64,
    /// Time until which the process before, or the start, applied changes, in seconds since 1970.
    applied_until: Option<u64>,
    /// Changes that were applied, by their IDs in the history.
    seen: HashMap<Guid, SeenChange>,
    silent: bool,
}

/// A change that was applied.
#[derive(Debug)]
struct SeenChange {
    at: u64,
    followed: u64,
    again: bool,
}

/// The changes from one query, each person and organization once.
#[derive(Debug, Default)]
struct ChangeBatch {
    rows: Vec<(Guid, u64)>,
    people: HashSet<Guid>,
    organizations: HashSet<Guid>,
    signed_out: HashMap<Guid, u64>,
}

impl DirectoryWatch {
    /// Creates a watch without changes, which start from now: no one is signed in yet, except with
    /// restored sessions, to which earlier changes were applied.
    pub fn new(sessions: WatchedSessions) -> Self {
        let WatchedSessions { directory, live, metrics, clock, random, applied_until } = sessions;
        let now = clock.now();
        Self {
            directory,
            live,
            metrics,
            clock,
            random,
            last_answer: now,
            applied_until,
            seen: HashMap::new(),
            silent: false,
        }
    }

    /// Applies the changes since a process saved its sessions, `as_of`, to the restored sessions.
    /// Returns the time until which changes were applied. Both are in seconds since 1970.
    ///
    /// # Errors
    /// The directory cannot be read.
    pub async fn catch_up(sessions: WatchedSessions, as_of: u64) -> Result<u64, Error> {
        let mut watch = Self::new(sessions);
        (watch.last_answer, watch.applied_until) = (as_of, Some(as_of));
        watch.poll().await?;
        Ok(watch.last_answer)
    }

    /// Follows the directory until `stop`.
    pub async fn run(mut self, stop: CancellationToken) {
        loop {
            let pause = POLL_INTERVAL_MS
                - u64::from(u16::from_be_bytes(self.random.bytes())) % (POLL_INTERVAL_MS / 10);
            if stop
                .run_until_cancelled(tokio::time::sleep(Duration::from_millis(pause)))
                .await
                .is_none()
            {
                return;
            }
            let Some(outcome) =
                stop.run_until_cancelled(tokio::time::timeout(POLL_TIMEOUT, self.poll())).await
            else {
                return;
            };
            self.report(
                outcome
                    .unwrap_or_else(|_| Err(Error::Database("does not answer in time".to_owned()))),
            );
        }
    }

    /// Logs one line when the database becomes unreachable, and one when it is back.
    fn report(&mut self, outcome: Result<(), Error>) {
        match outcome {
            Err(error) if !self.silent => {
                tracing::error!(%error, "directory changes are not being received; people who are switched off keep their sessions until the next recheck");
            }
            Ok(()) if self.silent => tracing::info!("directory changes are being received again"),
            _ => return,
        }
        self.silent = !self.silent;
        self.metrics.directory_unreachable(self.silent);
    }

    /// Queries and applies changes. Changes that could not be applied are new in the next query
    /// too.
    async fn poll(&mut self) -> Result<(), Error> {
        let now = self.clock.now();
        let since = self.last_answer.min(now).saturating_sub(LOOKBACK_SECONDS);
        let changes = self.changes(since, now).await?;
        self.apply(&changes).await?;
        for (id, at) in changes.rows {
            self.seen.entry(id).and_modify(|it| it.again = true).or_insert(SeenChange {
                at,
                followed: now,
                again: false,
            });
        }
        // Includes a margin, because a clock that is set back queries them again.
        self.seen.retain(|_, it| it.at.saturating_add(LOOKBACK_SECONDS) >= since);
        self.last_answer = now;
        Ok(())
    }

    async fn changes(&self, since: u64, now: u64) -> Result<ChangeBatch, Error> {
        let mut changes = ChangeBatch::default();
        let mut last: Option<DirectoryChange> = None;
        loop {
            let page = self.directory.changed(since, last.as_ref()).await?;
            page.iter()
                .filter(|it| self.is_new(it, now))
                .for_each(|it| changes.take(it, self.since_of(it, now)));
            if u32::try_from(page.len()).is_ok_and(|it| it < MAX_CHANGES_PER_PAGE) {
                return Ok(changes);
            }
            last = page.into_iter().next_back();
        }
    }

    fn is_new(&self, it: &DirectoryChange, now: u64) -> bool {
        self.seen.get(&it.id).is_none_or(|it| {
            !it.again && now >= it.followed.saturating_add(SECOND_APPLICATION_SECONDS)
        })
    }

    /// Returns the time up to which a signed-out person's sessions end: according to the other
    /// machine's clock and, the first time, also this machine's, regardless of a difference between
    /// the two. People who sign in again before this process reads the change, within about two
    /// seconds, must sign in once more.
    fn since_of(&self, it: &DirectoryChange, now: u64) -> u64 {
        let was_applied = self
            .applied_until
            .is_some_and(|until| it.at.saturating_add(CLOCK_DIFFERENCE_SECONDS) < until);
        if was_applied || self.seen.contains_key(&it.id) { it.at } else { it.at.max(now) }
    }

    async fn apply(&self, changes: &ChangeBatch) -> Result<(), Error> {
        let signed_out: usize = changes
            .signed_out
            .iter()
            .map(|(person, by)| self.live.end_all_of_person(*person, Some(*by)))
            .sum();
        if signed_out > 0 {
            self.metrics.directory_ended("signed_out", signed_out);
            tracing::info!(ended = signed_out, "sessions ended: person signed out everywhere");
        }
        let sessions = self.sessions(changes).await;
        let over = self.over(&sessions).await?;
        let people: HashSet<Guid> = sessions
            .iter()
            .filter_map(|it| it.identity().member.as_ref().map(|it| it.person))
            .collect();
        let people: Vec<Guid> = people.into_iter().collect();
        let standings = self.directory.person_statuses(&people).await?;
        let mut ended = 0;
        for session in &sessions {
            // Some sessions are found through both the person and the organization.
            let who = session.identity();
            let Some(member) = who.member.clone().filter(|_| !session.is_over()) else { continue };
            if let Some(now) = standings.get(&member.person).filter(|it| {
                it.is_enabled_for(who.tid, who.oid)
                    && !session.via().client_sign_in().is_some_and(|it| over.contains(&it))
            }) {
                session.set_member(&DirectoryMember {
                    role: now.role.as_str().into(),
                    code: now.code.as_str().into(),
                    ..DirectoryMember::clone(&member)
                });
            } else {
                self.live.end_held(session);
                ended += 1;
            }
        }
        if ended > 0 {
            self.metrics.directory_ended("off", ended);
            tracing::info!(
                ended,
                "sessions ended: person or organization switched off, or tokens revoked"
            );
        }
        Ok(())
    }

    /// Returns the ended sign-ins on the app's own clients.
    async fn over(&self, sessions: &[Arc<Session>]) -> Result<HashSet<Guid>, Error> {
        let sign_ins: Vec<Guid> =
            sessions.iter().filter_map(|it| it.via().client_sign_in()).collect();
        let live = self.directory.live_sign_ins(&sign_ins).await?;
        Ok(sign_ins.into_iter().filter(|it| !live.contains(it)).collect())
    }

    /// Returns the live sessions that the changes concern. An organization's sessions require a
    /// scan of all sessions, which runs apart from other work.
    async fn sessions(&self, changes: &ChangeBatch) -> Vec<Arc<Session>> {
        let mut found: Vec<_> =
            changes.people.iter().flat_map(|it| self.live.of_person(*it)).collect();
        if !changes.organizations.is_empty() {
            let (live, organizations) = (Arc::clone(&self.live), changes.organizations.clone());
            let more =
                tokio::task::spawn_blocking(move || live.of_organizations(&organizations)).await;
            found.extend(more.unwrap_or_default());
        }
        found
    }
}

impl ChangeBatch {
    fn take(&mut self, it: &DirectoryChange, begun_by: u64) {
        self.rows.push((it.id, it.at));
        match (it.person, it.organization) {
            (Some(person), _) if it.signed_out => {
                let latest = self.signed_out.entry(person).or_default();
                *latest = begun_by.max(*latest);
                // A native sign-in has a row that ended, which counts regardless of the clocks.
                self.people.insert(person);
            }
            (Some(person), _) => drop(self.people.insert(person)),
            // Includes imports: the history does not say which of the people changed.
            (None, Some(organization)) => drop(self.organizations.insert(organization)),
            (None, None) => {}
        }
    }
}
