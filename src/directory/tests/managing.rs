//! Changes that an operator makes to organizations and people.

use super::*;
use crate::directory::admin::{ActionError, AdminScope, PersonAction};
use crate::directory::change::ChangeOrigin;
use crate::directory::change::OrganizationChange;
use crate::directory::organization::OrganizationState;
use crate::directory::people::PeopleQuery;

#[tokio::test]
async fn of_two_owners_who_switch_each_other_off_at_once_one_stays() {
    on_both(async |fixture: DatabaseFixture| {
        let directory = fixture.open().await;
        let contoso = organization(&directory, "contoso", CONTOSO, &[]).await;
        let mut two = Vec::new();
        for username in ["olga", "oskar"] {
            let new = NewPerson {
                username: name(username),
                name: None,
                email: None,
                role: Some("owner".to_owned()),
            };
            two.push(directory.add_person(&contoso.code, &new, "a story").await.unwrap().id);
        }
        let [olga, oskar] = two[..] else { unreachable!() };
        let off = async |by: Guid, whom: Guid| {
            let acting = AdminScope {
                organization: contoso.id,
                origin: ChangeOrigin::Admin(by),
                by: format!("person {by}"),
            };
            directory.apply_action(&acting, whom, &PersonAction::On(false)).await
        };
        for round in 0..20 {
            let (one, other) = tokio::join!(off(olga, oskar), off(oskar, olga));
            assert!(one.is_ok() != other.is_ok(), "{round}: {one:?} {other:?}");
            assert!(matches!(one.and(other), Err(ActionError::NotYou)), "{round}");
            for username in ["olga", "oskar"] {
                let back = PersonChange { on: Some(true), ..PersonChange::default() };
                directory.change_person(&name(username), back, "a story").await.unwrap();
            }
        }
    })
    .await;
}

#[tokio::test]
async fn what_is_typed_leads_to_one_organization() {
    on_both(async |fixture: DatabaseFixture| {
        let directory = fixture.open().await;
        let contoso = organization(&directory, "contoso", CONTOSO, &["contoso.com"]).await;
        let fabrikam = organization(&directory, "fabrikam", FABRIKAM, &[]).await;
        person(&directory, &fabrikam, "maya", None).await;
        for (typed, expected) in [
            (" Contoso ", Some(contoso.id)),
            ("fabrikam", Some(fabrikam.id)),
            ("MAYA", Some(fabrikam.id)),
            ("whoever@CONTOSO.com", Some(contoso.id)),
            ("whoever@sub.contoso.com", None),
            ("nobody", None),
            ("contoso.com", None),
            ("", None),
            ("' OR 1=1 --", None),
            ("%", None),
        ] {
            assert_eq!(
                directory.organization_of(typed).await.unwrap().map(|it| it.id),
                expected,
                "{typed}"
            );
        }
    })
    .await;
}

#[tokio::test]
async fn a_former_code_holds_until_its_end_and_is_free_after_it() {
    on_both(async |fixture: DatabaseFixture| {
        let directory = fixture.open().await;
        let contoso = organization(&directory, "contoso", CONTOSO, &[]).await;
        let renamed =
            directory.change_code(&contoso.code, &code("contoso-eu"), 1, "a story").await.unwrap();
        assert_eq!((renamed.id, renamed.code.as_str()), (contoso.id, "contoso-eu"));
        assert_eq!(
            directory.organization(&code("contoso")).await.unwrap().unwrap().code.as_str(),
            "contoso-eu"
        );
        let new = || NewOrganization {
            code: Some(code("contoso")),
            name: "Other".to_owned(),
            ..NewOrganization::default()
        };
        assert!(matches!(
            directory.add_organization(new(), "a story").await,
            Err(Error::CodeTaken(_))
        ));
        fixture.clock.shift(86_401);
        assert_eq!(directory.organization(&code("contoso")).await.unwrap(), None);
        let other = directory.add_organization(new(), "a story").await.unwrap();
        assert_eq!((other.state, other.code.as_str()), (OrganizationState::Draft, "contoso"));
        // An organization can return to its own former code.
        let back = directory
            .change_code(&code("contoso-eu"), &code("contoso-x"), 9, "a story")
            .await
            .unwrap();
        assert_eq!(
            directory.change_code(&back.code, &code("contoso-eu"), 9, "a story").await.unwrap().id,
            contoso.id
        );
    })
    .await;
}

