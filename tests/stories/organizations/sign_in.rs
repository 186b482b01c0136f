//! Who types what, and who that makes them.

use super::{OrganizationsWorld, query};
use crate::world::browser::{BrowserPage, SCRIPT};
use crate::world::samples::{CONTOSO, FABRIKAM, FRIDA, MAYA, TOM};
use entrada::base::username::Username;

fn assertion(page: &BrowserPage) -> serde_json::Value {
    jsonwebtoken::dangerous::insecure_decode::<serde_json::Value>(
        &page.app_heard("x-entrada-assertion"),
    )
    .unwrap()
    .claims
}

#[tokio::test]
async fn a_known_person_signs_in_by_username_and_the_app_hears_who_it_is() {
    let world = OrganizationsWorld::start().await;
    let id = world.knows(MAYA, "contoso", "admin").await;
    let mut maya = world.world.browser();
    let page = world.comes(&mut maya, " Maya@Contoso.example ", MAYA).await;
    assert_eq!((page.status, page.path_and_query().as_str()), (200, "/x?y=1"), "{}", page.body);
    for (name, value) in [
        ("x-entrada-person", id.as_str()),
        ("x-entrada-role", "admin"),
        ("x-entrada-organization", "contoso"),
        ("x-forwarded-tenant", CONTOSO),
    ] {
        assert_eq!(page.app_heard(name), value, "{name}");
    }
    let said = assertion(&page);
    assert_eq!(
        (said["person"].as_str(), said["role"].as_str(), said["organization"].as_str()),
        (Some(id.as_str()), Some("admin"), Some("contoso"))
    );
    let user = maya.asks("GET", "/oauth2/userinfo", SCRIPT).await.json();
    assert_eq!(
        (&user["person"], &user["role"], &user["organization"]),
        (&said["person"], &said["role"], &said["organization"])
    );
}

#[tokio::test]
async fn somebody_unknown_signs_in_by_company_code_and_is_made_a_worker() {
    let world = OrganizationsWorld::start().await;
    let mut frida = world.world.browser();
    let page = world.comes(&mut frida, "Fabrikam", FRIDA).await;
    assert_eq!(page.status, 200, "{}", page.body);
    assert_eq!(
        (
            page.app_heard("x-entrada-role").as_str(),
            page.app_heard("x-entrada-organization").as_str()
        ),
        ("worker", "fabrikam")
    );
    let made = world.directory().person(&Username::parse(FRIDA).unwrap()).await.unwrap().unwrap();
    assert_eq!(
        (made.id.to_string(), made.role.as_str()),
        (page.app_heard("x-entrada-person"), "worker")
    );
    assert_eq!(assertion(&page)["person"], made.id.to_string());
    // Once more is the same person.
    let mut again = world.world.browser();
    assert_eq!(
        world.comes(&mut again, FRIDA, FRIDA).await.app_heard("x-entrada-person"),
        made.id.to_string()
    );
}

#[tokio::test]
async fn a_typed_username_is_a_hint_for_entra_and_a_code_is_none() {
    let world = OrganizationsWorld::start().await;
    world.knows(MAYA, "contoso", "worker").await;
    let mut someone = world.world.browser();
    for (typed, tenant, hint) in [
        (MAYA, CONTOSO, Some(MAYA)),
        // Nobody is called so yet, but the domain is bound.
        ("New@Fabrikam.example", FABRIKAM, Some("new@fabrikam.example")),
        ("contoso", CONTOSO, None),
    ] {
        let page = world.types(&mut someone, typed).await;
        let at = page
            .way
            .iter()
            .find(|it| it.path().contains("/authorize"))
            .unwrap_or_else(|| panic!("{typed}: {:#?}", page.way));
        assert!(at.path().starts_with(&format!("/{tenant}/")), "{typed}: {at}");
        assert_eq!(query(at, "login_hint").as_deref(), hint, "{typed}");
    }
    // A link names the company, and nobody is asked.
    for path in
        ["/oauth2/start?organization=fabrikam", "/oauth2/sign_in?organization=fabrikam&rd=/z"]
    {
        let page = world.world.browser().until(path, "/authorize").await;
        assert!(page.url.path().starts_with(&format!("/{FABRIKAM}/")), "{}", page.url);
    }
}

#[tokio::test]
async fn the_device_remembers_the_company_and_nothing_of_the_person() {
    let world = OrganizationsWorld::start().await;
    let mut maya = world.world.browser();
    let page = world.comes(&mut maya, "contoso", MAYA).await;
    assert_eq!(maya.cookie("entrada-o").as_deref(), Some("contoso"));
    assert!(!page.app_heard("cookie").contains("entrada"), "the app sees it");
    let page = maya.visits("/oauth2/sign_in?rd=/z").await;
    assert!(
        page.body.contains("Continue with contoso")
            && page.body.contains("/oauth2/start?rd=%2Fz&amp;organization=contoso"),
        "{}",
        page.body
    );
    // What is planted there leads nowhere and is not shown.
    maya.plants("entrada-o", "<script>");
    assert!(!maya.visits("/oauth2/sign_in").await.body.contains("Continue with"));
    // Signing out leads to the company's own Entra.
    let page = maya.until("/oauth2/sign_out", "/logout").await;
    assert!(page.url.path().starts_with(&format!("/{CONTOSO}/")), "{}", page.url);
}

#[tokio::test]
async fn where_first_sign_in_refuses_nobody_is_made() {
    let world = OrganizationsWorld::with("first_sign_in = \"refuse\"", |it| it).await;
    let page = world.comes(&mut world.world.browser(), "contoso", TOM).await;
    assert!(
        page.status == 403 && page.body.contains("You are not known here yet"),
        "{}",
        page.body
    );
    assert!(world.directory().person(&Username::parse(TOM).unwrap()).await.unwrap().is_none());
    world.knows(TOM, "contoso", "worker").await;
    // A bound domain's sign-in name is believed.
    assert_eq!(world.comes(&mut world.world.browser(), TOM, TOM).await.status, 200);
}
