//! Follows the journals of other processes, and applies them to the live sessions.

use super::journal::{
    FollowError, FollowedSegment, JournalEvent, JournalKeys, JournalNotice, SessionJournal,
    segments,
};
use super::live::LiveSessions;
use super::overlap::{Overlap, OverlapState};
use super::snapshot_seal::SnapshotSeal;
use arc_swap::ArcSwap;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, TryLockError};
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};
use tokio::sync::{Notify, oneshot, watch};

/// Time between two looks at the journal of the other process. A sign-out there counts here after
/// at most this time, and a moment for the disk.
const POLL_INTERVAL: Duration = Duration::from_millis(200);
/// Minimum time between two looks, however many requests ask for one.
const MIN_POLL_INTERVAL: Duration = Duration::from_millis(5);

/// What following needs of the folder.
pub(super) struct OverlapPlan {
    pub(super) folder: PathBuf,
    pub(super) lock: PathBuf,
    pub(super) seal: Arc<ArcSwap<SnapshotSeal>>,
    pub(super) journal: Arc<SessionJournal>,
    pub(super) live: Weak<LiveSessions>,
    /// Whether this process has handed the folder over: it follows until it ends. Otherwise it
    /// follows until it is the only one.
    pub(super) is_handed_over: bool,
    /// Notified when there are no others any more.
    pub(super) is_alone: Arc<Notify>,
}

struct Follower {
    plan: OverlapPlan,
    segments: BTreeMap<u64, FollowedSegment>,
    /// Segments that were read to their ends.
    completed: BTreeSet<u64>,
    /// Segments whose processes have sessions that are recorded nowhere yet.
    incomplete: BTreeSet<u64>,
    successor_listens: bool,
    oldest: Arc<AtomicU64>,
    is_failing: bool,
}

/// Starts to follow. The first look has been taken when this returns. Blocks.
///
/// # Errors
/// The thread cannot be started.
pub(super) fn start(plan: OverlapPlan) -> io::Result<Overlap> {
    let oldest = Arc::new(AtomicU64::new(u64::MAX));
    let is_handed_over = plan.is_handed_over;
    let mut follower = Follower {
        plan,
        segments: BTreeMap::new(),
        completed: BTreeSet::new(),
        incomplete: BTreeSet::new(),
        successor_listens: false,
        oldest: Arc::clone(&oldest),
        is_failing: false,
    };
    follower.look();
    let (states, state) = watch::channel(follower.state());
    let (to_thread, commands) = channel();
    std::thread::Builder::new()
        .name("session-follower".to_owned())
        .spawn(move || follower.run(&commands, &states))?;
    Ok(Overlap { to_thread, state, oldest, is_handed_over, begun_at: Instant::now() })
}

impl Follower {
    fn run(
        mut self,
        commands: &Receiver<oneshot::Sender<bool>>,
        states: &watch::Sender<OverlapState>,
    ) {
        loop {
            let first = match commands.recv_timeout(POLL_INTERVAL) {
                Ok(answer) => Some(answer),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => return,
            };
            if first.is_some() {
                std::thread::sleep(MIN_POLL_INTERVAL);
            }
            // All of them asked before the look.
            let waiting: Vec<_> = first.into_iter().chain(commands.try_iter()).collect();
            let is_read = self.look();
            let now = self.state();
            states.send_if_modified(|before| std::mem::replace(before, now) != now);
            for answer in waiting {
                let _ = answer.send(is_read);
            }
            if !now.has_others && !self.plan.is_handed_over {
                tracing::info!("the process before has ended");
                self.plan.is_alone.notify_one();
                return;
            }
        }
    }

    /// Reads what was added; returns whether all of it could be read.
    fn look(&mut self) -> bool {
        let Some(live) = self.plan.live.upgrade() else { return false };
        let read = self.read(&live);
        let is_failing = read.is_err();
        match read {
            Err(error) if !self.is_failing => {
                tracing::error!(%error, folder = %self.plan.folder.display(), "the journal of the other process cannot be followed; sign-outs there do not count here, and the other way round");
            }
            Ok(()) if self.is_failing => {
                tracing::info!("the journal of the other process is followed again");
            }
            _ => {}
        }
        self.is_failing = is_failing;
        let oldest = self.segments.keys().next().copied().unwrap_or(u64::MAX);
        self.oldest.store(oldest, Ordering::SeqCst);
        !is_failing
    }

    fn read(&mut self, live: &LiveSessions) -> Result<(), FollowError> {
        let seal = self.plan.seal.load_full();
        let keys = JournalKeys::new(&seal.keyring);
        for number in segments(&self.plan.folder)? {
            let is_known = self.segments.contains_key(&number) || self.completed.contains(&number);
            if !is_known && !self.plan.journal.is_own(number) {
                match FollowedSegment::open(&self.plan.folder, number) {
                    Ok(opened) => drop(self.segments.insert(number, opened)),
                    // Removed since: it belongs to no snapshot any more.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    Err(error) => return Err(error.into()),
                }
            }
        }
        let mut failed = Ok(());
        for (number, segment) in &mut self.segments {
            let (incomplete, listens) = (&mut self.incomplete, &mut self.successor_listens);
            let is_later = *number > self.plan.journal.last_own();
            let read = segment.read(&seal, &keys, |event| match event {
                JournalEvent::Ended(key) => live.end_elsewhere(&key),
                JournalEvent::Begun(record) => live.begin_elsewhere(record),
                JournalEvent::Notice(JournalNotice::Missing) => drop(incomplete.insert(*number)),
                JournalEvent::Notice(JournalNotice::Complete) => drop(incomplete.remove(number)),
                JournalEvent::Notice(JournalNotice::Listening) => *listens |= is_later,
            });
            failed = failed.and(read);
        }
        let completed = self.segments.extract_if(.., |_, it| it.is_complete()).map(|it| it.0);
        for number in completed.collect::<Vec<_>>() {
            self.incomplete.remove(&number);
            self.completed.insert(number);
        }
        failed
    }

    fn state(&self) -> OverlapState {
        let last_own = self.plan.journal.last_own();
        let has_later = self.segments.range(last_own.saturating_add(1)..).next().is_some();
        let has_successor = self.plan.is_handed_over && (has_later || self.is_folder_taken());
        OverlapState {
            has_others: !self.segments.is_empty(),
            is_incomplete: !self.incomplete.is_empty(),
            has_successor,
            successor_listens: has_successor && has_later && self.successor_listens,
        }
    }

    /// Whether another process has the lock of the folder. It may not have a journal yet.
    fn is_folder_taken(&self) -> bool {
        let lock = File::open(&self.plan.lock);
        lock.is_ok_and(|it| matches!(it.try_lock_shared(), Err(TryLockError::WouldBlock)))
    }
}
