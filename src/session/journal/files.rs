//! The files of the journal: `ended.N`, and `begun.N` beside it if two processes serve.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// The segment that is being created.
const UNFINISHED_FILE: &str = "ended.new";

/// What a segment records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::session) enum SegmentContent {
    /// Sessions that ended.
    Ended,
    /// Sessions that ended, and sessions that began.
    EndedAndBegun,
}

/// The paths of a segment.
pub(in crate::session) struct SegmentFiles {
    /// Sessions that ended. A segment exists if this file does.
    pub(in crate::session) ended: PathBuf,
    /// Sessions that began. Most segments have no such file.
    pub(in crate::session) begun: PathBuf,
}

/// Returns the paths of a segment.
pub(in crate::session) fn segment_files(folder: &Path, segment: u64) -> SegmentFiles {
    SegmentFiles {
        ended: folder.join(format!("ended.{segment}")),
        begun: folder.join(format!("begun.{segment}")),
    }
}

/// Returns the number of a segment from its file name.
fn segment_number(name: &str) -> Option<u64> {
    let number = name.strip_prefix("ended.")?.parse().ok()?;
    (segment_files(Path::new(""), number).ended.as_os_str() == name).then_some(number)
}

/// Returns the numbers of the segments in a folder.
pub(in crate::session) fn segments(folder: &Path) -> io::Result<BTreeSet<u64>> {
    let mut out = BTreeSet::new();
    for entry in std::fs::read_dir(folder)? {
        out.extend(entry?.file_name().to_str().and_then(segment_number));
    }
    Ok(out)
}

/// Creates a segment that another process can follow: it appears with its lock, and after the file
/// of begun sessions.
pub(super) fn create_segment(folder: &Path, segment: u64) -> io::Result<File> {
    let unfinished = folder.join(UNFINISHED_FILE);
    let file = create(&unfinished)?;
    file.try_lock()?;
    std::fs::rename(&unfinished, segment_files(folder, segment).ended)?;
    sync_folder(folder)?;
    Ok(file)
}

/// Removes a segment.
pub(in crate::session) fn remove_segment(folder: &Path, segment: u64) -> io::Result<()> {
    let files = segment_files(folder, segment);
    remove(&files.begun)?;
    remove(&files.ended)
}

/// Removes a file if it is there.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Creates a file that only this user can read.
pub(in crate::session) fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)
}

/// Writes the names in a folder to the disk.
pub(in crate::session) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}
