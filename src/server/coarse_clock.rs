//! The sweeper's clock: as precise as its tick, and cheap to read.

use std::sync::atomic::{AtomicU64, Ordering};

/// Milliseconds since the server started. Only the sweeper advances it, so reading it takes an
/// atomic load and no system call.
#[derive(Debug)]
pub(super) struct CoarseClock(AtomicU64);

impl Default for CoarseClock {
    /// Starts at 1, because 0 means "never".
    fn default() -> Self {
        Self(AtomicU64::new(1))
    }
}

impl CoarseClock {
    /// Returns the time of the last tick.
    pub(super) fn now(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Sets the time.
    pub(super) fn set(&self, milliseconds: u64) {
        self.0.store(milliseconds.saturating_add(1), Ordering::Relaxed);
    }
}
