//! Matching of accounts from Entra with people, rule by rule.

use super::*;
use crate::directory::admin::{ActionError, AdminScope};
use crate::directory::change::OrganizationChange;
use crate::directory::first_sign_in::PersonMatch;
use crate::directory::link_request::{LinkDecision, LinkRequest, WaitReason};
use crate::directory::organization::OrganizationState;

fn guest(it: Identity) -> Identity {
    Identity { guest: true, member_upn: None, ..it }
}

fn with_email(it: Identity, email: &str, verified: bool) -> Identity {
    Identity { email: Some(email.into()), email_verified: verified, ..it }
}

fn with_roles(it: Identity, roles: &[&str]) -> Identity {
    Identity { roles: roles.iter().collect(), ..it }
}

#[tokio::test]
async fn whoever_is_not_known_is_made_once_with_the_default_role_and_found_again() {
    on_both(async |fixture: DatabaseFixture| {
        let directory = fixture.open().await;
        let contoso = organization(&directory, "contoso", CONTOSO, &["contoso.com"]).await;
        let maya =
            directory.admit_identity(&who(CONTOSO, 1, "Maya@contoso.com"), &contoso).await.unwrap();
        assert_eq!(
            (maya.username.as_str(), maya.role.as_str(), maya.name.as_deref()),
            ("maya@contoso.com", "worker", Some("Maya Okafor"))
        );
        assert!(maya.last_sign_in.is_some() && maya.on && maya.linked.is_some());
        // Renamed at Entra: the same person, with the previous username.
        let again = directory
            .admit_identity(&who(CONTOSO, 1, "maya.adler@contoso.com"), &contoso)
            .await
            .unwrap();
        assert_eq!((again.id, again.username.as_str()), (maya.id, "maya@contoso.com"));
        assert_eq!(directory.count(contoso.id).await.unwrap(), 1);
    })
    .await;
}

/// What a first sign-in leads to.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    /// Signed in as this person, who was added beforehand.
    Linked(Guid),
    /// Signed in as somebody new.
    New,
    Waits(WaitReason),
    NotKnown,
    Off,
    Denied,
}

async fn comes(
    directory: &Directory,
    who: &Identity,
    organization: &Organization,
    typed: Option<&str>,
) -> Outcome {
    match directory.admit_account(who, organization, typed).await {
        Ok(it) if it.person_match == PersonMatch::Made => Outcome::New,
        Ok(it) => Outcome::Linked(it.person.id),
        Err(MembershipRefusal::Waits(why)) => Outcome::Waits(why),
        Err(MembershipRefusal::Unknown) => Outcome::NotKnown,
        Err(MembershipRefusal::PersonOff) => Outcome::Off,
        Err(MembershipRefusal::Denied) => Outcome::Denied,
        Err(other) => panic!("{other:?}"),
    }
}

fn without_upn(it: Identity) -> Identity {
    Identity { member_upn: None, ..it }
}

#[tokio::test]
async fn the_upn_of_a_member_links_a_person_who_was_added_beforehand_without_any_domain() {
    on_both(async |fixture: DatabaseFixture| {
        let directory = fixture.open().await;
        let contoso = organization(&directory, "contoso", CONTOSO, &[]).await;
        let maya = person(&directory, &contoso, "maya@contoso.com", None).await;
        let jonas = person(&directory, &contoso, "jonas", Some("jonas@contoso.com")).await;
        for (account, person) in [
            (who(CONTOSO, 1, "MAYA@contoso.com"), &maya),
            (who(CONTOSO, 2, "jonas@contoso.com"), &jonas),
        ] {
            assert_eq!(
                comes(&directory, &account, &contoso, None).await,
                Outcome::Linked(person.id)
            );
        }
        // The username that the operator gave stays.
        let jonas = directory.person_by_id(jonas.id).await.unwrap().unwrap();
        assert_eq!((jonas.username.as_str(), jonas.was_linked), ("jonas", true));
        assert_eq!(directory.count(contoso.id).await.unwrap(), 2);
    })
    .await;
}

