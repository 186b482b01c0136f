//! The sessions and people that ended in this process, where a store in the browser could bring them
//! back.

use super::person::PersonKey;
use super::session_key::SessionKey;
use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Maximum number of ended sessions, and of people whose sessions ended, that are remembered: about
/// 15 MB together. Beyond it, the one that would have ended first is forgotten, whose record is
/// worth something for the shortest time.
const MAX_ENDED: usize = 100_000;

/// What has ended, until it would have ended by itself. All times are in seconds since 1970.
#[derive(Debug, Default)]
pub(in crate::session) struct EndedKeys {
    sessions: Mutex<EndTable<SessionKey>>,
    people: Mutex<EndTable<PersonKey>>,
}

#[derive(Debug)]
struct EndTable<K> {
    ends: HashMap<K, u64>,
    by_end: BTreeSet<(u64, K)>,
}

impl EndedKeys {
    /// Remembers a session until `ends`.
    pub(in crate::session) fn add(&self, key: SessionKey, ends: u64, now: u64) {
        lock(&self.sessions).add(key, ends, now, MAX_ENDED);
    }

    /// Whether a session has ended.
    pub(in crate::session) fn contains(&self, key: &SessionKey) -> bool {
        lock(&self.sessions).ends.contains_key(key)
    }

    /// Remembers that all sessions of a person ended, until the last of them would have.
    pub(in crate::session) fn add_person(&self, person: PersonKey, ends: u64, now: u64) {
        lock(&self.people).add(person, ends, now, MAX_ENDED);
    }

    /// Returns when the last session that ended with all others of the person would have ended.
    pub(in crate::session) fn person_end(&self, person: &PersonKey) -> Option<u64> {
        lock(&self.people).ends.get(person).copied()
    }
}

fn lock<K>(table: &Mutex<EndTable<K>>) -> MutexGuard<'_, EndTable<K>> {
    table.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<K> Default for EndTable<K> {
    fn default() -> Self {
        Self { ends: HashMap::new(), by_end: BTreeSet::new() }
    }
}

impl<K: Copy + Eq + Hash + Ord> EndTable<K> {
    fn add(&mut self, key: K, ends: u64, now: u64, capacity: usize) {
        if let Some(before) = self.ends.insert(key, ends) {
            self.by_end.remove(&(before, key));
        }
        self.by_end.insert((ends, key));
        while self.by_end.first().is_some_and(|it| it.0 <= now || self.by_end.len() > capacity) {
            let Some((_, key)) = self.by_end.pop_first() else { return };
            self.ends.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ended_session_is_remembered_until_it_would_have_ended() {
        let ended = EndedKeys::default();
        ended.add([1; 32], 1000, 500);
        ended.add([2; 32], 2000, 500);
        ended.add([2; 32], 1500, 500);
        assert!(ended.contains(&[1; 32]) && ended.contains(&[2; 32]) && !ended.contains(&[3; 32]));
        ended.add([3; 32], 3000, 1000);
        assert!(!ended.contains(&[1; 32]) && ended.contains(&[2; 32]) && ended.contains(&[3; 32]));
        ended.add([4; 32], 3000, 1500);
        let table = lock(&ended.sessions);
        assert_eq!((table.ends.len(), table.by_end.len()), (2, 2));
    }

    #[test]
    fn the_table_is_bounded_and_forgets_what_would_have_ended_first() {
        let mut table = EndTable::default();
        for number in (0..=10u8).rev() {
            table.add([number; 32], 1000 + u64::from(number), 500, 10);
        }
        assert_eq!((table.ends.len(), table.by_end.len()), (10, 10));
        assert!(!table.ends.contains_key(&[0; 32]) && table.ends.contains_key(&[10; 32]));
    }
}
