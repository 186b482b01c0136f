//! Whose people: several tenants, personal accounts, guests, and tokens that are not what they seem.

use crate::world::browser::{BrowserPage, SCRIPT};
use crate::world::samples::{
    CONTOSO, FABRIKAM, FELIX, FRIDA, FRIDA_ID, INES, MAYA, MAYA_ID, PRIYA,
};
use crate::world::{World, WorldPlan};
use entrada::emulator::{TokenDefect, TokenFault};

const PERSONAL: &str = "9188040d-6c67-4c5b-b112-36a304b66dad";
const PETRA: &str = "petra@outlook.example";

/// Rules that say whose roles they mean; one names a tenant by its domain.
const RULES: &str = r#"
[[access.rule]]
path = "/contoso/**"
allow = { tenants = ["contoso.example"] }
[[access.rule]]
path = "/admin/**"
allow = { roles = ["Admin"], tenants = ["aaaabbbb-0000-cccc-1111-dddd2222eeee"] }
[[access.rule]]
path = "/other-admin/**"
allow = { roles = ["Admin"], tenants = ["fabrikam.example"] }
"#;

async fn world(tenant: &str, allowed: &str) -> World {
    let entra = format!("tenant = \"{tenant}\"\nallowed_tenants = {allowed}");
    World::with(WorldPlan {
        entra,
        more: RULES.to_owned(),
        headers: "send = [\"x-forwarded\", \"x-auth-request\"]".to_owned(),
        ..WorldPlan::default()
    })
    .await
}

/// Where a sign-in of that person ends.
async fn comes(world: &World, person: &str) -> BrowserPage {
    let mut browser = world.browser();
    browser.visits("/x").await;
    browser.signs_in_as(person).await
}

fn claims(page: &BrowserPage) -> serde_json::Value {
    jsonwebtoken::dangerous::insecure_decode::<serde_json::Value>(
        &page.app_heard("x-entrada-assertion"),
    )
    .unwrap()
    .claims
}

#[tokio::test]
async fn people_of_a_tenant_that_is_allowed_come_in_and_others_read_whose_move_it_is() {
    for allowed in [format!("[\"{CONTOSO}\"]"), "[\"Contoso.example\"]".to_owned()] {
        let world = world("organizations", &allowed).await;
        let page = comes(&world, MAYA).await;
        assert_eq!((page.status, page.app_heard("x-forwarded-tenant").as_str()), (200, CONTOSO));
        let page = comes(&world, FRIDA).await;
        assert_eq!(page.status, 403);
        assert!(
            page.body.contains("This app is not open to people from your company or school"),
            "{}",
            page.body
        );
        assert!(
            page.body.contains("allowed_tenants") && page.body.contains(FABRIKAM),
            "{}",
            page.body
        );
        assert!(
            page.body.contains("prompt=select_account"),
            "no way to another account: {}",
            page.body
        );
        assert_eq!(world.app.seen.count(), 1, "the app heard of her");
        // A tenant is not let in by the guest that it has sent: at organizations she signs in at home.
        assert_eq!(comes(&world, PRIYA).await.status, 403);
    }
}

#[tokio::test]
async fn any_organization_comes_in_where_it_is_said_on_purpose() {
    let world = world("organizations", "[\"*\"]").await;
    assert_eq!(comes(&world, MAYA).await.app_heard("x-forwarded-tenant"), CONTOSO);
    assert_eq!(comes(&world, FRIDA).await.app_heard("x-forwarded-tenant"), FABRIKAM);
    // Signed in well, and of a tenant that nobody knows: any is any.
    world.emulator.control().wrong(TokenDefect::Stranger);
    assert_eq!(comes(&world, MAYA).await.status, 200);
}

#[tokio::test]
async fn personal_accounts_come_in_only_where_they_are_named() {
    let refused = world("common", "[\"*\"]").await;
    let page = comes(&refused, PETRA).await;
    assert_eq!(page.status, 403);
    assert!(
        page.body.contains("This is a personal account")
            && page.body.contains("Sign in with your work or school account"),
        "{}",
        page.body
    );
    assert_eq!(comes(&refused, MAYA).await.status, 200);
    for (tenant, allowed) in [
        ("common", "[\"consumers\"]".to_owned()),
        ("common", format!("[\"*\", \"{PERSONAL}\"]")),
        ("consumers", "[]".to_owned()),
    ] {
        let world = world(tenant, &allowed).await;
        let page = comes(&world, PETRA).await;
        assert_eq!(
            (page.status, page.app_heard("x-forwarded-tenant").as_str()),
            (200, PERSONAL),
            "{tenant} {allowed}"
        );
        assert!(claims(&page).get("guest").is_none());
    }
    let world = world("common", "[\"consumers\"]").await;
    assert_eq!(comes(&world, MAYA).await.status, 403);
}

