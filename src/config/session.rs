//! `[session]`: how long a sign-in lasts and what seals it.

use crate::base::secret::Secret;
use std::time::Duration;

/// `[session]`, as meant.
#[derive(Clone, Debug)]
pub struct Session {
    /// The first seals, all open. Empty: a random one that lives as long as the process.
    pub secrets: Vec<Secret>,
    /// Longest time without a request.
    pub idle: Duration,
    /// Longest time at all.
    pub lifetime: Duration,
    /// Sessions held at most; past it the one unused longest goes.
    pub capacity: u64,
}
