//! Access tokens of ours that were verified lately, so that the next request with the same costs what one with a cookie costs.

use super::record::Session;
use crate::base::guid::Guid;
use aws_lc_rs::digest::{SHA256, digest};
use moka::policy::EvictionPolicy;
use moka::sync::Cache;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, MutexGuard};

/// So many are remembered; one that had to make room is verified again.
const MAX_CACHED_TOKENS: u64 = 200_000;
/// A little longer than the longest life of a token.
const MAX_CACHE_AGE: Duration = Duration::from_secs(660);
/// So many sign-ins are read from the directory at a time.
const MAX_CONCURRENT_READS: usize = 64;

/// Verified tokens by their SHA-256: what memory holds opens nothing.
#[derive(Debug)]
pub struct BearerCache {
    tokens: Cache<[u8; 32], KnownBearer>,
    read_locks: Vec<Mutex<()>>,
}

/// What is known of a token whose signature was verified.
#[derive(Clone, Debug)]
pub struct KnownBearer {
    /// The session of its sign-in; nothing where that is over, which it stays.
    pub session: Option<Arc<Session>>,
    /// The sign-in.
    pub client_sign_in: Guid,
    /// When the token ends, seconds since 1970.
    pub ends: u64,
}

impl Default for BearerCache {
    fn default() -> Self {
        Self {
            tokens: Cache::builder().max_capacity(MAX_CACHED_TOKENS).eviction_policy(EvictionPolicy::lru()).time_to_live(MAX_CACHE_AGE).build(),
            read_locks: (0..MAX_CONCURRENT_READS).map(|_| Mutex::default()).collect(),
        }
    }
}

impl BearerCache {
    /// What is known of a token.
    pub fn find(&self, token: &str) -> Option<KnownBearer> {
        self.tokens.get(&key(token))
    }

    /// Remembers a token that was verified.
    pub fn insert(&self, token: &str, known: KnownBearer) {
        self.tokens.insert(key(token), known);
    }

    /// Waits until nobody else reads the same sign-in from the directory.
    pub async fn enter(&self, client_sign_in: Guid) -> Option<MutexGuard<'_, ()>> {
        let [.., last] = client_sign_in.bytes();
        match self.read_locks.get(usize::from(*last) % MAX_CONCURRENT_READS) {
            Some(door) => Some(door.lock().await),
            None => None,
        }
    }
}

fn key(token: &str) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(digest(&SHA256, token.as_bytes()).as_ref());
    out
}
