//! A record always fits, and loses its parts in their order.

use super::super::fit::{OptionalPart, PARTS_BY_WORTH};
use super::super::seal::MAX_RECORD_CHARS;
use super::*;
use crate::base::identity::{CutLists, DirectoryMember};
use crate::entra::claims_challenge::ClaimsChallenge;

/// A refresh token of this length, as Entra writes it.
fn token(chars: usize) -> String {
    format!("1.{}", "AQAB".repeat(chars / 4 + 1).get(..chars - 2).unwrap())
}

fn text(bytes: usize) -> Box<str> {
    "x".repeat(bytes).into()
}

fn custom(bytes: &[usize]) -> Box<[(String, String)]> {
    bytes.iter().enumerate().map(|(at, it)| (format!("claim{at}"), "y".repeat(*it))).collect()
}

fn long_roles(count: usize) -> StringList {
    (0..count).map(|it| format!("Role.{it}.{}", "r".repeat(110))).collect()
}

/// What makes a session larger.
type Growth = dyn Fn(&mut Identity);

/// Which parts of `before` the session of another process lacks.
fn missing(before: &Identity, token: Option<&str>, after: &Session) -> Vec<OptionalPart> {
    let who = after.identity();
    PARTS_BY_WORTH
        .into_iter()
        .filter(|part| match part {
            OptionalPart::LoginHint => who.login_hint != before.login_hint,
            OptionalPart::UnnamedGroups => who.groups != before.groups,
            OptionalPart::Challenge => after.standing().challenge().is_none(),
            OptionalPart::RefreshToken => token_of(after).as_deref() != token,
            OptionalPart::CustomClaims => who.custom != before.custom,
            OptionalPart::Name => who.name != before.name,
            OptionalPart::Email => who.email != before.email,
            OptionalPart::UnnamedRoles => who.roles != before.roles,
        })
        .collect()
}

#[test]
fn a_record_fits_whatever_the_person_has_and_what_stays_is_whole() {
    let clock = Clock::stopped();
    let named = [group(7), "Admin".to_owned()];
    let named: Vec<_> = named.iter().map(String::as_str).collect();
    let (here, there) =
        (Replica::new(&clock, &[SECRET], &named), Replica::new(&clock, &[SECRET], &named));
    let member = DirectoryMember {
        person: Guid::from_random([3; 16]),
        role: "manager".into(),
        organization: Guid::from_random([4; 16]),
        code: "contoso-of-the-north".into(),
    };
    let plain = Identity { acrs: (1..=25).map(|it| format!("c{it}")).collect(), ..maya() };
    let hostile = [
        plain.clone(),
        Identity { name: Some(text(1024)), email: Some(text(1024)), ..plain.clone() },
        Identity { login_hint: Some(text(4096)), ..plain.clone() },
        Identity { groups: groups(0..200), ..plain.clone() },
        Identity { roles: long_roles(50), ..plain.clone() },
        Identity { custom: custom(&[4096, 4096, 200, 4096]), ..plain.clone() },
        Identity {
            name: Some(text(1024)),
            email: Some(text(1024)),
            login_hint: Some(text(4096)),
            groups: groups(0..200),
            roles: ["Admin"]
                .into_iter()
                .map(str::to_owned)
                .chain(long_roles(49).iter().map(str::to_owned))
                .collect(),
            custom: custom(&[4096; 10]),
            ..plain
        },
    ];
    let mut longest = 0;
    for (at, who) in hostile.into_iter().enumerate() {
        for token in [None, Some(token(800)), Some(token(2000)), Some(token(4000))] {
            let who = Identity { member: None, ..who.clone() };
            let (cookies, _) = here.signs_in(who.clone(), token.as_deref());
            let bytes = "__Host-entrada=".len()
                + cookies.id.len()
                + "__Host-entrada-s=".len()
                + cookies.record.len();
            assert!(bytes <= MAX_SESSION_COOKIE_BYTES, "{at}: {bytes}");
            longest = longest.max(bytes);
            let loaded = there.loads(&cookies).unwrap();
            let is_reduced = loaded.identity();
            assert_eq!(is_reduced.preferred_username, who.preferred_username);
            assert_eq!((&is_reduced.acrs, &is_reduced.entra_sid), (&who.acrs, &who.entra_sid));
            let theirs = |it: &Identity, entry: &str| it.roles.contains(entry);
            assert_eq!(theirs(&is_reduced, "Admin"), theirs(&who, "Admin"));
            let in_group = |it: &Identity| it.groups.ids().unwrap().contains(&group(7));
            assert_eq!(in_group(&is_reduced), in_group(&who), "{at}");
        }
    }
    assert!(
        (MAX_SESSION_COOKIE_BYTES - 200..=MAX_SESSION_COOKIE_BYTES).contains(&longest),
        "{longest}"
    );
    // The directory's person is never left out; without a directory here, it is seen in the session
    // itself.
    let who = Identity { name: Some(text(1024)), roles: long_roles(50), ..maya() };
    let user = VerifiedUser::pretended(who);
    let new = NewSession { member: Some(member.clone()), ..user.into() };
    let (id, session) = here.live.prepare(new);
    here.store.save(id, &session);
    assert!(here.record(&session).is_some());
    assert_eq!(session.identity().member.as_deref(), Some(&member));
}

