//! Sessions of two processes that serve at the same time.

use super::live::LiveSessions;
use super::record::Session;
use super::session_key::{SessionKey, read};
use super::stored_session::decode;
use std::sync::Arc;

impl LiveSessions {
    /// Records that the session of a cookie has ended, which another process may have.
    pub(super) fn record_end_elsewhere(&self, cookie: &str) {
        if let (Some(journal), Some(key)) = (self.journal(), read(cookie)) {
            let ends = self.clock.now().saturating_add(self.lifetime);
            journal.record_end_of(key, ends);
            // It may have become live here a moment ago.
            self.end_elsewhere(&key);
        }
    }

    /// Records a new session where another process can read it, if two have the sessions. The
    /// person's next request may reach the other one.
    pub(super) async fn share(&self, session: &Session) {
        let Some(journal) = self.journal().filter(|it| it.records_begun()) else { return };
        let standing = session.standing();
        let is_recorded = standing.read_refresh_token(|token| journal.record_begun(session, token));
        if is_recorded == Some(true) && !journal.confirm().await {
            tracing::error!(
                "a session could not be recorded on the disk: the process that follows does not know it"
            );
        }
    }

    /// Makes a session live that began in another process, unless it has ended or is known.
    pub(super) fn begin_elsewhere(&self, record: &[u8]) {
        let Some(journal) = self.journal() else { return };
        let Some(session) = decode(record) else { return };
        let has_ended = || journal.tombstones.may_contain(&session.key);
        if has_ended() || self.sessions.contains_key(&session.key) {
            return;
        }
        let session = Arc::new(session);
        self.restore(&session);
        // It may have ended since the first check.
        if journal.tombstones.may_contain(&session.key) {
            self.end_elsewhere(&session.key);
        }
    }

    /// Ends a session that has ended in another process. It is recorded there.
    pub(super) fn end_elsewhere(&self, key: &SessionKey) {
        if let Some(journal) = self.journal() {
            journal.tombstones.add(*key);
        }
        if let Some(session) = self.sessions.get(key)
            // One that has ended may be kept for the next sign-in.
            && !session.is_over()
        {
            session.end.notify();
            self.sessions.invalidate(key);
        }
    }
}
