//! Decisions about accounts that wait.

use super::accounts::{Outcome, comes, without_upn};
use super::*;
use crate::directory::admin::{ActionError, AdminScope};
use crate::directory::change::ChangeOrigin;
use crate::directory::link_request::{LinkDecision, LinkRequest};

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
        let by = AdminScope::operator(contoso.id, "operator");
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
        let scope = |origin: ChangeOrigin, by: &str| AdminScope {
            organization: contoso.id,
            origin,
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
            (scope(ChangeOrigin::Admin(admin.id), "person a"), &for_owner),
            (scope(ChangeOrigin::Admin(worker.id), "person w"), &for_maya),
            (scope(ChangeOrigin::Admin(maya.id), "person m"), &for_maya),
            // A set-up link proves nothing about the company's people.
            (scope(ChangeOrigin::Invited, "invitation 1"), &for_maya),
            // Another organization's request is none.
            (AdminScope::operator(fabrikam.id, "operator"), &for_maya),
        ] {
            for decision in [link, deny, LinkDecision::Separate] {
                let refused = decide(&by, request, decision).await;
                assert!(refused.is_err(), "{by:?} {refused:?}");
            }
        }
        // The person changed after the admin saw the request.
        let by = scope(ChangeOrigin::Admin(admin.id), "person a");
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
