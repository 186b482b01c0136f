//! Live sessions are found with the cookie, Entra's session and the person, and end once.

mod lease;
mod live;
mod record;

use super::live::{LiveSessions, NewSession};
use super::person::{AmbiguousPerson, PersonKey, PersonSelector};
use crate::base::clock::Clock;
use crate::base::guid::Guid;
use crate::base::identity::{DirectoryMember, Identity};
use crate::base::secret::Secret;
use crate::config;
use crate::entra::verified::VerifiedUser;
use std::time::Duration;

const HOME: &str = "aaaabbbb-0000-cccc-1111-dddd2222eeee";
const ELSEWHERE: &str = "99999999-9999-4999-8999-999999999999";
const MAYA: &str = "00aa00aa-bb11-cc22-dd33-44ee44ee0001";
const TOM: &str = "00aa00aa-bb11-cc22-dd33-44ee44ee0002";

fn guid(text: &str) -> Guid {
    Guid::parse(text).unwrap()
}

fn person(oid: &str, tid: &str) -> PersonKey {
    PersonKey { oid: guid(oid), tid: guid(tid) }
}

fn identity(who: PersonKey, name: &str, sid: Option<&str>) -> Identity {
    Identity {
        preferred_username: Some(name.into()),
        entra_sid: sid.map(Box::from),
        ..Identity::new(who.oid, who.tid)
    }
}

fn live(clock: &Clock, capacity: u64) -> LiveSessions {
    let config = config::session::SessionConfig {
        secrets: Vec::new(),
        idle: Duration::from_mins(10),
        lifetime: Duration::from_hours(1),
        capacity,
        per_person: capacity,
        ..config::session::SessionConfig::sample()
    };
    LiveSessions::new(&config, clock.clone(), crate::seal::random::system())
}

fn begin(
    live: &LiveSessions,
    who: PersonKey,
    name: &str,
    sid: Option<&str>,
    session_state: Option<&str>,
) -> Secret {
    let user = VerifiedUser::pretended(identity(who, name, sid));
    live.create(NewSession { session_state, ..user.into() }).0
}

fn lives(live: &LiveSessions, id: &Secret) -> bool {
    live.find(id.expose()).is_some()
}

#[test]
fn sessions_end_by_the_sid_of_the_token_and_of_the_callback_and_no_other_does() {
    let live = live(&Clock::system(), 100);
    let (maya, tom) = (person(MAYA, HOME), person(TOM, HOME));
    let both = begin(&live, maya, "maya", Some("one"), Some("one"));
    let again = begin(&live, maya, "maya", Some("one"), Some("another"));
    let callback = begin(&live, maya, "maya", None, Some("two"));
    let other = begin(&live, tom, "tom", Some("three"), Some("three"));
    let (_, both_session) = (live.find(both.expose()), live.find(both.expose()).unwrap());
    let ended = both_session.session.ended();
    for sid in ["", "on", "onee", "ONE", MAYA, "oid one"] {
        assert_eq!(live.end_by_sid(sid), 0, "{sid:?}");
    }
    assert_eq!(live.end_by_sid("two"), 1);
    assert_eq!(
        (lives(&live, &both), lives(&live, &again), lives(&live, &callback)),
        (true, true, false)
    );
    assert_eq!(live.end_by_sid("one"), 2);
    assert_eq!(
        (lives(&live, &both), lives(&live, &again), lives(&live, &other)),
        (false, false, true)
    );
    assert!(ended.is_cancelled(), "what hangs on it goes on");
    assert_eq!(
        (live.end_by_sid("one"), live.end_by_sid("another"), live.end_by_sid("two")),
        (0, 0, 0)
    );
}

#[test]
fn all_sessions_of_a_person_end_and_nobody_elses() {
    let live = live(&Clock::system(), 100);
    let maya = [1, 2, 3].map(|_| begin(&live, person(MAYA, HOME), "maya@contoso.com", None, None));
    let namesake = begin(&live, person(MAYA, ELSEWHERE), "maya@contoso.com", None, None);
    let tom = begin(&live, person(TOM, HOME), "tom@contoso.com", None, None);
    live.end(maya[0].expose()).unwrap();
    assert_eq!(live.end_all_of(person(MAYA, HOME)), 2);
    assert!(maya.iter().all(|it| !lives(&live, it)));
    assert!(lives(&live, &namesake) && lives(&live, &tom));
    assert_eq!(live.end_all_of(person(MAYA, HOME)), 0);
    let back = begin(&live, person(MAYA, HOME), "maya@contoso.com", None, None);
    assert!(lives(&live, &back), "who signs in again is in again");
}