/// Signs in at a process whose rules name `Admin` and a group, and returns what another process has.
fn loaded_elsewhere(who: &Identity, token: &str, challenge_bytes: usize) -> Arc<Session> {
    let clock = Clock::stopped();
    let here = Replica::new(&clock, &[SECRET], &["Admin", &group(1)]);
    let user = VerifiedUser::pretended(who.clone());
    let refresh_token = Some(Secret::new(token));
    let (id, session) = here.live.prepare(NewSession { refresh_token, ..user.into() });
    let challenge = format!("{{\"access_token\":\"{}\"}}", "c".repeat(challenge_bytes));
    session.standing().set_challenge(ClaimsChallenge::of_json(&challenge));
    assert!(session.standing().challenge().is_some());
    let id = here.store.save(id, &session).expose().to_owned();
    let record = here.record(&session).unwrap();
    let there = Replica::new(&clock, &[SECRET], &["admin", &group(1)]);
    there.loads(&BrowserCookies { id, record }).unwrap()
}

#[test]
fn parts_are_left_out_in_their_order() {
    // Each step takes the room of the part that is worth least.
    let mut who = maya();
    let token = token(800);
    let mut expected = Vec::new();
    let steps: [(OptionalPart, &Growth); 8] = [
        (OptionalPart::LoginHint, &|who| {
            who.groups = groups(0..30);
            who.login_hint = Some(text(900));
        }),
        (OptionalPart::UnnamedGroups, &|who| who.name = Some(text(400))),
        (OptionalPart::Challenge, &|who| who.name = Some(text(900))),
        (OptionalPart::RefreshToken, &|who| who.custom = custom(&[700])),
        (OptionalPart::CustomClaims, &|who| {
            who.name = Some(text(1000));
            who.email = Some(text(1000));
        }),
        (OptionalPart::Name, &|who| {
            who.roles = std::iter::once("Admin".to_owned())
                .chain(long_roles(8).iter().map(str::to_owned))
                .collect();
        }),
        (OptionalPart::Email, &|who| {
            who.roles = std::iter::once("Admin".to_owned())
                .chain(long_roles(16).iter().map(str::to_owned))
                .collect();
        }),
        (OptionalPart::UnnamedRoles, &|who| {
            who.roles =
                long_roles(50).iter().map(str::to_owned).chain(["Admin".to_owned()]).collect();
        }),
    ];
    for (part, grow) in steps {
        grow(&mut who);
        expected.push(part);
        let loaded = loaded_elsewhere(&who, &token, 600);
        let mut missing = missing(&who, Some(&token), &loaded);
        // What is worth less may still fit into the room of a larger part.
        missing.retain(|it| expected.contains(it));
        assert!(missing.contains(&part), "{part:?}: {missing:?}");
        let of_more_worth = PARTS_BY_WORTH.into_iter().take_while(|it| *it != part);
        let lost: Vec<_> = of_more_worth.filter(|it| missing.contains(it)).collect();
        assert!(lost.is_empty(), "{part:?} is there, or {lost:?} is not");
        // Rules name them.
        assert!(loaded.identity().roles.contains("Admin"), "{part:?}");
        assert!(loaded.identity().groups.ids().unwrap().contains(&group(1)), "{part:?}");
    }
}

/// A claim that never fits used to leave out the refresh token as well.
#[test]
fn a_part_that_is_too_long_takes_no_other_with_it() {
    let token = token(800);
    let who = Identity { custom: custom(&[10, 4000, 20]), ..maya() };
    let loaded = loaded_elsewhere(&who, &token, 100);
    assert_eq!(missing(&who, Some(&token), &loaded), [OptionalPart::CustomClaims]);
    assert_eq!(*loaded.identity().custom, [who.custom[0].clone(), who.custom[2].clone()]);
}

