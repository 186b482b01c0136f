//! What this process has ended not long ago, and the server has confirmed: a server that takes over
//! in a failover, or that was restored, may not know it.

use super::super::super::record::Session;
use super::super::super::session_ids::SecretName;
use super::super::super::session_key::SessionKey;
use super::changes::Change;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// How long an end is remembered. A server that was cut off from the others may confirm commands for
/// as long as they take to notice, which is configurable.
const RECENT: Duration = Duration::from_mins(15);
/// Maximum number of entries of each kind; beyond it, the oldest are forgotten.
const MAX_RECENT: usize = 100_000;

/// A session that has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct EndedSession {
    pub(super) secret: SecretName,
    /// When it would have ended at the latest, in seconds since 1970.
    pub(super) ends: u64,
    /// Whether other processes must learn of it.
    pub(super) is_news: bool,
}

impl EndedSession {
    /// An end that other processes must learn of.
    pub(super) fn news(session: &Session) -> Self {
        Self { secret: session.secret, ends: session.ends(), is_news: true }
    }
}

/// The ends of one process, the oldest first.
#[derive(Default)]
pub(super) struct RecentEnds {
    sessions: RecentList<(SessionKey, EndedSession)>,
    places: RecentList<String>,
    changes: RecentList<Change>,
}

impl RecentEnds {
    /// Remembers a session that this process knew.
    pub(super) fn session(&mut self, key: SessionKey, ended: EndedSession) {
        self.sessions.add((key, ended));
    }

    /// Remembers a session that an index named.
    pub(super) fn place(&mut self, name: String) {
        self.places.add(name);
    }

    /// Remembers what other processes were told.
    pub(super) fn change(&mut self, change: Change) {
        self.changes.add(change);
    }

    pub(super) fn sessions(&mut self) -> impl Iterator<Item = &(SessionKey, EndedSession)> {
        self.sessions.all()
    }

    pub(super) fn places(&mut self) -> impl Iterator<Item = &String> {
        self.places.all()
    }

    pub(super) fn changes(&mut self) -> impl Iterator<Item = &Change> {
        self.changes.all()
    }
}

/// A bounded list whose entries are forgotten after a while.
struct RecentList<T>(VecDeque<(Instant, T)>);

impl<T> Default for RecentList<T> {
    fn default() -> Self {
        Self(VecDeque::new())
    }
}

impl<T> RecentList<T> {
    fn add(&mut self, entry: T) {
        self.forget();
        if self.0.len() >= MAX_RECENT {
            self.0.pop_front();
        }
        self.0.push_back((Instant::now(), entry));
    }

    fn all(&mut self) -> impl Iterator<Item = &T> {
        self.forget();
        self.0.iter().map(|it| &it.1)
    }

    fn forget(&mut self) {
        while self.0.front().is_some_and(|it| it.0.elapsed() > RECENT) {
            self.0.pop_front();
        }
    }
}