#[test]
fn an_operator_means_one_person_or_nobody() {
    let live = live(&Clock::system(), 100);
    let (maya, tom) = (person(MAYA, HOME), person(TOM, ELSEWHERE));
    let one = begin(&live, maya, "maya@contoso.com", None, None);
    let selector = |user: &str, tenant: Option<&str>| PersonSelector::parse(user, tenant).unwrap();
    for (user, tenant) in [
        ("tom@contoso.com", None),
        ("aya@contoso.com", None),
        (TOM, None),
        (MAYA, Some(ELSEWHERE)),
        ("maya@contoso.com", Some(ELSEWHERE)),
    ] {
        assert_eq!(live.select(&selector(user, tenant)), Ok(None), "{user} {tenant:?}");
    }
    // In another tenant, a person has the same name, or the same object ID.
    let lent = begin(&live, tom, "maya@contoso.com", None, None);
    assert_eq!(
        live.select(&selector("maya@contoso.com", None)),
        Err(AmbiguousPerson(vec![maya, tom]))
    );
    let same = begin(&live, person(MAYA, ELSEWHERE), "x@y", None, None);
    assert_eq!(
        live.select(&selector(MAYA, None)),
        Err(AmbiguousPerson(vec![person(MAYA, ELSEWHERE), maya]))
    );
    assert!(lives(&live, &one) && lives(&live, &lent) && lives(&live, &same));
    assert_eq!(live.select(&selector("MAYA@Contoso.com", Some(HOME))), Ok(Some(maya)));
    assert_eq!(live.end_all_of(maya), 1);
    assert!(!lives(&live, &one) && lives(&live, &lent) && lives(&live, &same));
    // A name means every session of the person, including one that started with an earlier name.
    let older = begin(&live, tom, "thomas@contoso.com", None, None);
    assert_eq!(live.select(&selector("maya@contoso.com", None)), Ok(Some(tom)));
    assert_eq!(live.end_all_of(tom), 2);
    assert!(!lives(&live, &older) && lives(&live, &same));
}

#[test]
fn what_is_over_by_itself_is_counted_by_nobody() {
    let clock = Clock::system();
    let live = live(&clock, 100);
    begin(&live, person(MAYA, HOME), "maya@contoso.com", Some("one"), None);
    clock.shift(601);
    assert_eq!(live.select(&PersonSelector::parse("maya@contoso.com", None).unwrap()), Ok(None));
    assert_eq!(live.end_by_sid("one"), 0);
}

#[test]
fn a_refreshed_token_does_not_change_by_what_a_session_is_found() {
    let live = live(&Clock::system(), 100);
    let maya = person(MAYA, HOME);
    let (id, session) =
        live.create(VerifiedUser::pretended(identity(maya, "maya", Some("one"))).into());
    session.renew(VerifiedUser::pretended(identity(maya, "maya.new", Some("two")))).unwrap();
    assert_eq!((live.end_by_sid("two"), live.end_by_sid("one")), (0, 1));
    assert!(!lives(&live, &id));
    assert_eq!(live.places(), 0);
}

#[test]
fn nothing_is_kept_of_sessions_that_are_over_however_they_ended() {
    let clock = Clock::system();
    let live = live(&clock, 50);
    for at in 0..500 {
        begin(&live, person(MAYA, HOME), "maya", Some(&format!("sid {at}")), Some("state"));
    }
    live.settle();
    assert_eq!((live.count(), live.places()), (50, 150));
    let ids: Vec<_> =
        (0..20).map(|_| begin(&live, person(TOM, HOME), "tom", Some("tom"), None)).collect();
    live.end(ids[0].expose()).unwrap();
    assert_eq!(live.end_by_sid("tom"), 19);
    live.settle();
    assert_eq!(live.places(), 3 * usize::try_from(live.count()).unwrap());
    assert!(live.end_by_sid("state") <= 50);
    live.settle();
    assert_eq!((live.count(), live.places()), (0, 0));
}

fn begin_of(live: &LiveSessions, who: Guid, organization: Guid) -> Secret {
    let member = DirectoryMember {
        person: who,
        role: "worker".into(),
        organization,
        code: "contoso".into(),
    };
    let user = VerifiedUser::pretended(identity(person(MAYA, HOME), "maya", None));
    live.create(NewSession { member: Some(member), ..user.into() }).0
}

