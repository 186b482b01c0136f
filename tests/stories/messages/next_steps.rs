//! Every page leads on.

use super::{answered, description, read};
use crate::world::browser::{NAVIGATION, SCRIPT};
use crate::world::samples::{CONTOSO, MAYA, TOM};
use crate::world::{CLIENT_ID, World};

#[tokio::test]
async fn p17_cancelling_is_calm_and_leads_back() {
    let world = World::start().await;
    let mut maya = world.browser();
    let address =
        answered(&mut maya, &[("error", "access_denied"), ("error_subcode", "cancel")]).await;
    let page = maya.asks("GET", &address, NAVIGATION).await;
    let words = read(&page);
    assert_eq!(page.status, 403);
    assert!(
        words.contains("<h1>You canceled the sign-in</h1>")
            && words.contains("<main class=\"calm\">")
            && words.contains("Sign in again"),
        "{words}"
    );
    assert!(!words.contains("For your administrator") && !words.contains("AADSTS"), "{words}");
    // A moment later the person signs in after all.
    assert!(
        maya.visits("/oauth2/start?rd=%2Freports%3Fyear%3D2026").await.is_the_sign_in_at_entra()
    );
    assert_eq!(maya.signs_in_as(MAYA).await.path_and_query(), "/reports?year=2026");
}

#[tokio::test]
async fn p17_another_account_is_offered_where_this_one_cannot_help() {
    let world = World::start().await;
    let mut maya = world.browser();
    let address = answered(
        &mut maya,
        &[("error", "interaction_required"), ("error_description", &description(50_020))],
    )
    .await;
    let words = read(&maya.asks("GET", &address, NAVIGATION).await);
    assert!(
        words.contains("Use another account") && words.contains("&prompt=select_account"),
        "{words}"
    );
}

#[tokio::test]
async fn p17_reload_and_back_at_the_callback_lead_on() {
    let world = World::start().await;
    let mut maya = world.browser();
    maya.visits("/reports").await;
    let shown = maya.page.clone();
    let callback = maya.stops_at_the_callback(MAYA, shown).await;
    assert_eq!(maya.opens(&callback).await.path_and_query(), "/reports");
    // Reload, and Back: signed in stays signed in, and Entra hears nothing.
    let calls = world.emulator.control().token_calls();
    for _ in 0..2 {
        assert_eq!(maya.opens(&callback).await.status, 200);
    }
    assert_eq!(world.emulator.control().token_calls(), calls);
    // The same after the session is gone: a new sign-in begins.
    maya.forgets();
    assert!(maya.opens(&callback).await.is_the_sign_in_at_entra());
    // A second request that the browser sent before it had the session.
    let mut twice = world.browser();
    twice.visits("/x").await;
    let shown = twice.page.clone();
    let callback = twice.stops_at_the_callback(TOM, shown).await;
    let cookies = twice.cookie_header();
    assert_eq!(twice.opens(&callback).await.status, 200);
    let headers: Vec<_> =
        NAVIGATION.iter().copied().chain([("cookie", cookies.as_str())]).collect();
    let calls = world.emulator.control().token_calls();
    let target = &callback[url::Position::BeforePath..];
    let second = world.browser().asks("GET", target, &headers).await;
    assert_eq!((second.status, second.header("location")), (303, "/x"), "{}", second.body);
    // Later, the sign-in is over: a new one begins.
    world.later(11);
    let second = world.browser().asks("GET", target, &headers).await;
    assert!(
        second.status == 302 && second.header("location").contains("/authorize?"),
        "{}",
        second.body
    );
    assert_eq!(world.emulator.control().token_calls(), calls);
}

