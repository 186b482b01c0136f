//! A file to which entries are added.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

/// Maximum length of what is kept for the next attempt if the disk refuses a write, in bytes. What
/// exceeds it is lost, and the next snapshot makes up for it.
pub(super) const MAX_UNWRITTEN_BYTES: usize = 4 * 1024 * 1024;

/// A file to which entries are added.
pub(super) struct GrowingFile {
    file: File,
    /// What of it is on the disk, in bytes.
    length: u64,
    pub(super) unwritten: Vec<u8>,
}

impl GrowingFile {
    pub(super) fn new(file: File) -> Self {
        Self { file, length: 0, unwritten: Vec::new() }
    }

    pub(super) fn write(&mut self) -> io::Result<()> {
        if self.unwritten.is_empty() {
            return Ok(());
        }
        // At its place: the attempt before may have written a part.
        self.file.write_all_at(&self.unwritten, self.length)?;
        self.file.sync_data()?;
        self.length += u64::try_from(self.unwritten.len()).unwrap_or_default();
        self.unwritten.clear();
        Ok(())
    }
}
