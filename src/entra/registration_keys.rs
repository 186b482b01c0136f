//! Keys of one app registration: with claims mapping, Entra signs an app's tokens with a key that it
//! publishes under `?appid=` only (`learn:/access-tokens`).
//!
//! They belong to the registration, not to its tenant: `rules` accepts only tokens for the client
//! ID of the registration, so a key of one app never verifies a token of another.

use super::error::Error;
use super::keys::{KnownKeys, VerificationKey};
use super::source::{EntraSource, FailedFetch, KEY_COOL_DOWN_SECONDS, REFRESH_INTERVAL_SECONDS};
use crate::base::guid::Guid;
use arc_swap::ArcSwapOption;
use std::sync::Arc;
use tokio::sync::Mutex;

/// The keys of one registration, fetched when a token names a key that its tenant does not have.
#[derive(Debug, Default)]
pub(super) struct RegistrationKeys {
    known: ArcSwapOption<FetchedKeys>,
    turn: Mutex<KeyTurn>,
}

/// State that the task which currently fetches the keys holds.
#[derive(Debug, Default)]
struct KeyTurn {
    /// When the keys were last fetched, in seconds since 1970.
    asked: Option<u64>,
    /// The last fetch, if it failed.
    failed: Option<FailedFetch>,
}

#[derive(Debug)]
struct FetchedKeys {
    keys: KnownKeys,
    /// In seconds since 1970.
    at: u64,
}

impl RegistrationKeys {
    /// Returns the key of a token: the tenant's, or the registration's own.
    ///
    /// # Errors
    /// `UnknownKey`, or why Entra could not be asked.
    pub(super) async fn key(
        &self,
        source: &EntraSource,
        client_id: Guid,
        kid: &str,
    ) -> Result<Arc<VerificationKey>, Error> {
        let now = source.host().clock.now();
        if let Some(key) = self.find(kid, now) {
            return Ok(key);
        }
        match source.key(kid).await {
            Err(Error::UnknownKey) => {}
            known => return known,
        }
        let mut turn = self.turn.lock().await;
        if self.find(kid, now).is_none()
            && turn.asked.is_none_or(|it| now.abs_diff(it) >= KEY_COOL_DOWN_SECONDS)
        {
            let fetched = self.fetch_once(&mut turn, source, client_id, now).await;
            // While Entra does not publish them, the known keys stay in use, as those of the tenant
            // do. That none of them is the token's says nothing about a key that was not fetched.
            if let Err(cause) = fetched {
                let known = self.known_key(kid).ok_or_else(|| cause.clone())?;
                tracing::warn!(%client_id, %cause, "cannot refresh the keys of an app registration; using cached keys");
                return Ok(known);
            }
        }
        drop(turn);
        self.known_key(kid).ok_or(Error::UnknownKey)
    }

    /// Returns an own key, however long ago it was published.
    fn known_key(&self, kid: &str) -> Option<Arc<VerificationKey>> {
        self.known.load().as_ref().and_then(|it| it.keys.find(kid).cloned())
    }

    /// Fetches the keys. A failure also answers the callers that waited for it, and starts no
    /// cool-down.
    async fn fetch_once(
        &self,
        turn: &mut KeyTurn,
        source: &EntraSource,
        client_id: Guid,
        now: u64,
    ) -> Result<(), Error> {
        let clock = &source.host().clock;
        if let Some(cause) = turn.failed.as_ref().and_then(|it| it.cause_at(clock.now_millis())) {
            return Err(cause);
        }
        let fetched = self.fetch(source, client_id, now).await;
        turn.failed = fetched.as_ref().err().map(|it| FailedFetch::new(clock.now_millis(), it));
        fetched?;
        turn.asked = Some(now);
        Ok(())
    }

    /// Returns an own key that was published recently. Later, it must be fetched again.
    fn find(&self, kid: &str, now: u64) -> Option<Arc<VerificationKey>> {
        let known = self.known.load();
        let fresh =
            known.as_ref().filter(|it| now.saturating_sub(it.at) < REFRESH_INTERVAL_SECONDS)?;
        fresh.keys.find(kid).cloned()
    }

    async fn fetch(&self, source: &EntraSource, client_id: Guid, now: u64) -> Result<(), Error> {
        let fresh = source.keys_of_app(client_id).await?;
        let old = self.known.load_full();
        let known = old.map(|it| it.keys.clone()).unwrap_or_default();
        let (keys, swapped) = known.merged(fresh, now);
        if swapped {
            tracing::warn!(%client_id, "Entra published a different key with a known kid; keeping the earlier key");
        }
        self.known.store(Some(Arc::new(FetchedKeys { keys, at: now })));
        Ok(())
    }

    /// Takes over the keys of another instance for the same client ID and tenant.
    pub(super) fn inherit(&self, old: &Self) {
        if self.known.load().is_none() {
            self.known.store(old.known.load_full());
        }
    }
}
