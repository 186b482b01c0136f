//! What is not at the server yet, in the order in which it is written: ended sessions first, so that
//! nothing that ended is saved again.

use super::super::super::end_recorder::EndQueue;
use super::super::super::record::Session;
use super::super::super::session_key::SessionKey;
use super::changes::Change;
use super::recent::{EndedSession, RecentEnds};
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;
use tokio::sync::watch;

/// Maximum number of ended sessions and of changes that wait. Only people who are signed in, and the
/// operator, add to them. Beyond it, sign-outs of an outage do not reach the other processes.
const MAX_PENDING: usize = 1_000_000;

/// Maximum number of changes that wait and that anyone can cause: sign-outs at Entra of sessions that
/// this process does not know.
const MAX_UNKNOWN_CHANGES: usize = 1000;

/// What waits to be written.
#[derive(Default)]
struct PendingParts {
    ended: HashMap<SessionKey, EndedSession>,
    changes: Vec<Change>,
    sessions: HashMap<SessionKey, Arc<Session>>,
    /// The number of changes that anyone can cause.
    unknown: usize,
    /// What was written not long ago.
    recent: RecentEnds,
    /// The number of additions so far.
    added: u64,
    has_overflowed: bool,
}

/// A batch that is being written. It is put back unless all of it was written.
pub(super) struct PendingBatch<'a> {
    queue: &'a PendingWrites,
    pub(super) ended: Vec<(SessionKey, EndedSession)>,
    pub(super) changes: Vec<Change>,
    pub(super) sessions: Vec<Arc<Session>>,
    /// Names of the places of sessions that were ended before, and are ended once more.
    pub(super) places: Vec<String>,
    /// The number of changes, the first ones, that were written before.
    repeated: usize,
    /// The number of additions that it includes.
    number: u64,
}

/// The queue of one process.
pub(super) struct PendingWrites {
    parts: Mutex<PendingParts>,
    /// Wakes the task that writes.
    pub(super) is_due: Notify,
    /// The number of additions that are written.
    written: watch::Sender<u64>,
}

impl PendingWrites {
    pub(super) fn new() -> Self {
        Self { parts: Mutex::default(), is_due: Notify::new(), written: watch::Sender::new(0) }
    }

    /// Adds a session that has ended. Does not wait.
    pub(super) fn end(&self, key: SessionKey, ended: EndedSession) {
        let mut parts = self.lock();
        parts.sessions.remove(&key);
        if parts.has_room() {
            let entry = parts.ended.entry(key).or_insert(ended);
            entry.is_news |= ended.is_news;
        }
        self.added(parts);
    }

    pub(super) fn change(&self, change: Change) {
        let mut parts = self.lock();
        if parts.has_room() {
            parts.changes.push(change);
        }
        self.added(parts);
    }

    /// Adds a change that anyone can cause. Beyond a small number, further ones are dropped until
    /// these are written.
    pub(super) fn unknown_change(&self, change: Change) {
        let mut parts = self.lock();
        if parts.unknown < MAX_UNKNOWN_CHANGES && !parts.changes.contains(&change) {
            parts.unknown += 1;
            parts.changes.push(change);
        }
        self.added(parts);
    }

    /// Adds a session to save. The number is bounded by that of the live sessions.
    pub(super) fn save(&self, session: &Arc<Session>) {
        let mut parts = self.lock();
        if !parts.ended.contains_key(&session.key) {
            parts.sessions.insert(session.key, Arc::clone(session));
        }
        self.added(parts);
    }

    /// Whether a session has ended here, and the server does not know yet.
    pub(super) fn has_ended(&self, key: &SessionKey) -> bool {
        self.lock().ended.contains_key(key)
    }

    /// Takes everything that waits.
    pub(super) fn take(&self) -> PendingBatch<'_> {
        let mut parts = self.lock();
        PendingBatch {
            queue: self,
            // Kept until they are written: a session must not be loaded in between.
            ended: parts.ended.iter().map(|it| (*it.0, *it.1)).collect(),
            changes: std::mem::take(&mut parts.changes),
            sessions: parts.sessions.drain().map(|it| it.1).collect(),
            places: Vec::new(),
            repeated: 0,
            number: parts.added,
        }
    }

    /// Takes everything that waits, and what was written not long ago: the server may be another one.
    pub(super) fn take_with_recent(&self) -> PendingBatch<'_> {
        let mut batch = self.take();
        let mut parts = self.lock();
        batch.ended.extend(parts.recent.sessions().copied());
        batch.places.extend(parts.recent.places().cloned());
        let mut changes: Vec<_> = parts.recent.changes().cloned().collect();
        drop(parts);
        batch.repeated = changes.len();
        changes.append(&mut batch.changes);
        batch.changes = changes;
        batch
    }

    /// Records that the server has ended a session that this process does not know.
    pub(super) fn ended_place(&self, name: String) {
        self.lock().recent.place(name);
    }

    pub(super) fn is_empty(&self) -> bool {
        let parts = self.lock();
        parts.ended.is_empty() && parts.changes.is_empty() && parts.sessions.is_empty()
    }

    /// Waits until everything that was added so far is written.
    pub(super) async fn confirmed(&self) {
        let number = self.lock().added;
        let mut written = self.written.subscribe();
        // The sender lives as long as this queue.
        let _ = written.wait_for(|it| *it >= number).await;
    }

    fn added(&self, mut parts: MutexGuard<'_, PendingParts>) {
        parts.added += 1;
        drop(parts);
        self.is_due.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, PendingParts> {
        self.parts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl EndQueue for PendingWrites {
    fn add_ended(&self, session: &Session) {
        self.end(session.key, EndedSession::news(session));
    }
}

impl PendingBatch<'_> {
    /// Records that all of it was written.
    pub(super) fn was_written(mut self) {
        let mut parts = self.queue.lock();
        for (key, _) in &self.ended {
            // What was written before is not there.
            if let Some(ended) = parts.ended.remove(key) {
                parts.recent.session(*key, ended);
            }
        }
        for change in self.changes.drain(..).skip(self.repeated) {
            parts.recent.change(change);
        }
        parts.has_overflowed = false;
        parts.unknown = 0;
        drop(parts);
        self.sessions.clear();
        let number = self.number;
        self.queue.written.send_modify(|it| *it = number.max(*it));
    }
}

impl Drop for PendingBatch<'_> {
    fn drop(&mut self) {
        let mut parts = self.queue.lock();
        let mut changes: Vec<_> = self.changes.drain(..).skip(self.repeated).collect();
        changes.append(&mut parts.changes);
        parts.changes = changes;
        let sessions = self.sessions.drain(..).filter(|it| !it.is_over());
        parts.sessions.extend(sessions.map(|it| (it.key, it)));
    }
}

impl PendingParts {
    fn has_room(&mut self) -> bool {
        let has_room = self.ended.len() + self.changes.len() < MAX_PENDING;
        if !has_room && !std::mem::replace(&mut self.has_overflowed, true) {
            tracing::error!(
                "too many sessions ended while the session store does not answer: other processes do not learn of further ones"
            );
        }
        has_room
    }
}

impl fmt::Debug for PendingWrites {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = self.lock();
        let (ended, sessions) = (parts.ended.len(), parts.sessions.len());
        write!(out, "PendingWrites of {ended} ended and {sessions} saved")
    }
}
