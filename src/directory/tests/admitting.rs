//! Who is found, created or refused at a sign-in.

use super::accounts::{guest, with_email, with_roles};
use super::*;
use crate::directory::change::OrganizationChange;
use crate::directory::organization::OrganizationState;

#[tokio::test]
async fn an_unknown_account_makes_one_person_with_the_default_role_who_is_found_again() {
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
async fn a_person_or_an_organization_that_is_switched_off_is_refused() {
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
