//! An account that was refused stays refused after a deletion or a merge.

use super::accounts::{Outcome, comes, without_upn};
use super::*;
use crate::directory::admin::{ActionError, AdminScope};
use crate::directory::advice::{AdviceOccasion, PersonAdvice};
use crate::directory::link_request::{LinkDecision, LinkRequest, RequestState, WaitReason};

fn operator(organization: &Organization) -> AdminScope {
    AdminScope::operator(organization.id, "operator olga")
}

async fn changes(directory: &Directory, person: &Person, change: PersonChange) {
    directory.change_person(&person.username, change, "a story").await.unwrap();
}

fn off() -> PersonChange {
    PersonChange { on: Some(false), ..PersonChange::default() }
}

fn unlink() -> PersonChange {
    PersonChange { unlink: true, ..PersonChange::default() }
}

/// Returns a person whose account was unlinked, and the account.
async fn unlinked(
    directory: &Directory,
    contoso: &Organization,
    number: u8,
    upn: &str,
) -> (Person, Identity) {
    let account = Identity { name: None, ..who(CONTOSO, number, upn) };
    let person = directory.admit_identity(&account, contoso).await.unwrap();
    changes(directory, &person, unlink()).await;
    (person, account)
}

/// Denies an account that asks for the person who was added with this username.
async fn denied(directory: &Directory, contoso: &Organization, number: u8, upn: &str) -> Identity {
    let account = Identity { name: None, ..without_upn(who(CONTOSO, number, upn)) };
    assert_eq!(comes(directory, &account, contoso, None).await, Outcome::Waits(WaitReason::NoUpn));
    let all = directory.link_requests(None, false).await.unwrap();
    let request = all.iter().find(|it| it.account.1 == account.oid).unwrap();
    directory.decide(&operator(contoso), request.id, LinkDecision::Deny, None).await.unwrap();
    assert_eq!(comes(directory, &account, contoso, None).await, Outcome::Denied);
    account
}

#[tokio::test]
async fn a_deletion_remembers_the_account_before_and_those_that_were_denied() {
    on_both(async |fixture: DatabaseFixture| {
        let directory = fixture.open().await;
        let contoso = organization(&directory, "contoso", CONTOSO, &[]).await;
        let by = operator(&contoso);
        let (tom, before) = unlinked(&directory, &contoso, 1, "tom@contoso.com").await;
        changes(&directory, &tom, off()).await;
        assert!(directory.delete_person(&by, tom.id).await.unwrap().stays_refused());
        assert_eq!(comes(&directory, &before, &contoso, None).await, Outcome::Off);
        let lena = person(&directory, &contoso, "lena@contoso.com", None).await;
        let stranger = denied(&directory, &contoso, 2, "lena@contoso.com").await;
        directory.delete_person(&by, lena.id).await.unwrap();
        assert_eq!(comes(&directory, &stranger, &contoso, None).await, Outcome::Off);
        // A person who was on may come back as a new one.
        let (ines, account) = unlinked(&directory, &contoso, 3, "ines@contoso.com").await;
        assert!(!directory.delete_person(&by, ines.id).await.unwrap().stays_refused());
        assert_eq!(comes(&directory, &account, &contoso, None).await, Outcome::New);
        // An account that belongs to another person by now is that person's.
        let (uwe, account) = unlinked(&directory, &contoso, 4, "uwe@contoso.com").await;
        changes(&directory, &uwe, off()).await;
        let other = person(&directory, &contoso, "uwe-b", None).await;
        let link = PersonChange { link: Some(account.oid), ..PersonChange::default() };
        changes(&directory, &other, link).await;
        directory.delete_person(&by, uwe.id).await.unwrap();
        assert_eq!(comes(&directory, &account, &contoso, None).await, Outcome::Linked(other.id));
        directory.delete_person(&by, other.id).await.unwrap();
        assert_eq!(comes(&directory, &account, &contoso, None).await, Outcome::New);
    })
    .await;
}

