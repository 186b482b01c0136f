//! The store, and its connection to the server.

use super::super::super::kept_purposes::KeptPurposes;
use super::super::super::live::LiveSessions;
use super::super::super::record::Session;
use super::super::super::session_ids::SecretName;
use super::super::super::session_key::{SessionKey, key};
use super::super::super::stored_session::decode;
use super::super::unavailable::StoreUnavailable;
use super::health::StoreHealth;
use super::keys::SecretKeys;
use super::leases::Leases;
use super::link::{RedisConnector, RedisLink};
use super::pending::PendingWrites;
use super::scripts::{Found, Scripts};
use crate::base::random::RandomSource;
use crate::base::secret::Secret;
use crate::config::session::{RedisConfig, SessionConfig};
use crate::directory::Directory;
use crate::seal::envelope::Envelope;
use crate::seal::keyring::Keyring;
use arc_swap::ArcSwap;
use moka::policy::EvictionPolicy;
use moka::sync::Cache;
use redis::RedisResult;
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
pub(super) const SLACK_SECONDS: u64 = 120;

/// The store of several processes.
pub struct RedisStore {
    pub(super) live: Arc<LiveSessions>,
    pub(super) connector: RedisConnector,
    pub(super) prefix: String,
    pub(super) secrets: ArcSwap<RedisSecrets>,
    pub(super) random: RandomSource,
    pub(super) directory: Option<Directory>,
    pub(super) scripts: Scripts,
    pub(super) health: StoreHealth,
    pub(super) pending: Arc<PendingWrites>,
    pub(super) leases: Leases,
    /// Unknown IDs, each with the one look-up that is under way.
    pub(super) misses: Cache<SessionKey, Arc<Mutex<bool>>>,
    /// The number of times that something ended: a session that was read before may have ended.
    pub(super) ended: AtomicU64,
    pub(super) lifetime: u64,
    pub(super) idle: u64,
    pub(super) command_timeout: Duration,
    /// Purposes of sign-ins that are too long for `state`, of this process.
    pub(super) purposes: KeptPurposes,
}

/// What is derived from the installation's secrets.
pub(super) struct RedisSecrets {
    pub(super) keys: Vec<SecretKeys>,
    pub(super) changes: Envelope,
    pub(super) purposes: Envelope,
}

impl RedisSecrets {
    fn new(keyring: &Keyring, random: &RandomSource) -> Self {
        Self {
            keys: SecretKeys::of(keyring, random),
            changes: Envelope::new(keyring, "session store, changes", random),
            purposes: Envelope::new(keyring, "session store, sign-in under way", random),
        }
    }

    pub(super) fn of(&self, secret: SecretName) -> Option<&SecretKeys> {
        self.keys.iter().find(|it| it.secret == secret)
    }
}

/// Commands on one connection: the one of the process, or one that is not yet trusted after an outage.
pub(super) struct Calls<'a> {
    pub(super) link: RedisLink,
    pub(super) health: &'a StoreHealth,
}

impl Calls<'_> {
    /// Runs a command. An error that shows an outage makes the keeper connect anew.
    pub(super) async fn run<T>(
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
pub(super) type Answer<T> = Result<T, StoreUnavailable>;

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
        live.record_ends_in_queue(Arc::clone(&pending) as _);
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
                .eviction_policy(EvictionPolicy::lru())
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

    pub(in crate::session::store) fn ready(&self) -> Answer<()> {
        self.calls().map(|_| ())
    }

    pub(in crate::session::store) async fn load(
        &self,
        cookie: &str,
    ) -> Answer<Option<Arc<Session>>> {
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
        if !super::super::admission::is_still_admitted(self.directory.as_ref(), &session).await? {
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
        Ok(if is_live { self.live.peek(cookie) } else { None })
    }

    /// Reads a session that has not ended.
    pub(super) async fn read(
        &self,
        key: &SessionKey,
        secret: SecretName,
    ) -> Answer<Option<Session>> {
        let secrets = self.secrets.load();
        let Some(keys) = secrets.of(secret) else { return Ok(None) };
        let place = keys.place(&self.prefix, key);
        let found = match self.call(async |link| self.scripts.load(link, &place).await).await? {
            Found::Session(found) => found,
            Found::Ended => return Ok(None),
            // Another process may have it, and writes it when it is connected too.
            Found::Missing if self.health.is_recovering() => return Err(self.health.unavailable()),
            Found::Missing => return Ok(None),
        };
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

    pub(in crate::session::store) async fn save(
        &self,
        id: Secret,
        session: &Arc<Session>,
    ) -> Secret {
        self.live.insert(session);
        if self.save_now(session).await.is_err() {
            self.pending.save(session);
        }
        id
    }

    /// Runs a command. An answer that shows an outage makes the keeper connect anew.
    pub(super) async fn call<T>(
        &self,
        command: impl AsyncFnOnce(&mut RedisLink) -> RedisResult<T>,
    ) -> Answer<T> {
        self.calls()?.run(command).await
    }

    pub(super) fn calls(&self) -> Answer<Calls<'_>> {
        let link = self.health.link().ok_or_else(|| self.health.unavailable())?;
        Ok(Calls { link, health: &self.health })
    }

    /// Whether the server has not answered for longer than `[session] store_grace`.
    ///
    /// # Errors
    /// It has not.
    pub(in crate::session::store) fn check_grace(&self) -> Answer<()> {
        if self.health.is_over() { Err(self.health.unavailable()) } else { Ok(()) }
    }

    /// Whether the server has ever answered.
    pub(in crate::session::store) fn has_connected(&self) -> bool {
        self.health.has_connected()
    }
}

impl fmt::Debug for RedisStore {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "RedisStore {:?}", self.pending)
    }
}
