//! What each change keeps of a session's identity, and what a session says about itself.

use super::*;
use crate::base::identity::PersonGroups;
use crate::base::string_list::StringList;
use crate::entra::graph::GroupMembership;
use crate::session::record::{Session, Via};
use std::sync::Arc;

fn list(texts: &[&str]) -> StringList {
    texts.iter().collect()
}

fn known(groups: &[&str]) -> PersonGroups {
    PersonGroups::Known(list(groups))
}

fn member(role: &str, organization: &str) -> DirectoryMember {
    DirectoryMember {
        person: guid(MAYA),
        role: role.into(),
        organization: guid(organization),
        code: "contoso".into(),
    }
}

/// An identity in which every part differs from that of an identity with its key only.
fn complete() -> Identity {
    Identity {
        guest: true,
        name: Some("Maya Okafor".into()),
        email: Some("maya@contoso.com".into()),
        email_verified: true,
        roles: list(&["Fleet.Admin"]),
        groups: known(&["one"]),
        login_hint: Some("hint".into()),
        acrs: list(&["c1"]),
        auth_time: 1000,
        has_auth_time: true,
        custom: [("department".to_owned(), "sales".to_owned())].into(),
        member: Some(Arc::new(member("worker", HOME))),
        ..identity(person(MAYA, HOME), "maya@contoso.com", Some("sid"))
    }
}

/// The identity in a refreshed token that repeats nothing of `complete`.
fn refreshed() -> Identity {
    Identity {
        name: Some("Maya Smith".into()),
        roles: list(&["Fleet.Owner"]),
        groups: known(&["two"]),
        acrs: list(&["c2"]),
        auth_time: 2000,
        ..identity(person(MAYA, HOME), "maya.smith@contoso.com", Some("another"))
    }
}

/// What a session with the identity `complete` has after a refresh with `refreshed`.
fn merged() -> Identity {
    let before = complete();
    Identity {
        acrs: list(&["c1", "c2"]),
        auth_time: before.auth_time,
        has_auth_time: before.has_auth_time,
        entra_sid: before.entra_sid,
        login_hint: before.login_hint,
        member: before.member,
        ..refreshed()
    }
}

fn session_of(live: &LiveSessions, identity: Identity) -> (Secret, Arc<Session>) {
    let member = identity.member.as_deref().cloned();
    live.create(NewSession { member, ..VerifiedUser::pretended(identity).into() })
}

fn from_graph(oid: &str, tid: &str, groups: &[&str]) -> GroupMembership {
    GroupMembership::pretended(&Identity::new(guid(oid), guid(tid)), list(groups))
}

fn renew(session: &Session, now: Identity) -> bool {
    session.renew(VerifiedUser::pretended(now)).is_ok()
}

#[test]
fn every_change_keeps_the_rest_of_the_identity() {
    type Change = fn(&Session) -> bool;
    let cases: [(&str, Change, bool, Identity); 11] = [
        (
            "other groups from Graph",
            |it| it.set_groups_from_graph(&from_graph(MAYA, HOME, &["two"]), 1, 2).is_ok(),
            true,
            Identity { groups: known(&["two"]), ..complete() },
        ),
        (
            "no groups from Graph",
            |it| it.set_groups_from_graph(&from_graph(MAYA, HOME, &[]), 1, 2).is_ok(),
            true,
            Identity { groups: known(&[]), ..complete() },
        ),
        (
            "groups of another person",
            |it| it.set_groups_from_graph(&from_graph(TOM, HOME, &["two"]), 1, 2).is_ok(),
            false,
            complete(),
        ),
        (
            "groups of the same object ID in another tenant",
            |it| it.set_groups_from_graph(&from_graph(MAYA, ELSEWHERE, &["two"]), 1, 2).is_ok(),
            false,
            complete(),
        ),
        (
            "groups that are too old",
            |session| {
                session.forget_groups();
                true
            },
            true,
            Identity { groups: PersonGroups::Overage, ..complete() },
        ),
        (
            "another role in the directory",
            |session| {
                session.set_member(&member("admin", HOME));
                true
            },
            true,
            Identity { member: Some(Arc::new(member("admin", HOME))), ..complete() },
        ),
        ("refresh", |it| renew(it, refreshed()), true, merged()),
        (
            "refresh without groups",
            |it| renew(it, Identity { groups: PersonGroups::Overage, ..refreshed() }),
            true,
            Identity { groups: known(&["one"]), ..merged() },
        ),
        (
            "refresh with a new hint and a known context",
            |session| {
                let login_hint = Some("new hint".into());
                renew(session, Identity { login_hint, acrs: list(&["c1"]), ..refreshed() })
            },
            true,
            Identity { login_hint: Some("new hint".into()), acrs: list(&["c1"]), ..merged() },
        ),
        (
            "refresh of another person",
            |it| renew(it, Identity { oid: guid(TOM), ..refreshed() }),
            false,
            complete(),
        ),
        (
            "refresh in another tenant",
            |it| renew(it, Identity { tid: guid(ELSEWHERE), ..refreshed() }),
            false,
            complete(),
        ),
    ];
    let live = live(&Clock::system(), 100);
    for (name, change, is_accepted, expected) in cases {
        let (_, session) = session_of(&live, complete());
        assert_eq!(**session.identity(), complete(), "{name}: before");
        assert_eq!(change(&session), is_accepted, "{name}");
        assert_eq!(**session.identity(), expected, "{name}");
    }
}

