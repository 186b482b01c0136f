//! Ends of sessions that are recorded beyond the process, and sessions that come from there.

use super::end_recorder::{EndQueue, EndRecorder};
use super::ended_keys::EndedKeys;
use super::journal::SessionJournal;
use super::live::LiveSessions;
use super::record::{Session, Via};
use super::session_key::SessionKey;
use std::sync::Arc;

impl LiveSessions {
    /// Records the sessions that end from now on in a journal. Only the first call counts.
    pub(super) fn record_ends_in(&self, journal: &Arc<SessionJournal>) {
        let _ = self.recorder.set(EndRecorder::Journal(Arc::clone(journal)));
    }

    /// Records the sessions that end from now on in a queue. Only the first call counts.
    pub(super) fn record_ends_in_queue(&self, queue: Arc<dyn EndQueue>) {
        let _ = self.recorder.set(EndRecorder::Queue(queue));
    }

    /// Remembers the sessions that end from now on. Only the first call counts.
    pub(super) fn remember_ends_in(&self, ended: &Arc<EndedKeys>) {
        let _ = self.recorder.set(EndRecorder::Keys(Arc::clone(ended)));
    }

    /// Records that a session has ended by a decision; one that was idle for too long, or reached
    /// its lifetime, is recognized by its times. Does not wait.
    pub(super) fn record_end(&self, session: &Session) {
        match self.recorder.get() {
            Some(EndRecorder::Journal(journal)) => journal.record_end(session),
            // A sign-in on one of the app's own clients has a row in the directory.
            Some(EndRecorder::Queue(queue)) if session.via() == Via::Browser => {
                queue.add_ended(session);
            }
            Some(EndRecorder::Keys(ended)) => {
                ended.add(session.key, session.ends(), self.clock.now());
            }
            Some(EndRecorder::Queue(_)) | None => {}
        }
    }

    /// Waits until the ends so far are recorded: they outlast a crash from then on. A store of
    /// several processes confirms them itself.
    pub(super) async fn confirm_ends(&self) {
        if let Some(journal) = self.journal()
            && !journal.confirm().await
        {
            tracing::error!(
                "an ended session could not be recorded on the disk: it would come back after a crash before the next snapshot"
            );
        }
    }

    /// Returns the journal of sessions, if there is one.
    pub(super) fn journal(&self) -> Option<&SessionJournal> {
        match self.recorder.get() {
            Some(EndRecorder::Journal(journal)) => Some(journal),
            Some(EndRecorder::Queue(_) | EndRecorder::Keys(_)) | None => None,
        }
    }

    /// Makes a session of a process that has ended live again. Returns false if it would have ended
    /// since.
    pub(super) fn restore(&self, session: &Arc<Session>) -> bool {
        let is_live = self.is_live(session, self.clock.now(), false);
        if is_live {
            self.insert(session);
        }
        is_live
    }

    /// Ends a session whose end is recorded already.
    pub(super) fn end_quietly(&self, key: &SessionKey) {
        if let Some(session) = self.sessions.remove(key) {
            session.end.notify();
        }
    }

    /// Makes a session live that its store has, in place of one that was idle here for too long while
    /// another process used it. Returns false if it would have ended since.
    pub(super) fn adopt(&self, session: &Arc<Session>) -> bool {
        let former = self.sessions.get(&session.key);
        if former.is_some_and(|it| !self.is_live(&it, self.clock.now(), false)) {
            self.sessions.invalidate(&session.key);
        }
        self.restore(session)
    }
}
