//! When a session was last written into an answer, for stores that keep it in the browser.

use std::sync::atomic::{AtomicU64, Ordering};

/// Time between two records of a session that only tell its last use, in seconds.
const RECORD_INTERVAL_SECONDS: u64 = 60;

/// It is in the next answer.
const NOW: u64 = 0;
/// It is in no answer until the session changes.
const NOT_UNTIL_CHANGED: u64 = u64::MAX;

/// Read on every request: the time of the last record, in seconds since 1970.
#[derive(Debug, Default)]
pub(in crate::session) struct RecordAge(AtomicU64);

/// The right to write one record.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::session) struct RecordTurn {
    before: u64,
    now: u64,
}

impl RecordAge {
    /// The age of a record that the browser has.
    pub(in crate::session) fn written_at(time: u64) -> Self {
        Self(AtomicU64::new(time.max(1)))
    }

    /// Returns the right to write the record if one is due, also after the clock was set back. One
    /// of several answers at the same time gets it.
    pub(in crate::session) fn take(&self, now: u64) -> Option<RecordTurn> {
        let before = self.0.load(Ordering::Relaxed);
        let is_due =
            before != NOT_UNTIL_CHANGED && now.wrapping_sub(before) >= RECORD_INTERVAL_SECONDS;
        let take = || self.0.compare_exchange(before, now, Ordering::AcqRel, Ordering::Relaxed);
        (is_due && take().is_ok()).then_some(RecordTurn { before, now })
    }

    /// Gives the right back to the next answer, unless the session has changed since.
    pub(in crate::session) fn give_back(&self, turn: &RecordTurn) {
        let (now, before) = (turn.now, turn.before);
        let _ = self.0.compare_exchange(now, before, Ordering::AcqRel, Ordering::Relaxed);
    }

    /// Records that there is nothing to write before the session changes.
    pub(in crate::session) fn give_up(&self, turn: &RecordTurn) {
        let now = turn.now;
        let _ =
            self.0.compare_exchange(now, NOT_UNTIL_CHANGED, Ordering::AcqRel, Ordering::Relaxed);
    }

    /// Records that the session has changed.
    pub(in crate::session) fn changed(&self) {
        self.0.store(NOW, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_due_at_once_then_once_a_minute_and_after_a_change() {
        let age = RecordAge::default();
        assert!(age.take(1_000_000).is_some() && age.take(1_000_000).is_none());
        assert!(age.take(1_000_059).is_none() && age.take(1_000_060).is_some());
        assert!(age.take(1_000_061).is_none());
        age.changed();
        assert!(age.take(1_000_061).is_some() && age.take(1_000_062).is_none());
        assert!(age.take(999_000).is_some(), "the clock was set back");
        assert!(RecordAge::written_at(1_000_000).take(1_000_059).is_none());
    }

    #[test]
    fn a_turn_that_was_not_used_goes_to_the_next_answer_unless_the_session_changed() {
        let age = RecordAge::written_at(1_000_000);
        let turn = age.take(1_000_060).unwrap();
        age.give_back(&turn);
        let turn = age.take(1_000_060).unwrap();
        age.changed();
        age.give_back(&turn);
        let turn = age.take(1_000_061).unwrap();
        age.give_up(&turn);
        assert_eq!(age.take(2_000_000), None);
        age.changed();
        assert!(age.take(2_000_000).is_some());
    }

    #[test]
    fn one_of_several_answers_has_the_turn() {
        let age = RecordAge::default();
        let turns = std::thread::scope(|scope| {
            let all: Vec<_> =
                (0..8).map(|_| scope.spawn(|| age.take(1_000_000).is_some())).collect();
            all.into_iter().filter_map(|it| it.join().ok()).filter(|has_turn| *has_turn).count()
        });
        assert_eq!(turns, 1);
    }
}
