//! Rules, reloads and front proxies where there are companies.

use super::OrganizationsWorld;
use crate::world::browser::{FORM, NAVIGATION, SCRIPT};
use crate::world::samples::{CONTOSO, FRIDA, MAYA, TOM};
use crate::world::{CLIENT_ID, WorldPlan};
use std::time::Duration;

#[tokio::test]
async fn rules_name_organizations_and_what_people_are_there() {
    const RULES: &str = "[[access.rule]]\npath = \"/fleet/**\"\nallow = { organizations = [\"contoso\"], directory_roles = [\"owner\", \"admin\"] }\n\
        [[access.rule]]\npath = \"/fabrikam/**\"\nallow = { organizations = [\"Fabrikam\"] }\n\
        [[access.rule]]\npath = \"/roles/**\"\nallow = { roles = [\"Admin\"], organizations = [\"contoso\"] }\n";
    let world =
        OrganizationsWorld::with("", |it| WorldPlan { more: format!("{}{RULES}", it.more), ..it })
            .await;
    let frida_id =
        world.world.emulator.people().iter().find(|it| it.user_name == FRIDA).unwrap().oid.clone();
    world.world.emulator.control().set_roles(&frida_id, vec!["Admin".to_owned()]);
    world.knows(MAYA, "contoso", "admin").await;
    world.knows(TOM, "contoso", "worker").await;
    world.knows(FRIDA, "fabrikam", "admin").await;
    for (person, statuses) in
        [(MAYA, [200, 403, 200]), (TOM, [403, 403, 403]), (FRIDA, [403, 200, 403])]
    {
        let mut browser = world.world.browser();
        world.comes(&mut browser, person, person).await;
        for (path, status) in ["/fleet/x", "/fabrikam/x", "/roles/x"].into_iter().zip(statuses) {
            assert_eq!(browser.asks("GET", path, SCRIPT).await.status, status, "{person} {path}");
        }
    }
}

#[tokio::test]
async fn companies_need_no_registration_of_the_operators_own_and_outlive_a_reload_while_entra_is_down()
 {
    let world = OrganizationsWorld::start().await;
    let mut maya = world.world.browser();
    world.comes(&mut maya, "contoso", MAYA).await;
    let own = format!(
        "tenant = \"{CONTOSO}\"\nclient_id = \"{CLIENT_ID}\"\nclient_secret = {{ env = \"STORY_CLIENT_SECRET\" }}\nauthority"
    );
    let changed = world.world.changed(&own, "authority");
    world.world.emulator.control().be_down(true);
    assert_eq!(world.world.service.reload(&changed).await.unwrap(), Vec::<String>::new());
    world.world.emulator.control().be_down(false);
    assert_eq!(maya.asks("GET", "/api/x", SCRIPT).await.status, 200);
    world.world.later(30 * 60);
    assert_eq!(maya.asks("POST", "/oauth2/session/refresh", SCRIPT).await.status, 200);
    let page = world.comes(&mut world.world.browser(), "fabrikam", FRIDA).await;
    assert_eq!(
        (page.status, page.app_heard("x-entrada-organization").as_str()),
        (200, "fabrikam"),
        "{}",
        page.body
    );
    // What stands in the file of companies is read at the start.
    let changed = world.world.changed("domains = [\"fabrikam.example\"]", "guests = false");
    assert_eq!(
        world.world.service.reload(&changed).await.unwrap(),
        ["directory changed; restart entrada to apply it"]
    );
}

#[tokio::test]
async fn a_front_proxy_hears_of_the_person_and_readiness_asks_no_entra() {
    let world = OrganizationsWorld::with("", |it| WorldPlan {
        server: "trusted_proxies = [\"127.0.0.1\"]".to_owned(),
        entra_down: true,
        ..it
    })
    .await;
    let ready = "GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    assert_eq!(
        crate::world::raw::status(&crate::world::raw::talk(world.world.admin, ready).await),
        200
    );
    // Entra is down: the page asks all the same, and what follows says whose fault it is.
    let mut maya = world.world.browser();
    assert_eq!(maya.posts("/oauth2/sign_in", FORM, "identifier=contoso").await.status, 503);
    world.world.emulator.control().be_down(false);
    // What was asked while it was down has come back, and is forgotten.
    tokio::time::sleep(Duration::from_millis(300)).await;
    world.world.later(60);
    let id = world.knows(MAYA, "contoso", "owner").await;
    world.comes(&mut maya, MAYA, MAYA).await;
    let asked = |path: &str| format!("{}{path}", world.world.public_url);
    let page = maya
        .asks(
            "GET",
            "/oauth2/auth",
            &[("x-original-url", &asked("/x")), ("x-original-method", "GET")],
        )
        .await;
    assert_eq!(page.status, 200);
    for (name, value) in [
        ("x-entrada-person", id.as_str()),
        ("x-entrada-role", "owner"),
        ("x-entrada-organization", "contoso"),
    ] {
        assert_eq!(page.header(name), value, "{name}");
    }
    // A stranger is led to the page that asks.
    let page = world
        .world
        .browser()
        .asks(
            "GET",
            "/oauth2/auth",
            &[NAVIGATION, &[("x-original-url", &asked("/x")), ("x-original-method", "GET")]]
                .concat(),
        )
        .await;
    assert_eq!(page.status, 401);
    let place = url::Url::parse(page.header("location")).unwrap();
    let page = world.world.browser().opens(&place).await;
    assert_eq!((page.status, page.path_and_query().as_str()), (200, "/oauth2/sign_in?rd=%2Fx"));
    // What a client says of itself under these names never arrives.
    let said = [
        SCRIPT,
        &[
            ("x-entrada-role", "owner"),
            ("x_entrada_person", "me"),
            ("X-Entrada-Organization", "fabrikam"),
        ],
    ]
    .concat();
    assert_eq!(maya.asks("GET", "/x", &said).await.app_heard_all("x-entrada-role"), ["owner"]);
}
