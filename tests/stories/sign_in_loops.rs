//! Signing in that goes round in circles: it is stopped, and its cause is named.

use crate::world::browser::{BrowserPage, NAVIGATION, SCRIPT, TestBrowser};
use crate::world::samples::{MAYA, TOM};
use crate::world::{World, WorldPlan, free_port};
use url::Url;

/// Goes on signing in until something else than Entra's page is shown.
async fn signs_in_until_told(browser: &mut TestBrowser) -> BrowserPage {
    for _ in 0..6 {
        if !browser.page.is_the_sign_in_at_entra() {
            break;
        }
        browser.signs_in_as(MAYA).await;
    }
    browser.page.clone()
}

/// The cause on the page of a loop.
fn cause(page: &BrowserPage) -> &str {
    assert!(
        page.status == 400 && page.body.contains("<h1>Sign-in keeps looping</h1>"),
        "no loop: {} {}",
        page.status,
        page.body
    );
    page.body.split_once("<dt>Cause</dt><dd>").unwrap().1.split_once('<').unwrap().0
}

/// Signs in three times within a minute, and loses the session each time; nothing else.
async fn loses_its_session(world: &World, browser: &mut TestBrowser) -> BrowserPage {
    for _ in 0..3 {
        assert!(browser.visits("/x").await.is_the_sign_in_at_entra());
        assert_eq!(browser.signs_in_as(MAYA).await.status, 200);
        world.internals().process.live.end(&browser.cookie("entrada").unwrap());
    }
    browser.visits("/x").await
}

#[tokio::test]
async fn p5_cookies_that_do_not_come_back() {
    let world = World::start().await;
    let mut maya = world.browser();
    maya.keeps_cookies = false;
    maya.visits("/x").await;
    let page = signs_in_until_told(&mut maya).await;
    assert_eq!(cause(&page), "cookie-not-returned");
    assert!(
        page.body.contains("does not return our cookies") && page.body.contains("<dd>You</dd>"),
        "{}",
        page.body
    );
    assert_eq!(page.way.len(), 2, "it is not sent on: {:?}", page.way);
}

#[tokio::test]
async fn p5_another_host_than_the_public_one() {
    let world = World::start().await;
    let elsewhere = Url::parse(&format!("http://127.0.0.1:{}/x", world.address.port())).unwrap();
    let mut maya = world.browser();
    // The cookies of one name are not sent to the other, so the sign-in begins anew at the public one, and succeeds there.
    assert!(maya.opens(&elsewhere).await.is_the_sign_in_at_entra());
    assert!(maya.signs_in_as(MAYA).await.is_the_sign_in_at_entra());
    let page = maya.signs_in_as(MAYA).await;
    assert_eq!((page.status, page.url.host_str()), (200, Some("localhost")));
    // Something leads the person back to the other name, where nobody is signed in.
    assert!(maya.opens(&elsewhere).await.is_the_sign_in_at_entra());
    let page = maya.signs_in_as(MAYA).await;
    assert_eq!(cause(&page), "other-host");
    assert!(
        page.body.contains(&format!("Go to localhost:{}", world.address.port())),
        "{}",
        page.body
    );
    // The same where the session at the public name is lost as well.
    let mut tom = world.browser();
    for _ in 0..3 {
        assert!(tom.opens(&elsewhere).await.is_the_sign_in_at_entra());
        let page = signs_in_until_told(&mut tom).await;
        if page.status == 400 {
            break;
        }
        world.internals().process.live.end(&tom.cookie("entrada").unwrap());
    }
    assert_eq!(cause(&tom.page), "other-host");
}

#[tokio::test]
async fn p5_http_where_the_sign_in_is_for_https() {
    for (server, proto, told) in [
        ("", None, "no proxy reports https"),
        ("", Some("https"), "an untrusted proxy reports https"),
        ("trusted_proxies = [\"127.0.0.1\"]", Some("http"), "as reported by the proxy in front"),
    ] {
        let port = free_port();
        let plan = WorldPlan {
            port: Some(port),
            public_url: Some(format!("https://localhost:{port}")),
            server: server.into(),
            ..WorldPlan::default()
        };
        let world = World::with(plan).await;
        let mut maya = world.browser();
        // A browser keeps no __Host- cookie that came by http.
        maya.keeps_cookies = false;
        maya.says = proto.into_iter().map(|it| ("x-forwarded-proto", it.to_owned())).collect();
        maya.visits("/x").await;
        let page = signs_in_until_told(&mut maya).await;
        assert_eq!(cause(&page), "http-not-https", "{proto:?}");
        assert!(
            page.body.contains(told) && page.body.contains("trusted_proxies"),
            "{told}: {}",
            page.body
        );
    }
}

#[tokio::test]
async fn p5_a_clock_that_is_wrong() {
    let world = World::start().await;
    // The pretend Entra goes by the same clock, but its answers bear the machine's date.
    world.later(3600);
    let mut maya = world.browser();
    let page = loses_its_session(&world, &mut maya).await;
    assert_eq!(cause(&page), "clock");
    assert!(page.body.contains("s ahead of Microsoft"), "{}", page.body);
}

