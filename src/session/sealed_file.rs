//! A file of sessions, of a snapshot or of the journal: a head, then sealed chunks of records. A
//! file that was cut, changed or put together from others does not open.
//!
//! AES-256-GCM with a key of this file alone, which is derived from a secret and the salt in the
//! head; so the count of the chunk is a nonce that never repeats. Every chunk is bound to the head,
//! and the last one is marked.

use super::snapshot_seal::SnapshotSeal;
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use std::io::{self, Read, Write};
use zeroize::Zeroizing;

const MAGIC_BYTES: usize = 16;
const FILE_VERSION: u8 = 1;
pub(super) const SALT_BYTES: usize = 32;
/// Length of the head of a file.
pub(super) const HEAD_BYTES: usize = MAGIC_BYTES + 1 + SALT_BYTES + 8 + 8;

/// A chunk is sealed as soon as it has this many bytes.
const CHUNK_BYTES: usize = 64 * 1024;
/// Maximum length of a record, in bytes: a person in thousands of groups.
const MAX_RECORD_BYTES: usize = 1024 * 1024;
/// Maximum length of a sealed chunk, in bytes.
pub(super) const MAX_SEALED_CHUNK_BYTES: usize = CHUNK_BYTES + 4 + MAX_RECORD_BYTES + 16;

/// What a file is for: a file of one kind does not open as another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FileKind {
    /// All sessions of a process.
    Snapshot,
    /// Sessions that began while two processes served, a segment of the journal.
    Begun,
}

impl FileKind {
    /// The first bytes of a file.
    fn magic(self) -> &'static [u8; MAGIC_BYTES] {
        match self {
            Self::Snapshot => b"entrada sessions",
            Self::Begun => b"entrada journal ",
        }
    }

    /// The purpose of the keys.
    fn purpose(self) -> &'static str {
        match self {
            Self::Snapshot => "session snapshot",
            Self::Begun => "sessions begun",
        }
    }
}

/// The head of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FileHead {
    pub(super) kind: FileKind,
    /// The key of the file depends on it.
    pub(super) salt: [u8; SALT_BYTES],
    /// Of a snapshot, the number of the first journal segment whose sessions may be in the file
    /// although they have ended; of a segment, its own number.
    pub(super) segment: u64,
    /// When the file was begun, in seconds since 1970.
    pub(super) begun_at: u64,
}

/// Why a file cannot be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum SealedFileError {
    #[error("cannot be read: {0}")]
    Io(#[from] io::Error),
    #[error("is not a file of sessions")]
    Foreign,
    #[error("has version {0}, which this version of the program does not know")]
    Version(u8),
    #[error(
        "was sealed with other [session] secrets or by another sign-in configuration ([entra], [directory] database), or is damaged"
    )]
    NotOurs,
    #[error("is damaged")]
    Damaged,
}

pub(super) struct SealedFileWriter<W> {
    key: LessSafeKey,
    head: [u8; HEAD_BYTES],
    out: W,
    chunk: Zeroizing<Vec<u8>>,
    count: u64,
}

pub(super) struct SealedFileReader<R> {
    keys: Vec<LessSafeKey>,
    head: [u8; HEAD_BYTES],
    input: R,
    count: u64,
    is_over: bool,
}

impl FileHead {
    fn bytes(&self) -> [u8; HEAD_BYTES] {
        let mut out = [0; HEAD_BYTES];
        let parts = self
            .kind
            .magic()
            .iter()
            .chain([&FILE_VERSION])
            .chain(&self.salt)
            .copied()
            .chain(self.segment.to_be_bytes())
            .chain(self.begun_at.to_be_bytes());
        for (to, from) in out.iter_mut().zip(parts) {
            *to = from;
        }
        out
    }

    fn read(kind: FileKind, bytes: &[u8; HEAD_BYTES]) -> Result<Self, SealedFileError> {
        let rest = bytes.strip_prefix(kind.magic()).ok_or(SealedFileError::Foreign)?;
        let (version, rest) = rest.split_first().ok_or(SealedFileError::Foreign)?;
        if *version != FILE_VERSION {
            return Err(SealedFileError::Version(*version));
        }
        let (salt, rest) = rest.split_first_chunk().ok_or(SealedFileError::Damaged)?;
        let (segment, rest) = rest.split_first_chunk().ok_or(SealedFileError::Damaged)?;
        let begun_at = rest.first_chunk().ok_or(SealedFileError::Damaged)?;
        Ok(Self {
            kind,
            salt: *salt,
            segment: u64::from_be_bytes(*segment),
            begun_at: u64::from_be_bytes(*begun_at),
        })
    }

