//! The sessions that began, of one segment: a sealed file that grows, for another process that
//! serves at the same time.

use super::super::sealed_file::{FileHead, FileKind, SALT_BYTES, SealedFileWriter};
use super::super::snapshot_seal::SnapshotSeal;
use super::files::create;
use super::growing_file::{GrowingFile, MAX_UNWRITTEN_BYTES};
use std::io;
use std::path::Path;

/// What a process tells those that follow it, as a record among the sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::session) enum JournalNotice {
    /// Some sessions of this process are neither in its snapshot nor recorded yet: a recheck uses
    /// their refresh tokens.
    Missing,
    /// No session is missing any more.
    Complete,
    /// This process listens.
    Listening,
}

/// Records of sessions begin with their version, which is never 0.
const NOTICE: u8 = 0;

impl JournalNotice {
    pub(super) fn record(self) -> [u8; 2] {
        let number = match self {
            Self::Missing => 1,
            Self::Complete => 2,
            Self::Listening => 3,
        };
        [NOTICE, number]
    }

    /// Returns the notice in a record; `None` if it is a session, or a notice of a newer version.
    pub(super) fn of_record(record: &[u8]) -> Option<Self> {
        let all = [Self::Missing, Self::Complete, Self::Listening];
        all.into_iter().find(|it| it.record() == record)
    }
}

/// Writes the sessions that began.
pub(super) struct BegunWriter {
    sealed: SealedFileWriter<Vec<u8>>,
    file: GrowingFile,
}

impl BegunWriter {
    pub(super) fn create(
        path: &Path,
        segment: u64,
        seal: &SnapshotSeal,
        salt: [u8; SALT_BYTES],
    ) -> io::Result<Self> {
        let head = FileHead { kind: FileKind::Begun, salt, segment, begun_at: 0 };
        let sealed = SealedFileWriter::begin(seal, head, Vec::new())?;
        let mut writer = Self { sealed, file: GrowingFile::new(create(path)?) };
        writer.write()?;
        Ok(writer)
    }

    /// Adds a record, unless the disk has refused too many before. One that is lost is a session
    /// that the other process does not know.
    pub(super) fn add(&mut self, record: &[u8]) {
        if self.file.unwritten.len() + record.len() <= MAX_UNWRITTEN_BYTES {
            let written = self.sealed.add(|out| {
                out.extend_from_slice(record);
                Ok(())
            });
            if let Err(error) = written {
                tracing::warn!(%error, "a session that began cannot be recorded");
            }
        }
    }

    /// Writes what was added to the disk.
    pub(super) fn write(&mut self) -> io::Result<()> {
        let sealed = self.sealed.flush()?;
        self.file.unwritten.append(sealed);
        self.file.write()
    }
}
