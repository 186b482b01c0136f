//! The invariants, judged from the outside by what was observed.

use super::timeline::Timeline;
use entrada::emulator::RefreshUse;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// Within this time an end counts at every replica while nothing is disturbed, by publish/subscribe.
pub const PROMISED: Duration = Duration::from_secs(1);

/// What the machine of the tests may take on top of it.
const MACHINE: Duration = Duration::from_millis(1500);

/// How often an open `WebSocket` is compared with the end of its session's time.
const SOCKET_CHECK: Duration = Duration::from_secs(5);

/// What came of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RequestOutcome {
    /// The app answered, and named this person.
    Served,
    /// Entrada asked for a sign-in.
    SignedOut,
    /// 503 with `Retry-After`.
    ComeAgain,
    /// The connection failed, or nothing came in time.
    Broken(String),
    /// Anything else.
    Wrong(String),
}

/// A request, or a message on a `WebSocket`.
#[derive(Clone, Debug)]
pub struct Observation {
    pub session: usize,
    pub replica: usize,
    /// How often the replica had been started.
    pub life: u32,
    pub is_socket: bool,
    pub began: Instant,
    pub ended: Instant,
    pub outcome: RequestOutcome,
}

/// `SessionEnd::how` of a session whose time is over.
pub const LIFETIME: &str = "lifetime";

/// How a session was ended.
#[derive(Clone, Copy, Debug)]
pub struct SessionEnd {
    pub how: &'static str,
    /// The replica that was asked, in which life.
    pub replica: usize,
    pub life: u32,
    pub asked: Instant,
    /// When it had answered; `None` if it did not.
    pub done: Option<Instant>,
}

/// Judges all observations; returns what must not have been.
pub fn judge(
    observations: &[Observation],
    ends: &BTreeMap<usize, SessionEnd>,
    timeline: &Timeline,
) -> Vec<String> {
    let mut known = BTreeSet::new();
    let mut wrong = Vec::new();
    let mut in_order: Vec<_> = observations.iter().collect();
    in_order.sort_by_key(|it| it.ended);
    for it in in_order {
        let end = ends.get(&it.session);
        let life = (it.session, it.replica, it.life);
        let complaint = match &it.outcome {
            RequestOutcome::Served => {
                known.insert(life);
                end.and_then(|end| served_too_late(it, end, timeline))
            }
            RequestOutcome::SignedOut if end.is_none_or(|end| it.ended < end.asked) => {
                Some("a signed-in person was signed out".to_owned())
            }
            RequestOutcome::ComeAgain if end.is_none() && !is_rule(it, &known, timeline) => {
                Some("503 for a session that the process knew, or while nothing was away".into())
            }
            RequestOutcome::Broken(why) if may_break(it, end, timeline) => {
                let _ = why;
                None
            }
            RequestOutcome::Broken(why) | RequestOutcome::Wrong(why) => Some(why.clone()),
            RequestOutcome::SignedOut | RequestOutcome::ComeAgain => None,
        };
        wrong.extend(complaint.map(|what| format!("{what}: {it:?} {end:?}")));
    }
    wrong
}

fn served_too_late(it: &Observation, end: &SessionEnd, timeline: &Timeline) -> Option<String> {
    // Without an answer, it may not have been ended at all.
    let done = end.done?;
    // A process knows at once what it has done itself; a socket is looked at every second.
    let own = !it.is_socket && (it.replica, it.life) == (end.replica, end.life);
    if own && it.began > done {
        return Some("served where the session was ended".to_owned());
    }
    let is_timed = it.is_socket && end.how == LIFETIME;
    let check = if is_timed { SOCKET_CHECK } else { Duration::ZERO };
    let due = timeline.must_count_at(done, PROMISED) + check + MACHINE;
    let late = it.began.saturating_duration_since(due);
    (late > Duration::ZERO).then(|| format!("served {late:?} too late"))
}

/// 503 is right for a session that the process has never seen while its store is away.
fn is_rule(it: &Observation, known: &BTreeSet<(usize, usize, u32)>, timeline: &Timeline) -> bool {
    timeline.store_was_away(it.replica, it.began, it.ended)
        && !known.contains(&(it.session, it.replica, it.life))
}

fn may_break(it: &Observation, end: Option<&SessionEnd>, timeline: &Timeline) -> bool {
    timeline.replica_was_away(it.replica, it.began, it.ended)
        || it.is_socket && end.is_some_and(|end| it.ended >= end.asked)
}

/// Judges the use of refresh tokens: one is never sent twice at a time, and a second time only after
/// something was lost, or after a call without an answer.
pub fn judge_refreshes(uses: &[RefreshUse], timeline: &Timeline) -> Vec<String> {
    let mut by_token: BTreeMap<&[u8], Vec<&RefreshUse>> = BTreeMap::new();
    for it in uses {
        by_token.entry(&it.token).or_default().push(it);
    }
    let mut wrong = Vec::new();
    for (token, mut all) in by_token {
        all.sort_by_key(|it| it.began);
        for (first, second) in all.iter().zip(&all[1..]) {
            let what = if second.began < first.ended {
                "one refresh token was sent twice at a time"
            } else if first.is_answered && !timeline.something_was_lost(first.began, second.began) {
                "a refresh token was sent again"
            } else {
                continue;
            };
            let gap = second.began.saturating_duration_since(first.began);
            wrong
                .push(format!("{what}: {:02x?}, {gap:?} later: {first:?} {second:?}", &token[..4]));
        }
    }
    wrong
}
