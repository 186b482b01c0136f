//! What a test sign-in would make of an account, and links that come with a role.

use super::*;
use crate::directory::change::{ChangeOrigin, OrganizationChange};
use crate::directory::first_sign_in::{AccountMatch, PersonMatch};
use crate::directory::organization::OrganizationState;
use crate::directory::trial::PassedTrial;

#[tokio::test]
async fn a_preview_says_what_a_sign_in_would_make_and_changes_nothing() {
    on_both(async |fixture: DatabaseFixture| {
        let directory = fixture.open().await;
        let contoso = organization(&directory, "contoso", CONTOSO, &["contoso.com"]).await;
        let off = OrganizationChange {
            state: Some(OrganizationState::Off),
            ..OrganizationChange::default()
        };
        let maya = person(&directory, &contoso, "maya@contoso.com", None).await;
        let tom =
            directory.admit_identity(&who(CONTOSO, 7, "tom@contoso.com"), &contoso).await.unwrap();
        directory.change_organization(&contoso.code, off, "a story").await.unwrap();
        let history = directory.history(contoso.id, None, 100).await.unwrap().len();
        let preview = async |it: Identity| directory.preview_identity(&it, &contoso).await;
        let person_of = |it: AccountMatch| match it {
            AccountMatch::Person(how, person, _) => (how, *person),
            AccountMatch::Waits(..) => panic!("{it:?}"),
        };
        let (how, made) = preview(Identity {
            roles: ["Fleet.Owner"].iter().collect(),
            ..who(CONTOSO, 1, "new@contoso.com")
        })
        .await
        .map(person_of)
        .unwrap();
        assert_eq!(
            (how, made.username.as_str(), made.role.as_str()),
            (PersonMatch::Made, "new@contoso.com", "owner")
        );
        let linked = preview(who(CONTOSO, 2, "Maya@contoso.com")).await.map(person_of).unwrap();
        assert_eq!((linked.0, linked.1.id), (PersonMatch::Linked, maya.id));
        let known = preview(who(CONTOSO, 7, "tom@contoso.com")).await.map(person_of).unwrap();
        assert_eq!((known.0, known.1.id), (PersonMatch::Known, tom.id));
        assert!(matches!(
            preview(who(FABRIKAM, 1, "frida@fabrikam.com")).await,
            Err(MembershipRefusal::OtherTenant)
        ));
        // Unchanged.
        assert_eq!(directory.count(contoso.id).await.unwrap(), 2);
        assert_eq!(directory.person_by_id(maya.id).await.unwrap().unwrap(), maya);
        assert_eq!(directory.person_by_id(tom.id).await.unwrap().unwrap(), tom);
        assert_eq!(directory.history(contoso.id, None, 100).await.unwrap().len(), history);
    })
    .await;
}

#[tokio::test]
async fn a_preview_and_an_offer_wait_for_no_writer() {
    on_both(async |fixture: DatabaseFixture| {
        let directory = fixture.open().await;
        let contoso = organization(&directory, "contoso", CONTOSO, &[]).await;
        let link = directory.invite_as(&contoso.code, Some("admin"), "a story").await.unwrap();
        let visit = directory.accept(&link.token).await.unwrap().id;
        let mark = directory.connection_mark(&contoso).await.unwrap();
        let account = who(CONTOSO, 1, "maya@contoso.com");
        let trial = PassedTrial {
            mark: mark.as_deref(),
            by: "a story",
            who: &account,
            invitation: Some(visit),
        };
        directory.note_trial(&contoso, &trial).await.unwrap();
        assert!(
            directory.organization_by_id(contoso.id).await.unwrap().unwrap().upn_seen.is_some()
        );
        let mut writing = directory.database.begin_transaction().await.unwrap();
        writing.lock(contoso.id).await.unwrap();
        let reads = async {
            (
                directory.preview_identity(&account, &contoso).await.unwrap(),
                directory.first_admin_offer(visit).await.unwrap(),
            )
        };
        let limit = std::time::Duration::from_secs(3);
        let (met, offer) = tokio::time::timeout(limit, reads).await.expect("it waits for a writer");
        assert!(matches!(met, AccountMatch::Person(PersonMatch::Made, ..)), "{met:?}");
        assert_eq!(offer.unwrap().account.1, account.oid);
        drop(writing);
        assert_eq!(directory.count(contoso.id).await.unwrap(), 0);
    })
    .await;
}

#[tokio::test]
async fn a_link_with_a_role_is_not_made_where_its_holder_could_not_take_it() {
    on_both(async |fixture: DatabaseFixture| {
        let directory = fixture.open().await;
        let contoso = organization(&directory, "contoso", CONTOSO, &[]).await;
        let invites = async || directory.invite_as(&contoso.code, Some("admin"), "a story").await;
        // Somebody who was added and never signed in does not have it yet.
        let admin = PersonChange { role: Some("admin".to_owned()), ..PersonChange::default() };
        let added = person(&directory, &contoso, "nora", None).await;
        directory.change_person(&added.username, admin, "a story").await.unwrap();
        let first = invites().await.unwrap();
        let link =
            PersonChange { link: Some(Guid::from_random([7; 16])), ..PersonChange::default() };
        directory.change_person(&added.username, link, "a story").await.unwrap();
        let refused = invites().await;
        assert!(matches!(refused, Err(Error::RoleTaken(..))), "{refused:?}");
        // The link before stays as it was, and one without a role is made.
        assert!(directory.accept(&first.token).await.is_ok());
        directory.invite(&contoso.code, "a story").await.unwrap();
        let unlink = PersonChange { unlink: true, ..PersonChange::default() };
        directory.change_person(&added.username, unlink, "a story").await.unwrap();
        let moves = OrganizationChange {
            origin: ChangeOrigin::Invited,
            tenant: Guid::parse(FABRIKAM),
            ..OrganizationChange::default()
        };
        directory.change_organization(&contoso.code, moves, "invitation 1").await.unwrap();
        let refused = invites().await;
        assert!(matches!(refused, Err(Error::LinkingPaused(_))), "{refused:?}");
        let resume = OrganizationChange { resume_linking: true, ..OrganizationChange::default() };
        directory.change_organization(&contoso.code, resume, "a story").await.unwrap();
        invites().await.unwrap();
    })
    .await;
}
