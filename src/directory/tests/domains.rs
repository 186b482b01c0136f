//! Domains that organizations claim and prove.

use super::*;
use crate::base::credential::ClientCredential;
use crate::base::email_domain::EmailDomain;
use crate::directory::admin::AdminScope;
use crate::directory::change::OrganizationChange;
use crate::directory::domain::DomainStanding;
use crate::directory::domain_claim::{
    CLAIM_LIFETIME_SECONDS, DomainError, DomainProof, MAX_DOMAINS,
};
use crate::directory::trial::PassedTrial;

fn domain(text: &str) -> EmailDomain {
    EmailDomain::parse(text).unwrap()
}

fn acting(organization: &Organization) -> AdminScope {
    AdminScope::operator(organization.id, "a story")
}

/// Claims a domain, and returns what its TXT record proves.
async fn claimed(
    directory: &Directory,
    organization: &Organization,
    text: &str,
) -> Result<DomainProof, DomainError> {
    directory.claim_domain(&acting(organization), &domain(text)).await?;
    let check = directory.begin_domain_check(&acting(organization), &domain(text)).await?;
    Ok(DomainProof::Dns { tenant: check.tenant, record: check.record.unwrap() })
}

async fn standings(directory: &Directory, organization: &Organization) -> Vec<DomainStanding> {
    let all = directory.domain_list(organization.id).await.unwrap();
    all.into_iter().map(|it| it.standing).collect()
}

#[tokio::test]
async fn of_two_organizations_that_prove_one_domain_at_once_one_has_it() {
    on_both(async |fixture: DatabaseFixture| {
        let directory = fixture.open().await;
        let contoso = organization(&directory, "contoso", CONTOSO, &[]).await;
        let fabrikam = organization(&directory, "fabrikam", FABRIKAM, &[]).await;
        for number in 0..10 {
            let text = format!("mail{number}.example");
            let (one, other) = (
                claimed(&directory, &contoso, &text).await.unwrap(),
                claimed(&directory, &fabrikam, &text).await.unwrap(),
            );
            let name = domain(&text);
            let (first, second) = (acting(&contoso), acting(&fabrikam));
            let (one, other) = tokio::join!(
                directory.prove_domain(&first, &name, &one),
                directory.prove_domain(&second, &name, &other)
            );
            assert!(one.is_ok() != other.is_ok(), "{one:?} {other:?}");
            let refused = one.and(other).unwrap_err();
            assert!(
                matches!(refused, DomainError::Directory(Error::DomainElsewhere(_))),
                "{refused:?}"
            );
        }
    })
    .await;
}

#[tokio::test]
async fn a_proof_counts_only_for_the_claim_the_tenant_and_the_record_it_is_of() {
    on_both(async |fixture: DatabaseFixture| {
        let directory = fixture.open().await;
        let contoso = organization(&directory, "contoso", CONTOSO, &[]).await;
        let fabrikam = organization(&directory, "fabrikam", FABRIKAM, &[]).await;
        let name = domain("mail.example");
        let tenant = Guid::parse(CONTOSO).unwrap();
        let dns = |record: &str| DomainProof::Dns { tenant, record: record.to_owned() };
        let prove = async |proof: &DomainProof| {
            directory.prove_domain(&acting(&contoso), &name, proof).await
        };
        // Without a claim there is no record, not even an empty one.
        for record in ["", "entrada-verification="] {
            assert!(matches!(prove(&dns(record)).await, Err(DomainError::NotClaimed)));
        }
        let proof = claimed(&directory, &contoso, "mail.example").await.unwrap();
        claimed(&directory, &fabrikam, "mail.example").await.unwrap();
        let others = directory.domain_record(fabrikam.id).await.unwrap().unwrap();
        assert!(matches!(prove(&dns(&others)).await, Err(DomainError::NotClaimed)));
        // Nobody has tested the sign-in, and another tenant says nothing.
        let by_tenant = DomainProof::Tenant(tenant);
        assert!(matches!(prove(&by_tenant).await, Err(DomainError::NotTested)));
        let elsewhere = DomainProof::Tenant(Guid::parse(FABRIKAM).unwrap());
        let refused = prove(&elsewhere).await.unwrap_err();
        assert!(matches!(refused, DomainError::Directory(Error::Conflict)), "{refused:?}");
        assert_eq!(standings(&directory, &contoso).await, [DomainStanding::Pending]);
        prove(&proof).await.unwrap();
        assert_eq!(standings(&directory, &contoso).await, [DomainStanding::Dns]);
        // The claim is settled; the domain stays.
        assert!(matches!(prove(&proof).await, Err(DomainError::NotClaimed)));
        assert_eq!(directory.domains(contoso.id).await.unwrap(), ["mail.example"]);
    })
    .await;
}

