//! The time of the sweeper: as fine as its tick, and free to read.

use std::sync::atomic::{AtomicU64, Ordering};

/// Milliseconds since the server began, moved on by the sweeper only: reading it costs a load, not a system call.
#[derive(Debug)]
pub(super) struct CoarseClock(AtomicU64);

impl Default for CoarseClock {
    /// Begins at 1: 0 says "never".
    fn default() -> Self {
        Self(AtomicU64::new(1))
    }
}

impl CoarseClock {
    /// The time of the last tick.
    pub(super) fn now(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Moves it on.
    pub(super) fn set(&self, milliseconds: u64) {
        self.0.store(milliseconds.saturating_add(1), Ordering::Relaxed);
    }
}