    /// The keys of the file, the one that seals first.
    fn keys(&self, seal: &SnapshotSeal) -> Vec<LessSafeKey> {
        let salt: String = self.salt.iter().map(|it| format!("{it:02x}")).collect();
        let purpose = format!("{}, file {salt}, {}", self.kind.purpose(), seal.basis);
        let keys = seal.keyring.keys::<32>(&purpose);
        let unbound = keys.iter().filter_map(|it| UnboundKey::new(&AES_256_GCM, it.as_ref()).ok());
        unbound.map(LessSafeKey::new).collect()
    }
}

impl<W: Write> SealedFileWriter<W> {
    /// Begins a file.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(super) fn begin(seal: &SnapshotSeal, head: FileHead, mut out: W) -> io::Result<Self> {
        let key = head.keys(seal).into_iter().next().ok_or(io::ErrorKind::InvalidInput)?;
        let head = head.bytes();
        out.write_all(&head)?;
        let chunk = Zeroizing::new(Vec::with_capacity(CHUNK_BYTES + CHUNK_BYTES / 4));
        Ok(Self { key, head, out, chunk, count: 0 })
    }

    /// Adds a record, which `write` appends to the bytes before it.
    ///
    /// # Errors
    /// The file cannot be written, or the record is too long and left out.
    pub(super) fn add(
        &mut self,
        write: impl FnOnce(&mut Vec<u8>) -> io::Result<()>,
    ) -> io::Result<()> {
        let begin = self.chunk.len();
        self.chunk.extend_from_slice(&[0; 4]);
        let written = write(&mut self.chunk);
        let length = self.chunk.len().saturating_sub(begin + 4);
        if written.is_err() || length > MAX_RECORD_BYTES {
            self.chunk.truncate(begin);
            return written.and(Err(io::ErrorKind::InvalidData.into()));
        }
        let prefix = u32::try_from(length).unwrap_or_default().to_be_bytes();
        if let Some(it) = self.chunk.get_mut(begin..begin + 4) {
            it.copy_from_slice(&prefix);
        }
        if self.chunk.len() >= CHUNK_BYTES { self.seal(false) } else { Ok(()) }
    }

    /// Seals the records since the last chunk, and returns what the file is written to.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(super) fn flush(&mut self) -> io::Result<&mut W> {
        if !self.chunk.is_empty() {
            self.seal(false)?;
        }
        Ok(&mut self.out)
    }

    /// Ends the file, and returns what it was written to.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(super) fn end(mut self) -> io::Result<W> {
        self.seal(true)?;
        self.out.flush()?;
        Ok(self.out)
    }

    fn seal(&mut self, is_last: bool) -> io::Result<()> {
        let aad = bound(&self.head, is_last);
        let nonce = nonce(self.count);
        let tag = self
            .key
            .seal_in_place_separate_tag(nonce, aad, &mut self.chunk)
            .map_err(|_| io::Error::other("cannot be sealed"))?;
        let length = self.chunk.len() + tag.as_ref().len();
        self.out.write_all(&u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes())?;
        self.out.write_all(&self.chunk)?;
        self.out.write_all(tag.as_ref())?;
        self.chunk.clear();
        self.count += 1;
        Ok(())
    }
}

