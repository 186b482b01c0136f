//! Sessions in Redis or Valkey, for several processes.
//!
//! A session that this process knows is served without asking the server. `keeper` follows the
//! changes of other processes and writes what this one changed, also after an outage; nothing here
//! decides alone that the server is back.

mod apply;
mod changes;
mod ends;
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
mod writes;

use super::super::kept_purposes::KeptPurposes;
use super::super::live::LiveSessions;
use super::super::record::Session;
use super::super::session_ids::SecretName;
use super::super::session_key::{SessionKey, key};
use super::super::stored_session::decode;
use super::unavailable::StoreUnavailable;
use crate::base::random::RandomSource;
use crate::base::secret::Secret;
use crate::config::session::{RedisConfig, SessionConfig};
use crate::directory::Directory;
use crate::seal::envelope::Envelope;
use crate::seal::keyring::Keyring;
use arc_swap::ArcSwap;
use health::StoreHealth;
use keys::SecretKeys;
use leases::Leases;
use link::{RedisConnector, RedisLink};
use moka::sync::Cache;
pub(in crate::session) use pending::PendingWrites;
pub(in crate::session) use recent::EndedSession;
use redis::RedisResult;
use scripts::Scripts;
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

impl fmt::Debug for RedisStore {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "RedisStore {:?}", self.pending)
    }
}
