//! The folder that keeps sessions: its snapshot, and the journal beside it.

use super::super::follower::{self, OverlapPlan};
use super::super::journal::{
    SegmentContent, SessionJournal, create, remove_segment, segments, sync_folder,
};
use super::super::live::LiveSessions;
use super::super::record::{Session, Via};
use super::super::sealed_file::{FileHead, FileKind, SealedFileWriter};
use super::super::snapshot_seal::SnapshotSeal;
use super::super::stored_session::encode;
use super::folder_lock::{FolderLock, SessionFolderError};
use super::restore::{self, RestoredSessions, SNAPSHOT_FILE};
use crate::base::clock::Clock;
use crate::base::random::RandomSource;
use arc_swap::ArcSwap;
use std::collections::HashSet;
use std::io::{self, BufWriter};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

pub(super) const UNFINISHED_FILE: &str = "sessions.new";

/// Maximum time that a snapshot waits for refresh tokens that rechecks are using. What a recheck
/// still uses then is left out: that person signs in again, mostly without being asked.
const REFRESH_TOKEN_WAIT: Duration = Duration::from_secs(15);
const REFRESH_TOKEN_POLL: Duration = Duration::from_millis(20);

/// The part of the time that snapshots may take: the next one waits for this many times as long as
/// the one before took, if that exceeds the interval.
const PAUSE_FACTOR: u32 = 20;

/// The folder that keeps the sessions of one process over a restart.
#[derive(Debug)]
pub struct SessionFolder {
    pub(super) path: PathBuf,
    pub(super) seal: Arc<ArcSwap<SnapshotSeal>>,
    /// Asks for a snapshot before its time.
    pub(super) is_due: Arc<Notify>,
    pub(super) clock: Clock,
    pub(super) random: RandomSource,
    pub(super) live: Arc<LiveSessions>,
    pub(super) journal: Arc<SessionJournal>,
    /// One snapshot is written at a time.
    pub(super) is_writing: Mutex<()>,
    /// Held until the folder is handed over or closed.
    pub(super) lock: FolderLock,
    /// Whether the next process may write the folder.
    pub(super) is_handed_over: AtomicBool,
}

/// What a snapshot contains.
#[derive(Debug, Default)]
pub(super) struct WrittenSnapshot {
    /// Number of its sessions.
    pub(super) count: usize,
    /// The live sessions that are not in it, because a recheck uses their refresh tokens.
    pub(super) missing: Vec<Arc<Session>>,
}

impl SessionFolder {
    /// Opens the folder, makes its sessions live, and starts the journal. If the process before
    /// still serves, its journal is followed. Blocks.
    ///
    /// # Errors
    /// The folder cannot be used. A snapshot that cannot be read is no error: it is set aside.
    pub fn open(
        lock: FolderLock,
        seal: SnapshotSeal,
        live: Arc<LiveSessions>,
        random: RandomSource,
    ) -> Result<(Self, RestoredSessions), SessionFolderError> {
        let path = lock.folder().to_owned();
        let failed = |error| SessionFolderError::Io(path.clone(), error);
        let seal = Arc::new(seal);
        let (restored, ended) = restore::restore(&path, &seal, &live).map_err(failed)?;
        let next = segments(&path).map_err(failed)?.last().map_or(1, |it| it + 1);
        let next = next.max(restored.next_segment);
        let content = if restored.is_before_serving {
            SegmentContent::EndedAndBegun
        } else {
            SegmentContent::Ended
        };
        let journal =
            SessionJournal::start(path.clone(), Arc::clone(&seal), random.clone(), next, content);
        let journal = Arc::new(journal.map_err(failed)?);
        live.record_ends_in(&journal);
        let folder = Self {
            path: path.clone(),
            seal: Arc::new(ArcSwap::new(seal)),
            is_due: Arc::default(),
            clock: live.clock.clone(),
            random,
            live,
            journal,
            is_writing: Mutex::default(),
            lock,
            is_handed_over: AtomicBool::new(false),
        };
        if restored.is_before_serving {
            folder.journal.tombstones.begin(ended);
            folder.follow(false).map_err(failed)?;
        }
        Ok((folder, restored))
    }

    /// Follows the journals of other processes.
    pub(super) fn follow(&self, is_handed_over: bool) -> io::Result<()> {
        self.journal.tombstones.begin(HashSet::new());
        let plan = OverlapPlan {
            folder: self.path.clone(),
            lock: self.lock.path(),
            seal: Arc::clone(&self.seal),
            journal: Arc::clone(&self.journal),
            live: Arc::downgrade(&self.live),
            is_handed_over,
            is_alone: Arc::clone(&self.is_due),
        };
        self.live.overlap.store(Some(Arc::new(follower::start(plan)?)));
        Ok(())
    }

    /// Seals with other secrets from now on, and writes a snapshot soon, so that the former secrets
    /// are no longer needed.
    pub fn seal_with(&self, seal: SnapshotSeal) {
        let seal = Arc::new(seal);
        self.journal.seal_with(Arc::clone(&seal));
        self.seal.store(seal);
        self.is_due.notify_one();
    }

