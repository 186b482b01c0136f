//! `[session]`: the lifetime of a session and the secrets that seal it.

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
    /// The folder that keeps sessions over a restart.
    pub snapshot: Option<PathBuf>,
    /// Time between two snapshots.
    pub snapshot_interval: Duration,
}

#[derive(Clone, Copy, Default)]
enum StoreKind {
    #[default]
    Memory,
}

pub(super) fn read(section: &ConfigSection<'_>) -> SessionConfig {
    let StoreKind::Memory = section
        .key(
            "store",
            "Where sessions are stored; `session.snapshot` keeps those in memory over a restart",
        )
        .choice(&[("memory", StoreKind::Memory)]);
    let (snapshot, snapshot_interval) = snapshot(section);
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
    session
}

fn snapshot(section: &ConfigSection<'_>) -> (Option<PathBuf>, Duration) {
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
