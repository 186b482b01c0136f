//! Cache of recently verified access tokens, so that further requests with the same token cost as
//! much as those with a cookie.

use crate::base::guid::Guid;
use crate::session::record::Session;
use aws_lc_rs::digest::{SHA256, digest};
use moka::policy::EvictionPolicy;
use moka::sync::Cache;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, MutexGuard};

/// Maximum number of cached tokens; an evicted token is verified again.
const MAX_CACHED_TOKENS: u64 = 200_000;
/// Slightly longer than the maximum lifetime of a token.
const MAX_CACHE_AGE: Duration = Duration::from_secs(660);
/// Maximum number of concurrent reads of sign-ins from the directory.
const MAX_CONCURRENT_READS: usize = 64;

/// Verified tokens by their SHA-256 digest: the contents of memory give no access.
#[derive(Debug)]
pub(super) struct BearerCache {
    tokens: Cache<[u8; 32], KnownBearer>,
    read_locks: Vec<Mutex<()>>,
}

/// A token with a verified signature.
#[derive(Clone, Debug)]
pub(super) struct KnownBearer {
    /// The session of its sign-in; `None` if the sign-in has ended, which is permanent.
    pub(super) session: Option<Arc<Session>>,
    /// The ID of the sign-in.
    pub(super) client_sign_in: Guid,
    /// Expiry of the token, in seconds since 1970.
    pub(super) ends: u64,
}

impl Default for BearerCache {
    fn default() -> Self {
        Self {
            tokens: Cache::builder()
                .max_capacity(MAX_CACHED_TOKENS)
                .eviction_policy(EvictionPolicy::lru())
                .time_to_live(MAX_CACHE_AGE)
                .build(),
            read_locks: (0..MAX_CONCURRENT_READS).map(|_| Mutex::default()).collect(),
        }
    }
}

impl BearerCache {
    /// Returns the cached result for a token.
    pub(super) fn find(&self, token: &str) -> Option<KnownBearer> {
        self.tokens.get(&key(token))
    }

    /// Caches the result for a verified token.
    pub(super) fn insert(&self, token: &str, known: KnownBearer) {
        self.tokens.insert(key(token), known);
    }

    /// Waits until no other request reads the same sign-in from the directory.
    pub(super) async fn enter(&self, client_sign_in: Guid) -> Option<MutexGuard<'_, ()>> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt as _;

    #[test]
    fn every_token_has_its_own_result() {
        let cache = BearerCache::default();
        let known = |number: u8| KnownBearer {
            session: None,
            client_sign_in: Guid::from_random([number; 16]),
            ends: u64::from(number),
        };
        cache.insert("one", known(1));
        cache.insert("two", known(2));
        let found = |token| cache.find(token).map(|it| (it.client_sign_in, it.ends));
        for (token, expected) in [("one", Some(1)), ("two", Some(2)), ("three", None)] {
            let expected = expected.map(|it| (Guid::from_random([it; 16]), u64::from(it)));
            assert_eq!(found(token), expected, "{token}");
        }
    }

    #[tokio::test]
    async fn one_request_at_a_time_reads_a_sign_in_and_others_do_not_wait_for_it() {
        let cache = BearerCache::default();
        let sign_in = |last: u8| {
            let mut bytes = [7; 16];
            bytes[15] = last;
            Guid::from_random(bytes)
        };
        for last in [0, 63, 64, 255] {
            let lock = cache.enter(sign_in(last)).await;
            assert!(lock.is_some(), "{last}");
            assert!(cache.enter(sign_in(last)).now_or_never().is_none(), "{last}: it is read");
            assert!(cache.enter(sign_in(last ^ 1)).now_or_never().is_some(), "{last}: another");
            drop(lock);
            assert!(cache.enter(sign_in(last)).now_or_never().is_some(), "{last}: it was read");
        }
    }
}