#[tokio::test]
async fn codes_usernames_and_domains_lead_to_one_place_only() {
    on_both(async |fixture: DatabaseFixture| {
        let directory = fixture.open().await;
        let contoso = organization(&directory, "contoso", CONTOSO, &["contoso.com"]).await;
        let fabrikam = organization(&directory, "fabrikam", FABRIKAM, &[]).await;
        person(&directory, &contoso, "maya", Some("maya@partner.example")).await;
        let add = async |username: &str, email: Option<&str>| {
            let new = NewPerson {
                username: name(username),
                name: None,
                email: email.map(str::to_owned),
                role: None,
            };
            directory.add_person(&fabrikam.code, &new, "a story").await
        };
        assert!(matches!(add("MAYA", None).await, Err(Error::UsernameTaken(_))));
        assert!(matches!(add("contoso", None).await, Err(Error::UsernameIsCode(_))));
        assert!(matches!(add("jonas@contoso.com", None).await, Err(Error::DomainElsewhere(_))));
        assert!(matches!(
            add("jonas", Some("jonas@contoso.com")).await,
            Err(Error::DomainElsewhere(_))
        ));
        let bind = |domain: &str| OrganizationChange {
            bind: vec![domain.to_owned()],
            ..OrganizationChange::default()
        };
        assert!(matches!(
            directory.change_organization(&fabrikam.code, bind("contoso.com"), "a story").await,
            Err(Error::DomainElsewhere(_))
        ));
        assert!(matches!(
            directory.change_organization(&fabrikam.code, bind("partner.example"), "a story").await,
            Err(Error::DomainInUse(_, 1))
        ));
        assert!(matches!(
            directory.change_code(&fabrikam.code, &code("maya"), 1, "a story").await,
            Err(Error::CodeIsUsername(_))
        ));
        assert!(matches!(
            directory.change_code(&fabrikam.code, &code("contoso"), 1, "a story").await,
            Err(Error::CodeTaken(_))
        ));
        assert_eq!(
            directory.organization(&fabrikam.code).await.unwrap().unwrap(),
            fabrikam,
            "what was refused changed nothing"
        );
    })
    .await;
}

#[tokio::test]
async fn an_organization_is_turned_on_only_when_it_is_complete() {
    on_both(async |fixture: DatabaseFixture| {
        let directory = fixture.open().await;
        let new = NewOrganization {
            name: "Northwind Traders".to_owned(),
            tenant: Guid::parse(CONTOSO),
            ..NewOrganization::default()
        };
        let draft = directory.add_organization(new, "a story").await.unwrap();
        assert_eq!(
            (draft.code.as_str(), draft.state),
            ("northwind-traders", OrganizationState::Draft)
        );
        let on = || OrganizationChange {
            state: Some(OrganizationState::On),
            ..OrganizationChange::default()
        };
        assert!(matches!(
            directory.change_organization(&draft.code, on(), "a story").await,
            Err(Error::Incomplete(_, "a client ID"))
        ));
        let rest = OrganizationChange {
            client_id: Guid::parse(CLIENT),
            proof: Some(OrganizationCredential::secret(VALUE)),
            ..on()
        };
        assert_eq!(
            directory.change_organization(&draft.code, rest, "a story").await.unwrap().state,
            OrganizationState::On
        );
        let role = OrganizationChange {
            default_role: Some("boss".to_owned()),
            ..OrganizationChange::default()
        };
        assert!(matches!(
            directory.change_organization(&draft.code, role, "a story").await,
            Err(Error::NoRole(_))
        ));
        let second =
            NewOrganization { name: "Northwind Traders".to_owned(), ..NewOrganization::default() };
        assert_eq!(
            directory.add_organization(second, "a story").await.unwrap().code.as_str(),
            "northwind-traders-2"
        );
    })
    .await;
}

