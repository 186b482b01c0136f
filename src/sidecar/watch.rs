//! Hears of what was changed in the directory, by whichever process, and lets the sessions of this one follow within seconds.
//!
//! Every process asks the history for its newest rows. A row of the history only says of whom; what counts is read anew, so rows may come late,
//! twice or in any order. Nothing of it is on the path of a request.

use crate::base::clock::Clock;
use crate::base::guid::Guid;
use crate::base::identity::DirectoryMember;
use crate::base::random::RandomSource;
use crate::directory::watch::{DirectoryChange, MAX_CHANGES_PER_PAGE};
use crate::directory::{Directory, Error};
use crate::session::record::Session;
use crate::session::store::SessionStore;
use crate::telemetry::metrics::Metrics;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Between two questions, in milliseconds, and up to a tenth less: replicas do not ask in step.
const POLL_INTERVAL_MS: u64 = 2000;

/// How long an answer may take, whatever it brings: a connection that died without a word is given up, and asked for anew.
const POLL_TIMEOUT: Duration = Duration::from_secs(30);

/// How far each question looks back, in seconds: a change shows when it is committed, and by the clock of another machine.
const LOOKBACK_SECONDS: u64 = 300;

/// What was heard of counts once more after so many seconds: a sign-in that had been let in just before has its session by then.
const REPEAT_SECONDS: u64 = 5;

/// The watch of one process.
#[derive(Debug)]
pub struct DirectoryWatch {
    directory: Directory,
    store: Arc<SessionStore>,
    metrics: Arc<Metrics>,
    clock: Clock,
    random: RandomSource,
    /// When the last answer began to be asked for, seconds since 1970. While there is none the next question looks back to here.
    last_answer: u64,
    /// What was followed already, by its id in the history.
    seen: HashMap<Guid, SeenChange>,
    silent: bool,
}

/// A change that was followed.
#[derive(Debug)]
struct SeenChange {
    at: u64,
    followed: u64,
    again: bool,
}

/// What a question brought, each person and organization once.
#[derive(Debug, Default)]
struct ChangeBatch {
    rows: Vec<(Guid, u64)>,
    people: HashSet<Guid>,
    organizations: HashSet<Guid>,
    signed_out: HashMap<Guid, u64>,
}

impl DirectoryWatch {
    /// A watch that has heard of nothing yet: nobody is signed in either.
    pub fn new(directory: Directory, store: Arc<SessionStore>, metrics: Arc<Metrics>, clock: Clock, random: RandomSource) -> Self {
        let heard = clock.now();
        Self { directory, store, metrics, clock, random, last_answer: heard, seen: HashMap::new(), silent: false }
    }

    /// Watches until `stop`.
    pub async fn run(mut self, stop: CancellationToken) {
        loop {
            let pause = POLL_INTERVAL_MS - u64::from(u16::from_be_bytes(self.random.bytes())) % (POLL_INTERVAL_MS / 10);
            if stop.run_until_cancelled(tokio::time::sleep(Duration::from_millis(pause))).await.is_none() {
                return;
            }
            let Some(outcome) = stop.run_until_cancelled(tokio::time::timeout(POLL_TIMEOUT, self.poll())).await else { return };
            self.report(outcome.unwrap_or_else(|_| Err(Error::Database("does not answer in time".to_owned()))));
        }
    }

    /// One line when the database goes, and one when it is back.
    fn report(&mut self, outcome: Result<(), Error>) {
        match outcome {
            Err(error) if !self.silent => {
                tracing::error!(%error, "directory changes are not being received; people who are switched off keep their sessions until the next recheck")
            }
            Ok(()) if self.silent => tracing::info!("directory changes are being received again"),
            _ => return,
        }
        self.silent = !self.silent;
        self.metrics.directory_silent(self.silent);
    }

    /// Asks and follows. What could not be followed is news the next time too.
    async fn poll(&mut self) -> Result<(), Error> {
        let now = self.clock.now();
        let since = self.last_answer.min(now).saturating_sub(LOOKBACK_SECONDS);
        let news = self.news(since, now).await?;
        self.follow(&news).await?;
        for (id, at) in news.rows {
            self.seen.entry(id).and_modify(|it| it.again = true).or_insert(SeenChange { at, followed: now, again: false });
        }
        // With a margin: a clock that is set back asks for them once more.
        self.seen.retain(|_, it| it.at.saturating_add(LOOKBACK_SECONDS) >= since);
        self.last_answer = now;
        Ok(())
    }

