//! The sessions that ended while two processes serve: what the other one records about them later
//! does not bring them back.

use super::super::session_key::SessionKey;
use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Maximum number of ended sessions that are kept. Beyond it, no session of another process becomes
/// live here: it could be one that has ended.
const MAX_TOMBSTONES: usize = 1_000_000;

/// Empty and without cost while one process serves.
#[derive(Debug, Default)]
pub(in crate::session) struct Tombstones(Mutex<Option<HashSet<SessionKey>>>);

impl Tombstones {
    /// Keeps sessions that end from now on, and those that have ended already.
    pub(in crate::session) fn begin(&self, ended: HashSet<SessionKey>) {
        self.lock().get_or_insert_default().extend(ended);
    }

    /// Forgets all of them.
    pub(in crate::session) fn end(&self) {
        *self.lock() = None;
    }

    pub(in crate::session) fn add(&self, key: SessionKey) {
        if let Some(all) = self.lock().as_mut()
            && all.len() < MAX_TOMBSTONES
        {
            all.insert(key);
        }
    }

    /// Whether the session may have ended.
    pub(in crate::session) fn may_contain(&self, key: &SessionKey) -> bool {
        let all = self.lock();
        all.as_ref().is_some_and(|it| it.len() >= MAX_TOMBSTONES || it.contains(key))
    }

    fn lock(&self) -> MutexGuard<'_, Option<HashSet<SessionKey>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
