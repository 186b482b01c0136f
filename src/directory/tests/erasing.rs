//! Merges and deletions.

use super::*;
use crate::directory::admin::{ActionError, AdminScope};
use crate::directory::change::ChangeOrigin;
use crate::directory::change::OrganizationChange;
use crate::directory::organization::OrganizationState;

fn operator(organization: &Organization) -> AdminScope {
    AdminScope::operator(organization.id, "operator olga")
}

#[tokio::test]
async fn a_person_who_was_off_stays_refused_after_a_deletion_and_names_are_gone() {
    on_both(async |fixture: DatabaseFixture| {
        let directory = fixture.open().await;
        let contoso = organization(&directory, "contoso", CONTOSO, &[]).await;
        let (maya, tom) = (who(CONTOSO, 1, "maya@contoso.com"), who(CONTOSO, 2, "tom@contoso.com"));
        let mut people = Vec::new();
        for account in [&maya, &tom] {
            people.push(directory.admit_identity(account, &contoso).await.unwrap());
        }
        let off = PersonChange { on: Some(false), ..PersonChange::default() };
        directory.change_person(&people[0].username, off, "a story").await.unwrap();
        let rows = directory.history(contoso.id, None, 100).await.unwrap().len();
        for it in &people {
            directory.delete_person(&operator(&contoso), it.id).await.unwrap();
        }
        let history = directory.history(contoso.id, None, 100).await.unwrap();
        assert_eq!(history.len(), rows + 2, "no row is taken out");
        assert!(history.iter().all(|it| !it.what.contains("maya") && !it.what.contains("tom")));
        assert_eq!(directory.count(contoso.id).await.unwrap(), 0);
        // Also under another name, and with other secrets that still open the old ones.
        let renamed = who(CONTOSO, 1, "m.adler@contoso.com");
        let later = fixture
            .opened_with(&["another secret, longer than 32 bytes!", SECRET_BEFORE])
            .await
            .unwrap();
        later.reseal("a story").await.unwrap();
        let newest = fixture.opened_with(&["another secret, longer than 32 bytes!"]).await.unwrap();
        for directory in [&later, &newest] {
            let refused = directory.admit_identity(&renamed, &contoso).await;
            assert!(matches!(refused, Err(MembershipRefusal::PersonOff)), "{refused:?}");
        }
        // Sealed with a secret that this process does not know: nobody unknown comes in.
        assert!(directory.admit_identity(&tom, &contoso).await.is_err());
        assert!(newest.admit_identity(&tom, &contoso).await.is_ok(), "who was on comes as new");
        // The operator readmits the account.
        let again = person(&newest, &contoso, "maya", None).await;
        let link = PersonChange { link: Some(maya.oid), ..PersonChange::default() };
        newest.change_person(&again.username, link, "a story").await.unwrap();
        assert_eq!(newest.admit_identity(&renamed, &contoso).await.unwrap().id, again.id);
    })
    .await;
}

const SECRET_BEFORE: &str = "a secret of the stories, longer than 32 bytes";

#[tokio::test]
async fn a_merge_keeps_the_first_and_gives_it_the_account_of_the_second() {
    on_both(async |fixture: DatabaseFixture| {
        let directory = fixture.open().await;
        let contoso = organization(&directory, "contoso", CONTOSO, &[]).await;
        let fabrikam = organization(&directory, "fabrikam", FABRIKAM, &[]).await;
        let by = operator(&contoso);
        let added = person(&directory, &contoso, "tom.becker@partner.example", None).await;
        let account =
            Identity { name: Some("Tom Becker".into()), ..who(CONTOSO, 1, "t@contoso.com") };
        let made = directory.admit_identity(&account, &contoso).await.unwrap();
        assert_eq!(directory.possible_merges(contoso.id).await.unwrap().len(), 1);
        let elsewhere = person(&directory, &fabrikam, "frida", None).await;
        let second = directory.admit_identity(&who(CONTOSO, 2, "x@contoso.com"), &contoso).await;
        let second = second.unwrap();
        for (keep, other) in [(added.id, elsewhere.id), (added.id, added.id), (made.id, second.id)]
        {
            assert!(directory.merge_people(&by, keep, other, None).await.is_err());
        }
        let worker = AdminScope { origin: ChangeOrigin::Admin(second.id), ..by.clone() };
        let link = AdminScope { origin: ChangeOrigin::Invited, ..by.clone() };
        for by in [&worker, &link] {
            let refused = directory.merge_people(by, added.id, made.id, None).await;
            assert!(matches!(refused, Err(ActionError::NotYou)), "{refused:?}");
            assert!(directory.delete_person(by, made.id).await.is_err());
        }
        let one = directory.merge_people(&by, added.id, made.id, None).await.unwrap();
        assert_eq!((one.id, one.linked), (added.id, made.linked));
        assert_eq!(directory.person_by_id(made.id).await.unwrap(), None);
        assert_eq!(directory.admit_identity(&account, &contoso).await.unwrap().id, added.id);
        assert!(directory.possible_merges(contoso.id).await.unwrap().is_empty());
        // Switched off wins.
        let off = PersonChange { on: Some(false), ..PersonChange::default() };
        directory.change_person(&one.username, off, "a story").await.unwrap();
        let other = person(&directory, &contoso, "tom", None).await;
        let merged = directory.merge_people(&by, other.id, one.id, None).await.unwrap();
        assert!(!merged.on);
        assert!(matches!(
            directory.admit_identity(&account, &contoso).await,
            Err(MembershipRefusal::PersonOff)
        ));
        // The organization goes with everything; its code leads nowhere for a year.
        let code = contoso.code.clone();
        assert!(matches!(
            directory.delete_organization(&code, 2, "a story").await,
            Err(Error::StillOn(_))
        ));
        let off = OrganizationChange { state: Some(OrganizationState::Off), ..Default::default() };
        directory.change_organization(&code, off, "a story").await.unwrap();
        for other in [0, 1, 3] {
            let refused = directory.delete_organization(&code, other, "a story").await;
            assert!(matches!(refused, Err(Error::OtherCount(_, 2))), "{refused:?}");
        }
        directory.delete_organization(&code, 2, "a story").await.unwrap();
        assert_eq!(directory.organization(&code).await.unwrap(), None);
        let again = NewOrganization {
            code: Some(code),
            name: "x".to_owned(),
            ..NewOrganization::default()
        };
        assert!(matches!(
            directory.add_organization(again, "a story").await,
            Err(Error::CodeTaken(_))
        ));
    })
    .await;
}

