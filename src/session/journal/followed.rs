//! Reads a segment of the journal, also while another process writes it.

use super::super::sealed_file::{
    FileKind, HEAD_BYTES, MAX_SEALED_CHUNK_BYTES, SealedFileError, SealedFileReader,
};
use super::super::session_key::SessionKey;
use super::super::snapshot_seal::SnapshotSeal;
use super::begun::JournalNotice;
use super::entries::{DamagedJournal, ENTRY_BYTES, EndedEntry, JournalKeys};
use super::files::segment_files;
use std::fs::{File, TryLockError};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

/// Maximum number of entries that are read at once.
const ENTRIES_AT_ONCE: usize = 64 * 1024;

/// Number of times that an invalid entry is read again: the other process may be writing it.
const MAX_READS_OF_AN_ENTRY: u32 = 3;

/// What a segment says.
pub(in crate::session) enum JournalEvent<'a> {
    /// The session with this key ended.
    Ended(SessionKey),
    /// A session began, in its stored form.
    Begun(&'a [u8]),
    /// A notice.
    Notice(JournalNotice),
}

/// Why a segment cannot be read further.
#[derive(Debug, thiserror::Error)]
pub(in crate::session) enum FollowError {
    #[error("cannot be read: {0}")]
    Io(#[from] io::Error),
    #[error(transparent)]
    Damaged(#[from] DamagedJournal),
}

/// A segment that is read step by step.
#[derive(Debug)]
pub(in crate::session) struct FollowedSegment {
    number: u64,
    ended: File,
    /// How far the ended sessions were read, in bytes.
    ended_at: u64,
    /// How often the entry there was invalid.
    invalid_reads: u32,
    begun: Option<FollowedBegun>,
    is_complete: bool,
}

struct FollowedBegun {
    file: File,
    /// Reads the same file; there is none before the head is there.
    reader: Option<SealedFileReader<File>>,
    /// How far the file was read, in bytes.
    at: u64,
}

impl FollowedSegment {
    /// Opens a segment.
    ///
    /// # Errors
    /// It is not there, or cannot be opened.
    pub(in crate::session) fn open(folder: &Path, number: u64) -> io::Result<Self> {
        let files = segment_files(folder, number);
        let ended = File::open(files.ended)?;
        let begun = match File::open(files.begun) {
            Ok(file) => Some(FollowedBegun { file, reader: None, at: 0 }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        Ok(Self { number, ended, ended_at: 0, invalid_reads: 0, begun, is_complete: false })
    }

    /// Whether its process adds nothing more to it, and all of it was read.
    pub(in crate::session) fn is_complete(&self) -> bool {
        self.is_complete
    }

    /// Calls `take` with what was added since the last call.
    ///
    /// # Errors
    /// Ended sessions cannot be read: some of them are unknown. Damaged records of begun sessions
    /// are logged and left out.
    pub(in crate::session) fn read(
        &mut self,
        seal: &SnapshotSeal,
        keys: &JournalKeys,
        mut take: impl FnMut(JournalEvent<'_>),
    ) -> Result<(), FollowError> {
        // Before it is read: what is added afterwards is seen as such.
        let is_released = match self.ended.try_lock_shared() {
            Ok(()) => true,
            Err(TryLockError::WouldBlock) => false,
            Err(TryLockError::Error(error)) => return Err(error.into()),
        };
        self.read_ended(keys, &mut take)?;
        if let Some(mut begun) = self.begun.take() {
            match begun.read(seal, &mut take) {
                Ok(()) => self.begun = Some(begun),
                Err(error) => {
                    tracing::error!(%error, segment = self.number, "the journal of begun sessions cannot be read further");
                }
            }
        }
        self.is_complete = is_released;
        Ok(())
    }

    fn read_ended(
        &mut self,
        keys: &JournalKeys,
        take: &mut impl FnMut(JournalEvent<'_>),
    ) -> Result<(), FollowError> {
        loop {
            let bytes = read_at(&self.ended, self.ended_at, ENTRIES_AT_ONCE * ENTRY_BYTES)?;
            let entries = keys.read(self.number, &bytes)?;
            for EndedEntry { key, .. } in &entries {
                take(JournalEvent::Ended(*key));
            }
            let valid = entries.len() * ENTRY_BYTES;
            self.ended_at += u64::try_from(valid).unwrap_or_default();
            if entries.len() == ENTRIES_AT_ONCE {
                continue;
            }
            // What is not complete yet is read again. An entry that stays invalid has been written
            // with secrets that this process does not have.
            let is_invalid = bytes.len() - valid >= ENTRY_BYTES;
            let before = if entries.is_empty() { self.invalid_reads } else { 0 };
            self.invalid_reads = if is_invalid { before + 1 } else { 0 };
            let is_damaged = self.invalid_reads > MAX_READS_OF_AN_ENTRY;
            return if is_damaged { Err(DamagedJournal.into()) } else { Ok(()) };
        }
    }
}

impl FollowedBegun {
    fn read(
        &mut self,
        seal: &SnapshotSeal,
        take: &mut impl FnMut(JournalEvent<'_>),
    ) -> Result<(), SealedFileError> {
        let length = self.file.metadata()?.len();
        if self.reader.is_none() {
            let head = u64::try_from(HEAD_BYTES).unwrap_or_default();
            if length < head {
                return Ok(());
            }
            // Both share the position, which `read_at` does not use.
            let file = self.file.try_clone()?;
            self.reader = Some(SealedFileReader::begin(seal, FileKind::Begun, file)?.1);
            self.at = head;
        }
        let Some(reader) = &mut self.reader else { return Ok(()) };
        while let Some(next) = end_of_chunk(&self.file, self.at, length)? {
            reader.next_chunk(|record| {
                take(match JournalNotice::of_record(record) {
                    Some(notice) => JournalEvent::Notice(notice),
                    None => JournalEvent::Begun(record),
                });
            })?;
            self.at = next;
        }
        Ok(())
    }
}

/// Returns where the chunk at a position ends, if all of it is there.
fn end_of_chunk(file: &File, at: u64, length: u64) -> Result<Option<u64>, SealedFileError> {
    let mut prefix = [0; 4];
    if length.saturating_sub(at) < 4 {
        return Ok(None);
    }
    file.read_exact_at(&mut prefix, at)?;
    let chunk = u32::from_be_bytes(prefix);
    if usize::try_from(chunk).map_or(true, |it| it > MAX_SEALED_CHUNK_BYTES) {
        return Err(SealedFileError::Damaged);
    }
    let end = at + 4 + u64::from(chunk);
    Ok((end <= length).then_some(end))
}

/// Reads up to `max` bytes at a position.
fn read_at(file: &File, at: u64, max: usize) -> io::Result<Vec<u8>> {
    let there = file.metadata()?.len().saturating_sub(at);
    let wanted = usize::try_from(there).unwrap_or(max).min(max);
    let mut out = vec![0; wanted];
    let mut count = 0;
    while let Some(rest) = out.get_mut(count..).filter(|it| !it.is_empty()) {
        match file.read_at(rest, at + u64::try_from(count).unwrap_or_default())? {
            0 => break,
            more => count += more,
        }
    }
    out.truncate(count);
    Ok(out)
}

impl std::fmt::Debug for FollowedBegun {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "FollowedBegun at {}", self.at)
    }
}
