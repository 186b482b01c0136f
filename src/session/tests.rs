//! Requirements for every store, regardless of its implementation: sessions are found with the
//! cookie, Entra's session and the person, and end once.

use super::person::{AmbiguousPerson, EndedSessions, PersonKey, PersonSelector};
use super::store::SessionStore;
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

fn store(clock: &Clock, capacity: u64) -> SessionStore {
    let config = config::session::SessionConfig {
        secrets: Vec::new(),
        idle: Duration::from_mins(10),
        lifetime: Duration::from_hours(1),
        capacity,
        per_person: capacity,
    };
    SessionStore::new(&config, clock.clone(), crate::seal::random::system())
}

fn begin(
    store: &SessionStore,
    who: PersonKey,
    name: &str,
    sid: Option<&str>,
    session_state: Option<&str>,
) -> Secret {
    store.create(VerifiedUser::pretended(identity(who, name, sid)), None, None, session_state).0
}

fn lives(store: &SessionStore, id: &Secret) -> bool {
    store.find(id.expose()).is_some()
}

#[test]
fn sessions_end_by_the_sid_of_the_token_and_of_the_callback_and_no_other_does() {
    let store = store(&Clock::system(), 100);
    let (maya, tom) = (person(MAYA, HOME), person(TOM, HOME));
    let both = begin(&store, maya, "maya", Some("one"), Some("one"));
    let again = begin(&store, maya, "maya", Some("one"), Some("another"));
    let callback = begin(&store, maya, "maya", None, Some("two"));
    let other = begin(&store, tom, "tom", Some("three"), Some("three"));
    let (_, both_session) = (store.find(both.expose()), store.find(both.expose()).unwrap());
    let told = both_session.session.ended();
    for sid in ["", "on", "onee", "ONE", MAYA, "oid one"] {
        assert_eq!(store.end_by_sid(sid), 0, "{sid:?}");
    }
    assert_eq!(store.end_by_sid("two"), 1);
    assert_eq!(
        (lives(&store, &both), lives(&store, &again), lives(&store, &callback)),
        (true, true, false)
    );
    assert_eq!(store.end_by_sid("one"), 2);
    assert_eq!(
        (lives(&store, &both), lives(&store, &again), lives(&store, &other)),
        (false, false, true)
    );
    assert!(told.is_cancelled(), "what hangs on it goes on");
    assert_eq!(
        (store.end_by_sid("one"), store.end_by_sid("another"), store.end_by_sid("two")),
        (0, 0, 0)
    );
}

#[test]
fn all_sessions_of_a_person_end_and_nobody_elses() {
    let store = store(&Clock::system(), 100);
    let maya = [1, 2, 3].map(|_| begin(&store, person(MAYA, HOME), "maya@contoso.com", None, None));
    let namesake = begin(&store, person(MAYA, ELSEWHERE), "maya@contoso.com", None, None);
    let tom = begin(&store, person(TOM, HOME), "tom@contoso.com", None, None);
    store.end(maya[0].expose()).unwrap();
    assert_eq!(store.end_all_of(person(MAYA, HOME)), 2);
    assert!(maya.iter().all(|it| !lives(&store, it)));
    assert!(lives(&store, &namesake) && lives(&store, &tom));
    assert_eq!(store.end_all_of(person(MAYA, HOME)), 0);
    let back = begin(&store, person(MAYA, HOME), "maya@contoso.com", None, None);
    assert!(lives(&store, &back), "who signs in again is in again");
}

#[test]
fn an_operator_means_one_person_or_nobody_ends() {
    let store = store(&Clock::system(), 100);
    let (maya, tom) = (person(MAYA, HOME), person(TOM, ELSEWHERE));
    let one = begin(&store, maya, "maya@contoso.com", None, None);
    let whom = |user: &str, tenant: Option<&str>| PersonSelector::parse(user, tenant).unwrap();
    let nobody = EndedSessions { person: None, sessions: 0 };
    for (user, tenant) in [
        ("tom@contoso.com", None),
        ("aya@contoso.com", None),
        (TOM, None),
        (MAYA, Some(ELSEWHERE)),
        ("maya@contoso.com", Some(ELSEWHERE)),
    ] {
        assert_eq!(store.revoke(&whom(user, tenant)), Ok(nobody), "{user} {tenant:?}");
    }
    // In another tenant, a person has the same name, or the same object ID.
    let lent = begin(&store, tom, "maya@contoso.com", None, None);
    assert_eq!(
        store.revoke(&whom("maya@contoso.com", None)),
        Err(AmbiguousPerson(vec![maya, tom]))
    );
    let same = begin(&store, person(MAYA, ELSEWHERE), "x@y", None, None);
    assert_eq!(
        store.revoke(&whom(MAYA, None)),
        Err(AmbiguousPerson(vec![person(MAYA, ELSEWHERE), maya]))
    );
    assert!(lives(&store, &one) && lives(&store, &lent) && lives(&store, &same));
    assert_eq!(
        store.revoke(&whom("MAYA@Contoso.com", Some(HOME))),
        Ok(EndedSessions { person: Some(maya), sessions: 1 })
    );
    assert!(!lives(&store, &one) && lives(&store, &lent) && lives(&store, &same));
    // A name ends every session of the person, including one that started with an earlier name.
    let older = begin(&store, tom, "thomas@contoso.com", None, None);
    assert_eq!(
        store.revoke(&whom("maya@contoso.com", None)),
        Ok(EndedSessions { person: Some(tom), sessions: 2 })
    );
    assert!(!lives(&store, &older) && lives(&store, &same));
}

