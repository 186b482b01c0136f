//! Purposes of sign-ins that are too long for `state`, such as the link to a report with many
//! filters.
//!
//! Anyone can start sign-ins, so the table is bounded and forgets the oldest first. A sign-in whose
//! purpose is gone leads to the page without its query.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};

/// Maximum number of purposes.
pub const MAX_KEPT_PURPOSES: usize = 10_000;
/// Maximum size of all purposes together, in bytes.
pub const MAX_KEPT_PURPOSE_BYTES: usize = 32 * 1024 * 1024;
/// How long a purpose is kept, in seconds. It is longer than a sign-in may take, because a sign-in
/// that is over starts again for the same page.
pub const KEPT_SECONDS: u64 = 24 * 60 * 60;

/// The purposes by their random keys.
#[derive(Debug, Default)]
pub struct KeptPurposes(Mutex<PurposeTable>);

#[derive(Default)]
struct PurposeTable {
    purposes: HashMap<String, Vec<u8>>,
    /// The keys in the order in which they were added, with the time, in seconds since 1970.
    order: VecDeque<(String, u64)>,
    bytes: usize,
}

impl KeptPurposes {
    /// Keeps a purpose under a key that was never used before.
    pub fn keep(&self, key: &str, purpose: Vec<u8>, now: u64) {
        let mut table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        table.add(key, purpose, now);
    }

    /// Returns the purpose with this key, if it is still kept.
    pub fn find(&self, key: &str) -> Option<Vec<u8>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).purposes.get(key).cloned()
    }
}

impl PurposeTable {
    fn add(&mut self, key: &str, purpose: Vec<u8>, now: u64) {
        self.bytes += size(key, &purpose);
        self.order.push_back((key.to_owned(), now));
        self.purposes.insert(key.to_owned(), purpose);
        while self.order.len() > MAX_KEPT_PURPOSES
            || self.bytes > MAX_KEPT_PURPOSE_BYTES
            || self.order.front().is_some_and(|it| now.saturating_sub(it.1) > KEPT_SECONDS)
        {
            let Some((key, _)) = self.order.pop_front() else { return };
            let gone = self.purposes.remove(&key).unwrap_or_default();
            self.bytes = self.bytes.saturating_sub(size(&key, &gone));
        }
    }
}

/// A key is stored twice.
fn size(key: &str, purpose: &[u8]) -> usize {
    2 * key.len() + purpose.len()
}

impl std::fmt::Debug for PurposeTable {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{} purposes", self.order.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beyond_its_bounds_the_oldest_are_forgotten_first() {
        let table = KeptPurposes::default();
        for at in 0..=MAX_KEPT_PURPOSES {
            table.keep(&at.to_string(), b"x".to_vec(), 1000);
        }
        assert_eq!((table.find("0"), table.find("1")), (None, Some(b"x".to_vec())));
        // A few long ones make room for themselves.
        for at in 0..3 {
            table.keep(&format!("long {at}"), vec![0; MAX_KEPT_PURPOSE_BYTES / 2 - 100], 1000);
        }
        assert_eq!(table.find("long 0"), None);
        assert!(table.find("long 1").is_some() && table.find("long 2").is_some());
        let inner = table.0.lock().unwrap();
        assert_eq!((inner.purposes.len(), inner.order.len()), (2, 2));
        assert!(inner.bytes <= MAX_KEPT_PURPOSE_BYTES);
    }

    #[test]
    fn a_purpose_is_kept_for_a_day() {
        let table = KeptPurposes::default();
        table.keep("a", b"x".to_vec(), 1000);
        table.keep("b", b"y".to_vec(), 1000 + KEPT_SECONDS);
        assert_eq!(table.find("a"), Some(b"x".to_vec()));
        table.keep("c", b"z".to_vec(), 1001 + KEPT_SECONDS);
        assert_eq!((table.find("a"), table.find("b")), (None, Some(b"y".to_vec())));
    }

    #[test]
    fn a_purpose_larger_than_the_table_is_not_kept() {
        let table = KeptPurposes::default();
        table.keep("a", vec![0; MAX_KEPT_PURPOSE_BYTES + 1], 1000);
        assert_eq!(table.find("a"), None);
        assert_eq!(table.0.lock().unwrap().bytes, 0);
    }
}