impl<R: Read> SealedFileReader<R> {
    /// Reads the head of a file.
    ///
    /// # Errors
    /// Why the file cannot be read.
    pub(super) fn begin(
        seal: &SnapshotSeal,
        kind: FileKind,
        mut input: R,
    ) -> Result<(FileHead, Self), SealedFileError> {
        let mut bytes = [0; HEAD_BYTES];
        input.read_exact(&mut bytes).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => SealedFileError::Foreign,
            _ => error.into(),
        })?;
        let head = FileHead::read(kind, &bytes)?;
        let keys = head.keys(seal);
        Ok((head, Self { keys, head: bytes, input, count: 0, is_over: false }))
    }

    /// Calls `read` with each record of the next chunk; returns false at the end of the file.
    ///
    /// # Errors
    /// Why the file cannot be read further.
    pub(super) fn next_chunk(
        &mut self,
        mut read: impl FnMut(&[u8]),
    ) -> Result<bool, SealedFileError> {
        if self.is_over {
            return Ok(false);
        }
        let chunk = self.open()?;
        let mut rest = chunk.as_slice();
        while let Some((length, after)) = rest.split_first_chunk() {
            let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
            let (record, after) = after.split_at_checked(length).ok_or(SealedFileError::Damaged)?;
            read(record);
            rest = after;
        }
        if rest.is_empty() { Ok(true) } else { Err(SealedFileError::Damaged) }
    }

    fn open(&mut self) -> Result<Zeroizing<Vec<u8>>, SealedFileError> {
        let damaged = |error: io::Error| match error.kind() {
            io::ErrorKind::UnexpectedEof => SealedFileError::Damaged,
            _ => error.into(),
        };
        let mut length = [0; 4];
        self.input.read_exact(&mut length).map_err(damaged)?;
        let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
        if length > MAX_SEALED_CHUNK_BYTES {
            return Err(SealedFileError::Damaged);
        }
        let mut sealed = vec![0; length];
        self.input.read_exact(&mut sealed).map_err(damaged)?;
        for is_last in [false, true] {
            for (at, key) in self.keys.iter().enumerate() {
                let mut chunk = Zeroizing::new(sealed.clone());
                let aad = bound(&self.head, is_last);
                let Ok(plain) = key.open_in_place(nonce(self.count), aad, &mut chunk) else {
                    continue;
                };
                let length = plain.len();
                chunk.truncate(length);
                if is_last && self.input.read(&mut [0])? > 0 {
                    return Err(SealedFileError::Damaged);
                }
                self.is_over = is_last;
                self.count += 1;
                // The whole file has one key.
                self.keys.swap(0, at);
                self.keys.truncate(1);
                return Ok(chunk);
            }
        }
        Err(if self.count == 0 { SealedFileError::NotOurs } else { SealedFileError::Damaged })
    }
}

fn nonce(count: u64) -> Nonce {
    let mut out = [0; NONCE_LEN];
    for (to, from) in out.iter_mut().rev().zip(count.to_le_bytes()) {
        *to = from;
    }
    Nonce::assume_unique_for_key(out)
}

