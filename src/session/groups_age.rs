//! When Graph returned the groups of a session's person, and when to ask it again.

use std::sync::atomic::{AtomicU64, Ordering};

/// Never: the token itself contains the groups.
const NEVER: u64 = u64::MAX;

/// Read on every request; both times are in seconds since 1970.
#[derive(Debug)]
pub struct GroupsAge {
    /// Time of the session's groups; 0 if they are unknown.
    at: AtomicU64,
    due_at: AtomicU64,
}

impl GroupsAge {
    /// The state immediately after a sign-in; `missing` means that the token does not contain the
    /// groups.
    pub(in crate::session) fn new(missing: bool) -> Self {
        Self { at: AtomicU64::new(0), due_at: AtomicU64::new(if missing { 0 } else { NEVER }) }
    }

    /// The state of a session that was stored, from `times`.
    pub(in crate::session) fn restored(at: u64, due_at: u64) -> Self {
        Self { at: AtomicU64::new(at), due_at: AtomicU64::new(due_at) }
    }

    /// The two times, for a session that is stored.
    pub(in crate::session) fn times(&self) -> (u64, u64) {
        (self.at.load(Ordering::Acquire), self.due_at.load(Ordering::Relaxed))
    }

    /// Whether it is time to ask; the clock is read only if the groups come from Graph. Returns the
    /// value for `take`.
    pub fn is_due(&self, now: impl FnOnce() -> u64) -> Option<u64> {
        let at = self.due_at.load(Ordering::Relaxed);
        (at != NEVER && at <= now()).then_some(at)
    }

    /// Claims the request until `again`; false if another caller has claimed it.
    pub fn take(&self, due: u64, again: u64) -> bool {
        self.due_at.compare_exchange(due, again, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }

    /// Postpones the next request after a failure.
    pub fn set_due(&self, at: u64) {
        self.due_at.store(at, Ordering::Relaxed);
    }

    /// Time of the groups; `None` if Graph returned none, or the token contains them.
    pub fn at(&self) -> Option<u64> {
        Some(self.at.load(Ordering::Acquire)).filter(|it| *it > 0)
    }

    /// Records that the groups are known as of `at`.
    pub(in crate::session) fn set(&self, at: u64, again: u64) {
        self.at.store(at, Ordering::Release);
        self.due_at.store(again, Ordering::Relaxed);
    }

    /// Records that the groups are no longer known.
    pub(in crate::session) fn forgotten(&self) {
        self.at.store(0, Ordering::Release);
    }

    /// Records a refreshed token. A token without the groups is a reason to ask immediately; groups
    /// from the previous token, received when Entra `answered` last, have that age.
    pub(in crate::session) fn renewed(&self, missing: bool, answered: u64) {
        if missing {
            self.due_at.store(0, Ordering::Relaxed);
            // Does not use `due_at`: a request that failed in the meantime may have stored another
            // time there.
            let _ = self.at.compare_exchange(0, answered, Ordering::AcqRel, Ordering::Relaxed);
        } else {
            self.set(0, NEVER);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_the_token_lists_the_groups_graph_is_never_due_and_the_clock_is_not_read() {
        let age = GroupsAge::new(false);
        assert_eq!((age.is_due(|| unreachable!()), age.at()), (None, None));
    }

    #[test]
    fn one_takes_the_asking_and_an_answer_puts_the_next_off() {
        let age = GroupsAge::new(true);
        let due = age.is_due(|| 1000).unwrap();
        assert!(age.take(due, 1060) && !age.take(due, 1060));
        assert_eq!(age.is_due(|| 1059), None);
        assert_eq!(age.is_due(|| 1060), Some(1060));
        age.set(1000, 2800);
        assert_eq!(
            (age.is_due(|| 2799), age.is_due(|| 2800), age.at()),
            (None, Some(2800), Some(1000))
        );
        age.set_due(3000);
        assert_eq!((age.is_due(|| 2999), age.is_due(|| 3000)), (None, Some(3000)));
        age.forgotten();
        assert_eq!((age.at(), age.is_due(|| 3000)), (None, Some(3000)));
    }

    #[test]
    fn a_refreshed_token_without_groups_is_a_reason_to_ask_and_one_with_them_none() {
        let age = GroupsAge::new(false);
        age.renewed(true, 500);
        assert_eq!((age.is_due(|| 1000), age.at()), (Some(0), Some(500)));
        age.set(1000, 2800);
        age.renewed(true, 2000);
        assert_eq!((age.is_due(|| 2001), age.at()), (Some(0), Some(1000)));
        age.renewed(false, 2000);
        assert_eq!((age.is_due(|| u64::MAX - 1), age.at()), (None, None));
    }

    #[test]
    fn groups_of_an_earlier_token_grow_old_also_where_an_asking_failed_after_it() {
        let age = GroupsAge::new(true);
        age.renewed(false, 1000);
        age.set_due(1030);
        age.renewed(true, 2000);
        assert_eq!(age.at(), Some(2000));
    }
}
