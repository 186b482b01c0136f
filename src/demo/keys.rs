//! The public keys: fetched over plain HTTP from this machine, kept for a while, asked for again when a key is unknown.

use super::fetch::{self, BadAddress, Place};
use bytes::Bytes;
use http::header::ACCEPT;
use http::{Request, StatusCode};
use serde::Deserialize;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::Instant;

/// How long keys are kept.
const KEPT: Duration = Duration::from_secs(300);
/// No two fetches come closer than this, whatever tokens claim and however fetches fail.
const PAUSE: Duration = Duration::from_secs(1);

/// A public key (RFC 7517), as far as an app needs it.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Key {
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

/// The keys of one address.
#[derive(Debug)]
pub(super) struct Keys {
    place: Place,
    kept: Mutex<Option<Kept>>,
}

#[derive(Debug)]
struct Kept {
    at: Instant,
    keys: Result<Arc<[Key]>, String>,
}

/// Why a fetch failed.
#[derive(Debug, thiserror::Error)]
enum Failed {
    #[error(transparent)]
    Unanswered(#[from] fetch::Failed),
    #[error("the request cannot be written")]
    Request(#[from] http::Error),
    #[error("the response was {0}")]
    Status(StatusCode),
    #[error("the response is not a key set")]
    NotKeys,
}

impl Keys {
    /// The keys at that address.
    pub(super) fn at(url: &str) -> Result<Self, BadAddress> {
        Ok(Self { place: Place::read(url)?, kept: Mutex::default() })
    }

    /// Where they are.
    pub(super) fn url(&self) -> &str {
        self.place.url()
    }

    /// All keys; fetched anew where `kid` is not among those that are kept. Whoever comes meanwhile waits for the one fetch.
    pub(super) async fn all(&self, kid: &str) -> Result<Arc<[Key]>, String> {
        let mut kept = self.kept.lock().await;
        match kept.as_ref() {
            Some(it) if it.is_good_for(kid) => it.keys.clone(),
            _ => {
                let keys = self.fetched().await.map_err(|it| it.to_string());
                *kept = Some(Kept { at: Instant::now(), keys: keys.clone() });
                keys
            }
        }
    }

    async fn fetched(&self) -> Result<Arc<[Key]>, Failed> {
        let answer = self.place.ask(Request::get("/").header(ACCEPT, "application/json").body(Bytes::new())?).await?;
        if answer.status() != StatusCode::OK {
            return Err(Failed::Status(answer.status()));
        }
        keys_of(answer.body()).ok_or(Failed::NotKeys)
    }
}

impl Kept {
    fn is_good_for(&self, kid: &str) -> bool {
        let age = self.at.elapsed();
        let is_known = self.keys.as_ref().is_ok_and(|keys| keys.iter().any(|it| it.kid == kid));
        age < PAUSE || (is_known && age < KEPT)
    }
}

/// A key that does not read is left out, not the whole set with it (RFC 7517 section 5).
fn keys_of(document: &[u8]) -> Option<Arc<[Key]>> {
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
        let keys = keys_of(br#"{"keys":[{"kid":7},{"kid":"a","kty":"EC"},{"kty":"oct"}]}"#).unwrap();
        assert_eq!(keys.iter().map(|it| it.kid.as_str()).collect::<Vec<_>>(), ["a", ""]);
        assert!(keys_of(b"[]").is_none());
    }
}
