//! People and companies that are switched off.

use super::OrganizationsWorld;
use crate::world::browser::SCRIPT;
use crate::world::samples::{FABRIKAM, FELIX, FRIDA, MAYA};
use crate::world::{CLIENT_ID, CLIENT_SECRET};
use entrada::base::company_code::CompanyCode;
use entrada::base::guid::Guid;
use entrada::base::username::Username;
use entrada::directory::change::{NewOrganization, OrganizationChange, PersonChange};
use entrada::directory::organization::OrganizationState;
use entrada::directory::organization_credential::OrganizationCredential;
use std::time::Duration;

#[tokio::test]
async fn a_person_who_is_switched_off_is_out_at_the_next_recheck_and_reads_why() {
    let world = OrganizationsWorld::start().await;
    world.knows(MAYA, "contoso", "worker").await;
    let mut maya = world.world.browser();
    world.comes(&mut maya, MAYA, MAYA).await;
    let name = Username::parse(MAYA).unwrap();
    // What changes of her reaches the app at a recheck, too.
    world
        .directory()
        .change_person(
            &name,
            PersonChange { role: Some("admin".to_owned()), ..PersonChange::default() },
            "story",
        )
        .await
        .unwrap();
    world.world.later(30 * 60);
    world
        .until(&mut maya, "the new role", |it| {
            it.status == 200 && it.app_heard("x-entrada-role") == "admin"
        })
        .await;
    world
        .directory()
        .change_person(&name, PersonChange { on: Some(false), ..PersonChange::default() }, "story")
        .await
        .unwrap();
    world.world.later(30 * 60);
    world.until(&mut maya, "the end of her session", |it| it.status == 401).await;
    // Entra knows her still, and brings her back at once.
    let page = world.types(&mut maya, MAYA).await;
    assert_eq!(page.status, 403);
    assert!(
        page.body.contains("Your access is disabled")
            && page.body.contains("prompt=select_account"),
        "{}",
        page.body
    );
    let at_entra = maya
        .until(&format!("/oauth2/start?organization=contoso&login_hint={MAYA}"), "/oauth2/callback")
        .await;
    let problem = maya.asks("GET", &at_entra.url[url::Position::BeforePath..], SCRIPT).await.json();
    assert_eq!((&problem["status"], &problem["whose"]), (&403.into(), &"admin".into()));
}

#[tokio::test]
async fn an_organization_that_is_switched_off_is_out_and_nobodys_to_know_of() {
    let world = OrganizationsWorld::start().await;
    let code = CompanyCode::parse("northwind").unwrap();
    let new = NewOrganization {
        code: Some(code.clone()),
        name: "Northwind".to_owned(),
        tenant: Guid::parse(FABRIKAM),
        client_id: Guid::parse(CLIENT_ID),
        proof: Some(OrganizationCredential::of_value("not~the~secret").unwrap()),
        on: true,
        ..NewOrganization::default()
    };
    world.directory().add_organization(new, "story").await.unwrap();
    // Another secret counts at once.
    let mut frida = world.world.browser();
    let page = world.comes(&mut frida, "northwind", FRIDA).await;
    assert!(
        page.status == 503 && page.body.contains("AADSTS7000215") && page.body.contains(FABRIKAM),
        "{}",
        page.body
    );
    world
        .changes(
            code.as_str(),
            OrganizationChange {
                proof: Some(OrganizationCredential::of_value(CLIENT_SECRET).unwrap()),
                ..OrganizationChange::default()
            },
        )
        .await;
    let page = world.comes(&mut frida, "northwind", FRIDA).await;
    assert_eq!(
        (page.status, page.app_heard("x-entrada-organization").as_str()),
        (200, "northwind"),
        "{}",
        page.body
    );
    // Switched off while somebody is at Entra, and while somebody is here.
    let mut felix = world.world.browser();
    let shown = world.types(&mut felix, "northwind").await;
    let callback = felix.stops_at_the_callback(FELIX, shown).await;
    world
        .changes(
            code.as_str(),
            OrganizationChange {
                state: Some(OrganizationState::Off),
                ..OrganizationChange::default()
            },
        )
        .await;
    let page = felix.opens(&callback).await;
    assert!(
        page.status == 403 && page.body.contains("Your company cannot sign in here"),
        "{}",
        page.body
    );
    world.world.later(30 * 60);
    world.until(&mut frida, "the end of her session", |it| it.status == 401).await;
    assert_eq!(world.types(&mut frida, "northwind").await.status, 404);
}

#[tokio::test]
async fn a_socket_ends_with_the_person_and_more_proof_is_asked_where_they_signed_in() {
    let world = OrganizationsWorld::start().await;
    world.knows(FRIDA, "fabrikam", "worker").await;
    let mut frida = world.world.browser();
    world.comes(&mut frida, FRIDA, FRIDA).await;
    let page = frida.until("/oauth2/start?rd=/x&acrs=c1", "/authorize").await;
    assert!(page.url.path().starts_with(&format!("/{FABRIKAM}/")), "{}", page.url);
    let mut socket = crate::recheck::tunnel(&world.world, &frida.cookie_header()).await;
    assert!(crate::recheck::carries(&mut socket).await);
    world
        .directory()
        .change_person(
            &Username::parse(FRIDA).unwrap(),
            PersonChange { on: Some(false), ..PersonChange::default() },
            "story",
        )
        .await
        .unwrap();
    world.world.later(30 * 60);
    crate::recheck::ends(&mut socket, Duration::from_secs(10)).await;
    assert_eq!(frida.asks("GET", "/api/x", SCRIPT).await.status, 401);
}