#[tokio::test]
async fn an_organization_is_deleted_by_its_highest_admin_in_one_step() {
    on_both(async |fixture: DatabaseFixture| {
        let directory = fixture.open().await;
        let sign_in = client_sign_ins::signed_in(&directory).await.sign_in;
        let contoso = directory.organization(&code("contoso")).await.unwrap().unwrap();
        let worker = sign_in.identity().member.clone().unwrap().person;
        let fabrikam = organization(&directory, "fabrikam", FABRIKAM, &[]).await;
        let made = async |organization: &Organization, username: &str, role: &str| {
            let role = Some(role.to_owned());
            let new = NewPerson { username: name(username), name: None, email: None, role };
            directory.add_person(&organization.code, &new, "a story").await.unwrap().id
        };
        let (olga, anna) =
            (made(&contoso, "olga", "owner").await, made(&contoso, "anna", "admin").await);
        let elsewhere = made(&fabrikam, "frida", "owner").await;
        let by = |origin| AdminScope { organization: contoso.id, origin, by: "a".to_owned() };
        let admin = |it| by(ChangeOrigin::Admin(it));
        let (own, other) = (&contoso.code, code("contosa"));
        for acting in [
            by(ChangeOrigin::Invited),
            by(ChangeOrigin::Operator),
            admin(anna),
            admin(worker),
            admin(elsewhere),
        ] {
            let refused = directory.delete_own_organization(&acting, own, 3).await;
            assert!(matches!(refused, Err(Error::NeedsHighestRole(_))), "{acting:?}: {refused:?}");
        }
        let acting = admin(olga);
        let refused = directory.delete_own_organization(&acting, &other, 3).await;
        assert!(matches!(refused, Err(Error::Conflict)), "{refused:?}");
        let refused = directory.delete_own_organization(&acting, own, 2).await;
        assert!(matches!(refused, Err(Error::OtherCount(_, 3))), "{refused:?}");
        let state =
            |state| OrganizationChange { state: Some(state), ..OrganizationChange::default() };
        let live = async || directory.live_sign_ins(&[sign_in.id]).await.unwrap().len();
        assert_eq!(live().await, 1, "nothing happened yet");
        for (to, refuses) in [(OrganizationState::Off, true), (OrganizationState::On, false)] {
            directory.change_organization(own, state(to), "a story").await.unwrap();
            let outcome = directory.delete_own_organization(&acting, own, 3).await;
            assert_eq!(matches!(outcome, Err(Error::Conflict)), refuses, "{outcome:?}");
        }
        assert_eq!(live().await, 0);
        assert_eq!(directory.organization(own).await.unwrap(), None);
        assert_eq!(directory.person_by_id(worker).await.unwrap(), None);
        assert!(directory.organization(&fabrikam.code).await.unwrap().is_some());
        let newest = directory.history(contoso.id, None, 1).await.unwrap().remove(0);
        assert_eq!(
            (newest.what.as_str(), newest.person),
            ("state off, deleted with 3 people", None)
        );
        let again = directory.delete_own_organization(&acting, own, 0).await;
        assert!(matches!(again, Err(Error::Conflict)), "{again:?}");
    })
    .await;
}

#[tokio::test]
async fn the_history_of_a_deleted_organization_names_no_person_and_its_code_is_free_after_a_year() {
    on_both(async |fixture: DatabaseFixture| {
        let fixture = DatabaseFixture { clock: Clock::stopped(), ..fixture };
        let directory = fixture.open().await;
        let contoso = organization(&directory, "contoso", CONTOSO, &[]).await;
        directory.admit_identity(&who(CONTOSO, 1, "maya@contoso.com"), &contoso).await.unwrap();
        person(&directory, &contoso, "tomas", None).await;
        let off = OrganizationChange { state: Some(OrganizationState::Off), ..Default::default() };
        directory.change_organization(&contoso.code, off, "a story").await.unwrap();
        directory.delete_organization(&contoso.code, 2, "a story").await.unwrap();
        let history = directory.history(contoso.id, None, 100).await.unwrap();
        assert!(history.iter().any(|it| it.what == "deleted with 2 people"), "{history:?}");
        let named = |it: &str| it.contains("maya") || it.contains("tomas");
        assert!(!history.iter().any(|it| named(&it.what)), "{history:?}");
        let codes = async || {
            let sql = "SELECT code FROM retired_code";
            directory.database.rows(sql, Vec::new()).await.unwrap().len()
        };
        assert_eq!(codes().await, 1);
        fixture.clock.shift(366 * 86_400 + 1);
        organization(&directory, "fabrikam", FABRIKAM, &[]).await;
        assert_eq!(codes().await, 0, "expired codes are deleted");
        organization(&directory, "contoso", CONTOSO, &[]).await;
    })
    .await;
}
