//! Data that is kept after an organization is on: two secrets, recent sign-ins, the history.

use super::*;
use crate::directory::admin::{ActionError, AdminScope, PersonAction};
use crate::directory::change::{OrganizationChange, SIGNED_OUT};
use crate::directory::organization::{EntraConnection, OrganizationState};
use crate::directory::recent::{
    FinishedSignIn, MAX_ROWS_PER_OUTCOME, RETENTION_SECONDS, ROWS_BETWEEN_CLEANUPS,
    RecentSignInQuery,
};

fn anew(secret: &str) -> OrganizationChange {
    OrganizationChange {
        proof: Some(OrganizationCredential::secret(secret)),
        ..OrganizationChange::default()
    }
}

async fn by(directory: &Directory, code: &CompanyCode) -> (Organization, EntraConnection) {
    let found = directory.organization(code).await.unwrap().unwrap();
    let by = directory.connection(&found).await.unwrap().unwrap();
    (found, by)
}

fn secrets(by: &EntraConnection) -> (&str, Option<&str>) {
    (in_use(by), by.new.as_ref().map(|it| it.proof.value()))
}

#[tokio::test]
async fn a_new_secret_waits_beside_the_other_until_it_is_proven() {
    on_both(async |ground: Ground| {
        let directory = ground.open().await;
        let contoso = organization(&directory, "contoso", CONTOSO, &[]).await;
        directory.change_organization(&contoso.code, anew("second"), "maya").await.unwrap();
        let (found, first) = by(&directory, &contoso.code).await;
        assert_eq!(secrets(&first), (VALUE, Some("second")));
        let waiting = found.pending_credential.unwrap();
        assert_eq!((waiting.by.as_str(), waiting.refused), ("maya", None));
        // A further one replaces the pending one, and the replaced one can no longer be confirmed.
        directory.change_organization(&contoso.code, anew("third"), "tom").await.unwrap();
        assert!(
            !directory.confirm_credential(contoso.id, first.new.as_ref().unwrap()).await.unwrap()
        );
        let (_, second) = by(&directory, &contoso.code).await;
        assert_eq!(secrets(&second), (VALUE, Some("third")));
        assert!(
            directory.confirm_credential(contoso.id, second.new.as_ref().unwrap()).await.unwrap()
        );
        let (found, third) = by(&directory, &contoso.code).await;
        assert_eq!((secrets(&third), found.pending_credential), (("third", None), None));
        // It is confirmed only once, even if several processes report it.
        assert!(
            !directory.confirm_credential(contoso.id, second.new.as_ref().unwrap()).await.unwrap()
        );
        let history = directory.history(contoso.id, None, 10).await.unwrap();
        assert_eq!(
            history.iter().filter(|it| it.what.starts_with("credential proven")).count(),
            1,
            "{history:?}"
        );
    })
    .await;
}

#[tokio::test]
async fn a_secret_that_waits_is_taken_back_and_what_entra_says_against_it_is_kept() {
    on_both(async |ground: Ground| {
        let directory = ground.open().await;
        let contoso = organization(&directory, "contoso", CONTOSO, &[]).await;
        directory.change_organization(&contoso.code, anew("wrong"), "maya").await.unwrap();
        let (_, both) = by(&directory, &contoso.code).await;
        directory
            .credential_is_refused(contoso.id, both.new.as_ref().unwrap(), "AADSTS7000215")
            .await
            .unwrap();
        let (found, _) = by(&directory, &contoso.code).await;
        assert_eq!(found.pending_credential.unwrap().refused.as_deref(), Some("AADSTS7000215"));
        // The refusal does not apply to the next one.
        directory.change_organization(&contoso.code, anew("better"), "maya").await.unwrap();
        directory
            .credential_is_refused(contoso.id, both.new.as_ref().unwrap(), "AADSTS7000222")
            .await
            .unwrap();
        assert_eq!(by(&directory, &contoso.code).await.0.pending_credential.unwrap().refused, None);
        let back = OrganizationChange { withdraw_new: true, ..OrganizationChange::default() };
        let found = directory.change_organization(&contoso.code, back, "maya").await.unwrap();
        assert_eq!(
            (found.pending_credential, secrets(&by(&directory, &contoso.code).await.1)),
            (None, (VALUE, None))
        );
    })
    .await;
}

