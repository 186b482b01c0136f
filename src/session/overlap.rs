//! Two processes have the sessions: the one that ends still serves, and the one that follows serves
//! already. Each follows the journal of the other.
//!
//! A session that began or ended in one of them is known to the other within a moment; for one that
//! it does not know, a process reads the journal at once instead of waiting for the next time.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};
use tokio::sync::{oneshot, watch};

/// Maximum time that a request waits for a look at the journal of the other process.
const CATCH_UP_TIMEOUT: Duration = Duration::from_secs(1);
/// Maximum time that a session which this process does not know may be one of the other process
/// that is not recorded yet. Afterwards it is none.
const MAX_UNCERTAINTY: Duration = Duration::from_secs(30);

/// What is known of the other process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct OverlapState {
    /// Whether another process that has not ended writes a journal.
    pub(super) has_others: bool,
    /// Whether that process has sessions that are recorded nowhere yet.
    pub(super) is_incomplete: bool,
    /// Whether a process that follows this one has the folder, or wants it.
    pub(super) has_successor: bool,
    /// Whether the process that follows listens.
    pub(super) successor_listens: bool,
}

/// Follows the journals of other processes.
#[derive(Debug)]
pub(super) struct Overlap {
    pub(super) to_thread: Sender<oneshot::Sender<bool>>,
    pub(super) state: watch::Receiver<OverlapState>,
    /// The first segment of another process that a start must read; `u64::MAX` if there is none.
    pub(super) oldest: Arc<AtomicU64>,
    pub(super) is_handed_over: bool,
    pub(super) begun_at: Instant,
}

impl Overlap {
    /// Reads what the other process has recorded so far; returns false if that is not known.
    pub(super) async fn catch_up(&self) -> bool {
        let (answer, done) = oneshot::channel();
        if self.to_thread.send(answer).is_err() {
            // The other process has ended, and everything was read.
            return !self.state().has_others;
        }
        match tokio::time::timeout(CATCH_UP_TIMEOUT, done).await {
            Ok(Ok(is_read)) => is_read,
            Ok(Err(_)) => !self.state().has_others,
            Err(_) => false,
        }
    }

    /// Whether the other process may have a session that is unknown here, after a look with that
    /// result.
    pub(super) fn may_have_more(&self, is_read: bool) -> bool {
        let is_uncertain = !is_read || self.state().is_incomplete;
        is_uncertain && self.begun_at.elapsed() < MAX_UNCERTAINTY
    }

    /// Returns what is known of the other process.
    pub(super) fn state(&self) -> OverlapState {
        *self.state.borrow()
    }

    /// The first segment of another process that a start must read; `u64::MAX` if there is none.
    pub(super) fn oldest(&self) -> u64 {
        self.oldest.load(Ordering::SeqCst)
    }

    /// Whether this process has handed its sessions over. What must be done once, such as asking
    /// Entra about a session, is left to the process that follows.
    pub(super) fn is_handed_over(&self) -> bool {
        self.is_handed_over
    }
}