#[test]
fn what_is_over_by_itself_is_counted_by_nobody() {
    let clock = Clock::system();
    let store = store(&clock, 100);
    begin(&store, person(MAYA, HOME), "maya@contoso.com", Some("one"), None);
    clock.shift(601);
    assert_eq!(
        store.revoke(&PersonSelector::parse("maya@contoso.com", None).unwrap()),
        Ok(EndedSessions { person: None, sessions: 0 })
    );
    assert_eq!(store.end_by_sid("one"), 0);
}

#[test]
fn a_refreshed_token_does_not_change_by_what_a_session_is_found() {
    let store = store(&Clock::system(), 100);
    let maya = person(MAYA, HOME);
    let (id, session) = store.create(
        VerifiedUser::pretended(identity(maya, "maya", Some("one"))),
        None,
        None,
        None,
    );
    session.renew(VerifiedUser::pretended(identity(maya, "maya.new", Some("two")))).unwrap();
    assert_eq!((store.end_by_sid("two"), store.end_by_sid("one")), (0, 1));
    assert!(!lives(&store, &id));
    assert_eq!(store.places(), 0);
}

#[test]
fn nothing_is_kept_of_sessions_that_are_over_however_they_ended() {
    let clock = Clock::system();
    let store = store(&clock, 50);
    for at in 0..500 {
        begin(&store, person(MAYA, HOME), "maya", Some(&format!("sid {at}")), Some("state"));
    }
    store.settle();
    assert_eq!((store.count(), store.places()), (50, 150));
    let ids: Vec<_> =
        (0..20).map(|_| begin(&store, person(TOM, HOME), "tom", Some("tom"), None)).collect();
    store.end(ids[0].expose()).unwrap();
    assert_eq!(store.end_by_sid("tom"), 19);
    store.settle();
    assert_eq!(store.places(), 3 * usize::try_from(store.count()).unwrap());
    assert!(store.end_by_sid("state") <= 50);
    store.settle();
    assert_eq!((store.count(), store.places()), (0, 0));
}

fn begin_of(store: &SessionStore, who: Guid, organization: Guid) -> Secret {
    let member = DirectoryMember {
        person: who,
        role: "worker".into(),
        organization,
        code: "contoso".into(),
    };
    store
        .create(
            VerifiedUser::pretended(identity(person(MAYA, HOME), "maya", None)),
            Some(member),
            None,
            None,
        )
        .0
}

#[test]
fn sessions_are_found_by_the_person_and_the_organization_of_the_directory_and_end_by_when_they_began()
 {
    let clock = Clock::system();
    let store = store(&clock, 100);
    // One object ID at Entra is a different person in each of two companies, and no person without
    // a directory.
    let (ours, theirs) = (guid(HOME), guid(ELSEWHERE));
    let (early, other) = (begin_of(&store, guid(MAYA), ours), begin_of(&store, guid(TOM), theirs));
    let stranger = begin(&store, person(MAYA, HOME), "maya", None, None);
    clock.shift(10);
    let now = clock.now();
    let late = begin_of(&store, guid(MAYA), ours);
    assert_eq!(
        (
            store.of_person(guid(MAYA)).len(),
            store.of_person(guid(TOM)).len(),
            store.of_person(ours).len()
        ),
        (2, 1, 0)
    );
    assert_eq!(store.of_organizations(&[ours].into()).len(), 2);
    assert_eq!(store.of_organizations(&[ours, theirs].into()).len(), 3);
    assert_eq!(store.of_organizations(&[guid(MAYA)].into()).len(), 0);
    assert_eq!(store.end_all_of_person(guid(MAYA), Some(now - 1)), 1);
    assert_eq!(
        [&early, &late, &other, &stranger].map(|it| lives(&store, it)),
        [false, true, true, true]
    );
    assert_eq!(
        (store.end_all_of_person(guid(MAYA), Some(now)), store.end_all_of_person(guid(MAYA), None)),
        (1, 0)
    );
    assert_eq!([&late, &other, &stranger].map(|it| lives(&store, it)), [false, true, true]);
    store.settle();
    assert_eq!(store.places(), 3, "a session that ended is forgotten everywhere");
}

#[test]
fn the_sessions_of_an_organization_are_found_among_very_many_in_a_moment() {
    let store = store(&Clock::system(), 200_000);
    for it in 0..100_000_u32 {
        begin_of(
            &store,
            Guid::from_random([it.to_be_bytes(); 4].concat().try_into().unwrap()),
            if it % 10 == 0 { guid(HOME) } else { guid(ELSEWHERE) },
        );
    }
    let began = std::time::Instant::now();
    assert_eq!(store.of_organizations(&[guid(HOME)].into()).len(), 10_000);
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
    };
    let store = SessionStore::new(&config, clock.clone(), crate::seal::random::system());
    let tom = begin(&store, person(TOM, HOME), "tom", None, None);
    // The same object ID in another tenant is another person.
    let abroad = begin(&store, person(MAYA, ELSEWHERE), "maya", None, None);
    let mut all = Vec::new();
    for _ in 0..3 {
        all.push(begin(&store, person(MAYA, HOME), "maya", None, None));
        clock.shift(1);
    }
    // The first is used again, so the second is the one unused longest.
    assert!(lives(&store, &all[0]));
    clock.shift(1);
    all.push(begin(&store, person(MAYA, HOME), "maya", None, None));
    assert_eq!(
        all.iter().map(|it| lives(&store, it)).collect::<Vec<_>>(),
        [true, false, true, true]
    );
    assert!(lives(&store, &tom) && lives(&store, &abroad));
}