#[tokio::test]
async fn a_new_secret_takes_the_place_at_once_where_no_other_could_go_on_working() {
    on_both(async |ground: Ground| {
        let directory = ground.open().await;
        let contoso = organization(&directory, "contoso", CONTOSO, &[]).await;
        let second = async |change: OrganizationChange| {
            directory.change_organization(&contoso.code, change, "maya").await.unwrap();
            let (_, by) = by(&directory, &contoso.code).await;
            by.new.is_none().then(|| in_use(&by).to_owned())
        };
        // Belongs to another app registration.
        assert_eq!(
            second(OrganizationChange { client_id: Guid::parse(FABRIKAM), ..anew("a") })
                .await
                .as_deref(),
            Some("a")
        );
        // The same registration again: the credential is pending.
        assert_eq!(
            second(OrganizationChange { client_id: Guid::parse(FABRIKAM), ..anew("b") }).await,
            None
        );
        // While it is off, no one signs in with either.
        directory
            .change_organization(
                &contoso.code,
                OrganizationChange {
                    state: Some(OrganizationState::Off),
                    ..OrganizationChange::default()
                },
                "maya",
            )
            .await
            .unwrap();
        assert_eq!(second(anew("c")).await.as_deref(), Some("c"));
        // The current one cannot be opened with any secret, so it cannot stay in use.
        let on = OrganizationChange {
            state: Some(OrganizationState::On),
            ..OrganizationChange::default()
        };
        directory.change_organization(&contoso.code, on, "maya").await.unwrap();
        let later =
            ground.opened_with(&["another secret of the stories, long enough"]).await.unwrap();
        later.change_organization(&contoso.code, anew("d"), "maya").await.unwrap();
        assert_eq!(secrets(&by(&later, &contoso.code).await.1), ("d", None));
    })
    .await;
}

#[tokio::test]
async fn both_secrets_are_sealed_and_sealed_anew() {
    let (old, new) = (
        "the older secret of the stories, long enough",
        "the newer secret of the stories, long enough",
    );
    on_both(async |ground: Ground| {
        let directory = ground.opened_with(&[old]).await.unwrap();
        let contoso = organization(&directory, "contoso", CONTOSO, &[]).await;
        directory.change_organization(&contoso.code, anew("second-Value"), "maya").await.unwrap();
        let row = directory
            .database
            .row("SELECT credential_next FROM organization", Vec::new())
            .await
            .unwrap()
            .unwrap();
        assert!(!row.text("credential_next").unwrap().contains("second-Value"));
        assert_eq!(
            ground.opened_with(&[new]).await.unwrap().unopened().await.unwrap().as_slice(),
            std::slice::from_ref(&contoso.code)
        );
        assert_eq!(
            ground.opened_with(&[new, old]).await.unwrap().reseal("a story").await.unwrap(),
            1
        );
        let after = ground.opened_with(&[new]).await.unwrap();
        assert_eq!(after.unopened().await.unwrap(), []);
        let (_, both) = by(&after, &contoso.code).await;
        assert_eq!(secrets(&both), (VALUE, Some("second-Value")));
        // The connection that was read before has the same secret in another sealed text: the next
        // sign-in confirms it.
        assert!(after.confirm_credential(contoso.id, both.new.as_ref().unwrap()).await.unwrap());
        assert_eq!(secrets(&by(&after, &contoso.code).await.1), ("second-Value", None));
    })
    .await;
}

/// Many sign-ins on two replicas, with several new secrets one after the other.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_who_prove_a_secret_at_once_put_it_in_place_once() {
    on_both(async |ground: Ground| {
        let (one, other) = (ground.open().await, ground.open().await);
        let contoso = organization(&one, "contoso", CONTOSO, &[]).await;
        for value in ["second", "third"] {
            one.change_organization(&contoso.code, anew(value), "maya").await.unwrap();
            let new = by(&one, &contoso.code).await.1.new.unwrap();
            let all = (0..20).map(|at| {
                let (directory, new) =
                    (if at % 2 == 0 { one.clone() } else { other.clone() }, new.clone());
                tokio::spawn(async move {
                    directory.confirm_credential(contoso.id, &new).await.unwrap()
                })
            });
            let took_place = futures_util::future::join_all(all)
                .await
                .into_iter()
                .filter(|it| *it.as_ref().unwrap())
                .count();
            assert_eq!(
                (took_place, secrets(&by(&other, &contoso.code).await.1)),
                (1, (value, None))
            );
        }
    })
    .await;
}

