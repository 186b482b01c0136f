//! Reads the sessions of a process that has ended.

use super::super::end_journal::{DamagedJournal, JournalKeys, segment_path, segments};
use super::super::live::LiveSessions;
use super::super::stored_session::decode;
use super::seal::SnapshotSeal;
use super::sealed_file::{SealedFileError, SealedFileReader};
use std::collections::{BTreeSet, HashSet};
use std::fs::File;
use std::io::{self, BufReader};
use std::path::Path;
use std::sync::Arc;

/// The snapshot.
pub(super) const SNAPSHOT_FILE: &str = "sessions";

/// What a start found in the folder.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RestoredSessions {
    /// Number of sessions that are live again.
    pub count: usize,
    /// When the snapshot was begun, in seconds since 1970: changes in the directory since then are
    /// unknown to the sessions. `None` if there is no snapshot.
    pub as_of: Option<u64>,
    /// The journal continues with this segment or a later one.
    pub(super) next_segment: u64,
}

/// Why the sessions of a snapshot are not restored.
#[derive(Debug, thiserror::Error)]
enum RestoreError {
    #[error("the snapshot {0}")]
    Snapshot(#[from] SealedFileError),
    #[error("the journal of ended sessions {0}")]
    Journal(#[from] DamagedJournal),
}

impl From<io::Error> for RestoreError {
    fn from(error: io::Error) -> Self {
        Self::Snapshot(error.into())
    }
}

/// Makes the sessions of the snapshot live that have not ended since.
///
/// # Errors
/// The folder cannot be read or changed.
pub(super) fn restore(
    folder: &Path,
    seal: &SnapshotSeal,
    keys: &JournalKeys,
    live: &LiveSessions,
) -> io::Result<RestoredSessions> {
    let snapshot = folder.join(SNAPSHOT_FILE);
    let file = match File::open(&snapshot) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Ok(RestoredSessions::default());
        }
        Err(error) => return Err(error),
    };
    let mut restored = RestoredSessions::default();
    match read(folder, seal, keys, live, file, &mut restored) {
        Ok(()) => {
            tracing::info!(sessions = restored.count, "sessions restored");
            Ok(restored)
        }
        Err(error) => {
            let aside = set_aside(folder, live.clock.now())?;
            tracing::error!(%error, restored = restored.count, set_aside = %aside, "sessions of the process before cannot all be restored; the others must sign in again");
            Ok(restored)
        }
    }
}

fn read(
    folder: &Path,
    seal: &SnapshotSeal,
    keys: &JournalKeys,
    live: &LiveSessions,
    file: File,
    restored: &mut RestoredSessions,
) -> Result<(), RestoreError> {
    let (head, mut file) = SealedFileReader::begin(seal, BufReader::new(file))?;
    let ended = ended(folder, keys, &segments(folder)?, head.segment)?;
    restored.as_of = Some(head.begun_at);
    restored.next_segment = head.segment.saturating_add(1);
    let mut add = |record: &[u8]| {
        let session = decode(record).filter(|it| !ended.contains(&it.key));
        restored.count += usize::from(session.is_some_and(|it| live.restore(&Arc::new(it))));
    };
    while file.next_chunk(&mut add)? {}
    Ok(())
}

/// Returns the sessions that ended since the snapshot was begun.
fn ended(
    folder: &Path,
    keys: &JournalKeys,
    segments: &BTreeSet<u64>,
    first: u64,
) -> Result<HashSet<[u8; 32]>, RestoreError> {
    let mut out = HashSet::new();
    for segment in segments.range(first..) {
        let bytes = std::fs::read(segment_path(folder, *segment))?;
        out.extend(keys.read(*segment, &bytes)?.into_iter().map(|it| it.key));
    }
    Ok(out)
}

/// Renames everything that a start would read, and returns the ending of the names.
fn set_aside(folder: &Path, now: u64) -> io::Result<String> {
    let ending = format!("unreadable-{now}");
    let journal = segments(folder)?.into_iter().map(|it| segment_path(folder, it));
    for path in std::iter::once(folder.join(SNAPSHOT_FILE)).chain(journal) {
        let mut aside = path.clone().into_os_string();
        aside.push(format!(".{ending}"));
        std::fs::rename(&path, aside)?;
    }
    Ok(ending)
}