    /// Writes a snapshot each `interval` until `stop`; `close` writes the last one, after the last
    /// request. `report` is called when writing begins to fail, and when it succeeds again.
    pub async fn run(
        self: Arc<Self>,
        interval: Duration,
        stop: CancellationToken,
        report: impl Fn(bool) + Send,
    ) {
        let mut pause = interval;
        let mut is_failing = false;
        let next = async |pause| {
            let _ = tokio::time::timeout(pause, self.is_due.notified()).await;
        };
        while stop.run_until_cancelled(next(pause)).await.is_some() {
            let began = Instant::now();
            let folder = Arc::clone(&self);
            let written = tokio::task::spawn_blocking(move || folder.write()).await;
            let written = written.unwrap_or_else(|error| Err(io::Error::other(error)));
            match &written {
                Err(error) if !is_failing => {
                    tracing::error!(%error, folder = %self.path.display(), "sessions cannot be saved; a restart would sign people out");
                }
                Ok(_) if is_failing => tracing::info!("sessions are saved again"),
                _ => {}
            }
            if written.is_err() != is_failing {
                is_failing = !is_failing;
                report(is_failing);
            }
            pause = interval.max(began.elapsed() * PAUSE_FACTOR);
        }
    }

    /// Writes a snapshot of all live sessions; returns their number, 0 after the folder was handed
    /// over. Blocks.
    ///
    /// # Errors
    /// The snapshot cannot be written; the former one and the journal since then stay.
    pub fn write(&self) -> io::Result<usize> {
        let _one = self.is_writing.lock().unwrap_or_else(PoisonError::into_inner);
        if self.is_handed_over.load(Ordering::SeqCst) {
            return Ok(0);
        }
        let overlap = self.live.overlap.load_full();
        let content = if overlap.is_some_and(|it| it.state().has_others) {
            SegmentContent::EndedAndBegun
        } else {
            self.live.overlap.store(None);
            self.journal.tombstones.end();
            SegmentContent::Ended
        };
        Ok(self.write_with(content, REFRESH_TOKEN_WAIT)?.count)
    }

    /// Sessions whose refresh tokens are in use are waited for, for at most `wait` together.
    pub(super) fn write_with(
        &self,
        content: SegmentContent,
        wait: Duration,
    ) -> io::Result<WrittenSnapshot> {
        // What another process recorded until now is in its segments only.
        let followed = self.live.overlap.load().as_ref().map_or(u64::MAX, |it| it.oldest());
        // A session that ends from now on has an entry in this segment or a later one.
        let segment = self.journal.rotate(content)?.min(followed);
        let kind = FileKind::Snapshot;
        let head =
            FileHead { kind, salt: self.random.bytes(), segment, begun_at: self.clock.now() };
        let unfinished = self.path.join(UNFINISHED_FILE);
        let file = BufWriter::new(create(&unfinished)?);
        let mut file = SealedFileWriter::begin(&self.seal.load(), head, file)?;
        let written = self.write_sessions(&mut file, wait)?;
        let file = file.end()?.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.sync_all()?;
        std::fs::rename(&unfinished, self.path.join(SNAPSHOT_FILE))?;
        sync_folder(&self.path)?;
        for old in segments(&self.path)?.range(..segment) {
            remove_segment(&self.path, *old)?;
        }
        Ok(written)
    }

    fn write_sessions<W: io::Write>(
        &self,
        file: &mut SealedFileWriter<W>,
        wait: Duration,
    ) -> io::Result<WrittenSnapshot> {
        let mut written = WrittenSnapshot::default();
        let mut in_recheck = Vec::new();
        for (_, session) in &self.live.sessions {
            match self.add(file, &session)? {
                Some(added) => written.count += usize::from(added),
                None => in_recheck.push(session),
            }
        }
        let deadline = Instant::now() + wait;
        for session in in_recheck {
            loop {
                if let Some(added) = self.add(file, &session)? {
                    written.count += usize::from(added);
                    break;
                }
                if Instant::now() >= deadline {
                    written.missing.push(session);
                    break;
                }
                std::thread::sleep(REFRESH_TOKEN_POLL);
            }
        }
        Ok(written)
    }

    /// Adds a session unless it has ended or has its place elsewhere. `None` if a recheck is using
    /// its refresh token.
    fn add<W: io::Write>(
        &self,
        file: &mut SealedFileWriter<W>,
        session: &Session,
    ) -> io::Result<Option<bool>> {
        if session.via() != Via::Browser || !self.live.is_live(session, self.clock.now(), false) {
            return Ok(Some(false));
        }
        let added = session.standing().read_refresh_token(|token| {
            file.add(|out| encode(session, token, out).map_err(io::Error::other))
        });
        match added {
            None => Ok(None),
            Some(Ok(())) => Ok(Some(true)),
            Some(Err(error)) if error.kind() == io::ErrorKind::InvalidData => {
                tracing::warn!(user = session.user(), "session too large to be saved");
                Ok(Some(false))
            }
            Some(Err(error)) => Err(error),
        }
    }
}
