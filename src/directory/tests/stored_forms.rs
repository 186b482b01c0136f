//! Names that an earlier version stored are brought into the form that lookups use.

use super::super::unfolded_form::{UnfoldedForm, UnfoldedReason};
use super::*;

/// Writes a username and an e-mail as an earlier version stored them.
async fn stored_before(directory: &Directory, person: Guid, username: &str, email: Option<&str>) {
    let mut changes = directory.database.begin_transaction().await.unwrap();
    let values = vec![person.to_string().into(), username.into(), email.map(str::to_owned).into()];
    let sql = "UPDATE person SET username = $2, email = $3 WHERE id = $1";
    changes.run(sql, values).await.unwrap();
    changes.run("DELETE FROM stored_forms", Vec::new()).await.unwrap();
    changes.commit().await.unwrap();
}

async fn stored(directory: &Directory, person: Guid) -> (String, Option<String>) {
    let found = directory.person_by_id(person).await.unwrap().unwrap();
    (found.username.to_string(), found.email)
}

fn stays(stored: &str, folded: &str, why: UnfoldedReason) -> UnfoldedForm {
    let organization = "contoso".to_owned();
    UnfoldedForm { organization, stored: stored.to_owned(), folded: folded.to_owned(), why }
}

fn sorted(all: &[UnfoldedForm]) -> Vec<UnfoldedForm> {
    let mut all = all.to_vec();
    all.sort_by(|one, other| one.stored.cmp(&other.stored));
    all
}

#[tokio::test]
async fn stored_names_of_an_earlier_version_are_found_again() {
    on_both(|fixture| async move {
        let directory = fixture.open().await;
        let contoso = organization(&directory, "contoso", CONTOSO, &[]).await;
        let maya = person(&directory, &contoso, "maya", None).await.id;
        let tom = person(&directory, &contoso, "tom", None).await.id;
        stored_before(&directory, maya, "maya.", Some("o’neil＠contoso.example.")).await;
        directory.close().await;
        let directory = fixture.open().await;
        assert!(directory.unfolded_forms().is_empty());
        let folded = ("maya".to_owned(), Some("o'neil@contoso.example".to_owned()));
        assert_eq!(stored(&directory, maya).await, folded);
        assert_eq!(stored(&directory, tom).await, ("tom".to_owned(), None));
        assert_eq!(directory.person(&name("Maya.")).await.unwrap().unwrap().id, maya);
        let history = directory.history(contoso.id, None, 100).await.unwrap();
        let upgrades: Vec<_> = history.iter().filter(|it| it.by == "upgrade").collect();
        assert_eq!(upgrades.len(), 2, "{history:?}");
        assert!(upgrades.iter().any(|it| it.what.starts_with("maya.: username maya,")));
        // Once, and not at each start.
        directory.close().await;
        let directory = fixture.open().await;
        assert_eq!(directory.history(contoso.id, None, 100).await.unwrap(), history);
        directory.close().await;
    })
    .await;
}

#[tokio::test]
async fn two_people_who_would_have_one_name_keep_theirs_and_are_listed() {
    on_both(|fixture| async move {
        let directory = fixture.open().await;
        let contoso = organization(&directory, "contoso", CONTOSO, &[]).await;
        organization(&directory, "fabrikam", FABRIKAM, &["fabrikam.example"]).await;
        let mut ids = Vec::new();
        for (made, before) in [
            ("maya", "maya"),
            ("one", "maya."),
            ("two", "tom."),
            ("three", "tom!"),
            ("four", "fabrikam!"),
            ("five", "eve@fabrikam.example."),
        ] {
            let id = person(&directory, &contoso, made, None).await.id;
            stored_before(&directory, id, before, None).await;
            ids.push((id, before));
        }
        // Two addresses that become one.
        let six = person(&directory, &contoso, "six", None).await.id;
        let seven = person(&directory, &contoso, "seven", None).await.id;
        stored_before(&directory, six, "six", Some("d’arcy@x.example")).await;
        stored_before(&directory, seven, "seven", Some("d'arcy@x.example")).await;
        directory.close().await;
        let directory = fixture.open().await;
        let expected = [
            stays("d’arcy@x.example", "d'arcy@x.example", UnfoldedReason::Taken),
            stays("eve@fabrikam.example.", "eve@fabrikam.example", UnfoldedReason::DomainElsewhere),
            stays("fabrikam!", "fabrikam", UnfoldedReason::Code),
            stays("maya.", "maya", UnfoldedReason::Taken),
            stays("tom!", "tom", UnfoldedReason::Taken),
            stays("tom.", "tom", UnfoldedReason::Taken),
        ];
        assert_eq!(sorted(directory.unfolded_forms()), expected);
        for (id, before) in &ids {
            assert_eq!(stored(&directory, *id).await.0, *before);
        }
        // Whoever types the name is led to the person who has it, and an operator finds both.
        let found = async |text: &str| {
            directory.person(&Username::of_existing(text).unwrap()).await.unwrap().map(|it| it.id)
        };
        assert_eq!((found("maya").await, found("maya.").await), (Some(ids[0].0), Some(ids[1].0)));
        assert_eq!((found("tom").await, found("Tom!").await), (None, None));
        // After one of the two is renamed, the next start folds the other.
        let renamed =
            PersonChange { username: Some(name("maya.okafor")), ..PersonChange::default() };
        directory.change_person(&name("maya"), renamed, "test").await.unwrap();
        directory.close().await;
        let directory = fixture.open().await;
        assert_eq!(stored(&directory, ids[1].0).await.0, "maya");
        assert_eq!(directory.unfolded_forms().len(), expected.len() - 1);
        directory.close().await;
    })
    .await;
}