#[tokio::test]
async fn a_merge_keeps_the_account_before_and_the_denials_of_both() {
    on_both(async |fixture: DatabaseFixture| {
        let directory = fixture.open().await;
        let contoso = organization(&directory, "contoso", CONTOSO, &[]).await;
        let by = operator(&contoso);
        let merges = async |keep: Guid, other: Guid| {
            directory.merge_people(&by, keep, other, None).await.unwrap()
        };
        // Neither has an account: the former one and the denials move.
        let keep = person(&directory, &contoso, "tom-a", None).await;
        let (other, before) = unlinked(&directory, &contoso, 1, "tom@contoso.com").await;
        let stranger = denied(&directory, &contoso, 2, "tom@contoso.com").await;
        let merged = merges(keep.id, other.id).await;
        assert_eq!(merged.former, Some((before.tid, before.oid)));
        assert_eq!(
            comes(&directory, &before, &contoso, None).await,
            Outcome::Waits(WaitReason::Former)
        );
        assert_eq!(comes(&directory, &stranger, &contoso, None).await, Outcome::Denied);
        let [all @ .., last] = &directory.link_requests(None, true).await.unwrap()[..] else {
            panic!()
        };
        let is_denied = |it: &LinkRequest| it.state == RequestState::Denied;
        assert!(is_denied(last) && last.person.id == keep.id && !all.iter().any(is_denied));
        // The one who is kept has an account afterwards, so that the rows refuse no one.
        let made = who(CONTOSO, 3, "t.b@contoso.com");
        let made = Identity { name: None, ..made };
        let second = directory.admit_identity(&made, &contoso).await.unwrap();
        let merged = merges(keep.id, second.id).await;
        assert_eq!(merged.linked, Some((made.tid, made.oid)));
        assert_eq!(comes(&directory, &stranger, &contoso, None).await, Outcome::Off);
        assert_eq!(comes(&directory, &made, &contoso, None).await, Outcome::Linked(keep.id));
        // One is switched off: so stays the account that was unlinked.
        let (gone, before) = unlinked(&directory, &contoso, 4, "uwe@contoso.com").await;
        changes(&directory, &gone, off()).await;
        let merged = merges(keep.id, gone.id).await;
        assert!(!merged.on);
        for account in [&before, &made] {
            assert_eq!(comes(&directory, account, &contoso, None).await, Outcome::Off);
        }
    })
    .await;
}

#[tokio::test]
async fn a_merge_is_of_the_two_people_as_they_were_shown() {
    on_both(async |fixture: DatabaseFixture| {
        let directory = fixture.open().await;
        let contoso = organization(&directory, "contoso", CONTOSO, &[]).await;
        let by = operator(&contoso);
        let added = person(&directory, &contoso, "zoe@partner.example", None).await;
        let account = Identity { name: None, ..who(CONTOSO, 1, "zoe@contoso.com") };
        let made = directory.admit_identity(&account, &contoso).await.unwrap();
        let [shown] = &directory.possible_merges(contoso.id).await.unwrap()[..] else { panic!() };
        assert_eq!((shown.added.id, shown.created.linked), (added.id, made.linked));
        let role = PersonChange { role: Some("owner".to_owned()), ..PersonChange::default() };
        changes(&directory, &added, role).await;
        for mark in [shown.mark().as_str(), ""] {
            let stale = directory.merge_people(&by, added.id, made.id, Some(mark)).await;
            assert!(matches!(stale, Err(ActionError::Directory(Error::Conflict))), "{stale:?}");
        }
        let [shown] = &directory.possible_merges(contoso.id).await.unwrap()[..] else { panic!() };
        let mark = shown.mark();
        directory.merge_people(&by, added.id, made.id, Some(&mark)).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn an_account_is_linked_with_a_warning_where_its_deletion_cannot_be_forgotten() {
    on_both(async |fixture: DatabaseFixture| {
        let directory = fixture.open().await;
        let contoso = organization(&directory, "contoso", CONTOSO, &[]).await;
        let account = who(CONTOSO, 1, "maya@contoso.com");
        let maya = directory.admit_identity(&account, &contoso).await.unwrap();
        changes(&directory, &maya, off()).await;
        directory.delete_person(&operator(&contoso), maya.id).await.unwrap();
        let again = person(&directory, &contoso, "maya", None).await;
        let link = || PersonChange { link: Some(account.oid), ..PersonChange::default() };
        let occasion = AdviceOccasion::of(&link());
        let other = fixture.opened_with(&["another secret, longer than 32 bytes!"]).await.unwrap();
        let linked = other.change_person(&again.username, link(), "a story").await.unwrap();
        assert_eq!(linked.linked, Some((account.tid, account.oid)));
        let advice = other.advice(&linked, occasion).await.unwrap();
        assert!(advice.contains(&PersonAdvice::MayStayErased), "{advice:?}");
        assert!(other.admit_identity(&account, &contoso).await.is_ok());
        // With the secret, there is nothing to say, and the deletion is forgotten.
        changes(&directory, &again, unlink()).await;
        let linked = directory.change_person(&again.username, link(), "a story").await.unwrap();
        let advice = directory.advice(&linked, occasion).await.unwrap();
        assert!(!advice.contains(&PersonAdvice::MayStayErased), "{advice:?}");
    })
    .await;
}

#[tokio::test]
async fn twins_are_named_where_a_person_was_added_or_switched_off() {
    on_both(async |fixture: DatabaseFixture| {
        let directory = fixture.open().await;
        let contoso = organization(&directory, "contoso", CONTOSO, &[]).await;
        let one = person(&directory, &contoso, "nora@contoso.com", None).await;
        person(&directory, &contoso, "nora@partner.example", None).await;
        let on = PersonChange { on: Some(true), ..PersonChange::default() };
        for (occasion, names) in [
            (AdviceOccasion::ADDED, true),
            (AdviceOccasion::of(&off()), true),
            (AdviceOccasion::of(&on), false),
            (AdviceOccasion::default(), false),
        ] {
            let advice = directory.advice(&one, occasion).await.unwrap();
            let twins = advice.iter().any(|it| matches!(it, PersonAdvice::Twins(_)));
            assert_eq!(twins, names, "{occasion:?}");
        }
    })
    .await;
}
