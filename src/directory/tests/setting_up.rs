//! Set-up links for organizations, and test sign-ins.

use super::*;
use crate::directory::change::{ChangeOrigin, OrganizationChange};
use crate::directory::invitation::{
    InvitationError, LINK_LIFETIME_SECONDS, VISIT_LIFETIME_SECONDS,
};
use crate::directory::organization::OrganizationState;
use crate::directory::trial::PassedTrial;

fn seconds(it: u64) -> i64 {
    i64::try_from(it).unwrap()
}

#[tokio::test]
async fn a_link_that_several_use_at_the_same_time_is_used_once_and_names_its_organization() {
    on_both(async |fixture: DatabaseFixture| {
        let directory = fixture.open().await;
        let contoso = organization(&directory, "contoso", CONTOSO, &[]).await;
        let made = directory.invite(&contoso.code, "a story").await.unwrap();
        assert_eq!(made.organization.id, contoso.id);
        assert!(made.token.expose().len() >= 43, "256 bits");
        let (one, two, three) = tokio::join!(
            directory.accept(&made.token),
            directory.accept(&made.token),
            directory.accept(&made.token)
        );
        let all = [one, two, three];
        assert_eq!(all.iter().filter(|it| it.is_ok()).count(), 1, "{all:?}");
        assert_eq!(
            all.iter().filter(|it| matches!(it, Err(InvitationError::Used))).count(),
            2,
            "{all:?}"
        );
        let visit = all.into_iter().find_map(Result::ok).unwrap();
        assert_eq!(visit.organization.id, contoso.id);
        assert_eq!(
            directory.invitation(visit.id).await.unwrap().unwrap().organization.id,
            contoso.id
        );
        assert!(matches!(
            directory.accept(&Secret::new("another")).await,
            Err(InvitationError::Unknown)
        ));
        let history = directory.history(contoso.id, None, 10).await.unwrap();
        assert_eq!(
            history.iter().filter(|it| it.by == format!("invitation {}", visit.id)).count(),
            1,
            "{history:?}"
        );
        assert!(history.iter().all(|it| !it.what.contains(made.token.expose())));
    })
    .await;
}

#[tokio::test]
async fn a_link_ends_after_a_day_a_visit_after_two_hours_and_both_with_another_link_or_the_organization()
 {
    on_both(async |fixture: DatabaseFixture| {
        let directory = fixture.open().await;
        let contoso = organization(&directory, "contoso", CONTOSO, &[]).await;
        let invited = async || directory.invite(&contoso.code, "a story").await.unwrap().token;
        let late = invited().await;
        fixture.clock.shift(seconds(LINK_LIFETIME_SECONDS));
        assert!(matches!(directory.accept(&late).await, Err(InvitationError::Ended)));
        let visit = directory.accept(&invited().await).await.unwrap();
        // The clock also advances in real time, so this leaves a margin.
        fixture.clock.shift(seconds(VISIT_LIFETIME_SECONDS) - 60);
        assert!(directory.invitation(visit.id).await.unwrap().is_some());
        fixture.clock.shift(60);
        assert!(directory.invitation(visit.id).await.unwrap().is_none());
        let before = invited().await;
        let visit = directory.accept(&invited().await).await.unwrap();
        assert!(matches!(directory.accept(&before).await, Err(InvitationError::Ended)));
        let off = OrganizationChange {
            state: Some(OrganizationState::Off),
            ..OrganizationChange::default()
        };
        directory.change_organization(&contoso.code, off, "a story").await.unwrap();
        assert!(directory.invitation(visit.id).await.unwrap().is_none());
        assert!(matches!(
            directory.invite(&code("nobody"), "a story").await,
            Err(Error::NoOrganization(_))
        ));
    })
    .await;
}

#[tokio::test]
async fn of_two_links_made_at_once_one_holds() {
    on_both(async |fixture: DatabaseFixture| {
        let directory = fixture.open().await;
        let contoso = organization(&directory, "contoso", CONTOSO, &[]).await;
        for round in 0..10 {
            let (one, two, three) = tokio::join!(
                directory.invite(&contoso.code, "olga"),
                directory.invite(&contoso.code, "oskar"),
                directory.invite(&contoso.code, "otto")
            );
            let mut held = 0;
            for made in [one, two, three] {
                match directory.accept(&made.unwrap().token).await {
                    Ok(_) => held += 1,
                    Err(it) => assert!(matches!(it, InvitationError::Ended), "{round}: {it:?}"),
                }
            }
            assert_eq!(held, 1, "{round}");
        }
    })
    .await;
}

