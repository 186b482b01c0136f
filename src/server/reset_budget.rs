//! Limits how often an HTTP/2 client may reset its streams.
//!
//! A request that is reset at once costs a client nothing, but the app has begun to work on it, and
//! receives the reset over a connection that it shares with other clients (CVE-2023-44487).

/// Number of resets that a connection may send at once: a map that is moved cancels hundreds of
/// requests.
const MAX_RESETS: u32 = 1000;
/// Time after which one more is allowed, in milliseconds.
const MILLISECONDS_PER_RESET: u64 = 30;

/// The resets that one connection may still send. The limits are those of nghttp2.
#[derive(Debug)]
pub(super) struct ResetBudget {
    left: u32,
    /// Since when no reset was added.
    filled_at: u64,
}

impl ResetBudget {
    /// Creates the budget of a connection that begins at `now`, in milliseconds.
    pub(super) fn new(now: u64) -> Self {
        Self { left: MAX_RESETS, filled_at: now }
    }

    /// Counts a reset at `now`. Returns whether it is within the limit.
    pub(super) fn take(&mut self, now: u64) -> bool {
        let earned = now.saturating_sub(self.filled_at) / MILLISECONDS_PER_RESET;
        self.filled_at += earned * MILLISECONDS_PER_RESET;
        let earned = u32::try_from(earned).unwrap_or(MAX_RESETS);
        self.left = self.left.saturating_add(earned).min(MAX_RESETS);
        match self.left.checked_sub(1) {
            Some(left) => {
                self.left = left;
                true
            }
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_allowed_and_then_one_reset_each_thirty_milliseconds() {
        let mut budget = ResetBudget::new(1);
        for _ in 0..1000 {
            assert!(budget.take(1));
        }
        assert!(!budget.take(1));
        assert!(!budget.take(30));
        assert!(budget.take(31));
        assert!(!budget.take(31));
        assert!(budget.take(91));
        assert!(budget.take(91));
        assert!(!budget.take(91));
    }

    #[test]
    fn a_quiet_connection_earns_no_more_than_a_burst() {
        let mut budget = ResetBudget::new(1);
        let now = 1_000_000_000_000;
        assert_eq!((0..3000).filter(|_| budget.take(now)).count(), 1000);
    }
}