#[tokio::test]
async fn a_guest_comes_in_as_one_or_stays_outside() {
    let world = World::start().await;
    let mut priya = world.signed_in(PRIYA).await;
    let page = priya.visits("/x").await;
    assert_eq!(claims(&page)["guest"], true);
    assert_eq!(claims(&page)["tid"], CONTOSO);
    assert_eq!(priya.asks("GET", "/oauth2/userinfo", SCRIPT).await.json()["guest"], true);
    let mut maya = world.signed_in(MAYA).await;
    assert!(claims(&maya.visits("/x").await).get("guest").is_none());
    assert_eq!(maya.asks("GET", "/oauth2/userinfo", SCRIPT).await.json()["guest"], false);

    let world =
        World::with(WorldPlan { entra: "guests = false".into(), ..WorldPlan::default() }).await;
    let page = comes(&world, PRIYA).await;
    assert_eq!(page.status, 403);
    assert!(page.body.contains("does not allow guests"), "{}", page.body);
    assert_eq!(comes(&world, MAYA).await.status, 200);
}

#[tokio::test]
async fn attack_15_a_token_of_another_issuer_key_or_cloud_signs_nobody_in() {
    let world = world("common", &format!("[\"{CONTOSO}\", \"{FABRIKAM}\", \"consumers\"]")).await;
    for (wrong, check) in [
        (TokenDefect::Tid, "the token is from another issuer"),
        (TokenDefect::Issuer, "the token is from another issuer"),
        (TokenDefect::Stranger, "of the tenant 99999999-"),
        (TokenDefect::PersonalKey, "signed with a key of another issuer"),
        (TokenDefect::GovernmentKey, "signed with a key of another issuer"),
        (TokenDefect::DuplicateClaim, "contains a duplicate member"),
        (TokenDefect::Hs256, "not signed with RS256"),
    ] {
        world.emulator.control().wrong(wrong);
        let page = comes(&world, MAYA).await;
        assert_eq!(page.status, 403, "{wrong:?}");
        assert!(page.body.contains(check), "{wrong:?}: {}", page.body);
    }
    assert_eq!(world.app.seen.count(), 0);
    assert_eq!(comes(&world, MAYA).await.status, 200);
}

#[tokio::test]
async fn attack_24_two_people_with_one_address_in_two_tenants_are_two() {
    let world = world("organizations", &format!("[\"{CONTOSO}\", \"{FABRIKAM}\"]")).await;
    let maya = comes(&world, MAYA).await;
    let felix = comes(&world, FELIX).await;
    assert_ne!(maya.app_heard("x-forwarded-user"), felix.app_heard("x-forwarded-user"));
    assert_ne!(claims(&maya)["sub"], claims(&felix)["sub"]);
    // Neither address is vouched for, so the app cannot take the one for the other even if it tries.
    for page in [&maya, &felix] {
        for name in ["x-forwarded-email", "x-auth-request-email"] {
            assert_eq!(page.app_heard(name), "");
        }
        assert!(
            claims(page).get("email").is_none() && claims(page).get("email_verified").is_none()
        );
    }
    let frida = comes(&world, FRIDA).await;
    assert_eq!(
        (
            frida.app_heard("x-forwarded-email").as_str(),
            frida.app_heard("x-auth-request-email").as_str()
        ),
        (FRIDA, FRIDA)
    );
    assert_eq!(
        (claims(&frida)["email"].as_str(), &claims(&frida)["email_verified"]),
        (Some(FRIDA), &serde_json::Value::Bool(true))
    );
}

#[tokio::test]
async fn pain_p7_nobody_needs_an_address_to_sign_in() {
    let world = World::start().await;
    let page = comes(&world, INES).await;
    assert_eq!((page.status, page.app_heard("x-forwarded-email")), (200, String::new()));
    assert_eq!(page.app_heard("x-forwarded-user"), "00aa00aa-bb11-cc22-dd33-44ee44ee0003");
    assert_eq!(claims(&page)["sub"], format!("00aa00aa-bb11-cc22-dd33-44ee44ee0003.{CONTOSO}"));
    assert!(claims(&page).get("email").is_none());
}

#[tokio::test]
async fn a_rule_means_the_tenant_that_it_names() {
    let world = world("organizations", "[\"*\"]").await;
    let frida =
        world.emulator.people().iter().find(|it| it.user_name == FRIDA).unwrap().oid.clone();
    world.emulator.control().set_roles(&frida, vec!["Admin".to_owned()]);
    for (person, path, status) in [
        (MAYA, "/contoso/x", 200),
        (MAYA, "/admin/x", 200),
        (MAYA, "/other-admin/x", 403),
        (FRIDA, "/contoso/x", 403),
        (FRIDA, "/admin/x", 403),
        (FRIDA, "/other-admin/x", 200),
    ] {
        let mut browser = world.signed_in(person).await;
        assert_eq!(browser.asks("GET", path, SCRIPT).await.status, status, "{person} {path}");
    }
}

