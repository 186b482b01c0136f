//! Where the sessions of browsers are kept, beyond those that are live in one process.
//!
//! A session that is live in a process is served from there, without asking the store. The store is
//! asked when a session starts, ends or is rechecked, and when a cookie is unknown to the process.

mod admission;
pub(in crate::session) mod cookie;
mod memory;
mod presented;
mod redis;
#[cfg(test)]
mod tests;
mod unavailable;

use super::live::LiveSessions;
use super::person::{AmbiguousPerson, PersonKey, PersonSelector};
use super::record::Session;
use super::standing::{LeaseTurn, RecheckLease};
use crate::base::secret::Secret;
use crate::seal::keyring::Keyring;
pub use cookie::{CookieStore, CookieStoreSettings};
use memory::MemoryStore;
pub use presented::PresentedSession;
pub use redis::RedisStore;
use std::sync::Arc;
pub use unavailable::StoreUnavailable;

/// The store of `[session] store`. Every store passes the tests in `tests.rs`.
#[derive(Debug)]
pub enum SessionStore {
    /// Sessions live in the process, and on the disk if `[session] snapshot` is set.
    Memory(MemoryStore),
    /// Sessions live in the process, and are sealed in their browsers.
    Cookie(CookieStore),
    /// Sessions are in Redis or Valkey.
    Redis(Arc<RedisStore>),
}

impl SessionStore {
    /// Creates the store that keeps sessions only in this process.
    pub fn memory(live: Arc<LiveSessions>) -> Self {
        Self::Memory(MemoryStore::new(live))
    }

    /// Returns the session that a browser presents, live in this process. Does not count as use.
    ///
    /// # Errors
    /// The store does not answer: the cookie may belong to a session.
    pub async fn load(
        &self,
        presented: &PresentedSession<'_>,
    ) -> Result<Option<Arc<Session>>, StoreUnavailable> {
        match self {
            Self::Memory(store) => store.load(presented.id).await,
            Self::Cookie(store) => store.load(presented).await,
            Self::Redis(store) => store.load(presented.id).await,
        }
    }

    /// Whether sessions can begin.
    ///
    /// # Errors
    /// The store does not answer.
    pub fn ready(&self) -> Result<(), StoreUnavailable> {
        match self {
            Self::Memory(_) | Self::Cookie(_) => Ok(()),
            Self::Redis(store) => store.ready(),
        }
    }

    /// Whether sessions that are live in this process may be served.
    ///
    /// # Errors
    /// The store has not answered for longer than `[session] store_grace`.
    pub fn check_grace(&self) -> Result<(), StoreUnavailable> {
        match self {
            Self::Memory(_) | Self::Cookie(_) => Ok(()),
            Self::Redis(store) => store.check_grace(),
        }
    }

    /// Seals with other secrets from now on. The store in the browsers gets them with its other
    /// settings.
    pub fn rotate(&self, keyring: &Keyring) {
        match self {
            Self::Memory(_) | Self::Cookie(_) => {}
            Self::Redis(store) => store.rotate(keyring),
        }
    }

    /// Whether the store has been reached since the start. A later outage does not count.
    pub fn has_connected(&self) -> bool {
        match self {
            Self::Memory(_) | Self::Cookie(_) => true,
            Self::Redis(store) => store.has_connected(),
        }
    }

    /// Saves a session that is complete; it is live from then on. An ended session stays ended.
    /// Returns the value of its cookie.
    pub async fn save(&self, id: Secret, session: &Arc<Session>) -> Secret {
        match self {
            Self::Memory(store) => store.save(id, session).await,
            Self::Cookie(store) => store.save(id, session),
            Self::Redis(store) => store.save(id, session).await,
        }
    }

    /// Whether browsers keep a record of their sessions beside the session cookie.
    pub fn has_records(&self) -> bool {
        matches!(self, Self::Cookie(_))
    }

    /// Returns the record that the next answer to the browser of a live session must carry: after a
    /// sign-in, after a change, and once a minute while it is in use.
    pub fn record_for_answer(&self, session: &Session) -> Option<Secret> {
        match self {
            Self::Memory(_) | Self::Redis(_) => None,
            Self::Cookie(store) => store.record_for_answer(session),
        }
    }

