//! Finds sessions with external identifiers: the session at Entra, the account, and the person in
//! the directory.

use super::record::Session;
use crate::base::guid::Guid;
use crate::base::random::RandomSource;
use aws_lc_rs::hmac;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

/// A keyed digest of the identifier, and part of the session's own key: several sessions can have
/// the same digest.
type IndexEntry = (u64, u64);

/// Index of the sessions. Uses a tree, because it grows without moving all entries at once while
/// requests wait.
///
/// Identifiers are digested with a key of this process, so that outsiders cannot choose colliding
/// values; an entry has 24 bytes. Accidental collisions are resolved with the session itself.
pub(in crate::session) struct SessionIndex {
    key: hmac::Key,
    entries: Mutex<BTreeMap<IndexEntry, Weak<Session>>>,
}

/// The kind of an identifier; a separate label for each, so that an ID cannot match an ID of
/// another kind.
enum IndexLabel<'a> {
    Sid(&'a str),
    Object(Guid),
    Person(Guid),
}

impl SessionIndex {
    pub(in crate::session) fn new(random: &RandomSource) -> Self {
        Self {
            key: hmac::Key::new(hmac::HMAC_SHA256, &random.bytes::<32>()),
            entries: Mutex::default(),
        }
    }

    /// Adds a session to the index until it is removed.
    pub(in crate::session) fn insert(&self, session: &Arc<Session>) {
        let places = self.of(session);
        let mut all = self.all();
        for place in places {
            all.insert(place, Arc::downgrade(session));
        }
    }

    /// Removes a session that has ended.
    pub(in crate::session) fn remove(&self, session: &Session) {
        let places = self.of(session);
        let mut all = self.all();
        for place in places {
            // A session of the same sign-in may have taken its place.
            if all.get(&place).is_some_and(|it| std::ptr::eq(it.as_ptr(), session)) {
                all.remove(&place);
            }
        }
    }

    /// Returns the sessions that started in that session at Entra.
    pub(in crate::session) fn by_sid(&self, sid: &str) -> Vec<Arc<Session>> {
        let mut found = self.at(&IndexLabel::Sid(sid));
        found.retain(|it| it.sids().any(|it| *it == *sid));
        found
    }

    /// Returns the sessions of the accounts with that object ID, in all tenants.
    pub(in crate::session) fn by_object(&self, oid: Guid) -> Vec<Arc<Session>> {
        let mut found = self.at(&IndexLabel::Object(oid));
        found.retain(|it| it.identity().oid == oid);
        found
    }

    /// Returns the sessions of a person in the directory.
    pub(in crate::session) fn by_person(&self, person: Guid) -> Vec<Arc<Session>> {
        let mut found = self.at(&IndexLabel::Person(person));
        found.retain(|it| it.identity().member.as_ref().is_some_and(|it| it.person == person));
        found
    }

    /// Returns the number of entries.
    #[cfg(test)]
    pub(in crate::session) fn len(&self) -> usize {
        self.all().len()
    }

    fn at(&self, mark: &IndexLabel<'_>) -> Vec<Arc<Session>> {
        let digest = self.digest(mark);
        self.all().range((digest, 0)..=(digest, u64::MAX)).filter_map(|it| it.1.upgrade()).collect()
    }

    /// The identifiers do not change during a session: the removed entries are those that were
    /// inserted.
    fn of(&self, session: &Session) -> Vec<IndexEntry> {
        let own = u64::from_be_bytes(*session.key.first_chunk().unwrap_or(&[0; 8]));
        let sids = session.sids().map(|it| self.digest(&IndexLabel::Sid(&it))).collect::<Vec<_>>();
        let who = session.identity();
        let person = who.member.as_ref().map(|it| self.digest(&IndexLabel::Person(it.person)));
        sids.into_iter()
            .chain([self.digest(&IndexLabel::Object(who.oid))])
            .chain(person)
            .map(|it| (it, own))
            .collect()
    }

    fn digest(&self, mark: &IndexLabel<'_>) -> u64 {
        let mut context = hmac::Context::with_key(&self.key);
        match mark {
            IndexLabel::Sid(sid) => {
                context.update(b"sid ");
                context.update(sid.as_bytes());
            }
            IndexLabel::Object(oid) => {
                context.update(b"oid ");
                context.update(oid.bytes());
            }
            IndexLabel::Person(person) => {
                context.update(b"person ");
                context.update(person.bytes());
            }
        }
        u64::from_be_bytes(*context.sign().as_ref().first_chunk().unwrap_or(&[0; 8]))
    }

    fn all(&self) -> MutexGuard<'_, BTreeMap<IndexEntry, Weak<Session>>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for SessionIndex {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Index")
    }
}
