//! Writes sessions with their indexes.

use super::super::super::person::PersonKey;
use super::super::super::record::Session;
use super::super::super::stored_session::encode;
use super::changes::Change;
use super::keys::{SecretKeys, SessionPlace};
use super::redis_store::{Answer, Calls, RedisStore, SLACK_SECONDS};
use super::scripts::{IndexEntry, SavedValues};
use std::sync::Arc;
use std::sync::atomic::Ordering;

impl RedisStore {
    pub(super) async fn save_now(&self, session: &Arc<Session>) -> Answer<()> {
        self.write_session(&self.calls()?, session).await
    }

    /// Writes a session with its indexes. A session that has ended elsewhere ends here.
    ///
    /// # Errors
    /// The server does not answer.
    pub(super) async fn write_session(
        &self,
        calls: &Calls<'_>,
        session: &Arc<Session>,
    ) -> Answer<()> {
        let secrets = self.secrets.load();
        let Some(keys) = secrets.of(session.secret).filter(|_| !session.is_over()) else {
            return Ok(());
        };
        self.write_indexes(calls, session, keys).await?;
        if !self.write_record(calls, session, keys).await? {
            self.live.end_quietly(&session.key);
        }
        Ok(())
    }

    /// Returns false if the session has ended.
    pub(super) async fn write_record(
        &self,
        calls: &Calls<'_>,
        session: &Session,
        keys: &SecretKeys,
    ) -> Answer<bool> {
        let place = keys.place(&self.prefix, &session.key);
        // Tokens in memory are those that are not stored yet. One that a recheck is using is stored
        // by the recheck, or by the next writing.
        let unsaved = session.standing.read_refresh_token(|token| {
            let token = token.filter(|_| !session.standing.is_token_stored());
            token.and_then(|it| keys.seal_token(&session.key, it.expose().as_bytes()))
        });
        let token = unsaved.flatten().unwrap_or_default();
        let Some(record) = sealed_record(session, keys) else { return Ok(true) };
        let last_seen = session.last_seen();
        let lives_ms = self.lives_ms(session, last_seen);
        let is_saved = calls
            .run(async |link| {
                let values = SavedValues { record: &record, token: &token, last_seen, lives_ms };
                self.scripts.save(link, &place, values).await
            })
            .await?;
        if !token.is_empty() {
            session.standing.forget_stored_token();
        }
        Ok(is_saved)
    }

    pub(super) async fn write_indexes(
        &self,
        calls: &Calls<'_>,
        session: &Session,
        keys: &SecretKeys,
    ) -> Answer<()> {
        let place = keys.place(&self.prefix, &session.key);
        let who = session.identity();
        let person = PersonKey { oid: who.oid, tid: who.tid };
        drop(who);
        let of_person = keys.of_person(&self.prefix, person);
        let excess =
            self.index(calls, &of_person, &place, session, self.live.max_per_person()).await?;
        for sid in session.sids() {
            self.index(calls, &keys.of_sid(&self.prefix, &sid), &place, session, usize::MAX)
                .await?;
        }
        self.write_names(calls, session, keys).await?;
        if !excess.is_empty() {
            tracing::warn!(user = %person.oid, "person exceeded [session] per_person; the oldest sessions ended");
            let places = excess.iter().filter_map(|it| SessionPlace::named(&self.prefix, it));
            let lives_ms = self.lifetime.saturating_mul(1000);
            for place in places {
                calls.run(async |link| self.scripts.end(link, &place, lives_ms).await).await?;
            }
            self.ended.fetch_add(1, Ordering::SeqCst);
            self.pending.change(Change::places(person.oid, excess));
        }
        Ok(())
    }

    pub(super) async fn index(
        &self,
        calls: &Calls<'_>,
        index: &str,
        place: &SessionPlace,
        session: &Session,
        max: usize,
    ) -> Answer<Vec<String>> {
        let entry = || IndexEntry {
            index,
            name: place.name(),
            started_at: session.started_at(),
            over_before: self.live.clock.now().saturating_sub(self.lifetime),
            lives_ms: self.lifetime.saturating_add(SLACK_SECONDS).saturating_mul(1000),
            max: max.min(1_000_000_000),
        };
        calls.run(async |link| self.scripts.index(link, entry()).await).await
    }

    /// How long the keys of a session live, in milliseconds.
    pub(super) fn lives_ms(&self, session: &Session, last_seen: u64) -> u64 {
        let ends = session.ends().min(last_seen.saturating_add(self.idle));
        let left = ends.saturating_sub(self.live.clock.now());
        left.saturating_add(SLACK_SECONDS).saturating_mul(1000)
    }
}

/// The sealed record of a session, without its refresh token.
fn sealed_record(session: &Session, keys: &SecretKeys) -> Option<Vec<u8>> {
    let mut plain = Vec::new();
    encode(session, None, &mut plain).ok()?;
    keys.seal_record(&session.key, &plain)
}
