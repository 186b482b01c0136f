//! Sessions on the disk, so that a restart signs nobody out: a sealed snapshot of all sessions, and
//! a journal of those that ended since.
//!
//! One process at a time writes the folder, and holds a lock on it. The snapshot replaces the former
//! one as a whole. It names the first segment of the journal that a start must read with it.

mod restore;
mod seal;
mod sealed_file;
#[cfg(test)]
mod tests;

use super::end_journal::{EndJournal, JournalKeys, create, segment_path, segments, sync_folder};
use super::live::LiveSessions;
use super::record::{Session, Via};
use super::stored_session::encode;
use crate::base::clock::Clock;
use crate::base::random::RandomSource;
use arc_swap::ArcSwap;
pub(crate) use restore::RestoredSessions;
use restore::SNAPSHOT_FILE;
pub use seal::SnapshotSeal;
use sealed_file::{FileHead, SealedFileWriter};
use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, BufWriter};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

const UNFINISHED_FILE: &str = "sessions.new";
const LOCK_FILE: &str = "lock";

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
    path: PathBuf,
    seal: ArcSwap<SnapshotSeal>,
    /// Asks for a snapshot before its time.
    is_due: Notify,
    clock: Clock,
    random: RandomSource,
    live: Arc<LiveSessions>,
    journal: Arc<EndJournal>,
    /// One snapshot is written at a time.
    is_writing: Mutex<()>,
    /// Held until `close`.
    lock: File,
}

/// Why the folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SessionFolderError {
    /// It cannot be created, read or written.
    #[error("snapshot = {0:?}: {1}")]
    Io(PathBuf, io::Error),
}

impl SessionFolder {
    /// Opens the folder, makes its sessions live, and starts the journal. Waits while another
    /// process has the folder. Blocks.
    ///
    /// # Errors
    /// The folder cannot be used. A snapshot that cannot be read is no error: it is set aside.
    pub fn open(
        path: &Path,
        seal: SnapshotSeal,
        live: Arc<LiveSessions>,
        random: RandomSource,
    ) -> Result<(Self, RestoredSessions), SessionFolderError> {
        let failed = |error| SessionFolderError::Io(path.to_owned(), error);
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(failed)?;
        let lock = lock(path).map_err(failed)?;
        let keys = JournalKeys::new(&seal.keyring);
        let restored = restore::restore(path, &seal, &keys, &live).map_err(failed)?;
        let next = segments(path).map_err(failed)?.last().map_or(1, |it| it + 1);
        let journal = EndJournal::start(path.to_owned(), keys, next.max(restored.next_segment));
        let journal = Arc::new(journal.map_err(failed)?);
        live.record_ends_in(&journal);
        let clock = live.clock.clone();
        let folder = Self {
            path: path.to_owned(),
            seal: ArcSwap::from_pointee(seal),
            is_due: Notify::new(),
            clock,
            random,
            live,
            journal,
            is_writing: Mutex::default(),
            lock,
        };
        Ok((folder, restored))
    }

    /// Seals with other secrets from now on, and writes a snapshot soon, so that the former secrets
    /// are no longer needed.
    pub fn seal_with(&self, seal: SnapshotSeal) {
        self.journal.seal_with(JournalKeys::new(&seal.keyring));
        self.seal.store(Arc::new(seal));
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

    /// Writes a snapshot of all live sessions; returns their number. Blocks.
    ///
    /// # Errors
    /// The snapshot cannot be written; the former one and the journal since then stay.
    pub fn write(&self) -> io::Result<usize> {
        let _one = self.is_writing.lock().unwrap_or_else(PoisonError::into_inner);
        // A session that ends from now on has an entry in this segment or a later one.
        let segment = self.journal.rotate()?;
        let head = FileHead { salt: self.random.bytes(), segment, begun_at: self.clock.now() };
        let unfinished = self.path.join(UNFINISHED_FILE);
        let file = BufWriter::new(create(&unfinished)?);
        let mut file = SealedFileWriter::begin(&self.seal.load(), head, file)?;
        let count = self.write_sessions(&mut file)?;
        let file = file.end()?.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.sync_all()?;
        std::fs::rename(&unfinished, self.path.join(SNAPSHOT_FILE))?;
        sync_folder(&self.path)?;
        for old in segments(&self.path)?.range(..segment) {
            std::fs::remove_file(segment_path(&self.path, *old))?;
        }
        Ok(count)
    }

    /// Writes the last snapshot, and releases the folder for the next process. Blocks.
    ///
    /// # Errors
    /// The snapshot cannot be written; the former one and the journal since then stay.
    pub fn close(&self) -> io::Result<usize> {
        let written = self.write();
        // A lock that cannot be released is released when the process ends.
        let _ = self.lock.unlock();
        written
    }

    fn write_sessions<W: io::Write>(&self, file: &mut SealedFileWriter<W>) -> io::Result<usize> {
        let mut count = 0;
        let mut in_recheck = Vec::new();
        for (_, session) in &self.live.sessions {
            match self.add(file, &session)? {
                Some(added) => count += usize::from(added),
                None => in_recheck.push(session),
            }
        }
        let deadline = Instant::now() + REFRESH_TOKEN_WAIT;
        for session in in_recheck {
            loop {
                if let Some(added) = self.add(file, &session)? {
                    count += usize::from(added);
                    break;
                }
                if Instant::now() >= deadline {
                    break;
                }
                std::thread::sleep(REFRESH_TOKEN_POLL);
            }
        }
        Ok(count)
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

fn lock(folder: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    let file = options.write(true).create(true).truncate(false).mode(0o600);
    let file = file.open(folder.join(LOCK_FILE))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            tracing::info!(folder = %folder.display(), "waiting until another process releases the sessions");
            file.lock()?;
        }
        Err(TryLockError::Error(error)) => return Err(error),
    }
    Ok(file)
}
