//! Ends of sessions that are recorded beyond the process, and sessions that are live again after a
//! restart.

use super::end_journal::EndJournal;
use super::live::LiveSessions;
use super::record::Session;
use std::sync::Arc;

impl LiveSessions {
    /// Records the sessions that end from now on in a journal. Only the first call counts.
    pub(super) fn record_ends_in(&self, journal: &Arc<EndJournal>) {
        let _ = self.journal.set(Arc::clone(journal));
    }

    /// Records that a session has ended by a decision; one that was idle for too long, or reached
    /// its lifetime, is recognized by its times. Does not wait.
    pub(super) fn record_end(&self, session: &Session) {
        if let Some(journal) = self.journal.get() {
            journal.record(session);
        }
    }

    /// Waits until the ends so far are recorded: they outlast a crash from then on.
    pub(super) async fn confirm_ends(&self) {
        if let Some(journal) = self.journal.get() {
            journal.confirm().await;
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
}