#[test]
fn data_that_is_unchanged_keeps_the_same_identity() {
    type Change = fn(&Session);
    let cases: [(&str, Change, bool); 4] = [
        (
            "same groups",
            |it| it.set_groups_from_graph(&from_graph(MAYA, HOME, &["one"]), 1, 2).unwrap(),
            true,
        ),
        (
            "other groups",
            |it| it.set_groups_from_graph(&from_graph(MAYA, HOME, &["two"]), 1, 2).unwrap(),
            false,
        ),
        ("same member", |it| it.set_member(&member("worker", HOME)), true),
        ("other member", |it| it.set_member(&member("admin", HOME)), false),
    ];
    let live = live(&Clock::system(), 100);
    for (name, change, is_same) in cases {
        let (_, session) = session_of(&live, complete());
        let before = Arc::clone(&session.identity());
        change(&session);
        assert_eq!(Arc::ptr_eq(&before, &session.identity()), is_same, "{name}");
    }
}

#[test]
fn groups_are_requested_from_graph_when_they_are_missing_or_old() {
    let clock = Clock::stopped();
    let live = live(&clock, 100);
    let now = clock.now();
    let missing = || Identity { groups: PersonGroups::Overage, ..complete() };
    let read = |session: &Session| {
        let age = session.groups_age();
        (age.is_due(|| now), age.is_due(|| u64::MAX - 1), age.at())
    };
    let (_, session) = session_of(&live, complete());
    assert_eq!(read(&session), (None, None, None), "the token contains the groups");
    session.renew(VerifiedUser::pretended(missing())).unwrap();
    assert_eq!(read(&session), (Some(0), Some(0), Some(now)), "those of the previous token");
    session.renew(VerifiedUser::pretended(complete())).unwrap();
    assert_eq!(read(&session), (None, None, None), "the token contains them again");

    let (_, session) = session_of(&live, missing());
    assert_eq!(read(&session), (Some(0), Some(0), None), "no groups are known");
    let again = now + 1800;
    let other = from_graph(TOM, HOME, &["two"]);
    session.set_groups_from_graph(&other, now, again).unwrap_err();
    assert_eq!(read(&session), (Some(0), Some(0), None), "those of another person do not count");
    session.set_groups_from_graph(&from_graph(MAYA, HOME, &["two"]), now, again).unwrap();
    assert_eq!(read(&session), (None, Some(again), Some(now)));
    session.forget_groups();
    assert_eq!(read(&session), (None, Some(again), None));
}

