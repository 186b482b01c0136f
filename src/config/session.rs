//! `[session]`: the lifetime of a session and the secrets that seal it.

use super::problem::InvalidValue;
use super::section::{ConfigSection, LocatedValue};
use crate::base::secret::Secret;
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
}

#[derive(Clone, Copy, Default)]
enum StoreKind {
    #[default]
    Memory,
}

pub(super) fn read(section: &ConfigSection<'_>) -> SessionConfig {
    let StoreKind::Memory = section
        .key("store", "Where sessions are stored; sessions in memory end with the process")
        .choice(&[("memory", StoreKind::Memory)]);
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
    };
    if session.idle > session.lifetime {
        let invalid = InvalidValue::new("is longer than lifetime, so it would have no effect")
            .hint("choose at most lifetime");
        section.add_problem(&section.locate("idle"), invalid);
    }
    session
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
