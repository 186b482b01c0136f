//! Which people who were added beforehand an account is linked to, and for whom it waits.

use super::accounts::{Outcome, comes, guest, with_email, without_upn};
use super::*;
use crate::directory::admin::{ActionError, AdminScope};
use crate::directory::change::OrganizationChange;
use crate::directory::first_sign_in::PersonMatch;
use crate::directory::link_request::{LinkDecision, WaitReason};

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
async fn a_name_or_an_address_that_proves_nothing_links_no_account() {
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
            let by = AdminScope::operator(contoso.id, "operator");
            for (attempt, why) in attempts {
                // Room in the queue for the person.
                let waiting = directory.link_requests(Some(contoso.id), false).await.unwrap();
                if let [request, ..] = &waiting[..] {
                    let separate = LinkDecision::Separate;
                    directory.decide(&by, request.id, separate, None).await.unwrap();
                }
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
            Outcome::Waits(WaitReason::LooksAlike)
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
            (
                who(CONTOSO, 2, "maya@elsewhere.example"),
                None,
                Outcome::Waits(WaitReason::LooksAlike),
            ),
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
            let expected =
                if number <= 5 { Outcome::Waits(WaitReason::Guest) } else { Outcome::QueueFull };
            assert_eq!(comes(&directory, &account, &contoso, None).await, expected, "{number}");
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
        let late = AdminScope::operator(contoso.id, "operator");
        let late = directory.decide(&late, requests[0].id, LinkDecision::Link, None).await;
        assert!(matches!(late, Err(ActionError::NoSuchPerson)), "{late:?}");
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