#[tokio::test]
async fn nobody_takes_a_person_over_by_a_name_or_an_address_that_proves_nothing() {
    on_both(async |fixture: DatabaseFixture| {
        for rule in [FirstSignInRule::Create, FirstSignInRule::Refuse] {
            let directory = fixture.open().await;
            let code = format!("contoso-{rule:?}").to_lowercase();
            let contoso = organization(&directory, &code, CONTOSO, &[]).await;
            let change =
                OrganizationChange { first_sign_in: Some(rule), ..OrganizationChange::default() };
            directory.change_organization(&contoso.code, change, "a story").await.unwrap();
            let upn = format!("maya@{code}.com");
            let maya = person(&directory, &contoso, &upn, Some("maya@partner.example")).await;
            let attempts = [
                // The mail attribute of an account can contain any address.
                (with_email(who(CONTOSO, 1, "x1@contoso.com"), &upn, false), WaitReason::Address),
                (with_email(who(CONTOSO, 2, "x2@contoso.com"), &upn, true), WaitReason::Address),
                // A guest's sign-in name is an address from elsewhere.
                (guest(who(CONTOSO, 3, &upn)), WaitReason::Guest),
                (
                    guest(with_email(who(CONTOSO, 4, "g@x.example"), "maya@partner.example", true)),
                    WaitReason::Guest,
                ),
                // The sign-in name may be an alternate address, equal to the UPN of another person.
                (
                    Identity { member_upn: Some("x5@contoso.com".into()), ..who(CONTOSO, 5, &upn) },
                    WaitReason::Address,
                ),
                // Without the optional claims.
                (without_upn(who(CONTOSO, 6, &upn)), WaitReason::NoUpn),
            ];
            for (attempt, why) in attempts {
                let met = comes(&directory, &attempt, &contoso, None).await;
                assert_eq!(met, Outcome::Waits(why), "{attempt:?}");
            }
            assert_eq!(directory.person_by_id(maya.id).await.unwrap().unwrap().linked, None);
            assert_eq!(directory.count(contoso.id).await.unwrap(), 1);
            let real = who(CONTOSO, 9, &upn);
            assert_eq!(comes(&directory, &real, &contoso, None).await, Outcome::Linked(maya.id));
            // A linked person is never linked to another account, and nobody waits for them.
            assert!(directory.link_requests(None, true).await.unwrap().is_empty());
            let other = comes(&directory, &who(CONTOSO, 10, &upn), &contoso, None).await;
            let expected = match rule {
                FirstSignInRule::Create => Outcome::New,
                FirstSignInRule::Refuse => Outcome::NotKnown,
            };
            assert_eq!(other, expected);
        }
    })
    .await;
}

#[tokio::test]
async fn roles_that_open_the_set_up_page_and_people_who_were_linked_before_wait() {
    on_both(async |fixture: DatabaseFixture| {
        let directory = fixture.open().await;
        let contoso = organization(&directory, "contoso", CONTOSO, &[]).await;
        let admin = person(&directory, &contoso, "admin@contoso.com", None).await;
        let role = PersonChange { role: Some("admin".to_owned()), ..PersonChange::default() };
        directory.change_person(&admin.username, role, "a story").await.unwrap();
        let account = who(CONTOSO, 1, "admin@contoso.com");
        assert_eq!(
            comes(&directory, &account, &contoso, None).await,
            Outcome::Waits(WaitReason::Role)
        );
        // Somebody who was linked: neither the same account nor another one of that name is linked
        // again by itself, and nobody is created beside.
        let tom = person(&directory, &contoso, "tom@contoso.com", None).await;
        let before = who(CONTOSO, 2, "tom@contoso.com");
        assert_eq!(comes(&directory, &before, &contoso, None).await, Outcome::Linked(tom.id));
        let unlink = PersonChange { unlink: true, ..PersonChange::default() };
        directory.change_person(&tom.username, unlink, "a story").await.unwrap();
        for again in [before, who(CONTOSO, 3, "tom@contoso.com"), who(CONTOSO, 2, "tim@x.example")]
        {
            assert_eq!(
                comes(&directory, &again, &contoso, None).await,
                Outcome::Waits(WaitReason::Former),
                "{again:?}"
            );
        }
        // Another role: the account that waited is linked, and its request is over.
        let role = PersonChange { role: Some("worker".to_owned()), ..PersonChange::default() };
        directory.change_person(&admin.username, role, "a story").await.unwrap();
        assert_eq!(comes(&directory, &account, &contoso, None).await, Outcome::Linked(admin.id));
        let waiting = directory.link_requests(Some(contoso.id), false).await.unwrap();
        assert!(waiting.iter().all(|it| it.person.id == tom.id), "{waiting:?}");
        assert_eq!(directory.count(contoso.id).await.unwrap(), 2);
    })
    .await;
}

