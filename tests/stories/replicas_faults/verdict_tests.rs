//! The verdict is no use unless it can be "wrong": a case of each kind.

use super::timeline::{Disturbance, DisturbedPart, Timeline};
use super::verdict::{Observation, PROMISED, RequestOutcome, SessionEnd, judge, judge_refreshes};
use RequestOutcome::{Broken, ComeAgain, Served, SignedOut, Wrong};
use entrada::emulator::RefreshUse;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

struct Case {
    zero: Instant,
    timeline: Timeline,
    ends: BTreeMap<usize, SessionEnd>,
}

impl Case {
    fn new() -> Self {
        let zero = Instant::now() + Duration::from_secs(1000);
        Self { zero, timeline: Timeline::default(), ends: BTreeMap::new() }
    }

    fn at(&self, millis: u64) -> Instant {
        self.zero + Duration::from_millis(millis)
    }

    fn disturbed(mut self, part: DisturbedPart, from: u64, to: u64) -> Self {
        let (from, to) = (self.at(from), self.at(to));
        self.timeline.0.push(Disturbance { part, loses: true, from, to });
        self
    }

    fn ended(mut self, replica: usize, done: u64) -> Self {
        let (asked, done) = (self.at(done - 10), Some(self.at(done)));
        let end = SessionEnd { how: "sign-out", replica, life: 0, asked, done };
        self.ends.insert(1, end);
        self
    }

    /// Whether that outcome of one request is right; the replica has served the session before if
    /// it is `known`.
    fn allows(&self, replica: usize, millis: u64, known: bool, outcome: RequestOutcome) -> bool {
        let one = |millis: u64, outcome| Observation {
            session: 1,
            replica,
            life: 0,
            is_socket: false,
            began: self.at(millis),
            ended: self.at(millis + 5),
            outcome,
        };
        let mut all = vec![one(millis, outcome)];
        if known {
            all.push(one(0, Served));
        }
        judge(&all, &self.ends, &self.timeline).is_empty()
    }
}

#[test]
fn whoever_is_signed_in_is_served_and_whoever_is_not_is_not() {
    let calm = Case::new();
    assert!(calm.allows(0, 10, true, Served));
    assert!(!calm.allows(0, 10, true, SignedOut));
    assert!(!calm.allows(0, 10, true, Wrong("502".into())));
    assert!(!calm.allows(0, 10, true, Broken("reset".into())));
    assert!(!calm.allows(0, 10, false, ComeAgain));
    let ended = Case::new().ended(0, 10_000);
    assert!(ended.allows(0, 9000, true, Served) && !ended.allows(0, 9000, true, SignedOut));
    assert!(!ended.allows(0, 10_001, true, Served), "where it was ended");
    assert!(ended.allows(1, 10_900, true, Served), "elsewhere, within the time");
    assert!(!ended.allows(1, 14_000, true, Served));
    assert!(ended.allows(1, 14_000, true, SignedOut));
}

#[test]
fn an_outage_of_the_store_delays_ends_and_excuses_sessions_that_are_new_to_a_process() {
    let away = Case::new().disturbed(DisturbedPart::Store, 10_000, 20_000);
    assert!(away.allows(0, 12_000, false, ComeAgain) && away.allows(0, 21_000, false, ComeAgain));
    assert!(!away.allows(0, 12_000, true, ComeAgain), "it knew the session");
    assert!(!away.allows(0, 40_000, false, ComeAgain) && !away.allows(0, 9000, false, ComeAgain));
    assert!(!away.allows(0, 12_000, true, SignedOut));
    let ended = Case::new().disturbed(DisturbedPart::Store, 10_000, 20_000).ended(0, 12_000);
    assert!(ended.allows(1, 24_000, true, Served) && !ended.allows(1, 27_000, true, Served));
    assert!(!ended.allows(0, 12_100, true, Served), "here at once, also during an outage");
    let link = Case::new().disturbed(DisturbedPart::Link(1), 10_000, 20_000);
    assert!(link.allows(1, 12_000, false, ComeAgain) && !link.allows(0, 12_000, false, ComeAgain));
    let killed = Case::new().disturbed(DisturbedPart::Replica(1), 10_000, 20_000);
    assert!(killed.allows(1, 12_000, true, Broken("refused".into())));
    assert!(!killed.allows(0, 12_000, true, Broken("refused".into())));
    assert!(PROMISED <= Duration::from_secs(1));
}

#[test]
fn a_refresh_token_is_sent_by_one_and_again_only_for_a_reason() {
    let case = Case::new().disturbed(DisturbedPart::Replica(0), 100_000, 101_000);
    let sent = |token: u8, began: u64, ended: u64| RefreshUse {
        token: vec![token; 32],
        began: case.at(began),
        ended: case.at(ended),
        is_answered: true,
    };
    let judged = |uses: &[RefreshUse]| judge_refreshes(uses, &case.timeline).len();
    assert_eq!(judged(&[sent(1, 0, 100), sent(2, 50, 150)]), 0);
    assert_eq!(judged(&[sent(1, 0, 100), sent(1, 50, 150)]), 1, "at a time");
    assert_eq!(judged(&[sent(1, 0, 100), sent(1, 200, 300)]), 1, "again");
    assert_eq!(judged(&[sent(1, 99_000, 99_100), sent(1, 102_000, 102_100)]), 0, "its sender died");
    let unanswered = RefreshUse { is_answered: false, ..sent(1, 0, 100) };
    assert_eq!(judged(&[unanswered, sent(1, 200, 300)]), 0, "Entra did not answer");
    assert_eq!(
        judged(&[sent(1, 100_000, 100_300), sent(1, 100_200, 100_400)]),
        1,
        "never at a time"
    );
}
