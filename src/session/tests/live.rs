//! Which sessions are live: their use, their end, and who is displaced.

use super::*;
use crate::base::identity::PersonGroups;
use crate::entra::claims_challenge::ClaimsChallenge;
use crate::session::record::Session;
use futures_util::FutureExt as _;
use std::sync::Arc;

fn limited(clock: &Clock, per_person: u64) -> LiveSessions {
    let config = config::session::SessionConfig {
        secrets: Vec::new(),
        idle: Duration::from_mins(10),
        lifetime: Duration::from_hours(1),
        capacity: 1000,
        per_person,
        ..config::session::SessionConfig::sample()
    };
    LiveSessions::new(&config, clock.clone(), crate::seal::random::system())
}

fn maya() -> Identity {
    identity(person(MAYA, HOME), "maya@contoso.com", Some("sid"))
}

fn start(live: &LiveSessions) -> (Secret, Arc<Session>) {
    live.create(VerifiedUser::pretended(maya()).into())
}

fn client_id(number: u8) -> Guid {
    Guid::from_random([number; 16])
}

fn start_for_client(live: &LiveSessions, number: u8) -> Arc<Session> {
    let ends = live.clock.now() + 86_400;
    live.start_for_client(client_id(number), maya(), Some(Secret::new("token")), ends)
}

fn refresh_token_of(session: &Session) -> Option<String> {
    let lease = session.standing().lease().now_or_never().unwrap();
    lease.refresh_token().map(|it| it.expose().to_owned())
}

#[test]
fn displaced_sign_ins_of_clients_are_kept_until_their_rows_have_ended() {
    let clock = Clock::stopped();
    let live = limited(&clock, 2);
    assert_eq!(live.max_per_person(), 2);
    let displaced = |live: &LiveSessions| {
        let mut numbers: Vec<_> =
            live.ended_sign_ins().all().iter().map(|(id, _)| id.bytes()[0]).collect();
        numbers.sort_unstable();
        numbers
    };
    let numbers = [1, 2, 3, 4].map(|it| client_id(it).bytes()[0]);
    for (number, expected) in [(1, 0), (2, 0), (3, 1), (4, 2)] {
        start_for_client(&live, number);
        clock.shift(1);
        assert_eq!(displaced(&live), numbers[..expected], "after sign-in {number}");
    }
    assert_eq!(
        [1, 2, 3, 4].map(|it| live.ended_sign_ins().contains(client_id(it))),
        [true, true, false, false]
    );
    assert_eq!(
        [1, 2, 3, 4].map(|it| live.find_client_sign_in(client_id(it)).is_some()),
        [false, false, true, true]
    );
    live.ended_sign_ins().forget(client_id(1));
    assert_eq!(displaced(&live), numbers[1..2]);
    assert_eq!([1, 2].map(|it| live.ended_sign_ins().contains(client_id(it))), [false, true]);
    // Sessions of browsers displace those of clients; they themselves have no rows.
    for expected in [3, 4, 4, 4] {
        start(&live);
        clock.shift(1);
        assert_eq!(displaced(&live), numbers[1..expected]);
    }
}

#[test]
fn without_a_limit_no_sign_in_has_ended() {
    let live = limited(&Clock::stopped(), 1000);
    for number in 1..=5 {
        start_for_client(&live, number);
    }
    assert!(
        live.ended_sign_ins().all().is_empty() && !live.ended_sign_ins().contains(client_id(1))
    );
}

#[test]
fn a_session_of_a_client_is_found_by_its_own_sign_in_only() {
    let clock = Clock::stopped();
    let live = limited(&clock, 1000);
    let (one, two) = (start_for_client(&live, 1), start_for_client(&live, 2));
    for (number, session) in [(1, &one), (2, &two)] {
        let seen = live.find_client_sign_in(client_id(number)).unwrap();
        assert!(Arc::ptr_eq(&seen.session, session), "{number}");
    }
    assert!(live.find_client_sign_in(client_id(3)).is_none());
    assert_eq!(
        Identity { entra_sid: Some("sid".into()), ..Identity::clone(&one.identity()) },
        maya(),
        "the rest of the identity stays"
    );
    assert_eq!(one.identity().entra_sid, None);
    assert_eq!(live.end_by_sid("sid"), 0, "a sign-out in a browser does not sign out a phone");
    let ended = one.ended();
    live.end_client_sign_in(client_id(3));
    assert!(!one.is_over() && !two.is_over());
    live.end_client_sign_in(client_id(1));
    assert!(one.is_over() && ended.is_cancelled() && !two.is_over());
    assert!(live.find_client_sign_in(client_id(1)).is_none());
    assert!(live.find_client_sign_in(client_id(2)).is_some());
}

#[test]
fn a_session_keeps_the_refresh_token_and_the_member_of_its_sign_in() {
    let live = limited(&Clock::stopped(), 1000);
    let member = DirectoryMember {
        person: guid(TOM),
        role: "worker".into(),
        organization: guid(HOME),
        code: "contoso".into(),
    };
    let (_, browser) = live.create(NewSession {
        user: VerifiedUser::pretended(maya()),
        member: Some(member.clone()),
        refresh_token: Some(Secret::new("token")),
        session_state: None,
    });
    let client = start_for_client(&live, 1);
    assert_eq!(
        **browser.identity(),
        Identity { member: Some(Arc::new(member)), ..maya() },
        "only the member is added"
    );
    let (_, plain) = start(&live);
    for (session, expected) in [(browser, Some("token")), (client, Some("token")), (plain, None)] {
        assert_eq!(refresh_token_of(&session).as_deref(), expected);
    }
}