#[tokio::test]
async fn two_whom_an_account_matches_are_not_linked_and_the_upn_outweighs_other_addresses() {
    on_both(async |fixture: DatabaseFixture| {
        let directory = fixture.open().await;
        let contoso = organization(&directory, "contoso", CONTOSO, &[]).await;
        person(&directory, &contoso, "desk-one", Some("desk@contoso.com")).await;
        person(&directory, &contoso, "desk-two", Some("desk@contoso.com")).await;
        person(&directory, &contoso, "nora@contoso.com", None).await;
        person(&directory, &contoso, "nora-b", Some("nora@contoso.com")).await;
        for account in [
            who(CONTOSO, 1, "desk@contoso.com"),
            with_email(who(CONTOSO, 2, "x@contoso.com"), "desk@contoso.com", true),
            who(CONTOSO, 3, "nora@contoso.com"),
        ] {
            assert_eq!(
                comes(&directory, &account, &contoso, None).await,
                Outcome::Waits(WaitReason::Ambiguous),
                "{account:?}"
            );
        }
        let info = person(&directory, &contoso, "info@contoso.com", None).await;
        let lena = person(&directory, &contoso, "lena@contoso.com", None).await;
        let account = with_email(who(CONTOSO, 4, "lena@contoso.com"), "info@contoso.com", true);
        assert_eq!(
            comes(&directory, &account, &contoso, Some("info@contoso.com")).await,
            Outcome::Linked(lena.id)
        );
        assert_eq!(directory.person_by_id(info.id).await.unwrap().unwrap().linked, None);
    })
    .await;
}

#[tokio::test]
async fn a_typed_username_leads_to_a_request_and_a_likeness_to_a_list() {
    on_both(async |fixture: DatabaseFixture| {
        let directory = fixture.open().await;
        let contoso = organization(&directory, "contoso", CONTOSO, &[]).await;
        let typed = person(&directory, &contoso, "maya", None).await;
        let account = who(CONTOSO, 1, "maya.okafor@contoso.com");
        assert_eq!(
            comes(&directory, &account, &contoso, Some("Maya")).await,
            Outcome::Waits(WaitReason::Typed)
        );
        // It waits, whatever is typed the next time.
        assert_eq!(
            comes(&directory, &account, &contoso, None).await,
            Outcome::Waits(WaitReason::Typed)
        );
        let [request] = &directory.link_requests(None, false).await.unwrap()[..] else { panic!() };
        assert_eq!(
            (request.person.id, request.typed.as_deref(), request.upn.as_deref(), request.guest),
            (typed.id, Some("maya"), Some("maya.okafor@contoso.com"), false)
        );
        let alike = [
            (who(CONTOSO, 2, "zoe@contoso.com"), "zoe@partner.example", None),
            (who(CONTOSO, 3, "t.becker@contoso.com"), "tom.becker", Some("Tom Becker")),
            (who(CONTOSO, 4, "ines.d@contoso.com"), "inesd", None),
        ];
        for (account, username, named) in alike {
            let name = named.map(Into::into);
            let account = Identity { name, ..account };
            let added = person(&directory, &contoso, username, None).await;
            let made = directory.admit_account(&account, &contoso, None).await.unwrap();
            assert_eq!(made.person_match, PersonMatch::Made, "{username}");
            assert_eq!(made.alike.iter().map(|it| it.id).collect::<Vec<_>>(), [added.id]);
            assert_eq!(directory.twins(&added).await.unwrap()[0].id, made.person.id);
            assert_eq!(directory.twins(&made.person).await.unwrap()[0].id, added.id);
        }
        // One who is switched off does not come back as somebody else.
        let off = person(&directory, &contoso, "olga@old.example", None).await;
        let change = PersonChange { on: Some(false), ..PersonChange::default() };
        directory.change_person(&off.username, change, "a story").await.unwrap();
        assert_eq!(
            comes(&directory, &who(CONTOSO, 5, "olga@contoso.com"), &contoso, None).await,
            Outcome::Waits(WaitReason::Alike)
        );
    })
    .await;
}

