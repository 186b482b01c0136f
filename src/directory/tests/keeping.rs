//! Recent sign-ins and the history.

use super::*;
use crate::directory::admin::{AdminScope, PersonAction};
use crate::directory::change::SIGNED_OUT;
use crate::directory::recent::{
    FinishedSignIn, MAX_ROWS_PER_OUTCOME, RETENTION_SECONDS, ROWS_BETWEEN_CLEANUPS,
    RecentSignInQuery,
};

fn sign_in(organization: &Organization, at: usize, refused: Option<&str>) -> FinishedSignIn {
    FinishedSignIn {
        organization: organization.id,
        person: None,
        name: Some(format!("person {at}")),
        refused: refused.map(str::to_owned),
        reference: format!("reference{at}"),
    }
}

fn all(limit: u32) -> RecentSignInQuery {
    RecentSignInQuery { before: None, refused_only: false, limit }
}

#[tokio::test]
async fn sign_ins_are_read_newest_first_and_page_by_page() {
    on_both(async |fixture: DatabaseFixture| {
        let directory = fixture.open().await;
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
    on_both(async |fixture: DatabaseFixture| {
        let directory = fixture.open().await;
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
        fixture.clock.shift(i64::try_from(RETENTION_SECONDS).unwrap() + 1);
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
    on_both(async |fixture: DatabaseFixture| {
        let directory = fixture.open().await;
        let contoso = organization(&directory, "contoso", CONTOSO, &[]).await;
        let fabrikam = organization(&directory, "fabrikam", FABRIKAM, &[]).await;
        let maya = person(&directory, &contoso, "maya", None).await;
        for at in 0..9 {
            let change =
                PersonChange { name: Some(format!("Maya {at}")), ..PersonChange::default() };
            directory.change_person(&maya.username, change, "tom").await.unwrap();
            // Both within one second and across two.
            if at == 4 {
                fixture.clock.shift(2);
            }
        }
        directory
            .apply_action(&AdminScope::operator(contoso.id, "tom"), maya.id, &PersonAction::SignOut)
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
        let written: Vec<_> = read.iter().map(|it| it.what.as_str()).collect();
        let names = (0..9).rev().map(|at| format!("maya: name Maya {at}"));
        let expected: Vec<_> = std::iter::once(SIGNED_OUT.to_owned())
            .chain(names)
            .chain(["maya made by hand".to_owned(), "made with the code contoso".to_owned()])
            .collect();
        assert_eq!(written, expected);
        // A person of the organization is shown with the current username.
        let by = format!("person {}", maya.id);
        directory
            .apply_action(
                &AdminScope::operator(contoso.id, by.clone()),
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

#[test]
fn nothing_takes_a_row_out_of_the_history_and_only_a_deletion_removes_names_from_it() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/directory");
    let mut read = 0;
    for it in
        std::fs::read_dir(folder).unwrap().map(|it| it.unwrap().path()).filter(|it| it.is_file())
    {
        let text = std::fs::read_to_string(&it).unwrap().to_lowercase();
        read += text.matches("into audit").count();
        for statement in ["update audit", "delete from audit", "drop table", "truncate"] {
            let erases = it.ends_with("erasure.rs") && statement == "update audit";
            let count = text.matches(statement).count();
            // Of a person, and of the people of an organization.
            assert_eq!(count, if erases { 2 } else { 0 }, "{statement} in {}", it.display());
        }
        // A deletion changes the text of a row, and nothing else of it.
        let of_text = text.matches("update audit set what = $2 where ").count();
        assert_eq!(of_text, text.matches("update audit").count(), "{}", it.display());
    }
    assert!(read >= 1, "no statement was read");
}
