//! No name of a person survives the person's deletion, in any table.

use super::accounts::{Outcome, comes, guest, without_upn};
use super::*;
use crate::directory::admin::{AdminScope, PersonAction};
use crate::directory::database::{Database, DatabaseRow};
use crate::directory::link_request::{LinkDecision, LinkRequest, WaitReason};
use crate::directory::recent::FinishedSignIn;
use crate::directory::trial::PassedTrial;
use sqlx::{Column as _, Row as _};
use std::collections::BTreeSet;

/// Returns every text of every table in lower case, with the names of table and column.
async fn texts(directory: &Directory) -> Vec<(String, String)> {
    let tables = match &directory.database {
        Database::Sqlite { .. } => "SELECT name FROM sqlite_master WHERE type = 'table'",
        Database::Postgres(_) => {
            "SELECT CAST(table_name AS TEXT) AS name FROM information_schema.tables WHERE table_schema = 'public'"
        }
    };
    let mut out = Vec::new();
    for table in directory.database.rows(tables, Vec::new()).await.unwrap() {
        let table = table.text("name").unwrap();
        if table.starts_with("_sqlx") {
            continue;
        }
        let sql = format!("SELECT * FROM {table}");
        for row in directory.database.rows(sqlx::AssertSqlSafe(sql), Vec::new()).await.unwrap() {
            let columns: Vec<(&str, Option<String>)> = match &row {
                DatabaseRow::Sqlite(it) => {
                    let text = |at| it.try_get::<Option<String>, usize>(at).ok().flatten();
                    it.columns().iter().map(|it| (it.name(), text(it.ordinal()))).collect()
                }
                DatabaseRow::Postgres(it) => {
                    let text = |at| it.try_get::<Option<String>, usize>(at).ok().flatten();
                    it.columns().iter().map(|it| (it.name(), text(it.ordinal()))).collect()
                }
            };
            let named = |(column, text): (&str, Option<String>)| {
                Some((format!("{table}.{column}"), text?.to_lowercase()))
            };
            out.extend(columns.into_iter().filter_map(named));
        }
    }
    out
}

/// Returns the columns that contain one of the names.
async fn columns_with(directory: &Directory, names: &[String]) -> BTreeSet<String> {
    let all = texts(directory).await;
    assert!(all.len() > 20, "the tables are read: {all:?}");
    let found = all.into_iter().filter(|it| names.iter().any(|name| it.1.contains(name.as_str())));
    found.map(|it| it.0).collect()
}

async fn request_of(directory: &Directory, account: &Identity) -> LinkRequest {
    let all = directory.link_requests(None, false).await.unwrap();
    all.into_iter().find(|it| it.account.1 == account.oid).unwrap()
}

async fn records(directory: &Directory, who: &Identity, person: Option<Guid>, at: Guid) {
    let sign_in = FinishedSignIn {
        organization: at,
        person,
        name: who.preferred_username.as_deref().map(str::to_owned),
        refused: person.is_none().then(|| "waits".to_owned()),
        reference: "a-reference".to_owned(),
    };
    directory.record_sign_in(&sign_in).await.unwrap();
}

/// Leaves the names of a person, and of accounts that may be the person's, wherever they get.
async fn leave_names(directory: &Directory, contoso: &Organization, account: &Identity) -> Guid {
    let by = AdminScope::operator(contoso.id, "operator olga");
    let email = "maya.private@home.example";
    let added = person(directory, contoso, "maya@contoso.com", Some(email)).await;
    let unproven = Identity { email: Some(email.into()), ..without_upn(account.clone()) };
    let waits = comes(directory, &unproven, contoso, Some("maya.typed")).await;
    assert_eq!(waits, Outcome::Waits(WaitReason::NoUpn));
    records(directory, account, None, contoso.id).await;
    // Somebody who only looks alike.
    let alike = Identity { name: None, ..who(CONTOSO, 2, "maya@partner.example") };
    assert_eq!(comes(directory, &alike, contoso, None).await, Outcome::New);
    let request = request_of(directory, account).await;
    let mark = request.mark();
    directory.decide(&by, request.id, LinkDecision::Link, Some(&mark)).await.unwrap();
    // A native client, and a sign-in.
    client_sign_ins::signed_in(directory).await;
    records(directory, account, Some(added.id), contoso.id).await;
    let change = PersonChange {
        username: Some(name("maya.okafor@contoso.com")),
        name: Some("Maya Zebedee".to_owned()),
        role: Some("owner".to_owned()),
        ..PersonChange::default()
    };
    directory.change_person(&added.username, change, "a story").await.unwrap();
    directory.apply_action(&by, added.id, &PersonAction::SignOut).await.unwrap();
    // A test with a link that has a role.
    let link = directory.invite_as(&contoso.code, Some("admin"), "a story").await.unwrap();
    let visit = directory.accept(&link.token).await.unwrap();
    let mark = directory.connection_mark(contoso).await.unwrap();
    let trial = PassedTrial {
        mark: mark.as_deref(),
        by: &format!("invitation {}", visit.id),
        who: account,
        invitation: Some(visit.id),
    };
    directory.note_trial(contoso, &trial).await.unwrap();
    // The account after its link was removed, and a guest with the same address.
    let unlink = PersonChange { unlink: true, ..PersonChange::default() };
    directory.change_person(&name("maya.okafor@contoso.com"), unlink, "a story").await.unwrap();
    assert_eq!(comes(directory, account, contoso, None).await, Outcome::Waits(WaitReason::Former));
    let request = request_of(directory, account).await;
    directory.decide(&by, request.id, LinkDecision::Deny, None).await.unwrap();
    let visitor =
        Identity { email: Some(email.into()), ..who(CONTOSO, 3, "Guest-Maya@home.example") };
    let visitor = guest(Identity { name: None, ..visitor });
    assert_eq!(comes(directory, &visitor, contoso, None).await, Outcome::Waits(WaitReason::Guest));
    records(directory, &visitor, None, contoso.id).await;
    // Somebody typed her name, and waits for another person.
    let tomas = person(directory, contoso, "tomas", Some("tomas@partner.example")).await;
    let other = Identity {
        email: tomas.email.as_deref().map(Into::into),
        ..who(CONTOSO, 4, "x@y.example")
    };
    let other = Identity { name: None, ..other };
    let typed = Some("maya.okafor@contoso.com");
    assert_eq!(comes(directory, &other, contoso, typed).await, Outcome::Waits(WaitReason::Address));
    let second = person(directory, contoso, "maya.second", None).await;
    directory.merge_people(&by, added.id, second.id, None).await.unwrap();
    added.id
}

