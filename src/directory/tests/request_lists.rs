//! Lists and numbers of what waits for a decision.

use super::accounts::{Outcome, comes, guest, without_upn};
use super::*;
use crate::directory::admin::{ActionError, AdminScope};
use crate::directory::change::OrganizationChange;
use crate::directory::link_request::{LinkDecision, RequestState, WaitReason};

#[tokio::test]
async fn requests_that_wait_come_first_and_linked_people_are_not_listed() {
    on_both(async |fixture: DatabaseFixture| {
        let fixture = DatabaseFixture { clock: Clock::stopped(), ..fixture };
        let directory = fixture.open().await;
        let contoso = organization(&directory, "contoso", CONTOSO, &[]).await;
        let by = AdminScope::operator(contoso.id, "operator");
        let maya = person(&directory, &contoso, "maya@contoso.com", None).await;
        person(&directory, &contoso, "tom@contoso.com", None).await;
        let asks = async |number: u8, upn: &str| {
            let account = guest(Identity { name: None, ..who(CONTOSO, number, upn) });
            let met = comes(&directory, &account, &contoso, None).await;
            assert_eq!(met, Outcome::Waits(WaitReason::Guest));
            fixture.clock.shift(1);
        };
        asks(1, "maya@contoso.com").await;
        let [first] = &directory.link_requests(None, false).await.unwrap()[..] else { panic!() };
        directory.decide(&by, first.id, LinkDecision::Deny, None).await.unwrap();
        asks(2, "tom@contoso.com").await;
        asks(3, "maya@contoso.com").await;
        let oids = async |organization: Option<Guid>, denied: bool| {
            let all = directory.link_requests(organization, denied).await.unwrap();
            let undecided = all.iter().filter(|it| !matches!(it.state, RequestState::Approved(_)));
            undecided.map(|it| it.account.1).collect::<Vec<_>>()
        };
        let oid = |number: u8| who(CONTOSO, number, "").oid;
        for organization in [None, Some(contoso.id)] {
            assert_eq!(oids(organization, true).await, [oid(2), oid(3), oid(1)]);
            assert_eq!(oids(organization, false).await, [oid(2), oid(3)]);
        }
        assert!(oids(Some(Guid::from_random([9; 16])), true).await.is_empty());
        assert_eq!(directory.waiting_decisions(contoso.id).await.unwrap(), 2);
        // An approval needs the mark.
        let request = directory.link_requests(None, false).await.unwrap().remove(1);
        let unseen = directory.decide(&by, request.id, LinkDecision::Link, None).await;
        assert!(matches!(unseen, Err(ActionError::Directory(Error::Conflict))), "{unseen:?}");
        let mark = request.mark();
        directory.decide(&by, request.id, LinkDecision::Link, Some(&mark)).await.unwrap();
        assert!(directory.person_by_id(maya.id).await.unwrap().unwrap().linked.is_some());
        assert_eq!(oids(None, true).await, [oid(2)]);
        assert_eq!(directory.waiting_decisions(contoso.id).await.unwrap(), 1);
    })
    .await;
}

#[tokio::test]
async fn a_full_queue_takes_no_further_account_until_one_is_decided() {
    on_both(async |fixture: DatabaseFixture| {
        let directory = fixture.open().await;
        let contoso = organization(&directory, "contoso", CONTOSO, &[]).await;
        let by = AdminScope::operator(contoso.id, "operator");
        person(&directory, &contoso, "maya@contoso.com", None).await;
        let account = |number: u8| guest(who(CONTOSO, number, "maya@contoso.com"));
        for number in 1..=5 {
            let met = comes(&directory, &account(number), &contoso, None).await;
            assert_eq!(met, Outcome::Waits(WaitReason::Guest));
        }
        let met = comes(&directory, &account(6), &contoso, None).await;
        assert_eq!(met, Outcome::QueueFull);
        // Those that wait, wait on.
        let met = comes(&directory, &account(1), &contoso, None).await;
        assert_eq!(met, Outcome::Waits(WaitReason::Guest));
        let request = directory.link_requests(None, false).await.unwrap().remove(0);
        directory.decide(&by, request.id, LinkDecision::Deny, None).await.unwrap();
        let met = comes(&directory, &account(6), &contoso, None).await;
        assert_eq!(met, Outcome::Waits(WaitReason::Guest));
    })
    .await;
}

#[tokio::test]
async fn a_possible_merge_ends_when_the_person_who_was_added_is_linked() {
    on_both(async |fixture: DatabaseFixture| {
        let directory = fixture.open().await;
        let contoso = organization(&directory, "contoso", CONTOSO, &[]).await;
        let nameless = |it: Identity| Identity { name: None, ..it };
        let rows = async || {
            let sql = "SELECT person FROM possible_merge";
            directory.database.rows(sql, Vec::new()).await.unwrap().len()
        };
        // By the account's own UPN, and by the operator.
        for (number, username) in [(1_u8, "zoe@partner.example"), (3, "ines@partner.example")] {
            let added = person(&directory, &contoso, username, None).await;
            let local = username.split('@').next().unwrap();
            let alike = nameless(who(CONTOSO, number, &format!("{local}@contoso.com")));
            assert_eq!(comes(&directory, &alike, &contoso, None).await, Outcome::New);
            let [merge] = &directory.possible_merges(contoso.id).await.unwrap()[..] else {
                panic!()
            };
            assert_eq!(merge.added.id, added.id);
            assert_eq!(directory.waiting_decisions(contoso.id).await.unwrap(), 1);
            let own = nameless(who(CONTOSO, number + 1, username));
            if number == 1 {
                let met = comes(&directory, &own, &contoso, None).await;
                assert_eq!(met, Outcome::Linked(added.id));
            } else {
                let link = PersonChange { link: Some(own.oid), ..PersonChange::default() };
                directory.change_person(&added.username, link, "a story").await.unwrap();
            }
            assert!(directory.possible_merges(contoso.id).await.unwrap().is_empty());
            assert_eq!(directory.waiting_decisions(contoso.id).await.unwrap(), 0);
            assert_eq!(rows().await, 0);
        }
    })
    .await;
}

#[tokio::test]
async fn a_typed_name_makes_no_likeness() {
    on_both(async |fixture: DatabaseFixture| {
        let directory = fixture.open().await;
        let contoso = organization(&directory, "contoso", CONTOSO, &[]).await;
        person(&directory, &contoso, "zoe.quill@partner.example", None).await;
        let stranger = Identity { name: None, ..who(CONTOSO, 1, "stranger@contoso.com") };
        // Neither the address itself nor one that looks like it.
        for (number, typed) in [(1_u8, "zoe.quill@partner.example"), (2, "zoe.quill")] {
            let account = Identity { oid: who(CONTOSO, number, "").oid, ..stranger.clone() };
            assert_eq!(comes(&directory, &account, &contoso, Some(typed)).await, Outcome::New);
        }
        assert!(directory.possible_merges(contoso.id).await.unwrap().is_empty());
        let refuse = OrganizationChange {
            first_sign_in: Some(FirstSignInRule::Refuse),
            ..OrganizationChange::default()
        };
        directory.change_organization(&contoso.code, refuse, "a story").await.unwrap();
        let account = without_upn(Identity { oid: who(CONTOSO, 3, "").oid, ..stranger });
        let met = comes(&directory, &account, &contoso, Some("zoe.quill")).await;
        // The same answer as where the typed name is a person's, but no request.
        assert_eq!(met, Outcome::Waits(WaitReason::Typed));
        assert!(directory.link_requests(None, true).await.unwrap().is_empty());
    })
    .await;
}