#[tokio::test]
async fn p17_scanners_at_the_callback_meet_400_and_never_500() {
    let world = World::start().await;
    let mut scanner = world.browser();
    let long = format!("/oauth2/callback?state={}&code=x", "a".repeat(4000));
    for address in [
        "/oauth2/callback",
        "/oauth2/callback?",
        "/oauth2/callback?code=x",
        "/oauth2/callback?state=",
        "/oauth2/callback?state=abc.def&code=x",
        "/oauth2/callback?state=a&state=b",
        "/oauth2/callback?error=access_denied",
        "/oauth2/callback?error=%00&error_description=%ff%fe",
        "/oauth2/callback?%3Cscript%3E",
        &long,
    ] {
        for asker in [NAVIGATION, SCRIPT] {
            let page = scanner.asks("GET", address, asker).await;
            assert_eq!(page.status, 400, "{address}: {}", page.body);
            assert!(
                page.body.contains(page.header("x-request-id")) && !page.body.contains("<script"),
                "{address}"
            );
        }
    }
    let page = scanner.posts("/oauth2/callback", NAVIGATION, "%ff=\u{0}&code=1&code=2").await;
    assert_eq!(page.status, 400);
    assert_eq!(world.emulator.control().token_calls(), 0);
}

#[tokio::test]
async fn an_admin_who_gave_consent_comes_back_to_a_page_that_believes_nothing() {
    let world = World::start().await;
    let mut admin = world.browser();
    let address = format!(
        "{}/{CONTOSO}/v2.0/adminconsent?client_id={CLIENT_ID}&scope=openid&redirect_uri={}%2Foauth2%2Fcallback",
        world.emulator.authority(),
        world.public_url.replace(':', "%3A").replace('/', "%2F")
    );
    let page = admin.opens(&address.parse().unwrap()).await;
    let words = read(&page);
    assert_eq!(page.status, 200, "{words}");
    assert!(
        words.contains("<h1>You came back from Microsoft</h1>")
            && words.contains("cannot tell whether that is so")
            && words.contains("/oauth2/start?rd=%2F"),
        "{words}"
    );
    // Neither the tenant nor anything else of the address is repeated or remembered.
    assert!(!words.contains(CONTOSO), "{words}");
    assert!(admin.cookie("entrada").is_none());
    assert!(admin.visits("/x").await.is_the_sign_in_at_entra());
    // A posted answer leads to the same page.
    let page = admin.posts("/oauth2/callback", NAVIGATION, "admin_consent=True&tenant=x").await;
    assert_eq!(page.status, 303);
    let page = admin.visits(page.header("location")).await;
    assert!(read(&page).contains("You came back from Microsoft"), "{}", page.body);
    assert_eq!(world.emulator.control().token_calls(), 0);
}

#[tokio::test]
async fn an_admin_who_declined_consent_comes_back_to_a_page_that_says_so() {
    let world = World::start().await;
    let mut admin = world.browser();
    let said = description(65_004).replace(' ', "+");
    let address = format!(
        "/oauth2/callback?admin_consent=True&error=access_denied&error_description={said}&state=x"
    );
    let page = admin.asks("GET", &address, NAVIGATION).await;
    let words = read(&page);
    assert_eq!(page.status, 403);
    for part in ["<h1>Consent was not given</h1>", "AADSTS65004", "<dd>Your administrator</dd>"] {
        assert!(words.contains(part), "no {part:?} in {words}");
    }
    let twice = "/oauth2/callback?admin_consent=True&admin_consent=True";
    assert_eq!(admin.asks("GET", twice, NAVIGATION).await.status, 400);
    // A code is never taken for it.
    let code = "/oauth2/callback?admin_consent=True&code=x&state=y";
    assert_eq!(admin.asks("GET", code, NAVIGATION).await.status, 400);
    // A declined sign-in that is under way stays one, and leads back to its page.
    let pairs = [
        ("error", "access_denied"),
        ("error_description", &description(65_004)),
        ("admin_consent", "True"),
    ];
    let address = answered(&mut admin, &pairs).await;
    let words = read(&admin.asks("GET", &address, NAVIGATION).await);
    assert!(words.contains("rd=%2Freports%3Fyear%3D2026"), "{words}");
}
