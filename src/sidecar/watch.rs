//! Hears of what was changed in the directory, by whichever process, and lets the sessions of this one follow within seconds.
//!
//! Every process asks the history for its newest rows. A row of the history only says of whom; what counts is read anew, so rows may come late,
//! twice or in any order. Nothing of it is on the path of a request.

use crate::base::clock::Clock;
use crate::base::guid::Guid;
use crate::base::identity::Member;
use crate::base::random::Random;
use crate::directory::watch::{Changed, PAGE};
use crate::directory::{Directory, Error};
use crate::session::record::Session;
use crate::session::store::Store;
use crate::telemetry::metrics::Metrics;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Between two questions, in milliseconds, and up to a tenth less: replicas do not ask in step.
const EVERY: u64 = 2000;

/// How long an answer may take, whatever it brings: a connection that died without a word is given up, and asked for anew.
const LONGEST: Duration = Duration::from_secs(30);

/// How far each question looks back, in seconds: a change shows when it is committed, and by the clock of another machine.
const WINDOW: u64 = 300;

/// What was heard of counts once more after so many seconds: a sign-in that had been let in just before has its session by then.
const AGAIN: u64 = 5;

/// The watch of one process.
#[derive(Debug)]
pub struct Watch {
    directory: Directory,
    store: Arc<Store>,
    metrics: Arc<Metrics>,
    clock: Clock,
    random: Random,
    /// When the last answer began to be asked for, seconds since 1970. While there is none the next question looks back to here.
    heard: u64,
    /// What was followed already, by its id in the history.
    known: HashMap<Guid, Known>,
    silent: bool,
}

/// A change that was followed.
#[derive(Debug)]
struct Known {
    at: u64,
    followed: u64,
    again: bool,
}

/// What a question brought, each person and organization once.
#[derive(Debug, Default)]
struct News {
    rows: Vec<(Guid, u64)>,
    people: HashSet<Guid>,
    organizations: HashSet<Guid>,
    signed_out: HashMap<Guid, u64>,
}

impl Watch {
    /// A watch that has heard of nothing yet: nobody is signed in either.
    pub fn new(directory: Directory, store: Arc<Store>, metrics: Arc<Metrics>, clock: Clock, random: Random) -> Self {
        let heard = clock.now();
        Self { directory, store, metrics, clock, random, heard, known: HashMap::new(), silent: false }
    }

    /// Watches until `stop`.
    pub async fn keep(mut self, stop: CancellationToken) {
        loop {
            let pause = EVERY - u64::from(u16::from_be_bytes(self.random.bytes())) % (EVERY / 10);
            if stop.run_until_cancelled(tokio::time::sleep(Duration::from_millis(pause))).await.is_none() {
                return;
            }
            let Some(outcome) = stop.run_until_cancelled(tokio::time::timeout(LONGEST, self.look())).await else { return };
            self.tell(outcome.unwrap_or_else(|_| Err(Error::Database("does not answer in time".to_owned()))));
        }
    }

    /// One line when the database goes, and one when it is back.
    fn tell(&mut self, outcome: Result<(), Error>) {
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
    async fn look(&mut self) -> Result<(), Error> {
        let now = self.clock.now();
        let since = self.heard.min(now).saturating_sub(WINDOW);
        let news = self.news(since, now).await?;
        self.follow(&news).await?;
        for (id, at) in news.rows {
            self.known.entry(id).and_modify(|it| it.again = true).or_insert(Known { at, followed: now, again: false });
        }
        // With a margin: a clock that is set back asks for them once more.
        self.known.retain(|_, it| it.at.saturating_add(WINDOW) >= since);
        self.heard = now;
        Ok(())
    }

    async fn news(&self, since: u64, now: u64) -> Result<News, Error> {
        let mut news = News::default();
        let mut last: Option<Changed> = None;
        loop {
            let page = self.directory.changed(since, last.as_ref()).await?;
            page.iter().filter(|it| self.is_news(it, now)).for_each(|it| news.take(it, self.begun_by(it, now)));
            if u32::try_from(page.len()).is_ok_and(|it| it < PAGE) {
                return Ok(news);
            }
            last = page.into_iter().next_back();
        }
    }

    fn is_news(&self, it: &Changed, now: u64) -> bool {
        self.known.get(&it.id).is_none_or(|it| !it.again && now >= it.followed.saturating_add(AGAIN))
    }

    /// Which sessions began before somebody was signed out: by the other machine's clock, and, the first time, by this one's as well, whatever
    /// the two think of each other. Who signed in again within these two seconds signs in once more.
    fn begun_by(&self, it: &Changed, now: u64) -> u64 {
        if self.known.contains_key(&it.id) { it.at } else { it.at.max(now) }
    }

    async fn follow(&self, news: &News) -> Result<(), Error> {
        let signed_out: usize = news.signed_out.iter().map(|(person, by)| self.store.end_all_of_person(*person, Some(*by))).sum();
        if signed_out > 0 {
            self.metrics.directory_ended("signed_out", signed_out);
            tracing::info!(ended = signed_out, "sessions ended: person signed out everywhere");
        }
        let sessions = self.sessions(news).await;
        let over = self.over(&sessions).await?;
        let people: HashSet<Guid> = sessions.iter().filter_map(|it| it.identity().member.as_ref().map(|it| it.person)).collect();
        let people: Vec<Guid> = people.into_iter().collect();
        let standings = self.directory.standings(&people).await?;
        let mut ended = 0;
        for session in &sessions {
            // Some are found by person and by organization.
            let who = session.identity();
            let Some(member) = who.member.clone().filter(|_| !session.is_over()) else { continue };
            match standings.get(&member.person).filter(|it| it.is_on_for(who.tid, who.oid) && !session.family().is_some_and(|it| over.contains(&it))) {
                Some(now) => session.stands_as(&Member { role: now.role.as_str().into(), code: now.code.as_str().into(), ..Member::clone(&member) }),
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
        let families: Vec<Guid> = sessions.iter().filter_map(|it| it.family()).collect();
        let live = self.directory.live_families(&families).await?;
        Ok(families.into_iter().filter(|it| !live.contains(it)).collect())
    }

    /// The live sessions that news is about. An organization's are looked for in all of them, apart from everybody else's work.
    async fn sessions(&self, news: &News) -> Vec<Arc<Session>> {
        let mut found: Vec<_> = news.people.iter().flat_map(|it| self.store.of_person(*it)).collect();
        if !news.organizations.is_empty() {
            let (store, organizations) = (Arc::clone(&self.store), news.organizations.clone());
            let more = tokio::task::spawn_blocking(move || store.of_organizations(&organizations)).await;
            found.extend(more.unwrap_or_default());
        }
        found
    }
}

impl News {
    fn take(&mut self, it: &Changed, begun_by: u64) {
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