#[test]
fn every_process_shows_the_app_the_same_and_says_what_is_missing() {
    let clock = Clock::stopped();
    let named = ["0A1B2C3D-0000-4000-8000-000000000003"];
    let here = Replica::new(&clock, &[SECRET], &named);
    let who = Identity { groups: groups(0..200), custom: custom(&[10, 3000, 20]), ..maya() };
    let (cookies, session) = here.signs_in(who, Some(&token(1200)));
    let loaded = Replica::new(&clock, &[SECRET], &named).loads(&cookies).unwrap();
    let (here, there) = (session.identity(), loaded.identity());
    assert_eq!(there.groups, groups([3]), "rules compare groups without case");
    assert_eq!(there.cut, CutLists { groups: true, roles: false });
    assert_eq!(
        there.custom,
        custom(&[10, 0, 20]).iter().filter(|it| it.0 != "claim1").cloned().collect()
    );
    assert_eq!((&here.groups, here.cut, &here.custom), (&there.groups, there.cut, &there.custom));
    assert_eq!((&here.roles, &here.name, &here.email), (&there.roles, &there.name, &there.email));
    // Entra's sign-out needs it, and the app does not see it.
    assert_eq!(here.login_hint, maya().login_hint);
    // Nothing is missing where everything fits.
    let (_, whole) = Replica::new(&clock, &[SECRET], &[]).signs_in(maya(), Some(&token(1200)));
    assert_eq!(**whole.identity(), maya());
}

#[test]
fn groups_that_were_left_out_are_unknown_if_a_rule_names_others_now() {
    let clock = Clock::stopped();
    let names = |number| vec![group(number)];
    let replica = |names: &[String]| {
        Replica::new(&clock, &[SECRET], &names.iter().map(String::as_str).collect::<Vec<_>>())
    };
    let here = replica(&names(3));
    let who = Identity { groups: groups(0..200), ..maya() };
    let (cookies, session) = here.signs_in(who, Some(&token(800)));
    assert_eq!(replica(&names(3)).loads(&cookies).unwrap().identity().groups, groups([3]));
    let loaded = replica(&names(4)).loads(&cookies).unwrap();
    assert_eq!(loaded.identity().groups, PersonGroups::Overage);
    assert!(loaded.standing().is_due(clock.now()), "Entra is asked for them");
    // The same after a reload where it is live.
    assert_eq!(session.identity().groups, groups([3]));
    here.store.use_settings(settings(&[SECRET], &[&group(3)]));
    assert_eq!(session.identity().groups, groups([3]));
    here.store.use_settings(settings(&[SECRET], &[&group(3), &group(4)]));
    assert_eq!(session.identity().groups, PersonGroups::Overage);
    // All are known where nothing was left out.
    let (cookies, _) = replica(&names(3)).signs_in(maya(), Some("token"));
    assert_eq!(replica(&names(4)).loads(&cookies).unwrap().identity().groups, maya().groups);
}

/// Roles cannot be unknown.
#[test]
fn a_session_whose_roles_were_left_out_needs_a_sign_in_if_a_rule_names_others_now() {
    let clock = Clock::stopped();
    let here = Replica::new(&clock, &[SECRET], &[]);
    let who = Identity { roles: long_roles(50), ..maya() };
    let (cookies, session) = here.signs_in(who, None);
    assert!(session.identity().cut.roles && session.identity().roles.len() > 5);
    assert!(Replica::new(&clock, &[SECRET], &[]).loads(&cookies).is_some());
    assert!(Replica::new(&clock, &[SECRET], &["Other"]).loads(&cookies).is_none());
    here.store.use_settings(settings(&[SECRET], &["Other"]));
    assert!(session.is_over() && session.standing().again() == Some(None));
}

#[test]
fn a_session_of_which_not_even_the_necessary_fits_lives_in_its_process_only() {
    let clock = Clock::stopped();
    let all: Vec<_> = (0..200).map(group).collect();
    let all: Vec<_> = all.iter().map(String::as_str).collect();
    let here = Replica::new(&clock, &[SECRET], &all);
    let who = Identity { groups: groups(0..200), ..maya() };
    let user = VerifiedUser::pretended(who.clone());
    let (id, session) = here.live.prepare(user.into());
    let id = here.store.save(id, &session);
    assert_eq!(here.record(&session), None);
    clock.shift(3600);
    assert_eq!(here.record(&session), None, "and it is not tried at every answer");
    clock.shift(-3600);
    assert_eq!(**here.presents(id.expose(), None).unwrap().identity(), who);
    session
        .set_groups_from_graph(
            &crate::entra::graph::GroupMembership::pretended(
                &who,
                [group(1)].into_iter().collect(),
            ),
            clock.now(),
            clock.now() + 60,
        )
        .unwrap();
    here.store.release(&session);
    assert!(here.record(&session).is_some_and(|it| it.len() <= MAX_RECORD_CHARS));
}
