//! How a sign-in begins.

use crate::world::samples::{MAYA, MAYA_ID};
use crate::world::{CLIENT_ID, World};

#[tokio::test]
async fn a_stranger_signs_in_and_comes_back_to_the_page_she_asked_for() {
    let world = World::start().await;
    let mut maya = world.browser();

    let page = maya.visits("/reports?year=2026").await;
    assert!(page.is_the_sign_in_at_entra(), "{page:?}");
    assert_eq!(world.app.seen.count(), 0);

    let page = maya.signs_in_as(MAYA).await;
    assert_eq!(page.path_and_query(), "/reports?year=2026");
    assert_eq!(page.app_heard("x-forwarded-name"), "Maya Okafor");
    assert_eq!(page.app_heard("x-forwarded-user"), MAYA_ID);
    assert_eq!(page.app_heard("x-forwarded-preferred-username"), MAYA);
    assert_eq!(page.app_heard("x-forwarded-email"), MAYA);
    assert_eq!(page.app_heard("x-forwarded-roles"), "Admin");
    assert_eq!(page.app_heard("x-forwarded-groups").split(',').count(), 3);
    assert_eq!(page.app_heard("x-forwarded-tenant"), world.emulator.tenant_id());
    assert_eq!(page.app_heard("host"), world.public_url.trim_start_matches("http://"));
    assert!(!page.app_heard("cookie").contains("entrada"));
}

#[tokio::test]
async fn what_is_asked_of_entra_is_a_code_with_pkce_state_and_nonce() {
    let world = World::start().await;
    let mut maya = world.browser();
    let page = maya.until("/reports", "authorize").await;
    let asked: std::collections::HashMap<_, _> = page.url.query_pairs().into_owned().collect();
    assert_eq!(asked["response_type"], "code");
    assert_eq!(asked["response_mode"], "query");
    assert_eq!(asked["client_id"], CLIENT_ID);
    assert_eq!(asked["code_challenge_method"], "S256");
    assert_eq!(asked["code_challenge"].len(), 43);
    assert!(asked["state"].len() >= 22 && asked["nonce"].len() >= 22);
    assert_eq!(asked["redirect_uri"], format!("{}/oauth2/callback", world.public_url));
    for scope in ["openid", "profile", "email"] {
        assert!(asked["scope"].split(' ').any(|it| it == scope));
    }
    let cookie = page
        .headers
        .get_all("set-cookie")
        .iter()
        .map(|it| it.to_str().unwrap())
        .find(|it| it.starts_with("entrada-s-"))
        .unwrap();
    for part in ["HttpOnly", "SameSite=Lax", "Path=/", "Max-Age=600"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    assert!(!cookie.contains(&asked["nonce"]), "the pending cookie is sealed");
    assert_eq!(page.header("cache-control"), "no-store");
}

#[tokio::test]
async fn hints_are_passed_on_and_nothing_else() {
    let world = World::start().await;
    let mut maya = world.browser();
    let page =
        maya.until("/oauth2/start?rd=/x&login_hint=maya@contoso.example&domain_hint=contoso.example&prompt=login&scope=evil&client_id=evil", "authorize").await;
    let asked: std::collections::HashMap<_, _> = page.url.query_pairs().into_owned().collect();
    assert_eq!(asked["login_hint"], MAYA);
    assert_eq!(asked["domain_hint"], "contoso.example");
    assert_eq!(asked["prompt"], "login");
    assert_eq!(asked["client_id"], CLIENT_ID);
    assert!(!asked["scope"].contains("evil"));
}

#[tokio::test]
async fn tabs_land_each_on_its_own_page() {
    let world = World::start().await;
    let mut maya = world.browser();
    let one = maya.visits("/one").await;
    let two = maya.visits("/two").await;
    assert!(maya.cookie_names().iter().filter(|it| it.starts_with("entrada-s-")).count() == 2);
    maya.page = one;
    assert_eq!(maya.signs_in_as(MAYA).await.path_and_query(), "/one");
    maya.page = two;
    assert_eq!(maya.signs_in_as(MAYA).await.path_and_query(), "/two");
    assert!(!maya.cookie_names().iter().any(|it| it.starts_with("entrada-s-")));
}

#[tokio::test]
async fn at_most_five_sign_ins_are_under_way_in_one_browser() {
    let world = World::start().await;
    let mut maya = world.browser();
    for at in 0..9 {
        world.later(25);
        maya.visits(&format!("/{at}")).await;
    }
    assert_eq!(maya.cookie_names().iter().filter(|it| it.starts_with("entrada-s-")).count(), 5);
    assert_eq!(maya.signs_in_as(MAYA).await.path_and_query(), "/8");
}