fn sign_in(organization: &Organization, at: usize, refused: Option<&str>) -> FinishedSignIn {
    FinishedSignIn {
        organization: organization.id,
        person: None,
        name: Some(format!("person {at}")),
        refused: refused.map(str::to_owned),
        reference: format!("reference{at}"),
    }
}

fn all(most: u32) -> RecentSignInQuery {
    RecentSignInQuery { before: None, refused_only: false, limit: most }
}

#[tokio::test]
async fn sign_ins_are_read_newest_first_and_page_by_page() {
    on_both(async |ground: Ground| {
        let directory = ground.open().await;
        let contoso = organization(&directory, "contoso", CONTOSO, &[]).await;
        let fabrikam = organization(&directory, "fabrikam", FABRIKAM, &[]).await;
        let maya = person(&directory, &contoso, "maya", None).await;
        for at in 0..7 {
            let refused = (at % 3 == 0).then_some("AADSTS50105");
            directory
                .record_sign_in(&FinishedSignIn {
                    person: (at == 6).then_some(maya.id),
                    ..sign_in(&contoso, at, refused)
                })
                .await
                .unwrap();
        }
        directory.record_sign_in(&sign_in(&fabrikam, 9, None)).await.unwrap();
        let mut read = Vec::new();
        loop {
            let before = read.last().map(|it: &crate::directory::recent::RecentSignIn| it.id);
            let page = directory
                .sign_ins(contoso.id, RecentSignInQuery { before, ..all(3) })
                .await
                .unwrap();
            if page.is_empty() {
                break;
            }
            read.extend(page);
        }
        let names: Vec<_> = read.iter().map(|it| it.sign_in.reference.clone()).collect();
        assert_eq!(names, (0..7).rev().map(|at| format!("reference{at}")).collect::<Vec<_>>());
        assert_eq!(
            (read[0].username.as_ref(), read[1].username.as_ref()),
            (Some(&maya.username), None)
        );
        let refused = directory
            .sign_ins(contoso.id, RecentSignInQuery { refused_only: true, ..all(9) })
            .await
            .unwrap();
        assert_eq!(
            refused.iter().map(|it| it.sign_in.refused.as_deref()).collect::<Vec<_>>(),
            [Some("AADSTS50105"); 3]
        );
        // Unusual names from Entra are stored as short plain text.
        let odd = FinishedSignIn {
            name: Some(format!("a\n\u{1b}[31m{}", "b".repeat(999))),
            reference: "x".repeat(99),
            ..sign_in(&fabrikam, 0, Some("c\0"))
        };
        directory.record_sign_in(&odd).await.unwrap();
        let kept = directory.sign_ins(fabrikam.id, all(1)).await.unwrap().remove(0).sign_in;
        assert_eq!(
            (kept.name.unwrap().len(), kept.reference.len(), kept.refused.as_deref()),
            (128, 40, Some("c"))
        );
    })
    .await;
}