    async fn news(&self, since: u64, now: u64) -> Result<ChangeBatch, Error> {
        let mut news = ChangeBatch::default();
        let mut last: Option<DirectoryChange> = None;
        loop {
            let page = self.directory.changed(since, last.as_ref()).await?;
            page.iter().filter(|it| self.is_news(it, now)).for_each(|it| news.take(it, self.since_of(it, now)));
            if u32::try_from(page.len()).is_ok_and(|it| it < MAX_CHANGES_PER_PAGE) {
                return Ok(news);
            }
            last = page.into_iter().next_back();
        }
    }

    fn is_news(&self, it: &DirectoryChange, now: u64) -> bool {
        self.seen.get(&it.id).is_none_or(|it| !it.again && now >= it.followed.saturating_add(REPEAT_SECONDS))
    }

    /// Which sessions began before somebody was signed out: by the other machine's clock, and, the first time, by this one's as well, whatever
    /// the two think of each other. Who signed in again within these two seconds signs in once more.
    fn since_of(&self, it: &DirectoryChange, now: u64) -> u64 {
        if self.seen.contains_key(&it.id) { it.at } else { it.at.max(now) }
    }

    async fn follow(&self, news: &ChangeBatch) -> Result<(), Error> {
        let signed_out: usize = news.signed_out.iter().map(|(person, by)| self.store.end_all_of_person(*person, Some(*by))).sum();
        if signed_out > 0 {
            self.metrics.directory_ended("signed_out", signed_out);
            tracing::info!(ended = signed_out, "sessions ended: person signed out everywhere");
        }
        let sessions = self.sessions(news).await;
        let over = self.over(&sessions).await?;
        let people: HashSet<Guid> = sessions.iter().filter_map(|it| it.identity().member.as_ref().map(|it| it.person)).collect();
        let people: Vec<Guid> = people.into_iter().collect();
        let standings = self.directory.person_statuses(&people).await?;
        let mut ended = 0;
        for session in &sessions {
            // Some are found by person and by organization.
            let who = session.identity();
            let Some(member) = who.member.clone().filter(|_| !session.is_over()) else { continue };
            match standings
                .get(&member.person)
                .filter(|it| it.is_enabled_for(who.tid, who.oid) && !session.client_sign_in().is_some_and(|it| over.contains(&it)))
            {
                Some(now) => {
                    session.set_member(&DirectoryMember { role: now.role.as_str().into(), code: now.code.as_str().into(), ..DirectoryMember::clone(&member) })
                }
                None => {
                    self.store.end_held(session);
                    ended += 1;
                }
            }
        }
        if ended > 0 {
            self.metrics.directory_ended("off", ended);
            tracing::info!(ended, "sessions ended: person or organization switched off, or tokens revoked");
        }
        Ok(())
    }

    /// Sign-ins on clients of the app's own that have ended.
    async fn over(&self, sessions: &[Arc<Session>]) -> Result<HashSet<Guid>, Error> {
        let families: Vec<Guid> = sessions.iter().filter_map(|it| it.client_sign_in()).collect();
        let live = self.directory.live_sign_ins(&families).await?;
        Ok(families.into_iter().filter(|it| !live.contains(it)).collect())
    }

    /// The live sessions that news is about. An organization's are looked for in all of them, apart from everybody else's work.
    async fn sessions(&self, news: &ChangeBatch) -> Vec<Arc<Session>> {
        let mut found: Vec<_> = news.people.iter().flat_map(|it| self.store.of_person(*it)).collect();
        if !news.organizations.is_empty() {
            let (store, organizations) = (Arc::clone(&self.store), news.organizations.clone());
            let more = tokio::task::spawn_blocking(move || store.of_organizations(&organizations)).await;
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
                // A phone's sign-in has a row that ended, which tells whatever the clocks say.
                self.people.insert(person);
            }
            (Some(person), _) => drop(self.people.insert(person)),
            // Also an import: of whom of its people, the history does not say.
            (None, Some(organization)) => drop(self.organizations.insert(organization)),
            (None, None) => {}
        }
    }
}