fn bound(head: &[u8; HEAD_BYTES], is_last: bool) -> Aad<[u8; HEAD_BYTES + 1]> {
    let mut out = [0; HEAD_BYTES + 1];
    for (to, from) in out.iter_mut().zip(head.iter().copied().chain([u8::from(is_last)])) {
        *to = from;
    }
    Aad::from(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::secret::Secret;
    use crate::seal::keyring::Keyring;

    fn seal(secrets: &[&str], basis: &str) -> SnapshotSeal {
        let secrets: Vec<_> = secrets.iter().map(|it| Secret::new(*it)).collect();
        let keyring = Keyring::new(&secrets, &crate::seal::random::system());
        SnapshotSeal::new(keyring, basis)
    }

    fn head() -> FileHead {
        FileHead {
            kind: FileKind::Snapshot,
            salt: [7; SALT_BYTES],
            segment: 3,
            begun_at: 1_000_000,
        }
    }

    fn written(records: &[Vec<u8>]) -> Vec<u8> {
        let mut file =
            SealedFileWriter::begin(&seal(&["one"], "basis"), head(), Vec::new()).unwrap();
        for it in records {
            file.add(|out| {
                out.extend_from_slice(it);
                Ok(())
            })
            .unwrap();
        }
        file.end().unwrap()
    }

    fn read(secrets: &[&str], bytes: &[u8]) -> Result<Vec<Vec<u8>>, SealedFileError> {
        let (found, mut file) =
            SealedFileReader::begin(&seal(secrets, "basis"), FileKind::Snapshot, bytes)?;
        assert_eq!(found.salt, [7; SALT_BYTES]);
        let mut out = Vec::new();
        while file.next_chunk(|it| out.push(it.to_vec()))? {}
        Ok(out)
    }

    /// Several chunks.
    fn records() -> Vec<Vec<u8>> {
        (0..200_u8).map(|it| vec![it; usize::from(it) * 7]).collect()
    }

    #[test]
    fn what_was_written_is_read_with_any_of_the_secrets() {
        for records in [vec![], vec![vec![]], records(), vec![vec![1; CHUNK_BYTES * 2]]] {
            let file = written(&records);
            assert_eq!(read(&["one"], &file).unwrap(), records);
            assert_eq!(read(&["new", "one"], &file).unwrap(), records);
            assert!(matches!(read(&["two"], &file), Err(SealedFileError::NotOurs)));
            let other =
                SealedFileReader::begin(&seal(&["one"], "other"), FileKind::Snapshot, &file[..]);
            let read = other.unwrap().1.next_chunk(|_| panic!("opened"));
            assert!(matches!(read, Err(SealedFileError::NotOurs)));
        }
    }

    #[test]
    fn a_file_opens_only_as_what_it_is_for() {
        let file = written(&records());
        let read = SealedFileReader::begin(&seal(&["one"], "basis"), FileKind::Begun, &file[..]);
        assert!(matches!(read.err(), Some(SealedFileError::Foreign)));
        let disguised = [FileKind::Begun.magic(), &file[MAGIC_BYTES..]].concat();
        let read =
            SealedFileReader::begin(&seal(&["one"], "basis"), FileKind::Begun, &disguised[..]);
        let read = read.unwrap().1.next_chunk(|_| panic!("opened"));
        assert!(matches!(read, Err(SealedFileError::NotOurs)));
    }

    #[test]
    fn what_was_flushed_is_readable_while_the_file_grows() {
        let head = FileHead { kind: FileKind::Begun, ..head() };
        let seal = seal(&["one"], "basis");
        let mut file = SealedFileWriter::begin(&seal, head, Vec::new()).unwrap();
        let mut add = |record: u8| {
            file.add(|out| {
                out.push(record);
                Ok(())
            })
            .unwrap();
            file.flush().unwrap().clone()
        };
        let (first, both) = (add(1), add(2));
        assert_eq!(both[..first.len()], first);
        let (_, mut file) = SealedFileReader::begin(&seal, FileKind::Begun, &both[..]).unwrap();
        let mut read = Vec::new();
        while file.next_chunk(|it| read.push(it.to_vec())).is_ok() {}
        assert_eq!(read, [[1], [2]]);
    }

    #[test]
    fn nothing_is_readable_in_the_file() {
        let file = written(&[b"maya@contoso.com".to_vec()]);
        assert!(!file.windows(4).any(|it| it == b"maya"));
    }

    #[test]
    fn a_record_that_is_too_long_is_left_out_alone() {
        let mut file =
            SealedFileWriter::begin(&seal(&["one"], "basis"), head(), Vec::new()).unwrap();
        let mut add = |length: usize| {
            file.add(|out| {
                out.resize(out.len() + length, 9);
                Ok(())
            })
        };
        assert!(add(1).is_ok() && add(MAX_RECORD_BYTES + 1).is_err() && add(2).is_ok());
        assert_eq!(read(&["one"], &file.end().unwrap()).unwrap(), [vec![9], vec![9, 9]]);
    }

    #[test]
    fn a_cut_or_changed_file_is_damaged_wherever_it_was_done() {
        let file = written(&records());
        let step = (1..file.len()).step_by(97);
        for at in step.clone().chain(file.len() - 40..file.len()) {
            assert!(read(&["one"], &file[..at]).is_err(), "cut at {at}");
        }
        for at in step.filter(|it| !(MAGIC_BYTES + 1..MAGIC_BYTES + 1 + SALT_BYTES).contains(it)) {
            let mut changed = file.clone();
            changed[at] ^= 1;
            assert!(read(&["one"], &changed).is_err(), "changed at {at}");
        }
        assert!(read(&["one"], &[&file[..], &[0]].concat()).is_err(), "more after the end");
        assert!(matches!(read(&["one"], b"# sessions"), Err(SealedFileError::Foreign)));
        let mut newer = file.clone();
        newer[MAGIC_BYTES] = 2;
        assert!(matches!(read(&["one"], &newer), Err(SealedFileError::Version(2))));
    }

    #[test]
    fn chunks_cannot_be_moved_or_left_out() {
        let file = written(&records());
        let length = |at: usize| {
            4 + usize::try_from(u32::from_be_bytes(*file[at..].first_chunk().unwrap())).unwrap()
        };
        let first = HEAD_BYTES..HEAD_BYTES + length(HEAD_BYTES);
        let second = first.end..first.end + length(first.end);
        assert!(second.end < file.len(), "three chunks");
        let swapped =
            [&file[..HEAD_BYTES], &file[second.clone()], &file[first.clone()], &file[second.end..]];
        let without = [&file[..first.end], &file[second.end..]];
        for changed in [swapped.concat(), without.concat()] {
            assert!(read(&["one"], &changed).is_err());
        }
    }
}