#[tokio::test]
async fn guesses_of_codes_and_links_wait_for_no_writer_and_keep_none_waiting() {
    on_both(async |fixture: DatabaseFixture| {
        let directory = fixture.open().await;
        // SQLite has one writer at a time, and this one does not finish.
        let writing = directory.database.begin_transaction().await.unwrap();
        let junk = Secret::new("A".repeat(43));
        let answers = async {
            (
                directory.redeem_code(&junk, "phone", None, "x", 100).await.err(),
                directory.accept(&junk).await.err(),
            )
        };
        let answers = tokio::time::timeout(std::time::Duration::from_secs(3), answers)
            .await
            .expect("a guess waits for a writer");
        assert!(
            matches!(
                answers,
                (
                    Some(crate::directory::client_sign_ins::RedeemError::Unknown),
                    Some(InvitationError::Unknown)
                )
            ),
            "{answers:?}"
        );
        drop(writing);
    })
    .await;
}

#[tokio::test]
async fn a_test_is_of_the_connection_as_it_was_then() {
    on_both(async |fixture: DatabaseFixture| {
        let directory = fixture.open().await;
        let new = NewOrganization {
            code: Some(code("contoso")),
            name: "Contoso".to_owned(),
            ..NewOrganization::default()
        };
        let draft = directory.add_organization(new, "a story").await.unwrap();
        assert_eq!(directory.connection_mark(&draft).await.unwrap(), None);
        let whole = || OrganizationChange {
            tenant: Guid::parse(CONTOSO),
            client_id: Guid::parse(CLIENT),
            proof: Some(OrganizationCredential::secret(VALUE)),
            credential_ends: Some(4_099_680_000),
            ..OrganizationChange::default()
        };
        let draft = directory.change_organization(&draft.code, whole(), "a story").await.unwrap();
        assert_eq!(draft.credential_ends, Some(4_099_680_000));
        let mark = directory.connection_mark(&draft).await.unwrap().unwrap();
        let account = who(CONTOSO, 1, "maya@contoso.com");
        let passed =
            |mark| PassedTrial { mark: Some(mark), by: "a story", who: &account, invitation: None };
        assert_eq!(directory.tested(&draft).await.unwrap(), None);
        directory.note_trial(&draft, &passed(&mark)).await.unwrap();
        assert!(directory.tested(&draft).await.unwrap().is_some());
        // Another expiry date or another name does not change the connection; entering the same
        // secret again does.
        let more = OrganizationChange {
            credential_ends: Some(4_099_766_400),
            name: Some("Contoso Freight".to_owned()),
            ..OrganizationChange::default()
        };
        let draft = directory.change_organization(&draft.code, more, "a story").await.unwrap();
        assert!(directory.tested(&draft).await.unwrap().is_some());
        let draft = directory.change_organization(&draft.code, whole(), "a story").await.unwrap();
        assert_eq!(directory.tested(&draft).await.unwrap(), None);
        // The earlier test no longer counts.
        directory.note_trial(&draft, &passed(&mark)).await.unwrap();
        assert_eq!(directory.tested(&draft).await.unwrap(), None);
        let on = || OrganizationChange {
            state: Some(OrganizationState::On),
            origin: ChangeOrigin::Invited,
            ..OrganizationChange::default()
        };
        assert!(matches!(
            directory.change_organization(&draft.code, on(), "a story").await,
            Err(Error::NotTested(_))
        ));
        let mark = directory.connection_mark(&draft).await.unwrap().unwrap();
        directory.note_trial(&draft, &passed(&mark)).await.unwrap();
        // A test of the previous connection does not count for a connection in the same change
        // either.
        let both = OrganizationChange {
            state: Some(OrganizationState::On),
            origin: ChangeOrigin::Invited,
            ..whole()
        };
        assert!(matches!(
            directory.change_organization(&draft.code, both, "a story").await,
            Err(Error::NotTested(_))
        ));
        assert_eq!(
            directory.change_organization(&draft.code, on(), "a story").await.unwrap().state,
            OrganizationState::On
        );
    })
    .await;
}

