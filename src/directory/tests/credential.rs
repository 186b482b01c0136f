//! A new client secret beside the current one, until it is proven.

use super::*;
use crate::directory::change::OrganizationChange;
use crate::directory::organization::{EntraConnection, OrganizationState};

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
    on_both(async |fixture: DatabaseFixture| {
        let directory = fixture.open().await;
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
    on_both(async |fixture: DatabaseFixture| {
        let directory = fixture.open().await;
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
    on_both(async |fixture: DatabaseFixture| {
        let directory = fixture.open().await;
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
            fixture.opened_with(&["another secret of the stories, long enough"]).await.unwrap();
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
    on_both(async |fixture: DatabaseFixture| {
        let directory = fixture.opened_with(&[old]).await.unwrap();
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
            fixture.opened_with(&[new]).await.unwrap().unopened().await.unwrap().as_slice(),
            std::slice::from_ref(&contoso.code)
        );
        assert_eq!(
            fixture.opened_with(&[new, old]).await.unwrap().reseal("a story").await.unwrap(),
            1
        );
        let after = fixture.opened_with(&[new]).await.unwrap();
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
    on_both(async |fixture: DatabaseFixture| {
        let (one, other) = (fixture.open().await, fixture.open().await);
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
