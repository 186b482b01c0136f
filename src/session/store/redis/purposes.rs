//! Purposes of sign-ins that are too long for `state`: any process may get the callback.

use super::super::super::kept_purposes::{KEPT_SECONDS, MAX_KEPT_PURPOSE_BYTES, MAX_KEPT_PURPOSES};
use super::redis_store::RedisStore;
use super::scripts::PurposeBounds;
use redis::AsyncCommands as _;

impl RedisStore {
    /// Keeps a purpose here and at the server. Without the server, this process alone has it.
    pub(in crate::session::store) async fn keep_purpose(
        &self,
        key: &str,
        purpose: Vec<u8>,
        now: u64,
    ) {
        let sealed = self.secrets.load().purposes.seal(key, &purpose);
        self.purposes.keep(key, purpose, now);
        let Some(sealed) = sealed else { return };
        let bounds = || PurposeBounds {
            max: MAX_KEPT_PURPOSES,
            max_bytes: MAX_KEPT_PURPOSE_BYTES,
            lives_ms: KEPT_SECONDS * 1000,
        };
        let keys = self.purpose_keys();
        let kept = self.call(async |link| {
            self.scripts.keep_purpose(link, &keys, (key, &sealed), bounds()).await
        });
        let _ = kept.await;
    }

    /// Returns the purpose with this key, if it is still kept.
    pub(in crate::session::store) async fn purpose(&self, key: &str) -> Option<Vec<u8>> {
        if let Some(purpose) = self.purposes.find(key) {
            return Some(purpose);
        }
        let [purposes, ..] = self.purpose_keys();
        let found: Option<String> =
            self.call(async |link| link.hget(&purposes, key).await).await.ok()?;
        self.secrets.load().purposes.open(key, &found?)
    }

    /// The purposes, their order and their size, with one hash tag.
    fn purpose_keys(&self) -> [String; 3] {
        ["v", "o", "b"].map(|kind| format!("{}{{k}}:{kind}", self.prefix))
    }
}
