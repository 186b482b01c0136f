//! Concurrent sign-ins and changes.

use super::accounts::{Outcome, comes};
use super::*;
use crate::directory::admin::AdminScope;
use crate::directory::change::{ChangeOrigin, OrganizationChange};
use crate::directory::organization::OrganizationState;

/// Two connection pools, as with two processes.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_hundred_first_sign_ins_at_once_make_one_person() {
    on_both(async |fixture: DatabaseFixture| {
        let (one, other) = (fixture.open().await, fixture.open().await);
        let contoso = organization(&one, "contoso", CONTOSO, &[]).await;
        let all: Vec<_> = (0..100)
            .map(|at| {
                let directory = if at % 2 == 0 { one.clone() } else { other.clone() };
                let contoso = contoso.clone();
                tokio::spawn(async move {
                    directory
                        .admit_identity(&who(CONTOSO, 1, "maya@contoso.com"), &contoso)
                        .await
                        .unwrap()
                        .id
                })
            })
            .collect();
        let mut ids = std::collections::HashSet::new();
        for it in all {
            ids.insert(it.await.unwrap());
        }
        assert_eq!((ids.len(), one.count(contoso.id).await.unwrap()), (1, 1));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_unlinked_person_is_linked_once_and_by_one_alone() {
    on_both(async |fixture: DatabaseFixture| {
        let (one, other) = (fixture.open().await, fixture.open().await);
        let contoso = organization(&one, "contoso", CONTOSO, &["contoso.com"]).await;
        let known = person(&one, &contoso, "maya@contoso.com", None).await;
        let all: Vec<_> = (0..40)
            .map(|at: u8| {
                let directory = if at.is_multiple_of(2) { one.clone() } else { other.clone() };
                let contoso = contoso.clone();
                // Four accounts that had the same name one after the other.
                tokio::spawn(async move {
                    (
                        at % 4,
                        directory
                            .admit_identity(&who(CONTOSO, at % 4, "maya@contoso.com"), &contoso)
                            .await
                            .unwrap()
                            .id,
                    )
                })
            })
            .collect();
        let mut ids = std::collections::HashMap::new();
        for it in all {
            let (account, id) = it.await.unwrap();
            assert_eq!(*ids.entry(account).or_insert(id), id, "one account is one person");
        }
        let distinct: std::collections::HashSet<_> = ids.values().collect();
        assert_eq!((distinct.len(), one.count(contoso.id).await.unwrap()), (4, 4));
        assert!(distinct.contains(&known.id));
    })
    .await;
}

/// Where unknown people are refused, the sign-in that came second must find the person whom the
/// first one linked, and not refuse the account as unknown.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn first_sign_ins_of_one_account_at_once_have_one_outcome_where_unknown_people_are_refused() {
    on_both(async |fixture: DatabaseFixture| {
        let (one, other) = (fixture.open().await, fixture.open().await);
        let contoso = organization(&one, "contoso", CONTOSO, &[]).await;
        let refuse = OrganizationChange {
            first_sign_in: Some(FirstSignInRule::Refuse),
            ..OrganizationChange::default()
        };
        one.change_organization(&contoso.code, refuse, "a story").await.unwrap();
        for round in 0..20_u8 {
            let upn = format!("maya{round}@contoso.com");
            let added = person(&one, &contoso, &upn, None).await;
            let all: Vec<_> = (0..8)
                .map(|at| {
                    let directory = if at % 2 == 0 { one.clone() } else { other.clone() };
                    let (contoso, account) = (contoso.clone(), who(CONTOSO, round, &upn));
                    tokio::spawn(async move { comes(&directory, &account, &contoso, None).await })
                })
                .collect();
            for it in all {
                assert_eq!(it.await.unwrap(), Outcome::Linked(added.id), "{round}");
            }
        }
    })
    .await;
}

/// A person who signs in for the first time, and an owner who deletes the organization: one is first,
/// and the other one is refused as after it, not with an error of the database.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_first_sign_in_and_a_deletion_at_once_leave_nothing_half_done() {
    on_both(async |fixture: DatabaseFixture| {
        let (one, other) = (fixture.open().await, fixture.open().await);
        for round in 0..10_u8 {
            let contoso = organization(&one, &format!("contoso{round}"), CONTOSO, &[]).await;
            let role = Some("owner".to_owned());
            let username = name(&format!("olga{round}"));
            let new = NewPerson { username, name: None, email: None, role };
            let olga = one.add_person(&contoso.code, &new, "a story").await.unwrap();
            let acting = AdminScope {
                organization: contoso.id,
                origin: ChangeOrigin::Admin(olga.id),
                by: "a story".to_owned(),
            };
            let account = who(CONTOSO, round, &format!("maya{round}@contoso.com"));
            let (deleted, admitted) = tokio::join!(
                one.delete_own_organization(&acting, &contoso.code, 1),
                other.admit_identity(&account, &contoso)
            );
            let left = one.count(contoso.id).await.unwrap();
            let is_there = one.organization(&contoso.code).await.unwrap().is_some();
            match (deleted, admitted) {
                (Ok(()), Err(refused)) => {
                    let is_known = matches!(
                        refused,
                        MembershipRefusal::OrganizationOff
                            | MembershipRefusal::Directory(Error::Conflict)
                    );
                    assert!(is_known, "{refused}");
                    assert_eq!((left, is_there), (0, false));
                }
                (Err(Error::Conflict | Error::OtherCount(..)), Ok(_)) => {
                    assert_eq!((left, is_there), (2, true));
                }
                // Admitted before, and counted by nobody.
                other => panic!("{other:?}"),
            }
        }
    })
    .await;
}