#[tokio::test]
async fn where_unknown_people_are_refused_both_an_exact_match_and_a_likeness_wait() {
    on_both(async |fixture: DatabaseFixture| {
        let directory = fixture.open().await;
        let contoso = organization(&directory, "contoso", CONTOSO, &["contoso.com"]).await;
        let refuse = OrganizationChange {
            first_sign_in: Some(FirstSignInRule::Refuse),
            ..OrganizationChange::default()
        };
        directory.change_organization(&contoso.code, refuse, "a story").await.unwrap();
        person(&directory, &contoso, "maya@contoso.com", None).await;
        person(&directory, &contoso, "lena", None).await;
        for (account, typed, expected) in [
            (
                without_upn(who(CONTOSO, 1, "maya@contoso.com")),
                None,
                Outcome::Waits(WaitReason::NoUpn),
            ),
            (who(CONTOSO, 2, "maya@elsewhere.example"), None, Outcome::Waits(WaitReason::Alike)),
            (who(CONTOSO, 3, "l@contoso.com"), Some("lena"), Outcome::Waits(WaitReason::Typed)),
            // The answer does not reveal whether there is such a person.
            (who(CONTOSO, 4, "l2@contoso.com"), Some("lenb"), Outcome::Waits(WaitReason::Typed)),
            (
                who(CONTOSO, 5, "l3@contoso.com"),
                Some("tom@contoso.com"),
                Outcome::Waits(WaitReason::Typed),
            ),
            (who(CONTOSO, 6, "frank@contoso.com"), Some("frank@contoso.com"), Outcome::NotKnown),
            (who(CONTOSO, 7, "fritz@contoso.com"), Some("contoso"), Outcome::NotKnown),
            (who(CONTOSO, 8, "fred@contoso.com"), None, Outcome::NotKnown),
        ] {
            let account = Identity { name: None, ..account };
            let met = comes(&directory, &account, &contoso, typed).await;
            assert_eq!(met, expected, "{account:?}");
        }
        assert_eq!(directory.count(contoso.id).await.unwrap(), 2);
        assert_eq!(directory.link_requests(None, false).await.unwrap().len(), 3);
    })
    .await;
}