#[tokio::test]
async fn p5_an_app_that_sends_signed_in_people_to_sign_in() {
    let world = World::start().await;
    let mut maya = world.browser();
    for round in 0..3 {
        let page = maya.visits("/oauth2/start?rd=/x").await;
        assert!(page.is_the_sign_in_at_entra(), "{round}: {}", page.body);
        assert_eq!(maya.signs_in_as(MAYA).await.status, 200);
    }
    let page = maya.visits("/oauth2/start?rd=/x").await;
    assert_eq!(cause(&page), "app");
    assert!(
        page.body.contains("You are signed in, but the app sends you to sign in again"),
        "{}",
        page.body
    );
    // Whoever is signed in can still use the app, and the time heals it.
    assert_eq!(maya.visits("/x").await.status, 200);
    world.later(61);
    assert!(maya.visits("/oauth2/start?rd=/x").await.is_the_sign_in_at_entra());
}

#[tokio::test]
async fn p5_a_callback_that_nobody_reaches() {
    let world = World::start().await;
    let mut maya = world.browser();
    let mut sent = 0;
    while maya.visits("/x").await.is_the_sign_in_at_entra() {
        sent += 1;
        assert!(sent < 50);
    }
    assert!(sent >= 10, "tabs that open at once are no loop: {sent}");
    assert_eq!(cause(&maya.page), "callback-not-reached");
    assert!(maya.page.body.contains("/oauth2/callback"), "{}", maya.page.body);
}

#[tokio::test]
async fn p5_where_the_cause_cannot_be_told_it_says_what_was_ruled_out() {
    let world = World::start().await;
    let mut maya = world.browser();
    let page = loses_its_session(&world, &mut maya).await;
    assert_eq!(cause(&page), "unknown");
    assert!(
        page.body.contains("These checks found no cause")
            && page.body.contains("the clock are right"),
        "{}",
        page.body
    );
    assert!(page.body.contains("cookie received, but it opens no session"), "{}", page.body);
    // A program hears the same.
    let json = maya.asks("GET", "/oauth2/start?rd=/x", SCRIPT).await.json();
    assert_eq!(
        (json["cause"].as_str(), json["cookies"].as_str(), json["status"].as_u64()),
        (Some("unknown"), Some("returned"), Some(400)),
        "{json}"
    );
    assert!(world.logged().await.contains("sign-in loop: unknown"));
}

#[tokio::test]
async fn p5_forbidden_is_no_loop() {
    let world = World::start().await;
    let mut tom = world.signed_in(TOM).await;
    for _ in 0..5 {
        assert_eq!(tom.asks("GET", "/admin/x", NAVIGATION).await.status, 403);
    }
}

#[tokio::test]
async fn choosing_another_account_again_and_again_is_no_loop() {
    let world = World::start().await;
    let mut browser = world.browser();
    for person in [MAYA, TOM, MAYA, TOM, MAYA, TOM] {
        let page = browser.visits("/oauth2/start?rd=/x&prompt=select_account").await;
        assert!(page.is_the_sign_in_at_entra(), "{} {}", page.status, page.body);
        let page = browser.signs_in_as(person).await;
        assert_eq!(
            (page.status, page.app_heard("x-forwarded-preferred-username").as_str()),
            (200, person)
        );
    }
}

/// Cookies of sign-ins under way: none for scripts, one for all tabs, and a lost one is no dead end.
#[tokio::test]
async fn p4_cookies_of_sign_ins_neither_pile_up_nor_go_missing_for_good() {
    let world = World::start().await;
    let mut maya = world.browser();
    for at in 0..30 {
        let page = maya.asks("GET", &format!("/api/{at}"), SCRIPT).await;
        assert_eq!((page.status, page.headers.contains_key("set-cookie")), (401, false));
    }
    let mut tabs = Vec::new();
    for at in 0..8 {
        tabs.push(maya.visits(&format!("/{at}")).await);
    }
    assert_eq!(maya.cookie_names(), ["entrada-b", "entrada-r"]);
    // The cookies get lost: the page of the tab does not.
    maya.forgets();
    let oldest = tabs.remove(0);
    let callback = maya.stops_at_the_callback(MAYA, oldest).await;
    let page = maya.opens(&callback).await;
    assert!(page.is_the_sign_in_at_entra(), "it is begun again: {} {}", page.status, page.body);
    let page = maya.signs_in_as(MAYA).await;
    assert_eq!(
        (page.path_and_query().as_str(), page.app_heard("x-forwarded-name")),
        ("/0", "Maya Okafor".to_owned())
    );
    // Whoever has a session goes on with it, whatever became of the cookie.
    let next = tabs.remove(0);
    let callback = maya.stops_at_the_callback(MAYA, next).await;
    let page = maya.opens(&callback).await;
    assert_eq!(
        (page.path_and_query().as_str(), page.app_heard("x-forwarded-name")),
        ("/1", "Maya Okafor".to_owned())
    );
}
