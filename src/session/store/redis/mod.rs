//! Sessions in Redis or Valkey, for several processes.
//!
//! A session that this process knows is served without asking the server. `keeper` follows the
//! changes of other processes and writes what this one changed, also after an outage; nothing here
//! decides alone that the server is back.

mod apply;
mod changes;
mod health;
mod keeper;
mod keys;
mod leases;
mod link;
mod pending;
mod people;
mod purposes;
mod recent;
mod scripts;
#[cfg(test)]
pub(super) mod test_server;
#[cfg(test)]
mod tests;

use super::super::kept_purposes::KeptPurposes;
use super::super::live::LiveSessions;
use super::super::person::PersonKey;
use super::super::record::Session;
use super::super::session_ids::SecretName;
use super::super::session_key::{SessionKey, key};
use super::super::stored_session::{decode, encode};
use super::unavailable::StoreUnavailable;
use crate::base::random::RandomSource;
use crate::base::secret::Secret;
use crate::config::session::{RedisConfig, SessionConfig};
use crate::directory::Directory;
use crate::seal::envelope::Envelope;
use crate::seal::keyring::Keyring;
use arc_swap::ArcSwap;
use changes::Change;
use health::StoreHealth;
use keys::{SecretKeys, SessionPlace};
use leases::Leases;
use link::{RedisConnector, RedisLink};
use moka::sync::Cache;
pub(in crate::session) use pending::{EndedSession, PendingWrites};
use redis::{AsyncCommands as _, RedisResult};
use scripts::{IndexEntry, SavedValues, Scripts};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::Mutex;

/// How long an unknown ID is not looked up again.
const MISS_SECONDS: u64 = 5;
/// Maximum number of unknown IDs that are remembered, all of them with a valid tag.
const MAX_MISSES: u64 = 10_000;
/// How much longer than the session its keys live, in seconds: the last use is written once a minute.
const SLACK_SECONDS: u64 = 120;
/// Maximum number of sessions of a person that are ended at a time.
const MAX_INDEXED: isize = 10_000;

/// The store of several processes.
pub struct RedisStore {
    live: Arc<LiveSessions>,
    connector: RedisConnector,
    prefix: String,
    secrets: ArcSwap<RedisSecrets>,
    random: RandomSource,
    directory: Option<Directory>,
    scripts: Scripts,
    health: StoreHealth,
    pending: Arc<PendingWrites>,
    leases: Leases,
    /// Unknown IDs, each with the one look-up that is under way.
    misses: Cache<SessionKey, Arc<Mutex<bool>>>,
    /// The number of times that something ended: a session that was read before may have ended.
    ended: AtomicU64,
    lifetime: u64,
    idle: u64,
    command_timeout: Duration,
    /// Purposes of sign-ins that are too long for `state`, of this process.
    purposes: KeptPurposes,
}

/// What is derived from the installation's secrets.
struct RedisSecrets {
    keys: Vec<SecretKeys>,
    changes: Envelope,
    purposes: Envelope,
}

impl RedisSecrets {
    fn new(keyring: &Keyring, random: &RandomSource) -> Self {
        Self {
            keys: SecretKeys::of(keyring, random),
            changes: Envelope::new(keyring, "session store, changes", random),
            purposes: Envelope::new(keyring, "session store, sign-in under way", random),
        }
    }

    fn of(&self, secret: SecretName) -> Option<&SecretKeys> {
        self.keys.iter().find(|it| it.secret == secret)
    }
}

/// Commands on one connection: the one of the process, or one that is not yet trusted after an outage.
struct Calls<'a> {
    link: RedisLink,
    health: &'a StoreHealth,
}

impl Calls<'_> {
    /// Runs a command. An error that shows an outage makes the keeper connect anew.
    async fn run<T>(
        &self,
        command: impl AsyncFnOnce(&mut RedisLink) -> RedisResult<T>,
    ) -> Answer<T> {
        let mut link = self.link.clone();
        command(&mut link).await.map_err(|error| {
            self.health.failed(&error);
            self.health.unavailable()
        })
    }
}

/// Reads that failed; everything else is a session, or none.
type Answer<T> = Result<T, StoreUnavailable>;

