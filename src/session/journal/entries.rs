//! A segment of the journal of ended sessions: entries of fixed length, each with a tag.
//!
//! An entry names no person: it has the digest of a session ID. The tag shows that it is ours and
//! complete, so that a damaged journal is noticed instead of bringing ended sessions back.

use crate::seal::keyring::Keyring;
use aws_lc_rs::hmac;
use std::fmt;

const TAG_BYTES: usize = 16;
pub(super) const ENTRY_BYTES: usize = 32 + 8 + TAG_BYTES;

/// A session that has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::session) struct EndedEntry {
    /// The key of the session.
    pub(in crate::session) key: [u8; 32],
    /// When the session would have ended at the latest, in seconds since 1970.
    pub(in crate::session) ends: u64,
}

/// The journal has entries that are not ours, or it is damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is damaged, or was not written with these [session] secrets")]
pub(in crate::session) struct DamagedJournal;

/// Writes and checks the tags of entries.
pub(in crate::session) struct JournalKeys(Vec<hmac::Key>);

impl JournalKeys {
    pub(in crate::session) fn new(keyring: &Keyring) -> Self {
        let keys = keyring.keys::<32>("journal of ended sessions");
        Self(keys.iter().map(|it| hmac::Key::new(hmac::HMAC_SHA256, it.as_ref())).collect())
    }

    /// Appends an entry of a segment.
    pub(in crate::session) fn write(&self, segment: u64, entry: EndedEntry, out: &mut Vec<u8>) {
        let Some(key) = self.0.first() else { return };
        out.extend_from_slice(&entry.key);
        out.extend_from_slice(&entry.ends.to_be_bytes());
        let tag = hmac::sign(key, &signed(segment, entry));
        out.extend_from_slice(tag.as_ref().first_chunk::<TAG_BYTES>().unwrap_or(&[0; TAG_BYTES]));
    }

    /// Returns the entries of a segment. What a crash left at its end was not confirmed to anyone,
    /// and does not count.
    ///
    /// # Errors
    /// An invalid entry before a valid one: an unknown session has ended.
    pub(in crate::session) fn read(
        &self,
        segment: u64,
        bytes: &[u8],
    ) -> Result<Vec<EndedEntry>, DamagedJournal> {
        let (chunks, _) = bytes.as_chunks::<ENTRY_BYTES>();
        let all: Vec<_> = chunks.iter().map(|it| self.read_entry(segment, it)).collect();
        let valid = all.iter().rposition(Option::is_some).map_or(0, |it| it + 1);
        let written = all.into_iter().take(valid);
        written.collect::<Option<Vec<_>>>().ok_or(DamagedJournal)
    }

    fn read_entry(&self, segment: u64, bytes: &[u8; ENTRY_BYTES]) -> Option<EndedEntry> {
        let (key, rest) = bytes.split_first_chunk::<32>()?;
        let (ends, tag) = rest.split_first_chunk::<8>()?;
        let entry = EndedEntry { key: *key, ends: u64::from_be_bytes(*ends) };
        let signed = signed(segment, entry);
        self.0.iter().any(|key| is_tag_of(key, &signed, tag)).then_some(entry)
    }
}

/// The tag is shortened, so the library's own comparison does not fit.
fn is_tag_of(key: &hmac::Key, signed: &[u8], tag: &[u8]) -> bool {
    let whole = hmac::sign(key, signed);
    let ours = whole.as_ref().get(..TAG_BYTES).unwrap_or_default();
    aws_lc_rs::constant_time::verify_slices_are_equal(ours, tag).is_ok()
}

fn signed(segment: u64, entry: EndedEntry) -> [u8; 48] {
    let mut out = [0; 48];
    let parts = segment.to_be_bytes().into_iter().chain(entry.key).chain(entry.ends.to_be_bytes());
    for (to, from) in out.iter_mut().zip(parts) {
        *to = from;
    }
    out
}

impl fmt::Debug for JournalKeys {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "JournalKeys of {}", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::secret::Secret;

    fn keys(secrets: &[&str]) -> JournalKeys {
        let secrets: Vec<_> = secrets.iter().map(|it| Secret::new(*it)).collect();
        JournalKeys::new(&Keyring::new(&secrets, &crate::seal::random::system()))
    }

    fn entries() -> Vec<EndedEntry> {
        (1..4).map(|it| EndedEntry { key: [it; 32], ends: u64::from(it) * 1000 }).collect()
    }

    fn written() -> Vec<u8> {
        let mut out = Vec::new();
        for it in entries() {
            keys(&["one"]).write(7, it, &mut out);
        }
        out
    }

    #[test]
    fn what_was_written_is_read_with_any_of_the_secrets() {
        assert_eq!(keys(&["one"]).read(7, &written()), Ok(entries()));
        assert_eq!(keys(&["new", "one"]).read(7, &written()), Ok(entries()));
        assert_eq!(keys(&["one"]).read(7, &[]), Ok(vec![]));
    }

    #[test]
    fn what_a_crash_left_at_the_end_does_not_count() {
        let whole = written();
        for at in 0..whole.len() {
            let complete = entries().into_iter().take(at / ENTRY_BYTES).collect();
            assert_eq!(keys(&["one"]).read(7, &whole[..at]), Ok(complete), "{at}");
        }
        let zeros = [&whole[..], &[0; ENTRY_BYTES * 3]].concat();
        assert_eq!(keys(&["one"]).read(7, &zeros), Ok(entries()));
    }

    #[test]
    fn an_entry_that_was_changed_is_noticed_where_entries_follow() {
        for at in 0..ENTRY_BYTES * 2 {
            let mut changed = written();
            changed[at] ^= 1;
            assert_eq!(keys(&["one"]).read(7, &changed), Err(DamagedJournal), "{at}");
        }
    }
}
