//! What was disturbed, and when.

use std::time::{Duration, Instant};

/// Time that the parts may take to find each other again after a disturbance.
pub const RECOVERY: Duration = Duration::from_secs(5);

/// What a disturbance concerns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DisturbedPart {
    /// The store, for every replica.
    Store,
    /// The way from this replica to the store.
    Link(usize),
    /// The process of this replica: stopped, or killed and started again.
    Replica(usize),
}

/// A disturbance from its beginning to its end.
#[derive(Clone, Copy, Debug)]
pub struct Disturbance {
    pub part: DisturbedPart,
    /// Whether what a process had in memory, or the store had acknowledged, may be lost.
    pub loses: bool,
    pub from: Instant,
    pub to: Instant,
}

/// All disturbances, in their order.
#[derive(Clone, Debug, Default)]
pub struct Timeline(pub Vec<Disturbance>);

impl Timeline {
    /// Whether one that concerns this replica's store lasts in that time, or was over shortly before.
    pub fn store_was_away(&self, replica: usize, from: Instant, to: Instant) -> bool {
        self.0.iter().any(|it| {
            let concerns = match it.part {
                DisturbedPart::Store => true,
                DisturbedPart::Link(other) | DisturbedPart::Replica(other) => other == replica,
            };
            concerns && it.from <= to && from <= it.to + RECOVERY
        })
    }

    /// Whether the process of this replica was stopped or killed in that time.
    pub fn replica_was_away(&self, replica: usize, from: Instant, to: Instant) -> bool {
        let margin = Duration::from_secs(1);
        self.0.iter().any(|it| {
            it.part == DisturbedPart::Replica(replica) && it.from <= to && from <= it.to + margin
        })
    }

    /// Whether something was lost in that time.
    pub fn something_was_lost(&self, from: Instant, to: Instant) -> bool {
        self.0.iter().any(|it| it.loses && it.from <= to && from <= it.to + RECOVERY)
    }

    /// Returns when an end that was acknowledged at `done` must count at another replica, if it
    /// counts within `promised` while nothing is disturbed.
    pub fn must_count_at(&self, done: Instant, promised: Duration) -> Instant {
        let mut due = done + promised;
        for it in &self.0 {
            // What was not over when the end was asked for, or began before it had to count.
            if it.to + RECOVERY >= done && it.from <= due {
                due = due.max(it.to + RECOVERY);
            }
        }
        due
    }
}
