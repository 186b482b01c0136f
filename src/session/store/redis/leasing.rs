//! Takes the lease of a refresh token, extends it while a call to Entra lasts, and gives it back.

use super::super::super::record::Session;
use super::super::super::session_key::SessionKey;
use super::super::super::standing::{LeaseTurn, RecheckLease};
use super::super::super::stored_session::decode;
use super::super::unavailable::StoreUnavailable;
use super::keys::{SecretKeys, SessionPlace};
use super::leases::Extension;
use super::link::RedisLink;
use super::redis_store::RedisStore;
use super::scripts::{KeptToken, LeaseState};
use crate::base::secret::Secret;
use std::sync::Arc;
use std::time::Duration;

/// How long a lease lasts after its process died, in milliseconds.
const LEASE_MS: u64 = 10_000;
/// Time between two extensions.
const EXTENSION_INTERVAL: Duration = Duration::from_secs(3);

impl RedisStore {
    pub(in crate::session::store) async fn lease(
        self: &Arc<Self>,
        session: &Session,
        lease: &mut RecheckLease<'_>,
    ) -> LeaseTurn {
        if session.is_over() {
            return LeaseTurn::Ended;
        }
        let secrets = self.secrets.load_full();
        let Some(keys) = secrets.of(session.secret) else { return LeaseTurn::Elsewhere };
        let place = keys.place(&self.prefix, &session.key);
        let owner = &self.leases.owner;
        let leased =
            self.call(async |link| self.scripts.lease(link, &place, owner, LEASE_MS).await).await;
        let (record, token) = match leased {
            Ok(LeaseState::Held(record, token)) => (record, token),
            Ok(LeaseState::Ended) => {
                self.live.end_quietly(&session.key);
                return LeaseTurn::Ended;
            }
            // Without the server, nobody asks Entra: the session goes on meanwhile.
            Ok(LeaseState::Elsewhere) | Err(_) => return LeaseTurn::Elsewhere,
        };
        self.extend(session.key, place);
        let newest = keys.open_record(&session.key, &record).and_then(|it| decode(&it));
        if let Some(newest) = newest.filter(|it| it.key == session.key) {
            session.adopt_answer(&newest);
        }
        // Otherwise the one in memory is newer: it could not be stored yet.
        if session.standing.is_token_stored() {
            let token = keys.open_token(&session.key, &token);
            match token.and_then(|it| String::from_utf8(it).ok()) {
                Some(token) => lease.store_refresh_token(Secret::new(token)),
                // The server lost it.
                None => session.standing.set_token_stored(false),
            }
        }
        LeaseTurn::Held
    }

    /// Extends a lease until it is given back, or the session has it no longer.
    fn extend(self: &Arc<Self>, key: SessionKey, place: SessionPlace) {
        let store = Arc::downgrade(self);
        let task = tokio::spawn(async move {
            loop {
                tokio::time::sleep(EXTENSION_INTERVAL).await;
                let Some(store) = store.upgrade() else { return };
                let owner = &store.leases.owner;
                let extended = store
                    .call(async |link: &mut RedisLink| {
                        store.scripts.extend(link, &place, owner, LEASE_MS).await
                    })
                    .await;
                match extended {
                    Ok(true) | Err(_) => {}
                    Ok(false) => {
                        tracing::warn!(
                            "the lease of a refresh token was lost while Entra was asked"
                        );
                        return;
                    }
                }
            }
        });
        self.leases.lock().insert(key, Extension(task.abort_handle()));
    }

    pub(in crate::session::store) async fn keep_refresh_token(
        &self,
        session: &Session,
        lease: &mut RecheckLease<'_>,
        token: Secret,
    ) {
        if session.is_over() {
            return;
        }
        let secrets = self.secrets.load_full();
        let sealed = secrets.of(session.secret).and_then(|keys| {
            let sealed = keys.seal_token(&session.key, token.expose().as_bytes())?;
            Some((keys.place(&self.prefix, &session.key), sealed))
        });
        // In memory until it is stored, so that an outage loses nothing.
        lease.store_refresh_token(token);
        let Some((place, sealed)) = sealed else { return };
        let owner = &self.leases.owner;
        let kept =
            self.call(async |link| self.scripts.keep(link, &place, owner, &sealed).await).await;
        match kept {
            Ok(KeptToken::Stored) => session.standing.set_token_stored(true),
            Ok(KeptToken::Ended) => {
                self.live.end_quietly(&session.key);
            }
            Ok(KeptToken::Elsewhere) => {
                tracing::warn!(
                    user = session.user(),
                    "a refresh token was not stored: another process has the lease"
                );
            }
            // `release` writes the whole session.
            Ok(KeptToken::Missing) | Err(_) => session.standing.set_token_stored(false),
        }
    }

    /// Saves what a recheck changed, and gives the lease back.
    pub(in crate::session::store) async fn release(&self, session: &Session) {
        let secrets = self.secrets.load_full();
        if let Some(keys) = secrets.of(session.secret) {
            if !session.is_over() {
                match self.write_now(session, keys).await {
                    Ok(true) => {}
                    Ok(false) => self.live.end_quietly(&session.key),
                    Err(_) => self.save_later(&session.key),
                }
            }
            let place = keys.place(&self.prefix, &session.key);
            let owner = &self.leases.owner;
            // If this fails, the lease ends by itself.
            let _ = self.call(async |link| self.scripts.release(link, &place, owner).await).await;
        }
        self.leases.lock().remove(&session.key);
    }

    async fn write_now(
        &self,
        session: &Session,
        keys: &SecretKeys,
    ) -> Result<bool, StoreUnavailable> {
        self.write_record(&self.calls()?, session, keys).await
    }

    fn save_later(&self, key: &SessionKey) {
        if let Some(session) = self.live.sessions.get(key) {
            self.pending.save(&session);
        }
    }
}
