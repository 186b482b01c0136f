//! Finds sessions by what others know of them: the session at Entra, and the person, there and in the directory.

use super::record::Session;
use crate::base::guid::Guid;
use crate::base::random::RandomSource;
use aws_lc_rs::hmac;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

/// A keyed digest of what is looked for, and a part of the session's own key: several sessions may have the first in common.
type IndexEntry = (u64, u64);

/// Where sessions are found. A tree, since it grows without ever moving all of its entries while somebody waits.
///
/// What is looked for is digested under a key of this process: nobody outside can choose values that meet, and a place holds 24 bytes.
/// Two that meet by chance are told apart by the session itself.
pub(in crate::session) struct SessionIndex {
    key: hmac::Key,
    entries: Mutex<BTreeMap<IndexEntry, Weak<Session>>>,
}

/// What is looked for; one label each, so that no id is taken for another kind of id.
enum IndexLabel<'a> {
    Sid(&'a str),
    Object(Guid),
    Person(Guid),
}

impl SessionIndex {
    pub(in crate::session) fn new(random: &RandomSource) -> Self {
        Self { key: hmac::Key::new(hmac::HMAC_SHA256, &random.bytes::<32>()), entries: Mutex::default() }
    }

    /// Lets a session be found until it is removed.
    pub(in crate::session) fn insert(&self, session: &Arc<Session>) {
        let places = self.of(session);
        let mut all = self.all();
        for place in places {
            all.insert(place, Arc::downgrade(session));
        }
    }

    /// Forgets a session that is over.
    pub(in crate::session) fn remove(&self, session: &Session) {
        let places = self.of(session);
        let mut all = self.all();
        for place in places {
            all.remove(&place);
        }
    }

    /// The sessions that began in that session at Entra.
    pub(in crate::session) fn by_sid(&self, sid: &str) -> Vec<Arc<Session>> {
        let mut found = self.at(&IndexLabel::Sid(sid));
        found.retain(|it| it.sids().any(|it| *it == *sid));
        found
    }

    /// The sessions of whoever has that object id, in whatever tenant.
    pub(in crate::session) fn by_object(&self, oid: Guid) -> Vec<Arc<Session>> {
        let mut found = self.at(&IndexLabel::Object(oid));
        found.retain(|it| it.identity().oid == oid);
        found
    }

    /// The sessions of a person of the directory.
    pub(in crate::session) fn by_person(&self, person: Guid) -> Vec<Arc<Session>> {
        let mut found = self.at(&IndexLabel::Person(person));
        found.retain(|it| it.identity().member.as_ref().is_some_and(|it| it.person == person));
        found
    }

    /// How many places are taken.
    #[cfg(test)]
    pub(in crate::session) fn len(&self) -> usize {
        self.all().len()
    }

    fn at(&self, mark: &IndexLabel<'_>) -> Vec<Arc<Session>> {
        let digest = self.digest(mark);
        self.all().range((digest, 0)..=(digest, u64::MAX)).filter_map(|it| it.1.upgrade()).collect()
    }

    /// None of them changes during a session: what is removed is what was inserted.
    fn of(&self, session: &Session) -> Vec<IndexEntry> {
        let own = u64::from_be_bytes(*session.key.first_chunk().unwrap_or(&[0; 8]));
        let sids = session.sids().map(|it| self.digest(&IndexLabel::Sid(&it))).collect::<Vec<_>>();
        let who = session.identity();
        let person = who.member.as_ref().map(|it| self.digest(&IndexLabel::Person(it.person)));
        sids.into_iter().chain([self.digest(&IndexLabel::Object(who.oid))]).chain(person).map(|it| (it, own)).collect()
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
