//! The leases of refresh tokens that this process has.

use super::super::super::session_key::SessionKey;
use crate::base::random::RandomSource;
use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::task::AbortHandle;

/// The leases of this process. One recheck at a time uses a session's refresh token within it.
pub(super) struct Leases {
    /// Names this process to the others.
    pub(super) owner: String,
    extensions: Mutex<HashMap<SessionKey, Extension>>,
}

/// A task that extends a lease; it ends with the lease.
pub(super) struct Extension(pub(super) AbortHandle);

impl Drop for Extension {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Leases {
    pub(super) fn new(random: &RandomSource) -> Self {
        Self { owner: random.text::<16>(), extensions: Mutex::default() }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, HashMap<SessionKey, Extension>> {
        self.extensions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Leases {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} leases", self.lock().len())
    }
}