#[test]
fn sessions_are_found_by_the_person_and_the_organization_of_the_directory_and_end_by_when_they_began()
 {
    let clock = Clock::system();
    let live = live(&clock, 100);
    // One object ID at Entra is a different person in each of two companies, and no person without
    // a directory.
    let (ours, theirs) = (guid(HOME), guid(ELSEWHERE));
    let (early, other) = (begin_of(&live, guid(MAYA), ours), begin_of(&live, guid(TOM), theirs));
    let stranger = begin(&live, person(MAYA, HOME), "maya", None, None);
    clock.shift(10);
    let now = clock.now();
    let late = begin_of(&live, guid(MAYA), ours);
    assert_eq!(
        (
            live.of_person(guid(MAYA)).len(),
            live.of_person(guid(TOM)).len(),
            live.of_person(ours).len()
        ),
        (2, 1, 0)
    );
    assert_eq!(live.of_organizations(&[ours].into()).len(), 2);
    assert_eq!(live.of_organizations(&[ours, theirs].into()).len(), 3);
    assert_eq!(live.of_organizations(&[guid(MAYA)].into()).len(), 0);
    assert_eq!(live.end_all_of_person(guid(MAYA), Some(now - 1)), 1);
    assert_eq!(
        [&early, &late, &other, &stranger].map(|it| lives(&live, it)),
        [false, true, true, true]
    );
    assert_eq!(
        (live.end_all_of_person(guid(MAYA), Some(now)), live.end_all_of_person(guid(MAYA), None)),
        (1, 0)
    );
    assert_eq!([&late, &other, &stranger].map(|it| lives(&live, it)), [false, true, true]);
    live.settle();
    assert_eq!(live.places(), 3, "a session that ended is forgotten everywhere");
}

#[test]
fn the_sessions_of_an_organization_are_found_among_very_many_in_a_moment() {
    let live = live(&Clock::system(), 200_000);
    for it in 0..100_000_u32 {
        begin_of(
            &live,
            Guid::from_random([it.to_be_bytes(); 4].concat().try_into().unwrap()),
            if it % 10 == 0 { guid(HOME) } else { guid(ELSEWHERE) },
        );
    }
    let began = std::time::Instant::now();
    assert_eq!(live.of_organizations(&[guid(HOME)].into()).len(), 10_000);
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
}

#[test]
fn whoever_signs_in_again_and_again_makes_room_among_their_own_sessions() {
    let clock = Clock::system();
    let config = config::session::SessionConfig {
        secrets: Vec::new(),
        idle: Duration::from_mins(10),
        lifetime: Duration::from_hours(1),
        capacity: 1000,
        per_person: 3,
        ..config::session::SessionConfig::sample()
    };
    let live = LiveSessions::new(&config, clock.clone(), crate::seal::random::system());
    let tom = begin(&live, person(TOM, HOME), "tom", None, None);
    // The same object ID in another tenant is another person.
    let abroad = begin(&live, person(MAYA, ELSEWHERE), "maya", None, None);
    let mut all = Vec::new();
    for _ in 0..3 {
        all.push(begin(&live, person(MAYA, HOME), "maya", None, None));
        clock.shift(1);
    }
    // The first is used again, so the second is the one unused longest.
    assert!(lives(&live, &all[0]));
    clock.shift(1);
    all.push(begin(&live, person(MAYA, HOME), "maya", None, None));
    assert_eq!(
        all.iter().map(|it| lives(&live, it)).collect::<Vec<_>>(),
        [true, false, true, true]
    );
    assert!(lives(&live, &tom) && lives(&live, &abroad));
}

/// The cache reports the replaced session after the new one is in the index, with the same entries.
#[test]
fn a_session_of_a_client_that_replaces_an_idle_one_is_found_and_ends_with_its_person() {
    let clock = Clock::system();
    let live = live(&clock, 100);
    let (sign_in, who, worker) = (guid(ELSEWHERE), person(MAYA, HOME), guid(TOM));
    let start = || {
        let member = DirectoryMember {
            person: worker,
            role: "worker".into(),
            organization: guid(HOME),
            code: "contoso".into(),
        };
        let identity = Identity {
            member: Some(std::sync::Arc::new(member)),
            ..identity(who, "maya@contoso.example", None)
        };
        live.start_for_client(sign_in, identity, None, clock.now() + 3600)
    };
    let ends: [fn(&LiveSessions) -> usize; 2] = [
        |live| live.end_all_of_person(guid(TOM), None),
        |live| live.end_all_of(person(MAYA, HOME)),
    ];
    for end in ends {
        start();
        clock.shift(11 * 60);
        assert!(live.find_client_sign_in(sign_in).is_none());
        start();
        live.settle();
        assert!(live.find_client_sign_in(sign_in).is_some());
        assert_eq!(end(&live), 1);
        assert!(live.find_client_sign_in(sign_in).is_none());
    }
}
