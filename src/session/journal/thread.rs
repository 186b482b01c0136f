//! The thread that writes the journal.

use super::super::snapshot_seal::SnapshotSeal;
use super::begun::BegunWriter;
use super::entries::{ENTRY_BYTES, EndedEntry, JournalKeys};
use super::files::{SegmentContent, create_segment, remove, segment_files, segments};
use super::growing_file::{GrowingFile, MAX_UNWRITTEN_BYTES};
use crate::base::random::RandomSource;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender};
use tokio::sync::oneshot;
use zeroize::Zeroizing;

pub(super) enum JournalCommand {
    Ended(EndedEntry),
    /// A stored session, or a notice.
    Begun(Zeroizing<Vec<u8>>),
    /// Answers whether everything before it is on the disk.
    Confirm(oneshot::Sender<bool>),
    /// Continues in a new segment; answers its number.
    Rotate(SegmentContent, Sender<io::Result<u64>>),
    /// The secrets of what follows.
    Seal(Arc<SnapshotSeal>),
    /// Ends the journal.
    Close(Sender<()>),
}

pub(super) struct JournalThread {
    folder: PathBuf,
    seal: Arc<SnapshotSeal>,
    keys: JournalKeys,
    random: RandomSource,
    segment: u64,
    ended: GrowingFile,
    begun: Option<BegunWriter>,
    is_failing: bool,
}

impl JournalThread {
    pub(super) fn begin(
        folder: PathBuf,
        seal: Arc<SnapshotSeal>,
        random: RandomSource,
        segment: u64,
        content: SegmentContent,
    ) -> io::Result<Self> {
        let begun_path = segment_files(&folder, segment).begun;
        // What a crash left there while it created this segment.
        remove(&begun_path)?;
        let begun = match content {
            SegmentContent::Ended => None,
            SegmentContent::EndedAndBegun => {
                Some(BegunWriter::create(&begun_path, segment, &seal, random.bytes())?)
            }
        };
        let ended = GrowingFile::new(create_segment(&folder, segment)?);
        let keys = JournalKeys::new(&seal.keyring);
        Ok(Self { folder, seal, keys, random, segment, ended, begun, is_failing: false })
    }

    pub(super) fn run(mut self, commands: &Receiver<JournalCommand>) {
        while let Ok(first) = commands.recv() {
            let (mut waiting, mut last) = (Vec::new(), None);
            let mut next = Some(first);
            while let Some(command) = next {
                match command {
                    JournalCommand::Ended(entry) => self.keep(entry),
                    JournalCommand::Begun(record) => self.keep_begun(&record),
                    JournalCommand::Confirm(answer) => waiting.push(answer),
                    JournalCommand::Seal(seal) => {
                        self.keys = JournalKeys::new(&seal.keyring);
                        self.seal = seal;
                    }
                    // What follows belongs to the next segment, or to none.
                    JournalCommand::Rotate(..) | JournalCommand::Close(_) => last = Some(command),
                }
                next = if last.is_none() { commands.try_recv().ok() } else { None };
            }
            let is_written = self.write();
            for answer in waiting {
                let _ = answer.send(is_written);
            }
            match last {
                Some(JournalCommand::Rotate(content, answer)) => {
                    let _ = answer.send(self.rotate(is_written, content));
                }
                Some(JournalCommand::Close(answer)) => {
                    // The lock of the segment is released with its file.
                    drop(self);
                    let _ = answer.send(());
                    return;
                }
                _ => {}
            }
        }
    }

    fn keep(&mut self, entry: EndedEntry) {
        if self.ended.unwritten.len() + ENTRY_BYTES <= MAX_UNWRITTEN_BYTES {
            self.keys.write(self.segment, entry, &mut self.ended.unwritten);
        }
    }

    fn keep_begun(&mut self, record: &[u8]) {
        if let Some(begun) = &mut self.begun {
            begun.add(record);
        }
    }

    fn write(&mut self) -> bool {
        let begun = self.begun.as_mut().map_or(Ok(()), BegunWriter::write);
        let written = self.ended.write().and(begun);
        let was_failing = std::mem::replace(&mut self.is_failing, written.is_err());
        match written {
            Ok(()) if was_failing => {
                tracing::info!("sessions that end are recorded on the disk again");
            }
            Err(error) if !was_failing => {
                tracing::error!(%error, folder = %self.folder.display(), "sessions that end cannot be recorded on the disk");
            }
            _ => {}
        }
        !self.is_failing
    }

    fn rotate(&mut self, is_written: bool, content: SegmentContent) -> io::Result<u64> {
        if !is_written {
            return Err(io::Error::other("ended sessions are not recorded yet"));
        }
        // Another process may have written since.
        let last = segments(&self.folder)?.last().copied().unwrap_or_default();
        let next = self.segment.max(last) + 1;
        let (folder, seal) = (self.folder.clone(), Arc::clone(&self.seal));
        // The lock of this segment is released after the next one has its own.
        *self = Self::begin(folder, seal, self.random.clone(), next, content)?;
        Ok(next)
    }
}
