//! Sessions on the disk, so that a restart signs nobody out: a sealed snapshot of all sessions, and
//! a journal of those that ended since.
//!
//! One process at a time writes the snapshot, and holds the lock of the folder. The snapshot
//! replaces the former one as a whole. It names the first segment of the journal that a start must
//! read with it.

mod folder;
mod folder_lock;
mod hand_over;
mod restore;
#[cfg(test)]
pub(super) mod tests;

pub use super::snapshot_seal::SnapshotSeal;
pub use folder::SessionFolder;
pub use folder_lock::{FolderLock, SessionFolderError};
pub(crate) use restore::RestoredSessions;
