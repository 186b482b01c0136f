//! The public keys: fetched over plain HTTP from this machine, cached for a while, and fetched
//! again if a key is unknown.

use super::fetch::{self, BadAddress, LocalAddress};
use bytes::Bytes;
use http::header::ACCEPT;
use http::{Request, StatusCode};
use serde::Deserialize;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::Instant;

/// Lifetime of cached keys.
const KEYS_LIFETIME: Duration = Duration::from_secs(300);
/// Minimum time between two fetches, regardless of the IDs in tokens and of failed fetches.
const MIN_FETCH_INTERVAL: Duration = Duration::from_secs(1);

/// A public key (RFC 7517), with the members that an app needs.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct PublicKey {
    #[serde(default)]
    pub(super) kid: String,
    #[serde(default)]
    pub(super) kty: String,
    #[serde(default)]
    pub(super) crv: String,
    #[serde(default)]
    pub(super) x: String,
    #[serde(default)]
    pub(super) y: String,
}

/// The keys published at one address.
#[derive(Debug)]
pub(super) struct AssertionKeys {
    address: LocalAddress,
    cached: Mutex<Option<CachedKeys>>,
}

#[derive(Debug)]
struct CachedKeys {
    at: Instant,
    keys: Result<Arc<[PublicKey]>, String>,
}

/// The reason that a fetch failed.
#[derive(Debug, thiserror::Error)]
enum KeyFetchError {
    #[error(transparent)]
    Unanswered(#[from] fetch::FetchError),
    #[error("the request cannot be written")]
    Request(#[from] http::Error),
    #[error("the response was {0}")]
    Status(StatusCode),
    #[error("the response is not a key set")]
    NotKeys,
}

impl AssertionKeys {
    /// Creates the cache for the keys at this address.
    pub(super) fn at(url: &str) -> Result<Self, BadAddress> {
        Ok(Self { address: LocalAddress::read(url)?, cached: Mutex::default() })
    }

    /// Returns the address of the keys.
    pub(super) fn url(&self) -> &str {
        self.address.url()
    }

    /// Returns all keys; fetches them again if `kid` is not among the cached ones. Concurrent
    /// callers wait for the same fetch.
    pub(super) async fn all(&self, kid: &str) -> Result<Arc<[PublicKey]>, String> {
        let mut kept = self.cached.lock().await;
        match kept.as_ref() {
            Some(it) if it.is_good_for(kid) => it.keys.clone(),
            _ => {
                let keys = self.fetched().await.map_err(|it| it.to_string());
                *kept = Some(CachedKeys { at: Instant::now(), keys: keys.clone() });
                keys
            }
        }
    }

    async fn fetched(&self) -> Result<Arc<[PublicKey]>, KeyFetchError> {
        let answer = self
            .address
            .send(Request::get("/").header(ACCEPT, "application/json").body(Bytes::new())?)
            .await?;
        if answer.status() != StatusCode::OK {
            return Err(KeyFetchError::Status(answer.status()));
        }
        keys_of(answer.body()).ok_or(KeyFetchError::NotKeys)
    }
}

impl CachedKeys {
    fn is_good_for(&self, kid: &str) -> bool {
        let age = self.at.elapsed();
        let is_known = self.keys.as_ref().is_ok_and(|keys| keys.iter().any(|it| it.kid == kid));
        age < MIN_FETCH_INTERVAL || (is_known && age < KEYS_LIFETIME)
    }
}

/// Reads the keys. An unreadable key is skipped, and the rest of the set is used (RFC 7517 section
/// 5).
fn keys_of(document: &[u8]) -> Option<Arc<[PublicKey]>> {
    #[derive(Deserialize)]
    struct Document {
        keys: Vec<serde_json::Value>,
    }
    let document: Document = serde_json::from_slice(document).ok()?;
    Some(document.keys.into_iter().filter_map(|it| serde_json::from_value(it).ok()).collect())
}

#[cfg(test)]
mod tests {
    use super::keys_of;

    #[test]
    fn a_key_that_does_not_read_leaves_the_others() {
        let keys =
            keys_of(br#"{"keys":[{"kid":7},{"kid":"a","kty":"EC"},{"kty":"oct"}]}"#).unwrap();
        assert_eq!(keys.iter().map(|it| it.kid.as_str()).collect::<Vec<_>>(), ["a", ""]);
        assert!(keys_of(b"[]").is_none());
    }
}
