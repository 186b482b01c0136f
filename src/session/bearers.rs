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
const MOST: u64 = 200_000;
/// A little longer than the longest life of a token.
const LONGEST: Duration = Duration::from_secs(660);
/// So many sign-ins are read from the directory at a time.
const DOORS: usize = 64;

/// Verified tokens by their SHA-256: what memory holds opens nothing.
#[derive(Debug)]
pub struct Bearers {
    known: Cache<[u8; 32], Known>,
    doors: Vec<Mutex<()>>,
}

/// What is known of a token whose signature was verified.
#[derive(Clone, Debug)]
pub struct Known {
    /// The session of its sign-in; nothing where that is over, which it stays.
    pub session: Option<Arc<Session>>,
    /// The sign-in.
    pub family: Guid,
    /// When the token ends, seconds since 1970.
    pub ends: u64,
}

impl Default for Bearers {
    fn default() -> Self {
        Self {
            known: Cache::builder().max_capacity(MOST).eviction_policy(EvictionPolicy::lru()).time_to_live(LONGEST).build(),
            doors: (0..DOORS).map(|_| Mutex::default()).collect(),
        }
    }
}

impl Bearers {
    /// What is known of a token.
    pub fn find(&self, token: &str) -> Option<Known> {
        self.known.get(&key(token))
    }

    /// Remembers a token that was verified.
    pub fn keep(&self, token: &str, known: Known) {
        self.known.insert(key(token), known);
    }

    /// Waits until nobody else reads the same sign-in from the directory.
    pub async fn enter(&self, family: Guid) -> Option<MutexGuard<'_, ()>> {
        let [.., last] = family.bytes();
        match self.doors.get(usize::from(*last) % DOORS) {
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
