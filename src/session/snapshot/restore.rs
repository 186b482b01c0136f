//! Reads the sessions of the process before, which has ended or ends.

use super::super::journal::{
    FollowError, FollowedSegment, JournalEvent, JournalKeys, segment_files, segments,
};
use super::super::live::LiveSessions;
use super::super::sealed_file::{FileKind, SealedFileError, SealedFileReader};
use super::super::session_key::SessionKey;
use super::super::snapshot_seal::SnapshotSeal;
use super::super::stored_session::decode;
use std::collections::HashSet;
use std::fs::File;
use std::io::{self, BufReader};
use std::path::Path;
use std::sync::Arc;
use zeroize::Zeroizing;

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
    /// Whether the process before still serves: sessions begin and end there.
    pub is_before_serving: bool,
    /// The journal continues with this segment or a later one.
    pub(super) next_segment: u64,
}

/// Why the sessions of a snapshot are not restored.
#[derive(Debug, thiserror::Error)]
enum RestoreError {
    #[error("the snapshot {0}")]
    Snapshot(#[from] SealedFileError),
    #[error("the journal of ended sessions {0}")]
    Journal(#[from] FollowError),
}

/// What the journal says beyond the snapshot.
#[derive(Default)]
struct ReadJournal {
    ended: HashSet<SessionKey>,
    /// Sessions that began, in their stored form.
    begun: Vec<Zeroizing<Vec<u8>>>,
}

impl From<io::Error> for RestoreError {
    fn from(error: io::Error) -> Self {
        Self::Snapshot(error.into())
    }
}

/// Makes the sessions of the snapshot live that have not ended since. Returns also those that have
/// ended.
///
/// # Errors
/// The folder cannot be read or changed.
pub(super) fn restore(
    folder: &Path,
    seal: &SnapshotSeal,
    live: &LiveSessions,
) -> io::Result<(RestoredSessions, HashSet<SessionKey>)> {
    let mut restored = RestoredSessions::default();
    let snapshot = folder.join(SNAPSHOT_FILE);
    let file = match File::open(&snapshot) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Ok((restored, HashSet::new()));
        }
        Err(error) => return Err(error),
    };
    match read(folder, seal, live, file, &mut restored) {
        Ok(ended) => {
            tracing::info!(sessions = restored.count, "sessions restored");
            Ok((restored, ended))
        }
        Err(error) => {
            let aside = set_aside(folder, live.clock.now())?;
            tracing::error!(%error, restored = restored.count, set_aside = %aside, "sessions of the process before cannot all be restored; the others must sign in again");
            restored.is_before_serving = false;
            Ok((restored, HashSet::new()))
        }
    }
}

fn read(
    folder: &Path,
    seal: &SnapshotSeal,
    live: &LiveSessions,
    file: File,
    restored: &mut RestoredSessions,
) -> Result<HashSet<SessionKey>, RestoreError> {
    let (head, mut file) = SealedFileReader::begin(seal, FileKind::Snapshot, BufReader::new(file))?;
    let ReadJournal { ended, begun } = read_journal(folder, seal, head.segment, restored)?;
    restored.as_of = Some(head.begun_at);
    restored.next_segment = head.segment.saturating_add(1);
    let mut add = |record: &[u8]| {
        let session = decode(record).filter(|it| !ended.contains(&it.key));
        restored.count += usize::from(session.is_some_and(|it| live.restore(&Arc::new(it))));
    };
    while file.next_chunk(&mut add)? {}
    // Where a session is in both, the snapshot is newer, or as new.
    for record in &begun {
        add(record);
    }
    Ok(ended)
}

/// Reads the segments that belong to the snapshot.
fn read_journal(
    folder: &Path,
    seal: &SnapshotSeal,
    first: u64,
    restored: &mut RestoredSessions,
) -> Result<ReadJournal, RestoreError> {
    let keys = JournalKeys::new(&seal.keyring);
    let mut out = ReadJournal::default();
    for number in segments(folder)?.range(first..) {
        let mut segment = FollowedSegment::open(folder, *number)?;
        segment.read(seal, &keys, |event| match event {
            JournalEvent::Ended(key) => drop(out.ended.insert(key)),
            JournalEvent::Begun(record) => out.begun.push(Zeroizing::new(record.to_vec())),
            JournalEvent::Notice(_) => {}
        })?;
        restored.is_before_serving |= !segment.is_complete();
    }
    Ok(out)
}

/// Renames everything that a start would read, and returns the ending of the names.
fn set_aside(folder: &Path, now: u64) -> io::Result<String> {
    let ending = format!("unreadable-{now}");
    let journal = segments(folder)?.into_iter().flat_map(|it| {
        let files = segment_files(folder, it);
        [files.ended, files.begun]
    });
    for path in std::iter::once(folder.join(SNAPSHOT_FILE)).chain(journal) {
        let mut aside = path.clone().into_os_string();
        aside.push(format!(".{ending}"));
        match std::fs::rename(&path, aside) {
            // Most segments have no begun sessions.
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(ending)
}