#[tokio::test]
async fn sign_ins_are_kept_for_a_month_and_a_flood_of_refusals_takes_out_none() {
    on_both(async |ground: Ground| {
        let directory = ground.open().await;
        let contoso = organization(&directory, "contoso", CONTOSO, &[]).await;
        let count = async |sql: &'static str| {
            directory.database.row(sql, Vec::new()).await.unwrap().unwrap().number("count").unwrap()
        };
        directory.record_sign_in(&sign_in(&contoso, 0, None)).await.unwrap();
        let flood = usize::from(MAX_ROWS_PER_OUTCOME) + 2 * usize::from(ROWS_BETWEEN_CLEANUPS);
        for at in 0..flood {
            directory.record_sign_in(&sign_in(&contoso, at, Some("access_denied"))).await.unwrap();
        }
        let refused =
            count("SELECT COUNT(*) AS count FROM sign_in WHERE outcome = 'refused'").await;
        assert!(
            (i64::from(MAX_ROWS_PER_OUTCOME)
                ..i64::from(MAX_ROWS_PER_OUTCOME + ROWS_BETWEEN_CLEANUPS))
                .contains(&refused),
            "{refused}"
        );
        let newest = directory.sign_ins(contoso.id, all(1)).await.unwrap().remove(0);
        assert_eq!(newest.sign_in.reference, format!("reference{}", flood - 1));
        assert_eq!(
            count("SELECT COUNT(*) AS count FROM sign_in WHERE outcome = 'signed_in'").await,
            1
        );
        ground.clock.shift(i64::try_from(RETENTION_SECONDS).unwrap() + 1);
        assert_eq!(directory.sign_ins(contoso.id, all(9)).await.unwrap(), []);
        for at in 0..usize::from(ROWS_BETWEEN_CLEANUPS) {
            directory.record_sign_in(&sign_in(&contoso, at, None)).await.unwrap();
        }
        assert_eq!(
            count("SELECT COUNT(*) AS count FROM sign_in").await,
            i64::from(ROWS_BETWEEN_CLEANUPS)
        );
    })
    .await;
}

#[tokio::test]
async fn the_history_is_whole_newest_first_and_of_one_organization() {
    on_both(async |ground: Ground| {
        let directory = ground.open().await;
        let contoso = organization(&directory, "contoso", CONTOSO, &[]).await;
        let fabrikam = organization(&directory, "fabrikam", FABRIKAM, &[]).await;
        let maya = person(&directory, &contoso, "maya", None).await;
        for at in 0..9 {
            let change =
                PersonChange { name: Some(format!("Maya {at}")), ..PersonChange::default() };
            directory.change_person(&maya.username, change, "tom").await.unwrap();
            // Both within one second and across two.
            if at == 4 {
                ground.clock.shift(2);
            }
        }
        directory
            .apply_action(
                &AdminScope { organization: contoso.id, person: None, by: "tom".to_owned() },
                maya.id,
                &PersonAction::SignOut,
            )
            .await
            .unwrap();
        let mut read = Vec::new();
        loop {
            let page = directory
                .history(
                    contoso.id,
                    read.last().map(|it: &crate::directory::history::HistoryEntry| it.id),
                    4,
                )
                .await
                .unwrap();
            if page.is_empty() {
                break;
            }
            read.extend(page);
        }
        let told: Vec<_> = read.iter().map(|it| it.what.as_str()).collect();
        let names = (0..9).rev().map(|at| format!("maya: name Maya {at}"));
        let expected: Vec<_> = std::iter::once(SIGNED_OUT.to_owned())
            .chain(names)
            .chain(["maya made by hand".to_owned(), "made with the code contoso".to_owned()])
            .collect();
        assert_eq!(told, expected);
        // A person of the organization is shown with the current username.
        let by = format!("person {}", maya.id);
        directory
            .apply_action(
                &AdminScope { organization: contoso.id, person: None, by: by.clone() },
                maya.id,
                &PersonAction::SignOut,
            )
            .await
            .unwrap();
        let newest = directory.history(contoso.id, None, 2).await.unwrap();
        assert_eq!(
            (newest[0].by.as_str(), newest[0].by_username.as_ref(), newest[1].by_username.as_ref()),
            (by.as_str(), Some(&maya.username), None)
        );
        assert_eq!(
            (read[0].by.as_str(), read[0].person, read[0].username.as_ref()),
            ("tom", Some(maya.id), Some(&maya.username))
        );
        // A position in another organization's history leads nowhere.
        assert_eq!(directory.history(fabrikam.id, Some(read[0].id), 9).await.unwrap(), []);
        assert_eq!(directory.history(fabrikam.id, None, 9).await.unwrap().len(), 1);
    })
    .await;
}