#[tokio::test]
async fn a_tenant_that_refuses_the_app_keeps_nobody_from_asking_about_the_people_of_another() {
    let world = world("organizations", "[\"contoso.example\", \"fabrikam.example\"]").await;
    let control = world.emulator.control();
    let (mut maya, mut frida) = (world.signed_in(MAYA).await, world.signed_in(FRIDA).await);
    // An admin of Fabrikam takes the app out there, and somebody of Fabrikam asks whenever there is something to ask.
    assert!(control.refuse_refresh(FRIDA_ID, 700_016));
    control.disable(MAYA_ID, true);
    world.later(31 * 60);
    for _ in 0..5 {
        assert_eq!(frida.asks("POST", "/oauth2/session/refresh", SCRIPT).await.status, 503);
    }
    assert!(control.refresh_calls() > 0);
    assert_eq!(
        maya.asks("GET", "/api/x", SCRIPT).await.status,
        200,
        "she is served while Entra is asked"
    );
    for _ in 0..200 {
        if maya.asks("GET", "/api/x", SCRIPT).await.status == 401 {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("nobody asked about her");
}

#[tokio::test]
async fn a_tenant_that_is_held_back_waits_alone() {
    let world = world("organizations", "[\"contoso.example\", \"fabrikam.example\"]").await;
    let control = world.emulator.control();
    let (mut maya, mut frida) = (world.signed_in(MAYA).await, world.signed_in(FRIDA).await);
    world.later(31 * 60);
    control.token_answer(TokenFault::TooMany(Some(600)), 1);
    for (browser, calls) in [(&mut frida, 1), (&mut maya, 2)] {
        assert_eq!(browser.asks("GET", "/api/x", SCRIPT).await.status, 200);
        for _ in 0..200 {
            if control.refresh_calls() == calls {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        assert_eq!(control.refresh_calls(), calls);
    }
    for _ in 0..9 {
        world.later(60);
        assert_eq!(frida.asks("GET", "/api/x", SCRIPT).await.status, 200);
    }
    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    assert_eq!(control.refresh_calls(), 2, "she is asked about before it is time");
}

#[tokio::test]
async fn a_domain_is_asked_for_once_and_a_misspelled_one_keeps_nobody_else_out() {
    let world = world("organizations", "[\"contoso.example\", \"no-such.example\"]").await;
    let asked = world.emulator.control().discovery_calls();
    assert_eq!(comes(&world, MAYA).await.status, 200);
    assert_eq!(comes(&world, FRIDA).await.status, 403);
    assert_eq!(world.emulator.control().discovery_calls(), asked, "a sign-in asked for a domain");
    // A reload in the middle of an outage keeps what is known, and asks for the rest as soon as it can.
    world.emulator.control().be_down(true);
    let changed = world.changed("no-such.example", "fabrikam.example");
    world.service.reload(&changed).await.unwrap();
    world.emulator.control().be_down(false);
    assert_eq!(comes(&world, MAYA).await.status, 200);
    let mut status = 0;
    for _ in 0..50 {
        status = comes(&world, FRIDA).await.status;
        if status == 200 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
    assert_eq!(status, 200, "the outage at the reload kept her out for good");
}

#[tokio::test]
async fn a_thousand_tokens_with_unknown_keys_ask_for_the_keys_twice_a_minute() {
    let world = std::sync::Arc::new(
        World::with(WorldPlan { time_stands: true, ..WorldPlan::default() }).await,
    );
    let before = world.emulator.control().keys_calls();
    // Time goes on by half a minute in the middle: a whole minute of attack.
    for half in 0..2 {
        if half == 1 {
            world.later(30);
        }
        let many = (0..10).map(|_| {
            let world = std::sync::Arc::clone(&world);
            tokio::spawn(async move {
                for _ in 0..50 {
                    world.emulator.control().wrong(TokenDefect::UnknownKid);
                    assert_eq!(comes(&world, MAYA).await.status, 503);
                }
            })
        });
        for it in many.collect::<Vec<_>>() {
            it.await.unwrap();
        }
    }
    let asked = world.emulator.control().keys_calls() - before;
    // The tenant's keys, and those of this app alone.
    assert!(asked <= 2 * 2, "{asked}");
    assert_eq!(comes(&world, MAYA).await.status, 200);
}
