//! The journal of sessions: those that ended, which a start reads after the snapshot, so that an
//! ended session does not come back; and while two processes serve, those that began.
//!
//! A thread of its own writes it, and one `fsync` confirms all entries that came in during the one
//! before. The journal consists of segments, each by one process, which holds a lock on its segment
//! for as long as it may add to it: a segment without a lock is complete.

mod begun;
mod entries;
mod files;
mod followed;
mod growing_file;
#[cfg(test)]
mod tests;
mod thread;
mod tombstones;

use super::record::{Session, Via};
use super::session_key::SessionKey;
use super::snapshot_seal::SnapshotSeal;
use super::stored_session::encode;
use crate::base::random::RandomSource;
use crate::base::secret::Secret;
pub(in crate::session) use begun::JournalNotice;
use entries::EndedEntry;
pub(in crate::session) use entries::JournalKeys;
pub(in crate::session) use files::{
    SegmentContent, create, remove_segment, segment_files, segments, sync_folder,
};
pub(in crate::session) use followed::{FollowError, FollowedSegment, JournalEvent};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;
use thread::{JournalCommand, JournalThread};
use tokio::sync::oneshot;
pub(in crate::session) use tombstones::Tombstones;
use zeroize::Zeroizing;

/// Maximum time that the answer to a sign-out waits for the disk.
const CONFIRMATION_TIMEOUT: Duration = Duration::from_secs(5);

/// The writer of the journal.
#[derive(Debug)]
pub(in crate::session) struct SessionJournal {
    to_thread: Sender<JournalCommand>,
    /// The first segment of this process, and its last one so far.
    own: (u64, AtomicU64),
    /// Whether sessions that begin are recorded: another process follows them.
    records_begun: AtomicBool,
    /// The sessions that ended, here or elsewhere, while two processes serve.
    pub(in crate::session) tombstones: Tombstones,
}

impl SessionJournal {
    /// Starts the journal with a new segment.
    ///
    /// # Errors
    /// The segment cannot be created.
    pub(in crate::session) fn start(
        folder: PathBuf,
        seal: Arc<SnapshotSeal>,
        random: RandomSource,
        segment: u64,
        content: SegmentContent,
    ) -> io::Result<Self> {
        let thread = JournalThread::begin(folder, seal, random, segment, content)?;
        let (to_thread, commands) = channel();
        std::thread::Builder::new()
            .name("session-journal".to_owned())
            .spawn(move || thread.run(&commands))?;
        Ok(Self {
            to_thread,
            own: (segment, AtomicU64::new(segment)),
            records_begun: AtomicBool::new(content == SegmentContent::EndedAndBegun),
            tombstones: Tombstones::default(),
        })
    }

    /// Records that a session has ended. Does not wait.
    pub(in crate::session) fn record_end(&self, session: &Session) {
        // A sign-in on one of the app's own clients has a row in the directory, which has ended.
        if session.via() == Via::Browser {
            self.record_end_of(session.key, session.ends());
        }
    }

    /// Records that the session with a key has ended, which this process may not know. It would have
    /// ended at `ends` at the latest, in seconds since 1970.
    pub(in crate::session) fn record_end_of(&self, key: SessionKey, ends: u64) {
        self.tombstones.add(key);
        self.send(JournalCommand::Ended(EndedEntry { key, ends }));
    }

    /// Whether sessions that begin are recorded, because another process may follow.
    pub(in crate::session) fn records_begun(&self) -> bool {
        self.records_begun.load(Ordering::SeqCst)
    }

    /// Records a session that began, if another process may follow. `refresh_token` is its newest
    /// one. Returns whether it is recorded once the journal is confirmed.
    pub(in crate::session) fn record_begun(
        &self,
        session: &Session,
        refresh_token: Option<&Secret>,
    ) -> bool {
        if !self.records_begun() || session.via() != Via::Browser {
            return false;
        }
        let mut record = Zeroizing::new(Vec::new());
        if encode(session, refresh_token, &mut record).is_err() {
            return false;
        }
        self.send(JournalCommand::Begun(record));
        true
    }

    /// Tells processes that follow. Does not wait.
    pub(in crate::session) fn record_notice(&self, notice: JournalNotice) {
        self.send(JournalCommand::Begun(Zeroizing::new(notice.record().to_vec())));
    }

    /// Waits until everything that was recorded so far is on the disk, at most 5 seconds; returns
    /// whether it is.
    pub(in crate::session) async fn confirm(&self) -> bool {
        let (answer, confirmed) = oneshot::channel();
        self.send(JournalCommand::Confirm(answer));
        let waited = tokio::time::timeout(CONFIRMATION_TIMEOUT, confirmed).await;
        matches!(waited, Ok(Ok(true)))
    }

    /// Waits until everything that was recorded so far is on the disk; returns whether it is.
    /// Blocks.
    pub(in crate::session) fn flush(&self) -> bool {
        let (answer, confirmed) = oneshot::channel();
        self.send(JournalCommand::Confirm(answer));
        confirmed.blocking_recv().unwrap_or(false)
    }

    /// Writes with other secrets from now on.
    pub(in crate::session) fn seal_with(&self, seal: Arc<SnapshotSeal>) {
        self.send(JournalCommand::Seal(seal));
    }

    /// Continues in a new segment, and returns its number. Blocks.
    ///
    /// # Errors
    /// The segment cannot be created.
    pub(in crate::session) fn rotate(&self, content: SegmentContent) -> io::Result<u64> {
        let records_begun = content == SegmentContent::EndedAndBegun;
        if records_begun {
            // Before the segment is there: what begins from now on is recorded in it.
            self.records_begun.store(true, Ordering::SeqCst);
        }
        let (answer, number) = channel();
        self.send(JournalCommand::Rotate(content, answer));
        let number = number.recv().map_err(|_| io::ErrorKind::BrokenPipe)??;
        self.records_begun.store(records_begun, Ordering::SeqCst);
        self.own.1.store(number, Ordering::SeqCst);
        Ok(number)
    }

    /// Whether this process wrote a segment.
    pub(in crate::session) fn is_own(&self, segment: u64) -> bool {
        (self.own.0..=self.last_own()).contains(&segment)
    }

    /// The last segment of this process.
    pub(in crate::session) fn last_own(&self) -> u64 {
        self.own.1.load(Ordering::SeqCst)
    }

    /// Completes the last segment and releases it. Nothing is recorded afterwards. Blocks.
    pub(in crate::session) fn close(&self) {
        let (answer, closed) = channel();
        self.send(JournalCommand::Close(answer));
        // The thread may have ended already.
        let _ = closed.recv();
    }

    fn send(&self, command: JournalCommand) {
        // The thread runs until this sender is dropped, or the journal is closed.
        let _ = self.to_thread.send(command);
    }
}