#[tokio::test]
async fn an_admin_changes_whom_they_stand_above_and_nobody_else() {
    on_both(async |ground: Ground| {
        let directory = ground.open().await;
        let contoso = organization(&directory, "contoso", CONTOSO, &[]).await;
        let fabrikam = organization(&directory, "fabrikam", FABRIKAM, &[]).await;
        let made = async |organization: &Organization, username: &str, role: &str| {
            let new = NewPerson {
                username: name(username),
                name: None,
                email: None,
                role: Some(role.to_owned()),
            };
            directory.add_person(&organization.code, &new, "a story").await.unwrap()
        };
        let (olga, anna, adam, walt) = (
            made(&contoso, "olga", "owner").await,
            made(&contoso, "anna", "admin").await,
            made(&contoso, "adam", "admin").await,
            made(&contoso, "walt", "worker").await,
        );
        let felix = made(&fabrikam, "felix", "worker").await;
        let by = |person: Option<Guid>| AdminScope {
            organization: contoso.id,
            person,
            by: "whoever".to_owned(),
        };
        let does = async |who: Option<&Person>, whom: &Person, act: PersonAction| {
            directory.apply_action(&by(who.map(|it| it.id)), whom.id, &act).await
        };
        let role = |it: &str| PersonAction::Role(it.to_owned());

        // Up to one's own role, and back.
        assert_eq!(does(Some(&anna), &walt, role("admin")).await.unwrap().role, "admin");
        let lowered = does(Some(&anna), &walt, role("worker")).await.unwrap();
        assert_eq!((lowered.role.as_str(), lowered.role_source.as_str()), ("worker", "hand"));
        assert!(!does(Some(&anna), &adam, PersonAction::On(false)).await.unwrap().on);
        // A person who is off can no longer change anything.
        assert!(matches!(
            does(Some(&adam), &walt, PersonAction::SignOut).await,
            Err(ActionError::NotYou)
        ));
        assert!(does(Some(&anna), &adam, PersonAction::On(true)).await.unwrap().on);
        // Not above one's own role.
        assert!(matches!(does(Some(&anna), &walt, role("owner")).await, Err(ActionError::TooHigh)));
        for act in [role("worker"), PersonAction::On(false), PersonAction::SignOut] {
            assert!(matches!(does(Some(&anna), &olga, act).await, Err(ActionError::Above)));
        }
        assert_eq!(does(Some(&olga), &anna, role("owner")).await.unwrap().role, "owner");
        // Not oneself, except for signing out.
        for act in [role("worker"), PersonAction::On(false)] {
            assert!(matches!(does(Some(&olga), &olga, act).await, Err(ActionError::Yourself)));
        }
        does(Some(&olga), &olga, PersonAction::SignOut).await.unwrap();
        // No one from another company, neither as the target nor as the actor; no unknown role.
        assert!(matches!(
            does(Some(&olga), &felix, PersonAction::On(false)).await,
            Err(ActionError::Nobody)
        ));
        assert!(matches!(
            does(Some(&felix), &walt, PersonAction::On(false)).await,
            Err(ActionError::NotYou)
        ));
        assert!(matches!(
            does(Some(&olga), &walt, role("boss")).await,
            Err(ActionError::Directory(Error::NoRole(_)))
        ));
        // A visitor with the operator's link ranks above everyone.
        assert_eq!(does(None, &olga, role("admin")).await.unwrap().role, "admin");

        assert_eq!(
            (directory.roles_below(Some("admin")), directory.roles_below(None).len()),
            (&["admin".to_owned(), "worker".to_owned()][..], 3)
        );
        assert!(directory.roles_below(Some("boss")).is_empty());
        let history = directory.history(contoso.id, None, 4).await.unwrap();
        let told: Vec<_> = history.iter().map(|it| it.what.as_str()).collect();
        assert_eq!(
            told,
            [
                "olga: role owner became admin",
                SIGNED_OUT,
                "anna: role admin became owner",
                "adam: state on"
            ],
            "what was refused is in no history"
        );
        assert_eq!(directory.history(fabrikam.id, None, 9).await.unwrap().len(), 2);
    })
    .await;
}

#[test]
fn nothing_here_changes_the_history_or_takes_a_row_out_of_it() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/directory");
    let mut read = 0;
    for it in
        std::fs::read_dir(folder).unwrap().map(|it| it.unwrap().path()).filter(|it| it.is_file())
    {
        let text = std::fs::read_to_string(&it).unwrap().to_lowercase();
        read += text.matches("into audit").count();
        for statement in ["update audit", "delete from audit", "drop table", "truncate"] {
            assert!(!text.contains(statement), "{statement} in {}", it.display());
        }
    }
    assert!(read >= 1, "no statement was read");
}
