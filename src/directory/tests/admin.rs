//! The changes that an admin may make to other people.

use super::*;
use crate::directory::admin::{ActionError, AdminScope, PersonAction};
use crate::directory::change::{ChangeOrigin, SIGNED_OUT};

#[tokio::test]
async fn an_admin_changes_people_whose_role_is_not_higher_and_no_one_else() {
    on_both(async |fixture: DatabaseFixture| {
        let directory = fixture.open().await;
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
            origin: person.map_or(ChangeOrigin::Invited, ChangeOrigin::Admin),
            by: "an admin".to_owned(),
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
            Err(ActionError::NoSuchPerson)
        ));
        assert!(matches!(
            does(Some(&felix), &walt, PersonAction::On(false)).await,
            Err(ActionError::NotYou)
        ));
        assert!(matches!(
            does(Some(&olga), &walt, role("boss")).await,
            Err(ActionError::Directory(Error::NoRole(_)))
        ));
        // A visitor with the operator's link ranks above everyone, but neither gives nor changes a
        // role that opens the set-up page.
        for (whom, act) in [
            (&olga, role("worker")),
            (&olga, PersonAction::On(false)),
            (&walt, role("admin")),
            (&walt, role("owner")),
        ] {
            let refused = does(None, whom, act).await;
            assert!(matches!(refused, Err(ActionError::NotYou)), "{refused:?}");
        }
        does(None, &walt, PersonAction::SignOut).await.unwrap();

        assert_eq!(
            (directory.roles_below(Some("admin")), directory.roles_below(None)),
            (vec!["admin".to_owned(), "worker".to_owned()], vec!["worker".to_owned()])
        );
        assert!(directory.roles_below(Some("boss")).is_empty());
        let history = directory.history(contoso.id, None, 4).await.unwrap();
        let texts: Vec<_> = history.iter().map(|it| it.what.as_str()).collect();
        assert_eq!(
            texts,
            [SIGNED_OUT, SIGNED_OUT, "anna: role admin became owner", "adam: state on"],
            "what was refused is in no history"
        );
        assert_eq!(directory.history(fabrikam.id, None, 9).await.unwrap().len(), 2);
    })
    .await;
}