#[tokio::test]
async fn no_table_has_a_name_or_the_account_of_a_person_who_was_deleted() {
    on_both(async |fixture: DatabaseFixture| {
        let directory = fixture.open().await;
        let contoso = organization(&directory, "contoso", CONTOSO, &[]).await;
        let account = who(CONTOSO, 1, "Maya@contoso.com");
        let id = leave_names(&directory, &contoso, &account).await;
        let mut names: Vec<_> = [
            "maya@contoso",
            "maya.typed",
            "maya.okafor",
            "maya.private",
            "maya okafor",
            "maya zebedee",
            "guest-maya",
            "maya.second",
        ]
        .map(str::to_owned)
        .to_vec();
        names.push(account.oid.to_string());
        // The search finds them before.
        let before = columns_with(&directory, &names).await;
        for column in [
            "person.username",
            "person.name",
            "person.email",
            "person.former_oid",
            "audit.what",
            "link_request.oid",
            "link_request.upn",
            "link_request.email",
            "link_request.typed",
            "link_request.sign_in_name",
            "sign_in.name",
            "invitation.trial_oid",
            "invitation.trial_upn",
            "invitation.trial_name",
        ] {
            assert!(before.contains(column), "{column} is not among {before:?}");
        }
        let by = AdminScope::operator(contoso.id, "operator olga");
        directory.delete_person(&by, id).await.unwrap();
        assert_eq!(columns_with(&directory, &names).await, BTreeSet::new());
        // The account was denied, and stays refused.
        assert_eq!(comes(&directory, &account, &contoso, None).await, Outcome::Off);
    })
    .await;
}

#[tokio::test]
async fn a_test_is_remembered_for_a_link_with_a_role_until_the_role_is_taken() {
    on_both(async |fixture: DatabaseFixture| {
        let directory = fixture.open().await;
        let contoso = organization(&directory, "contoso", CONTOSO, &[]).await;
        let mark = directory.connection_mark(&contoso).await.unwrap();
        let account = who(CONTOSO, 1, "maya@contoso.com");
        let oid = [account.oid.to_string()];
        let tests = async |role: Option<&str>| {
            let link = directory.invite_as(&contoso.code, role, "a story").await.unwrap();
            let visit = directory.accept(&link.token).await.unwrap();
            let trial = PassedTrial {
                mark: mark.as_deref(),
                by: "a story",
                who: &account,
                invitation: Some(visit.id),
            };
            directory.note_trial(&contoso, &trial).await.unwrap();
            visit.id
        };
        tests(None).await;
        assert_eq!(columns_with(&directory, &oid).await, BTreeSet::new());
        let trial = BTreeSet::from(["invitation.trial_oid".to_owned()]);
        let left = tests(Some("admin")).await;
        assert_eq!(columns_with(&directory, &oid).await, trial);
        directory.leave(left).await.unwrap();
        assert_eq!(columns_with(&directory, &oid).await, BTreeSet::new());
        let taken = tests(Some("admin")).await;
        let offer = directory.first_admin_offer(taken).await.unwrap().unwrap();
        assert_eq!(offer.account.1, account.oid);
        directory.become_first_admin(taken, account.oid).await.unwrap();
        let there = columns_with(&directory, &oid).await;
        assert!(there.is_disjoint(&trial) && there.contains("person.oid"), "{there:?}");
    })
    .await;
}
