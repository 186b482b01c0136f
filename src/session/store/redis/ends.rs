//! Ends sessions here and for the other processes.

use super::super::super::person::PersonKey;
use super::super::super::record::Session;
use super::super::super::session_ids::SecretName;
use super::super::super::session_key::{SessionKey, key};
use super::changes::Change;
use super::keys::{SecretKeys, SessionPlace};
use super::recent::EndedSession;
use super::redis_store::{Answer, Calls, RedisStore};
use crate::base::guid::Guid;
use redis::AsyncCommands as _;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Maximum number of sessions of a person that are ended at a time.
const MAX_INDEXED: isize = 10_000;

impl RedisStore {
    pub(in crate::session::store) async fn end(&self, cookie: &str) -> Option<Arc<Session>> {
        let secret = self.live.ids().recognize(cookie)?;
        let key = key(cookie);
        let live = self.live.end(cookie);
        let ended = match live {
            Some(session) => Some(session),
            None if self.pending.has_ended(&key) => return None,
            None => {
                let stored = self.read(&key, secret).await;
                // If the server does not answer, the session may be there.
                let ends = self.live.clock.now().saturating_add(self.lifetime);
                let session = match stored {
                    Ok(None) => return None,
                    Ok(Some(session)) => Some(Arc::new(session)),
                    Err(_) => None,
                };
                self.end_key(key, secret, ends);
                session
            }
        };
        self.ended.fetch_add(1, Ordering::SeqCst);
        self.confirm_ends().await;
        ended
    }

    pub(super) fn end_key(&self, key: SessionKey, secret: SecretName, ends: u64) {
        self.pending.end(key, EndedSession { secret, ends, is_news: true });
    }

    /// Waits until the server and thus the other processes know what ended here, unless the server
    /// does not answer.
    pub(in crate::session::store) async fn confirm_ends(&self) {
        if self.health.is_up() {
            let limit = self.command_timeout * 3;
            let confirmed = async {
                tokio::select! {
                    () = self.pending.confirmed() => {}
                    () = self.health.down() => {}
                }
            };
            let _ = tokio::time::timeout(limit, confirmed).await;
        }
    }

    pub(in crate::session::store) async fn end_by_sid(&self, sid: &str) -> usize {
        let ended = self.live.end_by_sid(sid);
        let at = self.live.clock.now();
        self.end_indexed(ended, Change::Sid { sid: sid.to_owned(), at }).await
    }

    pub(in crate::session::store) async fn end_by_person(&self, person: PersonKey) -> usize {
        let ended = self.live.end_all_of(person);
        self.end_indexed(ended, Change::person(person, self.live.clock.now())).await
    }

    /// Ends what the indexes name, besides the sessions that ended here; returns the number of both.
    pub(super) async fn end_indexed(&self, ended_here: usize, change: Change) -> usize {
        self.ended.fetch_add(1, Ordering::SeqCst);
        // First: what ended here is then no longer found.
        self.confirm_ends().await;
        match self.end_everywhere(&change).await {
            Ok(0) if ended_here == 0 => 0,
            Ok(elsewhere) => {
                self.pending.change(change);
                self.confirm_ends().await;
                ended_here + elsewhere
            }
            // Strangers can report sign-outs at Entra that never were.
            Err(_) if ended_here == 0 && matches!(change, Change::Sid { .. }) => {
                self.pending.unknown_change(change);
                0
            }
            Err(_) => {
                self.pending.change(change);
                ended_here
            }
        }
    }

    pub(super) async fn end_everywhere(&self, change: &Change) -> Answer<usize> {
        let (calls, mut ended) = (self.calls()?, 0);
        for index in self.indexes_of(change) {
            ended += self.end_places(&calls, &index, None).await?;
        }
        Ok(ended)
    }

    /// Returns the keys of the indexes that name what a change ends.
    pub(super) fn indexes_of(&self, change: &Change) -> Vec<String> {
        let secrets = self.secrets.load();
        let index = |it: &SecretKeys| match change {
            Change::Person { oid, tid, .. } => {
                let (oid, tid) = (Guid::of_bytes(*oid), Guid::of_bytes(*tid));
                Some(it.of_person(&self.prefix, PersonKey { oid, tid }))
            }
            Change::Sid { sid, .. } => Some(it.of_sid(&self.prefix, sid)),
            Change::Session(_) | Change::Places { .. } => None,
        };
        secrets.keys.iter().filter_map(index).collect()
    }

    /// Ends what an index names, or those of it that began until a time, in seconds since 1970;
    /// returns their number.
    pub(super) async fn end_places(
        &self,
        calls: &Calls<'_>,
        index: &str,
        until: Option<u64>,
    ) -> Answer<usize> {
        let until = until.map_or_else(|| "+inf".to_owned(), |it| it.to_string());
        let names: Vec<String> = calls
            .run(async |link| link.zrangebyscore_limit(index, "-inf", &until, 0, MAX_INDEXED).await)
            .await?;
        let mut ended = 0;
        for name in names {
            let Some(place) = SessionPlace::named(&self.prefix, &name) else { continue };
            ended += usize::from(self.end_place(calls, &place).await?);
            self.pending.ended_place(name.clone());
            let _: usize = calls.run(async |link| link.zrem(index, &name).await).await?;
        }
        Ok(ended)
    }

    /// Ends a session that this process does not know; returns whether it was there.
    pub(super) async fn end_place(&self, calls: &Calls<'_>, place: &SessionPlace) -> Answer<bool> {
        let lives_ms = self.lifetime.saturating_mul(1000);
        calls.run(async |link| self.scripts.end(link, place, lives_ms).await).await
    }
}
