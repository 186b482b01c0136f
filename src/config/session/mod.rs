//! `[session]`: the lifetime of a session and the secrets that seal it.

mod redis;

pub use redis::{RedisConfig, RedisNode, RedisPlace};

use super::problem::InvalidValue;
use super::section::{ConfigSection, LocatedValue};
use crate::base::secret::Secret;
use std::path::PathBuf;
use std::time::Duration;

/// Minimum length of a secret, in bytes: the length of the keys that are derived from it.
const MIN_SECRET_BYTES: usize = 32;

const DAY: Duration = Duration::from_hours(24);

/// The parsed section `[session]`.
#[derive(Clone, Debug)]
pub struct SessionConfig {
    /// The first secret seals; all of them open. If empty, a random secret is used as long as the
    /// process lives.
    pub secrets: Vec<Secret>,
    /// Maximum time without a request.
    pub idle: Duration,
    /// Maximum session lifetime.
    pub lifetime: Duration,
    /// Maximum number of sessions; beyond it, the one unused for the longest time is dropped.
    pub capacity: u64,
    /// Maximum number of sessions per person; beyond it, the person's session unused for the
    /// longest time is dropped.
    pub per_person: u64,
    /// Whether a sign-in keeps the part of an address after `#`, which browsers do not send.
    pub keep_fragment: bool,
    /// Whether the cookie outlasts the browser.
    pub persistent: bool,
    /// Where sessions are kept beyond the process.
    pub store: StoreConfig,
    /// How long sessions go on without an answer of the store.
    pub store_grace: Duration,
    /// The folder that keeps sessions over a restart.
    pub snapshot: Option<PathBuf>,
    /// Time between two snapshots.
    pub snapshot_interval: Duration,
}

/// Where sessions are kept beyond the process, `store = "..."`.
#[derive(Clone, Debug)]
pub enum StoreConfig {
    /// Nowhere, or on the disk with `snapshot`.
    Memory,
    /// Sealed in the browser's cookie.
    Cookie,
    /// In Redis or Valkey.
    Redis(Box<RedisConfig>),
}

impl StoreConfig {
    /// Whether sessions are kept by the process itself.
    pub fn is_memory(&self) -> bool {
        matches!(self, Self::Memory)
    }

    /// What operators might expect of the store, and it cannot do.
    pub fn cannot(&self) -> Option<&'static str> {
        match self {
            Self::Cookie => Some(
                "session.store = \"cookie\" cannot end a session everywhere: after a sign-out, a \
                 revocation or a sign-out reported by Entra, someone who kept its cookies can use \
                 them at other replicas and after a restart, until the recheck or the end of the \
                 session; and each replica asks Entra about a session by itself",
            ),
            Self::Memory | Self::Redis(_) => None,
        }
    }
}