/// An admin could not switch off the owner, but could switch off the whole company.
#[tokio::test]
async fn an_admin_changes_nothing_that_can_lock_out_somebody_of_a_higher_role() {
    on_both(async |fixture: DatabaseFixture| {
        let directory = fixture.open().await;
        let contoso =
            organization(&directory, "contoso", CONTOSO, &["contoso.com", "contoso.net"]).await;
        let with_role = async |username: &str, role: &str| {
            let new = NewPerson {
                username: name(username),
                name: None,
                email: None,
                role: Some(role.to_owned()),
            };
            directory.add_person(&contoso.code, &new, "a story").await.unwrap().id
        };
        let (owner, admin) = (
            with_role("olga@contoso.com", "owner").await,
            with_role("adam@contoso.com", "admin").await,
        );
        let change = async |person: Guid, change: OrganizationChange| {
            let change = OrganizationChange { origin: ChangeOrigin::Admin(person), ..change };
            directory.change_organization(&contoso.code, change, &format!("person {person}")).await
        };
        let empty = OrganizationChange::default;
        let secret = |text: &str| Some(OrganizationCredential::secret(text));
        let acts: [(&str, &dyn Fn() -> OrganizationChange); 10] = [
            ("turn off", &|| OrganizationChange { state: Some(OrganizationState::Off), ..empty() }),
            ("back to a draft", &|| OrganizationChange {
                state: Some(OrganizationState::Draft),
                ..empty()
            }),
            ("another tenant", &|| OrganizationChange { tenant: Guid::parse(FABRIKAM), ..empty() }),
            ("another client ID", &|| OrganizationChange {
                client_id: Guid::parse(FABRIKAM),
                ..empty()
            }),
            ("no guests", &|| OrganizationChange { guests: Some(false), ..empty() }),
            ("nobody new", &|| OrganizationChange {
                first_sign_in: Some(FirstSignInRule::Refuse),
                ..empty()
            }),
            ("another default role", &|| OrganizationChange {
                default_role: Some("owner".to_owned()),
                ..empty()
            }),
            ("let a domain go", &|| OrganizationChange {
                unbind: vec!["contoso.net".to_owned()],
                ..empty()
            }),
            ("bind a domain", &|| OrganizationChange {
                bind: vec!["contoso.org".to_owned()],
                ..empty()
            }),
            ("another name", &|| OrganizationChange {
                name: Some("Contoso Owned".to_owned()),
                ..empty()
            }),
        ];
        for (what, act) in &acts {
            let refused = change(admin, act()).await.unwrap_err();
            assert!(
                matches!(refused, Error::NeedsHighestRole(_) | Error::StaysWhileOn(_)),
                "{what}: {refused}"
            );
        }
        // A new secret is pending beside the current one, and locks no one out.
        change(
            admin,
            OrganizationChange { proof: secret("the-admins-new-secret-0123456789"), ..empty() },
        )
        .await
        .unwrap();
        change(admin, OrganizationChange { withdraw_new: true, ..empty() }).await.unwrap();
        // A pending secret from the owner or the operator can be the only one that has not expired.
        change(
            owner,
            OrganizationChange { proof: secret("the-owners-new-secret-0123456789"), ..empty() },
        )
        .await
        .unwrap();
        for by in ["the owner", "the operator"] {
            for act in [
                OrganizationChange { withdraw_new: true, ..empty() },
                OrganizationChange { proof: secret("another-new-secret-0123456789"), ..empty() },
            ] {
                assert!(
                    matches!(change(admin, act).await, Err(Error::NeedsHighestRole(_))),
                    "{by}"
                );
            }
            let operators = OrganizationChange {
                proof: secret("the-operators-new-secret-0123456789"),
                ..empty()
            };
            directory.change_organization(&contoso.code, operators, "operator").await.unwrap();
        }
        // The owner may do so, except for the values that stay while it is on; so may the admin,
        // once no one who is on has a higher role.
        change(owner, OrganizationChange { withdraw_new: true, ..empty() }).await.unwrap();
        for (what, act) in &acts[4..] {
            assert!(change(owner, act()).await.is_ok(), "{what}");
        }
        assert!(
            !directory.has_highest_role(contoso.id, admin).await.unwrap()
                && directory.has_highest_role(contoso.id, owner).await.unwrap()
        );
        let off = PersonChange { on: Some(false), ..PersonChange::default() };
        directory.change_person(&name("olga@contoso.com"), off, "operator").await.unwrap();
        assert!(
            matches!(change(owner, acts[0].1()).await, Err(Error::NeedsHighestRole(_))),
            "somebody who is off"
        );
        assert_eq!(change(admin, acts[0].1()).await.unwrap().state, OrganizationState::Off);
    })
    .await;
}
