//! Difference between this machine's clock and Entra's, according to the `Date` of its responses
//! (RFC 9110 section 6.6.1).

use crate::base::calendar::http_date;
use crate::base::clock::Clock;
use http::HeaderMap;
use http::header::DATE;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

/// No response contained a date yet.
const NO_DATE_YET: i64 = i64::MIN;

/// The last measured difference; all clones share it.
#[derive(Clone, Debug)]
pub struct ClockSkew {
    clock: Clock,
    ahead: Arc<AtomicI64>,
}

impl ClockSkew {
    /// Creates a measurement without a result.
    pub fn new(clock: Clock) -> Self {
        Self { clock, ahead: Arc::new(AtomicI64::new(NO_DATE_YET)) }
    }

    /// Records the time in a response that has just arrived.
    pub fn note(&self, headers: &HeaderMap) {
        let Some(theirs) = headers.get(DATE).and_then(|it| http_date(it.to_str().ok()?)) else {
            return;
        };
        let seconds = |it: u64| i64::try_from(it).unwrap_or(i64::MAX);
        self.ahead.store(seconds(self.clock.now()) - seconds(theirs), Ordering::Relaxed);
    }

    /// Seconds that the local clock is ahead; negative if it is behind. `None` before the first
    /// measurement.
    pub fn ahead(&self) -> Option<i64> {
        Some(self.ahead.load(Ordering::Relaxed)).filter(|it| *it != NO_DATE_YET)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn the_difference_is_that_of_the_last_answer_with_a_date() {
        let clock = Clock::system();
        let skew = ClockSkew::new(clock.clone());
        assert_eq!(skew.ahead(), None);
        skew.note(&HeaderMap::from_iter([(DATE, HeaderValue::from_static("soon"))]));
        assert_eq!(skew.ahead(), None);
        let year_2020 = 1_577_836_800;
        clock.shift(year_2020 + 90 - i64::try_from(clock.now()).unwrap());
        skew.note(&HeaderMap::from_iter([(
            DATE,
            HeaderValue::from_static("Wed, 01 Jan 2020 00:00:00 GMT"),
        )]));
        assert!((90..95).contains(&skew.ahead().unwrap()), "{skew:?}");
    }
}
