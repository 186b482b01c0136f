//! The clock, passed in as a parameter.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// Returns the time since 1970; tests can move it.
#[derive(Clone, Debug, Default)]
pub struct Clock {
    /// The time at which the clock is stopped, in milliseconds since 1970.
    stopped_at: Option<u64>,
    shift: Arc<AtomicI64>,
}

impl Clock {
    /// The system clock.
    pub fn system() -> Self {
        Self::default()
    }

    /// A clock that stands still unless it is moved. For tests.
    pub fn stopped() -> Self {
        Self { stopped_at: Some(Self::system().now_millis()), ..Self::default() }
    }

    /// Current time in seconds since 1970.
    pub fn now(&self) -> u64 {
        let millis = self.now_millis();
        millis / 1000
    }

    /// Current time in milliseconds since 1970.
    pub fn now_millis(&self) -> u64 {
        let real = self.stopped_at.unwrap_or_else(|| {
            let real = system_now().duration_since(UNIX_EPOCH).map_or(0, |it| it.as_millis());
            u64::try_from(real).unwrap_or(u64::MAX)
        });
        real.saturating_add_signed(self.shift.load(Ordering::Relaxed).saturating_mul(1000))
    }

    /// Moves this clock and all its clones by `seconds`. For the emulator and tests.
    pub fn shift(&self, seconds: i64) {
        self.shift.fetch_add(seconds, Ordering::Relaxed);
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place that asks the machine")]
fn system_now() -> SystemTime {
    SystemTime::now()
}
