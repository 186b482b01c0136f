//! A process that ends hands its sessions over to the one that follows, and serves for a while
//! beside it.
//!
//! From its last snapshot on, the process that ends asks Entra about no session: a recheck that is
//! due is left to the process that follows, so that a refresh token is used by one process at a
//! time.

use super::folder::{SessionFolder, WrittenSnapshot};
use crate::session::journal::{JournalNotice, SegmentContent, segments};
use crate::session::record::Session;
use std::io;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// Maximum time that the hand-over waits for refresh tokens that rechecks are using. The sessions of
/// the others follow in the journal.
const REFRESH_TOKEN_WAIT: Duration = Duration::from_secs(2);
/// Maximum time that a process which ends waits until the one that follows listens: it may have a
/// million sessions to read.
const SUCCESSOR_TIMEOUT: Duration = Duration::from_secs(60);
const SUCCESSOR_POLL: Duration = Duration::from_millis(50);

/// What was handed over.
#[derive(Debug)]
pub struct HandedOver {
    /// Number of sessions in the last snapshot.
    pub count: usize,
    /// Sessions that a recheck uses, which are recorded when it ends.
    missing: Vec<Arc<Session>>,
}

impl SessionFolder {
    /// Writes the last snapshot, lets the next process have the folder, and follows its journal from
    /// then on. Blocks.
    ///
    /// # Errors
    /// The snapshot cannot be written; this process keeps the folder.
    pub fn hand_over(&self) -> io::Result<HandedOver> {
        let _one = self.is_writing.lock().unwrap_or_else(PoisonError::into_inner);
        let before = self.live.overlap.load_full();
        // First: no recheck starts any more.
        self.follow(true)?;
        let written = self.write_with(SegmentContent::EndedAndBegun, REFRESH_TOKEN_WAIT);
        let WrittenSnapshot { count, missing } = match written {
            Ok(written) => written,
            Err(error) => {
                self.live.overlap.store(before);
                return Err(error);
            }
        };
        if !missing.is_empty() {
            self.journal.record_notice(JournalNotice::Missing);
        }
        // What is recorded until now is in the segment before the next process reads it.
        self.journal.flush();
        self.is_handed_over.store(true, Ordering::SeqCst);
        self.lock.release();
        Ok(HandedOver { count, missing })
    }

    /// Records the sessions that were missing in the last snapshot, each when the recheck that uses
    /// it has ended.
    pub async fn record_missing(&self, handed_over: HandedOver) {
        if handed_over.missing.is_empty() {
            return;
        }
        for session in handed_over.missing {
            let lease = session.standing().lease().await;
            if !session.is_over() {
                self.journal.record_begun(&session, lease.refresh_token());
            }
        }
        self.journal.record_notice(JournalNotice::Complete);
        self.journal.confirm().await;
    }

    /// Waits until the process that follows listens, for at most a minute; returns whether it does.
    /// Returns at once if there is none.
    pub async fn successor(&self) -> bool {
        let deadline = Instant::now() + SUCCESSOR_TIMEOUT;
        loop {
            let state = self.live.overlap.load().as_ref().map(|it| it.state());
            let Some(state) = state.filter(|it| it.has_successor) else { return false };
            if state.successor_listens || Instant::now() >= deadline {
                return state.successor_listens;
            }
            tokio::time::sleep(SUCCESSOR_POLL).await;
        }
    }

    /// Whether the process before still serves.
    #[cfg(test)]
    pub(super) fn is_before_serving(&self) -> bool {
        let overlap = self.live.overlap.load();
        overlap.as_ref().is_some_and(|it| !it.is_handed_over() && it.state().has_others)
    }

    /// Tells the process before that this one listens.
    pub fn listens(&self) {
        if self.live.overlap.load().is_some() {
            self.journal.record_notice(JournalNotice::Listening);
        }
    }

    /// Writes the last snapshot, and releases the folder. Returns the number of sessions in it;
    /// `None` if another process has them. Blocks.
    ///
    /// # Errors
    /// The snapshot cannot be written; the former one and the journal since then stay.
    pub fn close(&self) -> io::Result<Option<usize>> {
        let written = if self.is_last()? { self.write().map(Some) } else { Ok(None) };
        self.live.overlap.store(None);
        self.journal.close();
        self.lock.release();
        written
    }

    /// Whether no other process has had the folder since it was handed over.
    fn is_last(&self) -> io::Result<bool> {
        if !self.is_handed_over.load(Ordering::SeqCst) {
            return Ok(true);
        }
        if !self.lock.try_again()? {
            return Ok(false);
        }
        let newest = segments(&self.path)?.last().copied();
        let is_last = newest.is_none_or(|it| it <= self.journal.last_own());
        if is_last {
            self.is_handed_over.store(false, Ordering::SeqCst);
        }
        Ok(is_last)
    }
}