#[tokio::test]
async fn requests_are_bounded_for_each_account_and_person_and_end_after_two_weeks() {
    on_both(async |fixture: DatabaseFixture| {
        let fixture = DatabaseFixture { clock: Clock::stopped(), ..fixture };
        let directory = fixture.open().await;
        let contoso = organization(&directory, "contoso", CONTOSO, &[]).await;
        person(&directory, &contoso, "maya@contoso.com", None).await;
        person(&directory, &contoso, "other@contoso.com", None).await;
        let attempts = (1..20_u8).chain(1..20);
        for number in attempts {
            let account = guest(who(CONTOSO, number, "maya@contoso.com"));
            assert_eq!(
                comes(&directory, &account, &contoso, None).await,
                Outcome::Waits(WaitReason::Guest)
            );
        }
        let requests = directory.link_requests(None, false).await.unwrap();
        assert_eq!(requests.len(), 5);
        let written = directory.history(contoso.id, None, 1000).await.unwrap();
        assert_eq!(written.iter().filter(|it| it.what.contains("approval needed")).count(), 5);
        // One open request for each account, also where it comes for somebody else.
        let other = guest(who(CONTOSO, 1, "other@contoso.com"));
        comes(&directory, &other, &contoso, None).await;
        assert_eq!(directory.link_requests(None, false).await.unwrap(), requests);
        fixture.clock.shift(14 * 86_400 + 1);
        assert!(directory.link_requests(None, true).await.unwrap().is_empty());
        let late = AdminScope { organization: contoso.id, person: None, by: "operator".to_owned() };
        let late = directory.decide(&late, requests[0].id, LinkDecision::Link, None).await;
        assert!(matches!(late, Err(ActionError::Nobody)), "{late:?}");
        comes(&directory, &other, &contoso, None).await;
        let [request] = &directory.link_requests(None, false).await.unwrap()[..] else { panic!() };
        assert_eq!(request.person.username.as_str(), "other@contoso.com");
    })
    .await;
}