#[tokio::test]
async fn a_credential_is_sealed_for_its_organization_and_opens_until_its_secret_is_dropped() {
    let (old, new) = (
        "the older secret of the stories, long enough",
        "the newer secret of the stories, long enough",
    );
    on_both(async |fixture: DatabaseFixture| {
        let directory = fixture.opened_with(&[old]).await.unwrap();
        let contoso = organization(&directory, "contoso", CONTOSO, &[]).await;
        let fabrikam = organization(&directory, "fabrikam", FABRIKAM, &[]).await;
        let sealed = async |organization: &Organization| {
            let row = directory
                .database
                .row(
                    "SELECT credential FROM organization WHERE id = $1",
                    vec![organization.id.to_string().into()],
                )
                .await
                .unwrap();
            row.unwrap().text("credential").unwrap()
        };
        let before = sealed(&contoso).await;
        assert!(!before.contains(VALUE));
        assert_eq!(in_use(&directory.connection(&contoso).await.unwrap().unwrap()), VALUE);
        // In another row, the sealed credential cannot be opened.
        let mut changes = directory.database.begin_transaction().await.unwrap();
        let values = vec![fabrikam.id.to_string().into(), before.as_str().into()];
        changes.run("UPDATE organization SET credential = $2 WHERE id = $1", values).await.unwrap();
        changes.commit().await.unwrap();
        assert!(matches!(directory.connection(&fabrikam).await, Err(Error::Unopened(_))));
        assert_eq!(directory.unopened().await.unwrap(), [code("fabrikam")]);
        let anew = OrganizationChange {
            proof: Some(OrganizationCredential::secret(VALUE)),
            ..OrganizationChange::default()
        };
        directory.change_organization(&fabrikam.code, anew, "a story").await.unwrap();

        assert_eq!(
            fixture.opened_with(&[new]).await.unwrap().unopened().await.unwrap().len(),
            2,
            "dropped too early"
        );
        assert_eq!(
            fixture.opened_with(&[new, old]).await.unwrap().reseal("a story").await.unwrap(),
            2
        );
        let after = fixture.opened_with(&[new]).await.unwrap();
        assert_eq!(after.unopened().await.unwrap(), []);
        assert_ne!(sealed(&contoso).await, before);
    })
    .await;
}

#[tokio::test]
async fn people_are_listed_page_by_page_and_found_by_how_they_begin() {
    on_both(async |fixture: DatabaseFixture| {
        let directory = fixture.open().await;
        let contoso = organization(&directory, "contoso", CONTOSO, &[]).await;
        for it in ["anna", "anton", "an_x", "berta", "carl"] {
            person(&directory, &contoso, it, Some(&format!("{it}@mail.example"))).await;
        }
        let asked = |begins: Option<&str>, after: Option<&str>| PeopleQuery {
            organization: Some(contoso.id),
            prefix: begins.map(str::to_owned),
            after: after.map(name),
            limit: 2,
        };
        let names = async |query: PeopleQuery| {
            directory
                .people(&query)
                .await
                .unwrap()
                .iter()
                .map(|it| it.username.to_string())
                .collect::<Vec<_>>()
        };
        let mut all = Vec::new();
        loop {
            let page = names(asked(None, all.last().map(String::as_str))).await;
            if page.is_empty() {
                break;
            }
            assert!(page.len() <= 2);
            all.extend(page);
        }
        all.sort();
        assert_eq!(all, ["an_x", "anna", "anton", "berta", "carl"]);
        assert_eq!(names(asked(Some("an_"), None)).await, ["an_x"]);
        assert_eq!(names(asked(Some("Berta@"), None)).await, ["berta"]);
        assert_eq!(names(asked(Some("%"), None)).await, Vec::<String>::new());
    })
    .await;
}

#[tokio::test]
async fn every_change_is_in_the_history_and_no_credential_is() {
    on_both(async |fixture: DatabaseFixture| {
        let directory = fixture.open().await;
        let contoso = organization(&directory, "contoso", CONTOSO, &[]).await;
        let anew = OrganizationChange {
            proof: Some(OrganizationCredential::secret(VALUE)),
            name: Some("C".to_owned()),
            ..OrganizationChange::default()
        };
        directory.change_organization(&contoso.code, anew, "maya").await.unwrap();
        directory.admit_identity(&who(CONTOSO, 1, "maya@contoso.com"), &contoso).await.unwrap();
        let rows = directory
            .database
            .rows("SELECT actor, what FROM audit ORDER BY what", Vec::new())
            .await
            .unwrap();
        let texts: Vec<_> = rows
            .iter()
            .map(|it| format!("{}: {}", it.text("actor").unwrap(), it.text("what").unwrap()))
            .collect();
        assert_eq!(texts.len(), 3, "{texts:?}");
        assert!(
            texts.contains(
                &"maya: name C, new client secret pending until someone has signed in with it"
                    .to_owned()
            ),
            "{texts:?}"
        );
        assert!(texts.iter().all(|it| !it.contains(VALUE)));
    })
    .await;
}