impl SessionConfig {
    /// A configuration for tests: a session lasts for an hour, and for ten minutes without use.
    #[cfg(test)]
    pub fn sample() -> Self {
        Self {
            secrets: Vec::new(),
            idle: Duration::from_mins(10),
            lifetime: Duration::from_hours(1),
            capacity: 100,
            per_person: 100,
            keep_fragment: false,
            persistent: false,
            store: StoreConfig::Memory,
            store_grace: Duration::from_hours(1),
            snapshot: None,
            snapshot_interval: Duration::from_secs(30),
        }
    }
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum StoreKind {
    #[default]
    Memory,
    Cookie,
    Redis,
}

/// Minimum of `idle` with a store that learns of the last use once a minute.
const MIN_STORED_IDLE: Duration = Duration::from_mins(2);

pub(super) fn read(section: &ConfigSection<'_>) -> SessionConfig {
    let (store, store_grace) = store(section);
    let (snapshot, snapshot_interval) = snapshot(section, &store);
    let session = SessionConfig {
        secrets: secrets(section),
        idle: section
            .key("idle", "Maximum time without a request")
            .duration(Duration::from_hours(1), Duration::from_secs(10)..=30 * DAY),
        lifetime: section
            .key("lifetime", "Maximum session lifetime")
            .duration(Duration::from_hours(12), Duration::from_secs(10)..=90 * DAY),
        capacity: section
            .key(
                "capacity",
                "Maximum number of sessions; beyond it, the one unused longest is dropped",
            )
            .number(100_000, 1..=10_000_000),
        per_person: section
            .key(
                "per_person",
                "Maximum sessions per person, in browsers and on native clients together, and \
                 live native sign-ins of one person in the directory; beyond it, that person's \
                 session unused longest ends for good, so that one person's sign-ins cannot push \
                 out others. With `session.capacity` or more, there is no such limit",
            )
            .number(100, 1..=10_000_000),
        keep_fragment: section
            .key(
                "keep_fragment",
                "Whether a sign-in keeps the part of an address after `#`, as in `/#/orders/5`. \
                 Browsers do not send it, so a page with a script takes it along",
            )
            .flag(false),
        store,
        store_grace,
        persistent: section
            .key(
                "persistent",
                "Whether the session cookie gets the lifetime of the session as `Max-Age`, so that \
                 people stay signed in when the browser is closed. Phones close it by themselves",
            )
            .flag(false),
        snapshot,
        snapshot_interval,
    };
    if session.idle > session.lifetime {
        let invalid = InvalidValue::new("is longer than lifetime, so it would have no effect")
            .hint("choose at most lifetime");
        section.add_problem(&section.locate("idle"), invalid);
    }
    if !session.store.is_memory() && session.idle < MIN_STORED_IDLE {
        let invalid = InvalidValue::new(
            "is shorter than 2 minutes, and this store learns of the last use once a minute",
        )
        .hint("choose at least 2m, or store = \"memory\"");
        section.add_problem(&section.locate("idle"), invalid);
    }
    session
}

fn store(section: &ConfigSection<'_>) -> (StoreConfig, Duration) {
    let kind = section
        .key(
            "store",
            "Where sessions are stored: in this process (`session.snapshot` keeps them over a \
             restart), sealed in the browser's cookie, or in Redis for several replicas",
        )
        .choice(&[
            ("memory", StoreKind::Memory),
            ("cookie", StoreKind::Cookie),
            ("redis", StoreKind::Redis),
        ]);
    let grace = section
        .key(
            "store_grace",
            "How long the sessions that a process knows go on while Redis does not answer; \
             afterwards requests are answered with 503",
        )
        .duration(Duration::from_hours(1), Duration::ZERO..=7 * DAY);
    let is_redis = kind == StoreKind::Redis;
    let redis = section.inner("redis", |section| redis::read(section, is_redis));
    if kind != StoreKind::Memory && !section.is_written("secrets") {
        let invalid = InvalidValue::new("needs session.secrets, with which sessions are sealed")
            .hint("set session.secrets; entrada secret prints a good one");
        section.add_problem(&section.locate("store"), invalid);
    }
    if redis.is_some() && !is_redis {
        let invalid = InvalidValue::new("has no effect without session.store = \"redis\"")
            .hint("set session.store = \"redis\", or remove it");
        section.warn(&section.locate("redis"), invalid);
    }
    let store = match (kind, redis) {
        (StoreKind::Cookie, _) => StoreConfig::Cookie,
        (StoreKind::Redis, Some(redis)) => StoreConfig::Redis(Box::new(redis)),
        // Without an address, the configuration is refused.
        (StoreKind::Memory | StoreKind::Redis, _) => StoreConfig::Memory,
    };
    (store, grace)
}

fn snapshot(section: &ConfigSection<'_>, store: &StoreConfig) -> (Option<PathBuf>, Duration) {
    let snapshot = section
        .key(
            "snapshot",
            "Directory that keeps sessions over a restart, sealed with `session.secrets`, \
                 which it requires; created if it is missing, and used by one process at a time. \
                 Without it, sessions end with the process",
        )
        .parse(|text| Ok(PathBuf::from(text)))
        .map(|it| it.value);
    let snapshot_interval = section
        .key(
            "snapshot_interval",
            "Time between two snapshots; after a crash, sign-ins since the last one are lost. \
                 With very many sessions the pause is longer, so that snapshots take at most a \
                 twentieth of the time",
        )
        .duration(Duration::from_secs(30), Duration::from_secs(1)..=Duration::from_hours(1));
    if snapshot.is_some() && !section.is_written("secrets") {
        let invalid = InvalidValue::new("needs session.secrets, with which it is sealed")
            .hint("set session.secrets; entrada secret prints a good one");
        section.add_problem(&section.locate("snapshot"), invalid);
    }
    if snapshot.is_some() && !store.is_memory() {
        let invalid = InvalidValue::new(
            "is for session.store = \"memory\"; the other stores outlast a restart by themselves",
        )
        .hint("remove it");
        section.add_problem(&section.locate("snapshot"), invalid);
    }
    (snapshot, snapshot_interval)
}

fn secrets(section: &ConfigSection<'_>) -> Vec<Secret> {
    let long_enough = |secret: LocatedValue<Secret>| {
        if secret.value.expose().len() >= MIN_SECRET_BYTES {
            return Some(secret.value);
        }
        let invalid =
            InvalidValue::new(format!("a secret has fewer than {MIN_SECRET_BYTES} bytes"))
                .hint("entrada secret prints a good one");
        section.add_problem(&secret.place, invalid);
        None
    };
    section
        .key(
            "secrets",
            "Secrets that seal cookies and derive the assertion's key. The first seals, all of \
             them open; without any, a random one is used until the process ends",
        )
        .secrets()
        .into_iter()
        .filter_map(long_enough)
        .collect()
}