/// PostgreSQL lets both write, and checks foreign keys only when the other one has committed.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_person_who_is_being_added_is_not_deleted_unseen() {
    on_both(async |fixture: DatabaseFixture| {
        let (one, other) = (fixture.open().await, fixture.open().await);
        let contoso = organization(&one, "contoso", CONTOSO, &[]).await;
        let off = OrganizationChange { state: Some(OrganizationState::Off), ..Default::default() };
        one.change_organization(&contoso.code, off, "a story").await.unwrap();
        let mut added = other.database.begin_transaction().await.unwrap();
        let sql = "INSERT INTO person (id, organization, username, role, role_source, state, created) \
                   VALUES ($1, $2, 'maya', 'worker', 'default', 'on', 0)";
        let id = other.next_id().to_string();
        added.run(sql, vec![id.into(), contoso.id.to_string().into()]).await.unwrap();
        let (deleting, code) = (one.clone(), contoso.code.clone());
        let deleted = tokio::spawn(async move {
            deleting.delete_organization(&code, 0, "a story").await
        });
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        added.commit().await.unwrap();
        let refused = deleted.await.unwrap();
        assert!(
            matches!(refused, Err(Error::Conflict | Error::OtherCount(_, 1))),
            "{refused:?}"
        );
        assert_eq!(one.count(contoso.id).await.unwrap(), 1);
        assert!(one.organization(&contoso.code).await.unwrap().is_some());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn replicas_that_start_at_once_migrate_once() {
    on_both(async |fixture: DatabaseFixture| {
        let starts = (0..6).map(|_| fixture.open());
        for directory in futures_util::future::join_all(starts).await {
            assert!(directory.organizations().await.unwrap().is_empty());
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_imports_from_opposite_ends_make_everybody_once() {
    on_both(async |fixture: DatabaseFixture| {
        let (one, other) = (fixture.open().await, fixture.open().await);
        let contoso = organization(&one, "contoso", CONTOSO, &[]).await;
        let line = |it: u32| format!("user{it}\n");
        let head = || std::iter::once("username\n".to_owned());
        let (up, down): (String, String) = (
            head().chain((0..3000).map(line)).collect(),
            head().chain((0..3000).rev().map(line)).collect(),
        );
        let (up, down) = tokio::join!(
            one.import(&contoso, up.as_bytes(), "one", |_| {}),
            other.import(&contoso, down.as_bytes(), "other", |_| {})
        );
        let (up, down) = (up.unwrap(), down.unwrap());
        assert_eq!((up.made + down.made, up.unchanged + down.unchanged), (3000, 3000));
        assert_eq!(one.count(contoso.id).await.unwrap(), 3000);
    })
    .await;
}

/// Environment variable with the address of the other program's database.
const OTHER: &str = "STORY_DIRECTORY";

/// Starts this program a second time, as a process that signs everyone in.
fn another_program(fixture: &DatabaseFixture) -> std::process::Child {
    let address = match &fixture.config.database {
        DatabaseConfig::Sqlite(path) => format!("sqlite:{}", path.display()),
        DatabaseConfig::Postgres(address) => address.expose().to_owned(),
    };
    let mut command = std::process::Command::new(std::env::current_exe().unwrap());
    command
        .args([
            "--ignored",
            "--exact",
            "directory::tests::racing::everybody_signs_in_for_the_first_time",
        ])
        .env(OTHER, address);
    command.stdout(std::process::Stdio::null()).spawn().unwrap()
}

/// Signs in each numbered person, four times at once.
async fn everybody(directory: &Directory) {
    let contoso = directory.organization(&code("contoso")).await.unwrap().unwrap();
    for number in 0..=PEOPLE {
        let it = who(CONTOSO, number, &format!("person{number}@contoso.com"));
        let four = (0..4).map(|_| directory.admit_identity(&it, &contoso));
        let ids: std::collections::HashSet<_> = futures_util::future::join_all(four)
            .await
            .into_iter()
            .map(|it| it.unwrap().id)
            .collect();
        assert_eq!(ids.len(), 1);
    }
}

const PEOPLE: u8 = 60;

#[tokio::test]
#[ignore = "the other program of the two stories below"]
async fn everybody_signs_in_for_the_first_time() {
    let Ok(address) = std::env::var(OTHER) else { return };
    let database = match address.strip_prefix("sqlite:") {
        Some(path) => DatabaseConfig::Sqlite(path.into()),
        None => DatabaseConfig::Postgres(Secret::new(address)),
    };
    everybody(
        &DatabaseFixture { config: config(database), clock: Clock::system(), _folder: None }
            .open()
            .await,
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_programs_that_sign_everybody_in_make_everybody_once() {
    on_both(async |fixture: DatabaseFixture| {
        let directory = fixture.open().await;
        let contoso = organization(&directory, "contoso", CONTOSO, &[]).await;
        let mut others = [another_program(&fixture), another_program(&fixture)];
        everybody(&directory).await;
        for it in &mut others {
            assert!(it.wait().unwrap().success());
        }
        assert_eq!(directory.count(contoso.id).await.unwrap(), i64::from(PEOPLE) + 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_program_killed_at_any_moment_leaves_every_person_whole_and_once() {
    on_both(async |fixture: DatabaseFixture| {
        let directory = fixture.open().await;
        let contoso = organization(&directory, "contoso", CONTOSO, &["contoso.com"]).await;
        person(&directory, &contoso, "person3@contoso.com", None).await;
        for people in [2, 5, 9, 14] {
            let mut other = another_program(&fixture);
            while directory.count(contoso.id).await.unwrap() < people {
                assert!(other.try_wait().unwrap().is_none(), "it ended before it was killed");
                tokio::time::sleep(std::time::Duration::from_millis(1)).await;
            }
            other.kill().unwrap();
            other.wait().unwrap();
            let asked = crate::directory::people::PeopleQuery {
                organization: Some(contoso.id),
                limit: 1000,
                ..Default::default()
            };
            for it in directory
                .people(&asked)
                .await
                .unwrap()
                .iter()
                .filter(|it| it.username.as_str() != "person3@contoso.com")
            {
                assert!(
                    it.linked.is_some() && it.last_sign_in.is_some() && it.name.is_some(),
                    "{it:?}"
                );
            }
        }
        everybody(&directory).await;
        assert_eq!(directory.count(contoso.id).await.unwrap(), i64::from(PEOPLE) + 1);
    })
    .await;
}