#[tokio::test]
async fn only_a_member_s_test_of_the_current_connection_makes_the_tenant_a_witness() {
    on_both(async |fixture: DatabaseFixture| {
        let directory = fixture.open().await;
        let contoso = organization(&directory, "contoso", CONTOSO, &[]).await;
        let mark = directory.connection_mark(&contoso).await.unwrap().unwrap();
        let member = who(CONTOSO, 1, "maya@contoso.com");
        let is_tested = async || {
            let name = domain("contoso.com");
            directory.begin_domain_check(&acting(&contoso), &name).await.unwrap().is_tested
        };
        // Without a test that succeeded, a mark says nothing.
        directory.note_member_trial(contoso.id, &member, &mark).await.unwrap();
        assert!(!is_tested().await);
        let trial =
            PassedTrial { mark: Some(&mark), by: "a story", who: &member, invitation: None };
        directory.note_trial(&contoso, &trial).await.unwrap();
        let guest = Identity { guest: true, ..member.clone() };
        let personal = Identity { tid: Guid::PERSONAL, ..member.clone() };
        let stranger = who(FABRIKAM, 1, "maya@contoso.com");
        for (account, mark) in
            [(&guest, &mark), (&personal, &mark), (&stranger, &mark), (&member, &"old".to_owned())]
        {
            directory.note_member_trial(contoso.id, account, mark).await.unwrap();
            assert!(!is_tested().await, "{account:?}");
        }
        directory.note_member_trial(contoso.id, &member, &mark).await.unwrap();
        assert!(is_tested().await);
        let moved = OrganizationChange {
            client_id: Guid::parse("99998888-aaaa-7777-bbbb-666655554444"),
            ..OrganizationChange::default()
        };
        directory.change_organization(&contoso.code, moved, "a story").await.unwrap();
        assert!(!is_tested().await);
    })
    .await;
}

#[tokio::test]
async fn an_organization_has_twenty_domains_at_most_and_a_claim_ends() {
    on_both(async |fixture: DatabaseFixture| {
        let directory = fixture.open().await;
        let contoso = organization(&directory, "contoso", CONTOSO, &["contoso.com"]).await;
        for number in 1..MAX_DOMAINS {
            claimed(&directory, &contoso, &format!("mail{number}.example")).await.unwrap();
        }
        let one_more = claimed(&directory, &contoso, "one-more.example").await;
        assert!(matches!(one_more, Err(DomainError::TooMany)), "{one_more:?}");
        // Claimed again, a domain is no further one.
        let proof = claimed(&directory, &contoso, "mail1.example").await.unwrap();
        fixture.clock.shift(i64::try_from(CLAIM_LIFETIME_SECONDS).unwrap());
        let name = domain("mail1.example");
        let late = directory.prove_domain(&acting(&contoso), &name, &proof).await;
        assert!(matches!(late, Err(DomainError::NotClaimed)), "{late:?}");
        assert_eq!(standings(&directory, &contoso).await, [DomainStanding::Operator]);
        claimed(&directory, &contoso, "one-more.example").await.unwrap();
        directory.remove_domain(&acting(&contoso), &domain("one-more.example")).await.unwrap();
        let gone = directory.remove_domain(&acting(&contoso), &domain("one-more.example")).await;
        assert!(matches!(gone, Err(DomainError::NotClaimed)), "{gone:?}");
    })
    .await;
}

#[tokio::test]
async fn an_organization_with_domains_can_be_deleted_and_they_are_free_again() {
    on_both(async |fixture: DatabaseFixture| {
        let directory = fixture.open().await;
        let contoso = organization(&directory, "contoso", CONTOSO, &[]).await;
        let fabrikam = organization(&directory, "fabrikam", FABRIKAM, &[]).await;
        let proof = claimed(&directory, &contoso, "mail.example").await.unwrap();
        directory.prove_domain(&acting(&contoso), &domain("mail.example"), &proof).await.unwrap();
        claimed(&directory, &contoso, "other.example").await.unwrap();
        let off = OrganizationChange {
            state: Some(crate::directory::organization::OrganizationState::Off),
            ..OrganizationChange::default()
        };
        directory.change_organization(&contoso.code, off, "a story").await.unwrap();
        directory.delete_organization(&contoso.code, 0, "a story").await.unwrap();
        let proof = claimed(&directory, &fabrikam, "mail.example").await.unwrap();
        directory.prove_domain(&acting(&fabrikam), &domain("mail.example"), &proof).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_domain_of_the_configuration_is_taken_from_whoever_proved_it_and_the_history_says_so() {
    on_both(async |mut fixture: DatabaseFixture| {
        let directory = fixture.open().await;
        let contoso = organization(&directory, "contoso", CONTOSO, &[]).await;
        let proof = claimed(&directory, &contoso, "mail.example").await.unwrap();
        directory.prove_domain(&acting(&contoso), &domain("mail.example"), &proof).await.unwrap();
        fixture.config.organizations = vec![crate::config::directory::OrganizationConfig {
            code: code("filed"),
            name: "Filed".to_owned(),
            tenant: Guid::parse(FABRIKAM).unwrap(),
            client_id: Guid::parse(CLIENT).unwrap(),
            credential: ClientCredential::Secret(Secret::new(VALUE)),
            domains: vec!["mail.example".to_owned()],
            default_role: "worker".to_owned(),
            first_sign_in: None,
            guests: true,
        }];
        let directory = fixture.open().await;
        let found = directory.organization_of("maya@mail.example").await.unwrap().unwrap();
        assert_eq!(found.code, code("filed"));
        assert_eq!(standings(&directory, &contoso).await, []);
        let history = directory.history(contoso.id, None, 10).await.unwrap();
        let what = "domain mail.example removed: the configuration binds it elsewhere";
        assert!(history.iter().any(|it| it.by == "the configuration" && it.what == what));
        // Each process reads the file again, and the history has the change once.
        let directory = fixture.open().await;
        let history = directory.history(contoso.id, None, 10).await.unwrap();
        assert_eq!(history.iter().filter(|it| it.what == what).count(), 1);
    })
    .await;
}