#[tokio::test]
async fn two_first_sign_ins_at_once_link_one_account() {
    on_both(async |fixture: DatabaseFixture| {
        let directory = fixture.open().await;
        let contoso = organization(&directory, "contoso", CONTOSO, &[]).await;
        for round in 0..10_u8 {
            let upn = format!("maya{round}@contoso.com");
            let added = person(&directory, &contoso, &upn, None).await;
            // A name that was just given to another account of the tenant.
            let (one, two) =
                (who(CONTOSO, 10 + round * 2, &upn), who(CONTOSO, 11 + round * 2, &upn));
            let (first, second) = tokio::join!(
                comes(&directory, &one, &contoso, None),
                comes(&directory, &two, &contoso, None)
            );
            let both = [first, second];
            assert!(both.contains(&Outcome::Linked(added.id)), "{both:?}");
            assert!(both.contains(&Outcome::New), "{both:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn another_tenant_is_refused_whatever_was_typed() {
    on_both(async |fixture: DatabaseFixture| {
        let directory = fixture.open().await;
        let contoso = organization(&directory, "contoso", CONTOSO, &["contoso.com"]).await;
        let maya =
            directory.admit_identity(&who(CONTOSO, 1, "maya@contoso.com"), &contoso).await.unwrap();
        // The same object ID and name, from a tenant that verified nothing.
        let refused = directory
            .admit_identity(
                &with_email(who(FABRIKAM, 1, "maya@contoso.com"), "maya@contoso.com", true),
                &contoso,
            )
            .await;
        assert!(matches!(refused, Err(MembershipRefusal::OtherTenant)), "{refused:?}");
        assert_eq!(directory.person_by_id(maya.id).await.unwrap().unwrap(), maya);
    })
    .await;
}

#[tokio::test]
async fn organizations_of_one_tenant_have_people_of_their_own() {
    on_both(async |fixture: DatabaseFixture| {
        let directory = fixture.open().await;
        let north = organization(&directory, "north", CONTOSO, &["contoso.com"]).await;
        let south = organization(&directory, "south", CONTOSO, &[]).await;
        let known = person(&directory, &north, "maya@contoso.com", None).await;
        let maya = with_email(who(CONTOSO, 1, "maya@contoso.com"), "maya@contoso.com", true);
        let at_south = directory.admit_identity(&maya, &south).await.unwrap();
        assert_ne!(at_south.id, known.id, "people of another organization are never linked");
        assert!(
            !at_south.username.as_str().contains('@'),
            "another's bound domain is never used: {}",
            at_south.username
        );
        assert_eq!(at_south.email, None, "nor as an address");
        let at_north = directory.admit_identity(&maya, &north).await.unwrap();
        assert_eq!(at_north.id, known.id);
        assert_eq!(directory.admit_identity(&maya, &south).await.unwrap().id, at_south.id);
    })
    .await;
}

#[tokio::test]
async fn a_username_that_is_taken_or_cannot_be_one_gives_way_to_a_free_one() {
    on_both(async |fixture: DatabaseFixture| {
        let directory = fixture.open().await;
        let contoso = organization(&directory, "contoso", CONTOSO, &[]).await;
        let fabrikam = organization(&directory, "fabrikam", FABRIKAM, &[]).await;
        person(&directory, &fabrikam, "maya@shared.example", None).await;
        for (number, upn) in [
            "maya@shared.example",
            "maya@shared.example",
            "m\u{430}ya@shared.example",
            "fabrikam",
            "\u{202e}x",
            "",
        ]
        .into_iter()
        .enumerate()
        {
            let made = directory
                .admit_identity(&who(CONTOSO, u8::try_from(number).unwrap() + 1, upn), &contoso)
                .await
                .unwrap();
            assert!(
                !["maya@shared.example", "fabrikam"].contains(&made.username.as_str()),
                "{upn}"
            );
            assert!(made.username.as_str().is_ascii(), "{}", made.username);
        }
        assert_eq!(
            (
                directory.count(contoso.id).await.unwrap(),
                directory.count(fabrikam.id).await.unwrap()
            ),
            (6, 1)
        );
    })
    .await;
}

#[tokio::test]
async fn whoever_is_switched_off_is_refused_and_so_is_a_switched_off_organization() {
    on_both(async |fixture: DatabaseFixture| {
        let directory = fixture.open().await;
        let contoso = organization(&directory, "contoso", CONTOSO, &["contoso.com"]).await;
        let maya =
            directory.admit_identity(&who(CONTOSO, 1, "maya@contoso.com"), &contoso).await.unwrap();
        let jonas = person(&directory, &contoso, "jonas@contoso.com", None).await;
        assert!(directory.person_status(maya.id).await.unwrap().unwrap().on);
        for username in [&maya.username, &jonas.username] {
            directory
                .change_person(
                    username,
                    PersonChange { on: Some(false), ..PersonChange::default() },
                    "a story",
                )
                .await
                .unwrap();
        }
        assert!(!directory.person_status(maya.id).await.unwrap().unwrap().on);
        for it in [who(CONTOSO, 1, "maya@contoso.com"), who(CONTOSO, 2, "jonas@contoso.com")] {
            assert!(matches!(
                directory.admit_identity(&it, &contoso).await,
                Err(MembershipRefusal::PersonOff)
            ));
        }
        assert_eq!(directory.count(contoso.id).await.unwrap(), 2, "nobody is made in their place");
        directory
            .change_person(
                &maya.username,
                PersonChange { on: Some(true), ..PersonChange::default() },
                "a story",
            )
            .await
            .unwrap();
        let off = OrganizationChange { state: Some(OrganizationState::Off), ..Default::default() };
        directory.change_organization(&contoso.code, off, "a story").await.unwrap();
        assert!(matches!(
            directory.admit_identity(&who(CONTOSO, 1, "maya@contoso.com"), &contoso).await,
            Err(MembershipRefusal::OrganizationOff)
        ));
        assert!(!directory.person_status(maya.id).await.unwrap().unwrap().on);
        assert_eq!(directory.person_status(Guid::from_random([9; 16])).await.unwrap(), None);
    })
    .await;
}

#[tokio::test]
async fn first_sign_in_can_be_refused_and_guests_too() {
    on_both(async |fixture: DatabaseFixture| {
        let directory = fixture.open().await;
        let contoso = organization(&directory, "contoso", CONTOSO, &["contoso.com"]).await;
        let jonas = person(&directory, &contoso, "jonas@contoso.com", None).await;
        let change = OrganizationChange {
            first_sign_in: Some(FirstSignInRule::Refuse),
            guests: Some(false),
            ..Default::default()
        };
        directory.change_organization(&contoso.code, change, "a story").await.unwrap();
        assert!(matches!(
            directory.admit_identity(&who(CONTOSO, 1, "maya@contoso.com"), &contoso).await,
            Err(MembershipRefusal::Unknown)
        ));
        assert!(matches!(
            directory.admit_identity(&guest(who(CONTOSO, 2, "g@x.example")), &contoso).await,
            Err(MembershipRefusal::Guest)
        ));
        assert_eq!(
            directory
                .admit_identity(&who(CONTOSO, 3, "jonas@contoso.com"), &contoso)
                .await
                .unwrap()
                .id,
            jonas.id,
            "who is known comes in"
        );
    })
    .await;
}

#[tokio::test]
async fn a_role_from_entra_goes_with_it_and_one_set_by_hand_stays() {
    on_both(async |fixture: DatabaseFixture| {
        let directory = fixture.open().await;
        let contoso = organization(&directory, "contoso", CONTOSO, &[]).await;
        let role = async |roles: &[&str]| {
            let maya = directory
                .admit_identity(&with_roles(who(CONTOSO, 1, "maya@contoso.com"), roles), &contoso)
                .await
                .unwrap();
            assert_eq!(directory.person_status(maya.id).await.unwrap().unwrap().role, maya.role);
            maya.role
        };
        assert_eq!(role(&[]).await, "worker");
        assert_eq!(role(&["Fleet.Admin", "Other"]).await, "admin");
        assert_eq!(
            role(&["Fleet.Admin", "Fleet.Owner"]).await,
            "owner",
            "the first of [directory] roles"
        );
        assert_eq!(role(&["Other"]).await, "worker", "no mapping holds any more");
        let by_hand = PersonChange { role: Some("admin".to_owned()), ..PersonChange::default() };
        directory.change_person(&name("maya@contoso.com"), by_hand, "a story").await.unwrap();
        assert_eq!(role(&["Fleet.Owner"]).await, "admin");
        assert_eq!(role(&[]).await, "admin");
        let by_entra = PersonChange { role_by_entra: true, ..PersonChange::default() };
        directory.change_person(&name("maya@contoso.com"), by_entra, "a story").await.unwrap();
        assert_eq!(role(&["Fleet.Owner"]).await, "owner");
    })
    .await;
}

#[tokio::test]
async fn a_person_who_was_unlinked_is_linked_by_an_approval_and_keeps_the_id() {
    on_both(async |fixture: DatabaseFixture| {
        let directory = fixture.open().await;
        let contoso = organization(&directory, "contoso", CONTOSO, &["contoso.com"]).await;
        let maya =
            directory.admit_identity(&who(CONTOSO, 1, "maya@contoso.com"), &contoso).await.unwrap();
        let unlink = PersonChange { unlink: true, ..PersonChange::default() };
        directory.change_person(&maya.username, unlink, "a story").await.unwrap();
        let again = who(CONTOSO, 2, "maya@contoso.com");
        comes(&directory, &again, &contoso, None).await;
        let [request] = &directory.link_requests(None, false).await.unwrap()[..] else { panic!() };
        let by = AdminScope { organization: contoso.id, person: None, by: "operator".to_owned() };
        directory.decide(&by, request.id, LinkDecision::Link, Some(&request.mark())).await.unwrap();
        let linked = directory.admit_identity(&again, &contoso).await.unwrap();
        assert_eq!(linked.id, maya.id);
        assert_ne!(linked.linked, maya.linked);
        // The account before is not the person any more.
        let before = directory.admit_identity(&who(CONTOSO, 1, "maya@contoso.com"), &contoso).await;
        assert_ne!(before.unwrap().id, maya.id);
    })
    .await;
}

#[tokio::test]
async fn who_decides_is_above_the_person_and_sees_what_is_decided() {
    on_both(async |fixture: DatabaseFixture| {
        let directory = fixture.open().await;
        let contoso = organization(&directory, "contoso", CONTOSO, &[]).await;
        let fabrikam = organization(&directory, "fabrikam", FABRIKAM, &[]).await;
        let staff = async |number: u8, role: &str| {
            let name = format!("{role}{number}@contoso.com");
            let added =
                directory.admit_identity(&who(CONTOSO, number, &name), &contoso).await.unwrap();
            let role = PersonChange { role: Some(role.to_owned()), ..PersonChange::default() };
            directory.change_person(&added.username, role, "a story").await.unwrap()
        };
        let scope = |person: Option<Guid>, by: &str| AdminScope {
            organization: contoso.id,
            person,
            by: by.to_owned(),
        };
        let (admin, worker) = (staff(1, "admin").await, staff(2, "worker").await);
        let owner = person(&directory, &contoso, "owner@contoso.com", None).await;
        let role = PersonChange { role: Some("owner".to_owned()), ..PersonChange::default() };
        directory.change_person(&owner.username, role, "a story").await.unwrap();
        let maya = person(&directory, &contoso, "maya", None).await;
        let asks = async |number: u8, typed: &str| {
            let account = who(CONTOSO, number, &format!("x{number}@contoso.com"));
            comes(&directory, &Identity { name: None, ..account }, &contoso, Some(typed)).await;
            let all = directory.link_requests(Some(contoso.id), false).await.unwrap();
            all.into_iter().find(|it| it.account.1 == Guid::from_random([number; 16])).unwrap()
        };
        let account = without_upn(who(CONTOSO, 20, "owner@contoso.com"));
        comes(&directory, &account, &contoso, None).await;
        let for_owner = directory.link_requests(None, false).await.unwrap().remove(0);
        let for_maya = asks(21, "maya").await;
        let decide = async |by: &AdminScope, request: &LinkRequest, decision: LinkDecision| {
            directory.decide(by, request.id, decision, Some(&request.mark())).await
        };
        let (link, deny) = (LinkDecision::Link, LinkDecision::Deny);
        for (by, request) in [
            (scope(Some(admin.id), "person a"), &for_owner),
            (scope(Some(worker.id), "person w"), &for_maya),
            (scope(Some(maya.id), "person m"), &for_maya),
            // A set-up link proves nothing about the company's people.
            (scope(None, "invitation 1"), &for_maya),
            // Another organization's request is none.
            (AdminScope { organization: fabrikam.id, ..scope(None, "operator") }, &for_maya),
        ] {
            for decision in [link, deny, LinkDecision::Separate] {
                let refused = decide(&by, request, decision).await;
                assert!(refused.is_err(), "{by:?} {refused:?}");
            }
        }
        // The person changed after the admin saw the request.
        let by = scope(Some(admin.id), "person a");
        let more = PersonChange { email: Some("m@contoso.com".to_owned()), ..Default::default() };
        directory.change_person(&maya.username, more, "a story").await.unwrap();
        let stale = decide(&by, &for_maya, link).await;
        assert!(matches!(stale, Err(ActionError::Directory(Error::Conflict))), "{stale:?}");
        let for_maya = asks(21, "maya").await;
        assert_eq!(decide(&by, &for_maya, link).await.unwrap().id, maya.id);
        assert!(decide(&by, &for_maya, link).await.is_err(), "a decision is made once");
        // Denied: the pair cannot ask again, and another account can.
        let account = Identity { name: None, ..who(CONTOSO, 22, "x22@contoso.com") };
        person(&directory, &contoso, "lena", None).await;
        let for_lena = asks(22, "lena").await;
        decide(&by, &for_lena, deny).await.unwrap();
        for typed in [Some("lena"), None] {
            assert_eq!(comes(&directory, &account, &contoso, typed).await, Outcome::Denied);
        }
        // Somebody else of the same name: comes in as another person.
        let for_lena = asks(23, "lena").await;
        decide(&by, &for_lena, LinkDecision::Separate).await.unwrap();
        let account = Identity { name: None, ..who(CONTOSO, 23, "x23@contoso.com") };
        assert_eq!(comes(&directory, &account, &contoso, Some("lena")).await, Outcome::New);
        let history = directory.history(contoso.id, None, 1000).await.unwrap();
        for what in ["approved", "denied", "another person"] {
            assert!(history.iter().any(|it| it.by == "person a" && it.what.contains(what)));
        }
    })
    .await;
}
