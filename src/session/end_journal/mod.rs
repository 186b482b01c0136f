//! The journal of ended sessions, which a start reads after the snapshot: an ended session does not
//! come back.
//!
//! A thread of its own writes it, and one `fsync` confirms all entries that came in during the one
//! before.

mod entries;

use super::record::{Session, Via};
pub(in crate::session) use entries::{DamagedJournal, JournalKeys};
use entries::{ENTRY_BYTES, EndedEntry};
use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;
use tokio::sync::oneshot;

/// Maximum time that the answer to a sign-out waits for the disk.
const CONFIRMATION_TIMEOUT: Duration = Duration::from_secs(5);
/// Maximum length of what is kept for the next attempt if the disk refuses a write, in bytes. What
/// exceeds it is lost, and the next snapshot makes up for it.
const MAX_UNWRITTEN_BYTES: usize = 4 * 1024 * 1024;

/// The writer of the journal.
#[derive(Debug)]
pub(in crate::session) struct EndJournal {
    to_thread: Sender<JournalCommand>,
}

#[derive(Debug)]
enum JournalCommand {
    Ended(EndedEntry),
    /// Answers whether everything before it is on the disk.
    Confirm(oneshot::Sender<bool>),
    /// Continues in a new segment; answers its number.
    Rotate(Sender<io::Result<u64>>),
    /// The keys of what follows.
    Keys(JournalKeys),
}

struct JournalThread {
    folder: PathBuf,
    keys: JournalKeys,
    segment: u64,
    file: File,
    /// What of the segment is on the disk, in bytes.
    length: u64,
    unwritten: Vec<u8>,
    is_failing: bool,
}

/// Returns the path of a segment.
pub(in crate::session) fn segment_path(folder: &Path, segment: u64) -> PathBuf {
    folder.join(format!("ended.{segment}"))
}

/// Returns the number of a segment from its file name.
fn segment_number(name: &str) -> Option<u64> {
    let number = name.strip_prefix("ended.")?.parse().ok()?;
    (segment_path(Path::new(""), number).as_os_str() == name).then_some(number)
}

/// Returns the numbers of the segments in a folder.
pub(in crate::session) fn segments(folder: &Path) -> io::Result<BTreeSet<u64>> {
    let mut out = BTreeSet::new();
    for entry in std::fs::read_dir(folder)? {
        out.extend(entry?.file_name().to_str().and_then(segment_number));
    }
    Ok(out)
}

/// Creates a file that only this user can read.
pub(in crate::session) fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)
}

/// Writes the names in a folder to the disk.
pub(in crate::session) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

impl EndJournal {
    /// Starts the journal with a new segment.
    ///
    /// # Errors
    /// The segment cannot be created.
    pub(in crate::session) fn start(
        folder: PathBuf,
        keys: JournalKeys,
        segment: u64,
    ) -> io::Result<Self> {
        let file = begin(&folder, segment)?;
        let thread = JournalThread {
            folder,
            keys,
            segment,
            file,
            length: 0,
            unwritten: Vec::new(),
            is_failing: false,
        };
        let (to_thread, commands) = channel();
        std::thread::Builder::new()
            .name("ended-sessions".to_owned())
            .spawn(move || thread.run(&commands))?;
        Ok(Self { to_thread })
    }

    /// Records that a session has ended. Does not wait.
    pub(in crate::session) fn record(&self, session: &Session) {
        // A sign-in on one of the app's own clients has a row in the directory, which has ended.
        if session.via() == Via::Browser {
            let entry = EndedEntry { key: session.key, ends: session.ends() };
            self.send(JournalCommand::Ended(entry));
        }
    }

    /// Waits until everything that was recorded so far is on the disk, at most 5 seconds. The
    /// session has ended in this process in any case.
    pub(in crate::session) async fn confirm(&self) {
        let (answer, confirmed) = oneshot::channel();
        self.send(JournalCommand::Confirm(answer));
        let waited = tokio::time::timeout(CONFIRMATION_TIMEOUT, confirmed).await;
        if !matches!(waited, Ok(Ok(true))) {
            tracing::error!(
                "an ended session could not be recorded on the disk: it would come back after a crash before the next snapshot"
            );
        }
    }

    /// Writes with other keys from now on.
    pub(in crate::session) fn seal_with(&self, keys: JournalKeys) {
        self.send(JournalCommand::Keys(keys));
    }

    /// Continues in a new segment, and returns its number.
    ///
    /// # Errors
    /// The segment cannot be created.
    pub(in crate::session) fn rotate(&self) -> io::Result<u64> {
        let (answer, number) = channel();
        self.send(JournalCommand::Rotate(answer));
        number.recv().map_err(|_| io::ErrorKind::BrokenPipe)?
    }

    fn send(&self, command: JournalCommand) {
        // The thread runs until this sender is dropped.
        let _ = self.to_thread.send(command);
    }
}

fn begin(folder: &Path, segment: u64) -> io::Result<File> {
    let file = create(&segment_path(folder, segment))?;
    sync_folder(folder)?;
    Ok(file)
}

impl JournalThread {
    fn run(mut self, commands: &Receiver<JournalCommand>) {
        while let Ok(first) = commands.recv() {
            let (mut waiting, mut rotation) = (Vec::new(), None);
            let mut next = Some(first);
            while let Some(command) = next {
                match command {
                    JournalCommand::Ended(entry) => self.keep(entry),
                    JournalCommand::Confirm(answer) => waiting.push(answer),
                    JournalCommand::Keys(keys) => self.keys = keys,
                    // What follows belongs to the next segment.
                    JournalCommand::Rotate(answer) => rotation = Some(answer),
                }
                next = if rotation.is_none() { commands.try_recv().ok() } else { None };
            }
            let is_written = self.write();
            for answer in waiting {
                let _ = answer.send(is_written);
            }
            if let Some(answer) = rotation {
                let _ = answer.send(self.rotate(is_written));
            }
        }
    }

    fn keep(&mut self, entry: EndedEntry) {
        if self.unwritten.len() + ENTRY_BYTES <= MAX_UNWRITTEN_BYTES {
            self.keys.write(self.segment, entry, &mut self.unwritten);
        }
    }

    fn write(&mut self) -> bool {
        if self.unwritten.is_empty() {
            return true;
        }
        // At its place: the attempt before may have written a part.
        let written = self
            .file
            .write_all_at(&self.unwritten, self.length)
            .and_then(|()| self.file.sync_data());
        let was_failing = std::mem::replace(&mut self.is_failing, written.is_err());
        match written {
            Ok(()) => {
                self.length += u64::try_from(self.unwritten.len()).unwrap_or_default();
                self.unwritten.clear();
                if was_failing {
                    tracing::info!("ended sessions are recorded on the disk again");
                }
            }
            Err(error) if !was_failing => {
                tracing::error!(%error, folder = %self.folder.display(), "ended sessions cannot be recorded on the disk");
            }
            Err(_) => {}
        }
        !self.is_failing
    }

    fn rotate(&mut self, is_written: bool) -> io::Result<u64> {
        if !is_written {
            return Err(io::Error::other("ended sessions are not recorded yet"));
        }
        let next = self.segment + 1;
        self.file = begin(&self.folder, next)?;
        (self.segment, self.length) = (next, 0);
        Ok(next)
    }
}