impl RedisStore {
    /// Creates the store. `run` connects.
    ///
    /// # Errors
    /// A file of the configuration cannot be read.
    pub fn new(
        config: &SessionConfig,
        redis: &RedisConfig,
        live: Arc<LiveSessions>,
        directory: Option<Directory>,
        random: RandomSource,
    ) -> std::io::Result<Self> {
        let keyring = Keyring::new(&config.secrets, &random);
        let pending = Arc::new(PendingWrites::new());
        live.record_ends_in_queue(&pending);
        Ok(Self {
            connector: RedisConnector::new(redis.clone())?,
            prefix: redis.prefix.clone(),
            secrets: ArcSwap::from_pointee(RedisSecrets::new(&keyring, &random)),
            directory,
            scripts: Scripts::new(),
            health: StoreHealth::new(config.store_grace),
            pending,
            leases: Leases::new(&random),
            misses: Cache::builder()
                .max_capacity(MAX_MISSES)
                .time_to_live(Duration::from_secs(MISS_SECONDS))
                .build(),
            ended: AtomicU64::new(0),
            lifetime: config.lifetime.as_secs(),
            idle: config.idle.as_secs(),
            command_timeout: redis.command_timeout,
            purposes: KeptPurposes::default(),
            random,
            live,
        })
    }

    /// Seals with other secrets from now on.
    pub fn rotate(&self, keyring: &Keyring) {
        self.secrets.store(Arc::new(RedisSecrets::new(keyring, &self.random)));
    }

    pub(super) fn ready(&self) -> Answer<()> {
        self.calls().map(|_| ())
    }

    pub(super) async fn load(&self, cookie: &str) -> Answer<Option<Arc<Session>>> {
        // Nobody who makes an ID up gets further than this.
        let Some(secret) = self.live.ids().recognize(cookie) else { return Ok(None) };
        let key = key(cookie);
        let slot = self.misses.get_with(key, Arc::default);
        let mut is_missing = slot.lock().await;
        if let Some(session) = self.live.peek(cookie) {
            return Ok(Some(session));
        }
        if *is_missing || self.pending.has_ended(&key) {
            return Ok(None);
        }
        let ended = self.ended.load(Ordering::SeqCst);
        let Some(session) = self.read(&key, secret).await? else {
            *is_missing = true;
            return Ok(None);
        };
        if !super::admission::is_still_admitted(self.directory.as_ref(), &session).await? {
            self.end_key(key, secret, session.ends());
            return Ok(None);
        }
        let session = Arc::new(session);
        let is_live = self.live.adopt(&session);
        // Another process may have ended it between the two lines above: it is read once more.
        let has_changed = self.ended.load(Ordering::SeqCst) != ended;
        if self.pending.has_ended(&key) || has_changed && self.read(&key, secret).await?.is_none() {
            self.live.end_quietly(&key);
            return Ok(None);
        }
        Ok(is_live.then_some(session))
    }

    /// Reads a session that has not ended.
    async fn read(&self, key: &SessionKey, secret: SecretName) -> Answer<Option<Session>> {
        let secrets = self.secrets.load();
        let Some(keys) = secrets.of(secret) else { return Ok(None) };
        let place = keys.place(&self.prefix, key);
        let found = self.call(async |link| self.scripts.load(link, &place).await).await?;
        let Some(found) = found else { return Ok(None) };
        let opened = keys.open_record(key, &found.record);
        let Some(mut session) = opened.and_then(|it| decode(&it)).filter(|it| it.key == *key)
        else {
            tracing::warn!(
                "a session in the session store cannot be read: another version or a damaged record"
            );
            return Ok(None);
        };
        session.secret = secret;
        session.last_seen.fetch_max(found.last_seen, Ordering::Relaxed);
        session.standing.set_token_stored(found.has_token);
        Ok(Some(session))
    }

    pub(super) async fn save(&self, id: Secret, session: &Arc<Session>) -> Secret {
        self.live.insert(session);
        if self.save_now(session).await.is_err() {
            self.pending.save(session);
        }
        id
    }

    async fn save_now(&self, session: &Arc<Session>) -> Answer<()> {
        self.write_session(&self.calls()?, session).await
    }