#[test]
fn a_new_sign_in_adopts_only_proofs_of_the_same_person_in_the_same_organization() {
    let proven = |acrs: &[&str]| Identity { acrs: list(acrs), ..complete() };
    let of = |organization: Option<&str>| Identity {
        member: organization.map(|it| Arc::new(member("worker", it))),
        ..complete()
    };
    for (name, former, now, expected) in [
        ("another proof", proven(&["c1"]), proven(&["c2"]), Some(["c1", "c2"])),
        ("one of two", proven(&["c1", "c2"]), proven(&["c2"]), Some(["c1", "c2"])),
        ("the same proof", proven(&["c1"]), proven(&["c1"]), None),
        ("fewer proofs", proven(&["c1"]), proven(&["c1", "c2"]), None),
        ("no proof", proven(&[]), proven(&["c2"]), None),
        ("another person", Identity { oid: guid(TOM), ..complete() }, proven(&["c2"]), None),
        ("another tenant", Identity { tid: guid(ELSEWHERE), ..complete() }, proven(&["c2"]), None),
        ("another organization", of(Some(ELSEWHERE)), proven(&["c2"]), None),
        ("no organization before", of(None), proven(&["c2"]), None),
        (
            "no organization",
            of(None),
            Identity { acrs: list(&["c2"]), ..of(None) },
            Some(["c1", "c2"]),
        ),
    ] {
        let clock = Clock::stopped();
        let live = live(&clock, 100);
        let (_, before) = session_of(&live, former);
        clock.shift(60);
        let (_, after) = session_of(&live, now.clone());
        after.adopt_proofs(&before);
        let (acrs, ends) = match expected {
            Some(acrs) => (list(&acrs), before.ends()),
            None => (now.acrs.clone(), clock.now() + 3600),
        };
        assert_eq!(**after.identity(), Identity { acrs, ..now }, "{name}");
        assert_eq!(after.ends(), ends, "{name}");
    }
}

#[test]
fn proofs_of_a_longer_session_do_not_prolong_this_one() {
    let clock = Clock::stopped();
    let live = live(&clock, 100);
    let (_, before) = session_of(&live, complete());
    before.ends.fetch_add(60, std::sync::atomic::Ordering::Relaxed);
    let (_, after) = session_of(&live, Identity { acrs: list(&["c2"]), ..complete() });
    after.adopt_proofs(&before);
    assert_eq!((after.identity().acrs.len(), after.ends()), (2, clock.now() + 3600));
}

#[test]
fn a_session_says_what_it_was_started_with() {
    let clock = Clock::stopped();
    let live = live(&clock, 100);
    let start = clock.now();
    let (_, browser) = session_of(&live, complete());
    let client = live.start_for_client(guid(ELSEWHERE), complete(), None, start + 7200);
    for (session, via, is_by_cookie, sign_in, ends) in [
        (&browser, Via::Browser, true, None, start + 3600),
        (&client, Via::Client(guid(ELSEWHERE)), false, Some(guid(ELSEWHERE)), start + 7200),
    ] {
        assert_eq!(session.via(), via);
        assert_eq!((via.is_by_cookie(), via.client_sign_in()), (is_by_cookie, sign_in));
        assert_eq!(session.user(), MAYA);
        assert_eq!(
            (session.started_at(), session.ends(), session.last_seen()),
            (start, ends, start)
        );
        assert_eq!(session.sid().len(), 22, "16 bytes in base64url");
        assert_eq!(session.sid(), session.sid());
        assert!(!session.is_over() && !session.is_reauthenticated());
        assert_eq!(session.answered(), None);
    }
    assert_ne!(browser.sid(), client.sid());
}

#[test]
fn the_outcome_of_the_sign_in_is_recorded_once() {
    let (_, session) = session_of(&live(&Clock::system(), 100), complete());
    session.answers("first".into());
    session.answers("second".into());
    assert_eq!(session.answered(), Some("first"));
    session.set_reauthenticated();
    assert!(session.is_reauthenticated());
}

#[test]
fn attached_data_is_replaced_and_dropped() {
    let (_, session) = session_of(&live(&Clock::system(), 100), complete());
    let attached = || {
        let attached = session.attached();
        attached.as_ref().and_then(|it| it.downcast_ref::<u32>().copied())
    };
    assert_eq!(attached(), None);
    for number in [1_u32, 2] {
        session.attach(Arc::new(Box::new(number)));
        assert_eq!(attached(), Some(number));
    }
    session.detach();
    assert_eq!(attached(), None);
}

#[test]
fn a_recheck_is_claimed_by_one_caller_until_it_drops_the_claim() {
    let (_, session) = session_of(&live(&Clock::system(), 100), complete());
    let claim = session.claim();
    assert!(claim.is_some() && session.claim().is_none());
    drop(claim);
    assert!(session.claim().is_some());
}

#[test]
fn dependents_are_canceled_when_the_session_ends_and_after_it_has_ended() {
    let live = live(&Clock::system(), 100);
    let (id, session) = session_of(&live, complete());
    let before = session.ended();
    assert!(!before.is_cancelled());
    live.end(id.expose()).unwrap();
    assert!(session.is_over() && before.is_cancelled() && session.ended().is_cancelled());
    let (id, session) = session_of(&live, complete());
    live.end(id.expose()).unwrap();
    assert!(session.ended().is_cancelled(), "the first dependent comes after the end");
}
