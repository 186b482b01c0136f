//! Admins who claim what belongs to others.

use super::domains::{DomainWorld, MAIL, PAGE, RECORD, one, says};
use super::*;
use crate::world::browser::FORM;
use crate::world::name_server::NameAnswer;
use crate::world::samples::{CONTOSO, MAYA};
use entrada::directory::change::NewPerson;
use entrada::directory::domain::DomainStanding;

#[tokio::test]
async fn attack_an_admin_claims_a_domain_of_another_tenant() {
    let domains = DomainWorld::start().await;
    let mut admin = domains.connected().await;
    tests_as(&mut admin, MAYA).await;
    // Whatever DNS says, too: the domain's people are not in this tenant.
    for domain in ["fabrikam.example", "northwind.example"] {
        domains
            .dns
            .answers(&format!("_entrada-challenge.{domain}"), NameAnswer::Texts(vec!["x".into()]));
        let page = domains.acts(&mut admin, "add", domain).await;
        says(&page, 409, "Microsoft knows this domain in another tenant than yours");
        let page = domains.acts(&mut admin, "check", domain).await;
        says(&page, 409, "This domain is not listed any more");
    }
    assert_eq!(domains.domains("contoso").await, Vec::new());
    assert_eq!(
        domains.domains("fabrikam").await,
        one("fabrikam.example", DomainStanding::Operator)
    );
    assert_eq!(domains.dns.asked(), Vec::<String>::new());
}

#[tokio::test]
async fn attack_an_admin_claims_a_domain_that_another_company_has() {
    let domains = DomainWorld::start().await;
    let world = &domains.world;
    let mut admin = domains.connected().await;
    // A claim reserves nothing: the other company gets the domain, whoever came first.
    domains.acts(&mut admin, "add", MAIL).await;
    let bind = OrganizationChange { bind: vec![MAIL.to_owned()], ..Default::default() };
    world.changes("fabrikam", bind).await;
    domains.publishes(&domains.value("contoso").await);
    for act in ["check", "add"] {
        let page = domains.acts(&mut admin, act, MAIL).await;
        says(&page, 409, "This domain belongs to another company here");
        assert!(!page.body.contains("Fabrikam"), "{}", page.body);
    }
    assert_eq!(domains.domains("contoso").await, one(MAIL, DomainStanding::Pending));
    let found = world.directory().organization_of("whoever@contoso-mail.example").await.unwrap();
    assert_eq!(found.unwrap().code.as_str(), "fabrikam");
}

#[tokio::test]
async fn attack_the_record_of_another_company_proves_nothing() {
    let domains = DomainWorld::start().await;
    let world = &domains.world;
    let mut admin = domains.connected().await;
    domains.acts(&mut admin, "add", MAIL).await;
    let mut other = world.invited("fabrikam").await;
    domains.acts(&mut other, "add", MAIL).await;
    let (value, others) = (domains.value("contoso").await, domains.value("fabrikam").await);
    assert_ne!(value, others);
    domains.publishes(&others);
    let page = domains.acts(&mut admin, "check", MAIL).await;
    says(&page, 409, "with another value");
    says(&domains.acts(&mut other, "check", MAIL).await, 200, "Proven by the TXT record");
    // And the first company to prove it keeps it, even if both records are there.
    domains.dns.answers(RECORD, NameAnswer::Texts(vec![value, others]));
    let page = domains.acts(&mut admin, "check", MAIL).await;
    says(&page, 409, "This domain belongs to another company here");
}

#[tokio::test]
async fn attack_an_admin_claims_a_domain_at_which_people_of_another_company_are() {
    let domains = DomainWorld::start().await;
    let world = &domains.world;
    let mut admin = domains.connected().await;
    let new = NewPerson {
        username: Username::parse("nora").unwrap(),
        name: None,
        email: Some(format!("nora@{MAIL}")),
        role: None,
    };
    let fabrikam = CompanyCode::parse("fabrikam").unwrap();
    world.directory().add_person(&fabrikam, &new, "story").await.unwrap();
    let page = domains.acts(&mut admin, "add", MAIL).await;
    says(&page, 409, "People of another company here have addresses at this domain");
    assert_eq!(domains.domains("contoso").await, Vec::new());
}

#[tokio::test]
async fn attack_a_form_of_another_site_changes_no_domain() {
    let domains = DomainWorld::start().await;
    let mut admin = domains.connected().await;
    let elsewhere: Vec<_> = FORM
        .iter()
        .map(|it| if it.0 == "sec-fetch-site" { (it.0, "cross-site") } else { *it })
        .collect();
    let page = admin.posts(PAGE, &elsewhere, "do=add&domain=contoso-mail.example").await;
    assert_eq!(page.status, 403, "{}", page.body);
    assert_eq!(domains.domains("contoso").await, Vec::new());
    assert_eq!(domains.world.organization("contoso").await.tenant, Guid::parse(CONTOSO));
}
