//! The lock of a folder of sessions.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

const LOCK_FILE: &str = "lock";
/// Time between two attempts.
const ATTEMPT_INTERVAL: Duration = Duration::from_millis(20);

/// Why the folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SessionFolderError {
    /// It cannot be created, read or written.
    #[error("snapshot = {0:?}: {1}")]
    Io(PathBuf, io::Error),
}

/// The right to write the folder of sessions, of one process at a time.
#[derive(Debug)]
pub struct FolderLock {
    folder: PathBuf,
    file: File,
}

impl FolderLock {
    /// Waits until no other process has the folder; creates it if it is missing.
    ///
    /// # Errors
    /// The folder cannot be used.
    pub async fn acquire(folder: &Path) -> Result<Self, SessionFolderError> {
        let failed = |error| SessionFolderError::Io(folder.to_owned(), error);
        let mut is_waiting = false;
        loop {
            let path = folder.to_owned();
            let attempt = tokio::task::spawn_blocking(move || Self::try_acquire(&path)).await;
            if let Some(lock) = attempt.map_err(io::Error::other).flatten().map_err(failed)? {
                return Ok(lock);
            }
            if !is_waiting {
                tracing::info!(folder = %folder.display(), "waiting until another process releases the sessions");
            }
            is_waiting = true;
            tokio::time::sleep(ATTEMPT_INTERVAL).await;
        }
    }

    /// Returns the lock, unless another process has it. Blocks.
    ///
    /// # Errors
    /// The folder cannot be used.
    pub(super) fn try_acquire(folder: &Path) -> io::Result<Option<Self>> {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        let mut options = OpenOptions::new();
        let file = options.write(true).create(true).truncate(false).mode(0o600);
        let lock = Self { folder: folder.to_owned(), file: file.open(folder.join(LOCK_FILE))? };
        Ok(lock.try_again()?.then_some(lock))
    }

    /// Acquires the lock again after it was released; returns false if another process has it.
    pub(super) fn try_again(&self) -> io::Result<bool> {
        match self.file.try_lock() {
            Ok(()) => Ok(true),
            Err(TryLockError::WouldBlock) => Ok(false),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// Lets another process have the folder.
    pub(super) fn release(&self) {
        // A lock that cannot be released is released when the process ends.
        let _ = self.file.unlock();
    }

    /// The folder.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The file that is locked.
    pub(super) fn path(&self) -> PathBuf {
        self.folder.join(LOCK_FILE)
    }
}