    /// Writes a session with its indexes. A session that has ended elsewhere ends here.
    ///
    /// # Errors
    /// The server does not answer.
    async fn write_session(&self, calls: &Calls<'_>, session: &Arc<Session>) -> Answer<()> {
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
    async fn write_record(
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

    async fn write_indexes(
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

    async fn index(
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
    fn lives_ms(&self, session: &Session, last_seen: u64) -> u64 {
        let ends = session.ends().min(last_seen.saturating_add(self.idle));
        let left = ends.saturating_sub(self.live.clock.now());
        left.saturating_add(SLACK_SECONDS).saturating_mul(1000)
    }

    pub(super) async fn end(&self, cookie: &str) -> Option<Arc<Session>> {
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

    fn end_key(&self, key: SessionKey, secret: SecretName, ends: u64) {
        self.pending.end(key, EndedSession { secret, ends, is_news: true });
    }

    /// Waits until the server and thus the other processes know what ended here, unless the server
    /// does not answer.
    pub(super) async fn confirm_ends(&self) {
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

    pub(super) async fn end_by_sid(&self, sid: &str) -> usize {
        let ended = self.live.end_by_sid(sid);
        let indexes: Vec<_> = {
            let secrets = self.secrets.load();
            secrets.keys.iter().map(|it| it.of_sid(&self.prefix, sid)).collect()
        };
        let change = || Change::Sid { sid: sid.to_owned(), at: self.live.clock.now() };
        self.end_indexed(&indexes, ended, change).await
    }

    pub(super) async fn end_by_person(&self, person: PersonKey) -> usize {
        let ended = self.live.end_all_of(person);
        let indexes: Vec<_> = {
            let secrets = self.secrets.load();
            secrets.keys.iter().map(|it| it.of_person(&self.prefix, person)).collect()
        };
        let change = || Change::person(person, self.live.clock.now());
        self.end_indexed(&indexes, ended, change).await
    }

    /// Ends what the indexes name, besides the sessions that ended here; returns the number of both.
    async fn end_indexed(
        &self,
        indexes: &[String],
        ended_here: usize,
        change: impl Fn() -> Change,
    ) -> usize {
        self.ended.fetch_add(1, Ordering::SeqCst);
        let mut elsewhere = 0;
        let mut has_failed = false;
        // First: what ended here is then no longer found.
        self.confirm_ends().await;
        for index in indexes {
            match self.end_places(index).await {
                Ok(number) => elsewhere += number,
                Err(_) => has_failed = true,
            }
        }
        if ended_here + elsewhere > 0 || has_failed {
            self.pending.change(change());
            self.confirm_ends().await;
        }
        ended_here + elsewhere
    }

    async fn end_places(&self, index: &str) -> Answer<usize> {
        let names: Vec<String> =
            self.call(async |link| link.zrange(index, 0, MAX_INDEXED).await).await?;
        let mut ended = 0;
        for name in names {
            let Some(place) = SessionPlace::named(&self.prefix, &name) else { continue };
            ended += usize::from(self.end_place(&self.calls()?, &place).await?);
            self.pending.ended_place(name.clone());
            let _: usize = self.call(async |link| link.zrem(index, &name).await).await?;
        }
        Ok(ended)
    }

    /// Ends a session that this process does not know; returns whether it was there.
    async fn end_place(&self, calls: &Calls<'_>, place: &SessionPlace) -> Answer<bool> {
        let lives_ms = self.lifetime.saturating_mul(1000);
        calls.run(async |link| self.scripts.end(link, place, lives_ms).await).await
    }

    /// Runs a command. An answer that shows an outage makes the keeper connect anew.
    async fn call<T>(
        &self,
        command: impl AsyncFnOnce(&mut RedisLink) -> RedisResult<T>,
    ) -> Answer<T> {
        self.calls()?.run(command).await
    }

    fn calls(&self) -> Answer<Calls<'_>> {
        let link = self.health.link().ok_or_else(|| self.health.unavailable())?;
        Ok(Calls { link, health: &self.health })
    }

    /// Whether the server has not answered for longer than `[session] store_grace`.
    ///
    /// # Errors
    /// It has not.
    pub(super) fn check_grace(&self) -> Answer<()> {
        if self.health.is_over() { Err(self.health.unavailable()) } else { Ok(()) }
    }

    /// Whether the server has ever answered.
    pub(super) fn has_connected(&self) -> bool {
        self.health.has_connected()
    }
}

/// The sealed record of a session, without its refresh token.
fn sealed_record(session: &Session, keys: &SecretKeys) -> Option<Vec<u8>> {
    let mut plain = Vec::new();
    encode(session, None, &mut plain).ok()?;
    keys.seal_record(&session.key, &plain)
}

impl fmt::Debug for RedisStore {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "RedisStore {:?}", self.pending)
    }
}