#[test]
fn only_groups_that_are_missing_in_the_token_are_requested_from_graph() {
    let live = limited(&Clock::stopped(), 1000);
    for (groups, due) in [
        (PersonGroups::Known(["one"].into_iter().collect()), None),
        (PersonGroups::Known(["one"; 0].into_iter().collect()), None),
        (PersonGroups::Overage, Some(0)),
    ] {
        let identity = Identity { groups: groups.clone(), ..maya() };
        let (_, session) = live.create(VerifiedUser::pretended(identity).into());
        assert_eq!(session.groups_age().is_due(|| live.clock.now()), due, "{groups:?}");
    }
}

#[test]
fn every_way_to_find_a_session_says_whether_it_is_live_and_whether_it_is_used() {
    type Find = fn(&LiveSessions, &Secret, &Arc<Session>) -> bool;
    let cases: [(&str, Find, bool); 5] = [
        ("find", |live, id, _| live.find(id.expose()).is_some(), true),
        ("find_held", |live, _, session| live.find_held(session).is_some(), true),
        ("peek", |live, id, _| live.peek(id.expose()).is_some(), false),
        ("is_still_live, used", |live, _, session| live.is_still_live(session, true), true),
        ("is_still_live, unused", |live, _, session| live.is_still_live(session, false), false),
    ];
    for (name, find, is_use) in cases {
        let clock = Clock::stopped();
        let live = limited(&clock, 1000);
        let (id, session) = start(&live);
        let began = clock.now();
        assert_eq!(live.idle_deadline(&session), began + 600, "{name}");
        clock.shift(599);
        assert!(find(&live, &id, &session), "{name}");
        let used = if is_use { began + 599 } else { began };
        assert_eq!(session.last_seen(), used, "{name}");
        assert_eq!(live.idle_deadline(&session), used + 600, "{name}");
        // A clock that was set back does not make the last use earlier.
        clock.shift(-100);
        assert!(find(&live, &id, &session), "{name}");
        assert_eq!(session.last_seen(), used, "{name}");
        let ended = session.ended();
        clock.shift(701);
        assert!(!find(&live, &id, &session), "{name}: idle");
        assert!(session.is_over() && ended.is_cancelled(), "{name}");

        let (id, session) = start(&live);
        session.ends.store(clock.now() + 60, std::sync::atomic::Ordering::Relaxed);
        assert_eq!(live.idle_deadline(&session), clock.now() + 60, "{name}");
        clock.shift(59);
        assert!(find(&live, &id, &session), "{name}");
        clock.shift(1);
        assert!(!find(&live, &id, &session), "{name}: past its lifetime");

        let (id, session) = start(&live);
        live.end_held(&session);
        assert!(!find(&live, &id, &session), "{name}: ended");
    }
}

#[test]
fn a_recheck_is_due_when_the_standing_says_so() {
    let clock = Clock::stopped();
    let live = limited(&clock, 1000);
    let (id, session) = start(&live);
    session.standing().set_due_in(clock.now(), 60);
    let is_due =
        || [live.find(id.expose()).unwrap().is_due, live.find_held(&session).unwrap().is_due];
    assert_eq!(is_due(), [false, false]);
    clock.shift(60);
    assert_eq!(is_due(), [true, true]);
}

#[test]
fn a_session_that_needs_a_new_sign_in_is_kept_until_it_is_past() {
    let clock = Clock::stopped();
    let live = limited(&clock, 1000);
    let (id, session) = start(&live);
    assert!(live.ended(id.expose()).is_none(), "it is live");
    live.end_for_sign_in(&session, ClaimsChallenge::of_json("{}"));
    assert!(session.is_over());
    assert!(live.find(id.expose()).is_none() && live.peek(id.expose()).is_none());
    let ended = live.ended(id.expose()).unwrap();
    assert!(Arc::ptr_eq(&ended, &session));
    assert_eq!(ended.standing().again(), Some(ClaimsChallenge::of_json("{}").as_ref()));
    live.settle();
    assert_eq!(live.count(), 1);
    clock.shift(600);
    assert!(live.ended(id.expose()).is_none(), "it is past");
    assert!(live.find(id.expose()).is_none());
    live.settle();
    assert_eq!((live.count(), live.places()), (0, 0));
}

#[test]
fn a_session_that_was_ended_is_removed() {
    let live = limited(&Clock::stopped(), 1000);
    let (id, session) = start(&live);
    live.end_held(&session);
    live.settle();
    assert!(session.is_over() && live.ended(id.expose()).is_none());
    assert_eq!((live.count(), live.places()), (0, 0));
    live.insert(&session);
    live.settle();
    assert_eq!(live.count(), 0, "an ended session is not made live again");
}

/// Two requests can load the session of one cookie at the same time.
#[test]
fn of_two_records_of_one_session_the_first_is_found_everywhere() {
    let live = limited(&Clock::stopped(), 1000);
    let (id, first) = start(&live);
    let (_, mut second) = live.prepare(VerifiedUser::pretended(maya()).into());
    Arc::get_mut(&mut second).unwrap().key = first.key;
    live.insert(&second);
    assert!(Arc::ptr_eq(&live.find(id.expose()).unwrap().session, &first));
    drop(second);
    assert_eq!((live.end_by_sid("sid"), first.is_over()), (1, true));
}
