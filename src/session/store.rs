//! Sessions in memory.

use super::record::{End, Session};
use super::standing::Standing;
use crate::base::clock::Clock;
use crate::base::random::Random;
use crate::base::secret::Secret;
use crate::config;
use crate::entra::verified::VerifiedUser;
use arc_swap::{ArcSwap, ArcSwapOption};
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use moka::policy::EvictionPolicy;
use moka::sync::Cache;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// Bytes of a session id (256 bits), and of its base64url text.
const ID_BYTES: usize = 32;
const ID_TEXT: usize = 43;

type Key = [u8; 32];

/// Sessions in this process, found by the SHA-256 of the id in the cookie: what memory holds opens nothing.
#[derive(Debug)]
pub struct Store {
    sessions: Cache<Key, Arc<Session>>,
    clock: Clock,
    random: Random,
    idle: u64,
    lifetime: u64,
}

impl Store {
    /// An empty store. The one unused longest makes room when it is full: a newcomer is never turned away (LRU, not TinyLFU).
    ///
    /// The library drops what rests; the absolute life is looked at in `goes_on`, which costs each session less memory.
    pub fn new(config: &config::session::Session, clock: Clock, random: Random) -> Self {
        let sessions = Cache::builder()
            .max_capacity(config.capacity)
            .eviction_policy(EvictionPolicy::lru())
            .time_to_idle(config.idle + Duration::from_secs(1))
            .eviction_listener(|_, session: Arc<Session>, _| session.end.tell())
            .build();
        Self { sessions, clock, random, idle: config.idle.as_secs(), lifetime: config.lifetime.as_secs() }
    }

    /// Begins a session under a new id; the id goes to the browser and is kept nowhere.
    /// `grant` is what Entra is asked by later whether the person may still be here.
    pub fn begin(&self, user: VerifiedUser, grant: Option<Secret>) -> (Secret, Arc<Session>) {
        let id = URL_SAFE_NO_PAD.encode(self.random.bytes::<ID_BYTES>());
        let now = self.clock.now();
        let identity = user.into_identity();
        let key = key(&id);
        let session = Arc::new(Session {
            key,
            user: identity.oid.to_string().into(),
            identity: ArcSwap::from_pointee(identity),
            began: now,
            ends: now.saturating_add(self.lifetime),
            last_seen: AtomicU64::new(now),
            end: End::default(),
            attached: ArcSwapOption::empty(),
            standing: Standing::new(now, grant),
            answered: OnceLock::new(),
        });
        self.sessions.insert(key, Arc::clone(&session));
        (Secret::new(id), session)
    }

    /// The live session of an id, and notes that it was used.
    pub fn find(&self, id: &str) -> Option<Arc<Session>> {
        let key = read(id)?;
        let session = self.sessions.get(&key)?;
        if self.goes_on(&session, true) {
            return Some(session);
        }
        self.sessions.invalidate(&key);
        None
    }

    /// The live session of an id, without noting a use: whoever asks how long it lasts does not make it last.
    pub fn look(&self, id: &str) -> Option<Arc<Session>> {
        let session = self.sessions.get(&read(id)?)?;
        self.goes_on(&session, false).then_some(session)
    }

    /// Whether the session that a tunnel hangs on goes on; bytes in the tunnel are use, for the cache as well.
    pub fn tunnel_goes_on(&self, session: &Session, spoke: bool) -> bool {
        if spoke {
            let _ = self.sessions.get(&session.key);
        }
        self.goes_on(session, spoke)
    }

    /// Whether a session that somebody holds is still live; `used` notes that it was used. One that is not live is told so.
    fn goes_on(&self, session: &Session, used: bool) -> bool {
        let now = self.clock.now();
        let last_seen = session.last_seen();
        if now >= session.ends || now >= last_seen.saturating_add(self.idle) || session.end.is_over() {
            session.end.tell();
            return false;
        }
        if used && now > last_seen {
            session.last_seen.store(now, Ordering::Relaxed);
        }
        true
    }

    /// Ends the session of an id; whatever hangs on it ends too.
    pub fn end(&self, id: &str) -> Option<Arc<Session>> {
        let session = self.sessions.remove(&read(id)?)?;
        session.end.tell();
        Some(session)
    }

    /// When a session goes idle if nobody uses it, seconds since 1970.
    pub fn goes_idle(&self, session: &Session) -> u64 {
        session.last_seen().saturating_add(self.idle).min(session.ends)
    }

    /// About how many there are.
    pub fn count(&self) -> u64 {
        self.sessions.entry_count()
    }
}

fn read(id: &str) -> Option<Key> {
    (id.len() == ID_TEXT).then(|| key(id))
}

/// Of the text, not of the bytes it stands for: nothing is decoded, and no second spelling of an id is found.
fn key(id: &str) -> Key {
    let mut out = [0; 32];
    out.copy_from_slice(digest(&SHA256, id.as_bytes()).as_ref());
    out
}