    /// Keeps the purpose of a sign-in that is too long for `state`, under a key that was never used
    /// before.
    pub async fn keep_purpose(&self, key: &str, purpose: Vec<u8>, now: u64) {
        match self {
            Self::Memory(store) => store.purposes.keep(key, purpose, now),
            Self::Cookie(store) => store.purposes.keep(key, purpose, now),
            Self::Redis(store) => store.keep_purpose(key, purpose, now).await,
        }
    }

    /// Returns the purpose with this key, if it is still kept.
    pub async fn purpose(&self, key: &str) -> Option<Vec<u8>> {
        match self {
            Self::Memory(store) => store.purposes.find(key),
            Self::Cookie(store) => store.purposes.find(key),
            Self::Redis(store) => store.purpose(key).await,
        }
    }

    /// Ends the session that a browser presents, for all processes if the store reaches them.
    /// Returns it if it was known.
    pub async fn end(&self, presented: &PresentedSession<'_>) -> Option<Arc<Session>> {
        match self {
            Self::Memory(store) => store.end(presented.id).await,
            Self::Cookie(store) => store.end(presented),
            Self::Redis(store) => store.end(presented.id).await,
        }
    }

    /// Ends the sessions that started in that session at Entra; returns their number. Those that
    /// are live in this process end before the first await.
    pub async fn end_by_sid(&self, sid: &str) -> usize {
        match self {
            Self::Memory(store) => store.end_by_sid(sid).await,
            Self::Cookie(store) => store.end_by_sid(sid),
            Self::Redis(store) => store.end_by_sid(sid).await,
        }
    }

    /// Ends all sessions of one person; returns their number. Those that are live in this process
    /// end before the first await.
    pub async fn end_by_person(&self, person: PersonKey) -> usize {
        match self {
            Self::Memory(store) => store.end_by_person(person).await,
            Self::Cookie(store) => store.end_by_person(person),
            Self::Redis(store) => store.end_by_person(person).await,
        }
    }

    /// Returns the signed-in person whom an operator selected.
    ///
    /// # Errors
    /// `AmbiguousPerson` if several people match.
    pub async fn select(
        &self,
        live: &LiveSessions,
        selector: &PersonSelector,
    ) -> Result<Option<PersonKey>, AmbiguousPerson> {
        let Self::Redis(store) = self else { return live.select(selector) };
        // Without an answer, those who are signed in at this process are known.
        let mut people = store.find_people(selector).await.unwrap_or_default();
        people.extend(live.select(selector)?);
        match people.len() {
            0 | 1 => Ok(people.first().copied()),
            _ => Err(AmbiguousPerson(people.into_iter().collect())),
        }
    }

    /// Acquires the right to use the session's refresh token, if no other process has it. The
    /// caller already has the right within this process, `lease`, which then holds the newest
    /// refresh token.
    pub async fn lease(&self, session: &Session, lease: &mut RecheckLease<'_>) -> LeaseTurn {
        match self {
            Self::Memory(store) => store.lease(session, lease),
            Self::Cookie(store) => store.lease(session, lease),
            Self::Redis(store) => store.lease(session, lease).await,
        }
    }

    /// Whether this process has handed its sessions over, and gets no lease any more.
    pub fn is_handed_over(&self) -> bool {
        match self {
            Self::Memory(store) => store.is_handed_over(),
            Self::Cookie(_) | Self::Redis(_) => false,
        }
    }

    /// Stores the refresh token that replaces the previous one, for the next holder of the lease. An
    /// ended session keeps none.
    pub async fn keep_refresh_token(
        &self,
        session: &Session,
        lease: &mut RecheckLease<'_>,
        token: Secret,
    ) {
        match self {
            // The live session is all there is, or what the next record is made of.
            Self::Memory(_) | Self::Cookie(_) if session.is_over() => {}
            Self::Memory(_) | Self::Cookie(_) => lease.store_refresh_token(token),
            Self::Redis(store) => store.keep_refresh_token(session, lease, token).await,
        }
    }

    /// Saves what a recheck changed, or that it ended the session, and releases the lease. The
    /// right within this process ends when the caller drops it.
    pub async fn release(&self, session: &Session) {
        match self {
            Self::Memory(store) => store.release(session),
            Self::Cookie(store) => store.release(session),
            Self::Redis(store) => store.release(session).await,
        }
    }
}
