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
    let name = format!("{}=", maya.with_port("entrada-b"));
    let cookies: Vec<_> =
        page.headers.get_all("set-cookie").iter().map(|it| it.to_str().unwrap()).collect();
    let cookie = cookies.iter().find(|it| it.starts_with(&name)).unwrap();
    for part in ["HttpOnly", "SameSite=Lax", "Path=/"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    // Neither in `state` nor in a cookie: they are derived from the browser's secret.
    assert!(!asked["state"].contains(&asked["nonce"]) && cookies.len() == 2);
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

/// Thirty tabs had thirty cookies of 13.7 kB, which nginx answers with 400, and pushed each other
/// out.
#[tokio::test]
async fn any_number_of_tabs_land_each_on_its_own_page_with_one_small_cookie() {
    let world = World::start().await;
    let mut maya = world.browser();
    let mut tabs = Vec::new();
    for at in 0..60 {
        tabs.push(maya.visits(&format!("/{at}?q=x")).await);
    }
    assert_eq!(maya.cookie_names(), ["entrada-b", "entrada-r"]);
    assert!(maya.cookie_header().len() < 4096);
    let secret = maya.cookie("entrada-b");
    for (at, tab) in tabs.into_iter().enumerate().step_by(20) {
        let state = tab.url.query_pairs().find(|it| it.0 == "state").unwrap().1.into_owned();
        assert!(state.len() <= 1500, "{}", state.len());
        maya.page = tab;
        assert_eq!(maya.signs_in_as(MAYA).await.path_and_query(), format!("/{at}?q=x"));
        assert_eq!(maya.cookie("entrada-b"), secret, "it changes at sign-out, not at sign-in");
    }
    assert!(maya.cookie_header().len() < 4096);
}

/// A browser that opens again sends all its tabs at once, before it has any cookie.
#[tokio::test]
async fn tabs_that_start_at_once_without_a_cookie_all_end_on_their_pages() {
    let world = World::start().await;
    let mut maya = world.browser();
    let mut callbacks = Vec::new();
    for at in 0..8 {
        let mut tab = world.browser();
        let shown = tab.visits(&format!("/{at}")).await;
        callbacks.push(tab.stops_at_the_callback(MAYA, shown).await);
        // The browser keeps the cookies of the last answer.
        for name in ["entrada-b", "entrada-r"] {
            maya.plants(name, &tab.cookie(name).unwrap());
        }
    }
    // The tabs that come back first have lost their cookie to the last one.
    for (at, callback) in callbacks.iter().enumerate().take(7) {
        let page = maya.opens(callback).await;
        assert!(page.is_the_sign_in_at_entra(), "{at}: {} {}", page.status, page.body);
        if at == 6 {
            assert_eq!(maya.signs_in_as(MAYA).await.path_and_query(), "/6");
        }
    }
    assert_eq!(maya.opens(&callbacks[7]).await.path_and_query(), "/7");
    // Once a session is there, the others need no sign-in.
    assert_eq!(maya.opens(&callbacks[2]).await.path_and_query(), "/2");
}
