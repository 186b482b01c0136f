//! Ways out: here, at Entra, by what Entra tells, and by the operator.

use crate::tunnels::{Socket, web_socket};
use crate::world::World;
use crate::world::browser::{BrowserPage, NAVIGATION, SCRIPT, TestBrowser};
use crate::world::raw::talk;
use crate::world::samples::{MAYA, TOM};
use futures_util::{SinkExt as _, StreamExt as _};
use std::time::{Duration, Instant};
use tokio_tungstenite::tungstenite::Message;
use url::Url;

/// What a browser says of a frame in a page of another site; it brings no cookies.
const FRAME: &[(&str, &str)] = &[
    ("accept", "text/html,*/*;q=0.8"),
    ("sec-fetch-mode", "navigate"),
    ("sec-fetch-site", "cross-site"),
    ("sec-fetch-dest", "iframe"),
];

/// Registers our address for Entra's news, as an operator does in the app registration.
fn register(world: &World) {
    world
        .emulator
        .control()
        .front_channel_url(Some(&format!("{}/oauth2/front_channel_logout", world.public_url)));
}

/// Signs out at Entra without coming by us, as by another app's button.
async fn signs_out_at_entra(world: &World, browser: &mut TestBrowser) -> BrowserPage {
    let url =
        format!("{}/{}/oauth2/v2.0/logout", world.emulator.authority(), world.emulator.tenant_id());
    browser.opens(&Url::parse(&url).unwrap()).await
}

/// The address in the frame of Entra's page.
fn framed(page: &BrowserPage) -> Url {
    let (_, rest) =
        page.body.split_once("<iframe").unwrap_or_else(|| panic!("no frame: {}", page.body));
    Url::parse(rest.split_once("src=\"").unwrap().1.split('"').next().unwrap()).unwrap()
}

async fn asks_the_frame(world: &World, url: &Url) -> BrowserPage {
    world.browser().asks("GET", &url[url::Position::BeforePath..], FRAME).await
}

async fn status(browser: &mut TestBrowser) -> u16 {
    browser.asks("GET", "/api/x", SCRIPT).await.status
}

async fn is_over(socket: &mut Socket) {
    let end = tokio::time::timeout(Duration::from_secs(5), socket.next())
        .await
        .expect("the tunnel outlived its session");
    assert!(end.is_none_or(|it| it.is_err() || it.is_ok_and(|it| it.is_close())));
}

#[tokio::test]
async fn signing_out_ends_the_session_here_and_at_entra() {
    let world = World::start().await;
    let mut maya = world.signed_in(MAYA).await;
    let cookie = maya.cookie("entrada").unwrap();
    let page = maya.posts("/oauth2/sign_out", NAVIGATION, "").await;
    assert_eq!(page.status, 303);
    let location = page.header("location");
    assert!(
        location.starts_with(&world.emulator.authority())
            && location.contains("/oauth2/v2.0/logout"),
        "{location}"
    );
    assert!(location.contains("post_logout_redirect_uri"));
    assert!(maya.cookie("entrada").is_none());
    let mut thief = world.browser();
    thief.plants("entrada", &cookie);
    let page = thief.asks("GET", "/api/x", SCRIPT).await;
    assert_eq!(page.status, 401);
    let page = maya.visits("/oauth2/sign_out").await;
    assert_eq!(page.status, 200);
    assert!(page.body.contains("signed out"), "{}", page.body);
}

#[tokio::test]
async fn another_site_signs_nobody_out() {
    let world = World::start().await;
    let mut maya = world.signed_in(MAYA).await;
    let evil = [
        ("accept", "text/html"),
        ("sec-fetch-mode", "navigate"),
        ("sec-fetch-site", "cross-site"),
        ("origin", "https://evil.example"),
    ];
    let page = maya.posts("/oauth2/sign_out", &evil, "").await;
    assert_eq!(page.status, 403);
    assert!(!page.headers.contains_key("set-cookie"), "{:?}", page.headers);
    let page = maya.asks("GET", "/oauth2/sign_out", &evil[..3]).await;
    assert_eq!(page.status, 200);
    assert!(page.body.contains("<form"), "it asks first: {}", page.body);
    assert!(!page.headers.contains_key("set-cookie"));
    let page =
        maya.posts("/oauth2/sign_out", &[("origin", "null"), ("accept", "text/html")], "").await;
    assert_eq!(page.status, 403);
    assert_eq!(maya.visits("/").await.app_heard("x-forwarded-name"), "Maya Okafor");
}

#[tokio::test]
async fn a_page_that_sends_no_referrer_can_sign_out() {
    let world = World::start().await;
    let mut maya = world.signed_in(MAYA).await;
    let own = [
        ("accept", "text/html"),
        ("sec-fetch-mode", "navigate"),
        ("sec-fetch-site", "same-origin"),
        ("origin", "null"),
    ];
    assert_eq!(maya.posts("/oauth2/sign_out", &own, "").await.status, 303);
    assert!(maya.cookie("entrada").is_none());
}

#[tokio::test]
async fn p13_who_signs_out_at_entra_is_signed_out_here_in_that_browser_and_nobody_else_is() {
    let world = World::start().await;
    register(&world);
    let (mut office, mut home) = (world.signed_in(MAYA).await, world.signed_in(MAYA).await);
    let mut tom = world.signed_in(TOM).await;
    let cookie = office.cookie_header();
    let mut socket = web_socket(&world, "/ws", &cookie, Some(&world.public_url)).await.unwrap();
    socket.send(Message::text("hello")).await.unwrap();
    assert_eq!(socket.next().await.unwrap().unwrap(), Message::text("hello"));
    let page = signs_out_at_entra(&world, &mut office).await;
    let frame = framed(&page);
    assert_eq!(
        frame.query_pairs().map(|it| it.0.into_owned()).collect::<Vec<_>>(),
        ["sid"],
        "Entra sends no issuer"
    );
    assert_eq!(status(&mut office).await, 200, "the frame was not asked yet");
    let answer = asks_the_frame(&world, &frame).await;
    assert_eq!(
        (answer.status, answer.body.as_str(), answer.header("cache-control")),
        (200, "", "no-store")
    );
    is_over(&mut socket).await;
    assert_eq!(
        (status(&mut office).await, status(&mut home).await, status(&mut tom).await),
        (401, 200, 200)
    );
    assert_eq!(web_socket(&world, "/ws", &cookie, Some(&world.public_url)).await.unwrap_err(), 401);
    // Again, as Back in the browser would, and after the same person came back.
    let mut office = world.signed_in(MAYA).await;
    assert_eq!(asks_the_frame(&world, &frame).await.status, 200);
    assert_eq!(status(&mut office).await, 200);
}

#[tokio::test]
async fn the_frame_is_answered_the_same_for_a_known_and_an_unknown_session() {
    let world = World::start().await;
    register(&world);
    let mut maya = world.signed_in(MAYA).await;
    let known = framed(&signs_out_at_entra(&world, &mut maya).await);
    let host = world.public_url.split_once("://").unwrap().1;
    let mut answers = Vec::new();
    for query in [
        "sid=99999999-0000-4000-8000-000000000000",
        known.query().unwrap(),
        known.query().unwrap(),
        "",
        "sid=",
        "sid=a&sid=b",
        "iss=x&sid=1",
        "sid=%00%0d%0a",
        &format!("sid={}", "a".repeat(4000)),
    ] {
        let began = Instant::now();
        let answer = talk(world.address, &format!("GET /oauth2/front_channel_logout?{query} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")).await;
        assert!(
            began.elapsed() >= Duration::from_millis(20),
            "it was answered before its time: {query}"
        );
        let lines = answer
            .lines()
            .filter(|it| !it.starts_with("date:") && !it.starts_with("x-request-id:"));
        answers.push(lines.collect::<Vec<_>>().join("\n"));
    }
    assert_eq!(status(&mut maya).await, 401);
    assert!(answers.iter().all(|it| *it == answers[0]), "{answers:#?}");
    let head = answers[0].to_ascii_lowercase();
    assert!(
        head.starts_with("http/1.1 200")
            && head.contains("cache-control: no-store")
            && !head.contains("set-cookie"),
        "{head}"
    );
    let policy = format!(
        "content-security-policy: default-src 'none'; frame-ancestors {}\n",
        world.emulator.authority()
    );
    assert!(head.contains(&policy) && !head.contains("x-frame-options"), "{head}");
}

#[tokio::test]
async fn what_the_callback_calls_the_session_comes_along_from_a_posted_form() {
    let world = World::start().await;
    let mut maya = world.browser();
    let page = maya
        .posts(
            "/oauth2/callback",
            NAVIGATION,
            "code=c&state=s&session_state=007e3899-e104-731f-b675-0617c1f2dd72",
        )
        .await;
    assert_eq!(page.status, 303);
    assert!(
        page.header("location").ends_with("session_state=007e3899-e104-731f-b675-0617c1f2dd72"),
        "{}",
        page.header("location")
    );
    let page = maya
        .asks("GET", "/oauth2/callback?code=c&state=s&session_state=a&session_state=b", NAVIGATION)
        .await;
    assert_eq!(page.status, 400);
}

#[tokio::test]
async fn signing_out_here_names_the_account_by_what_entra_made_for_it_and_comes_back() {
    let world = World::start().await;
    let mut maya = world.signed_in(MAYA).await;
    let cookie = maya.cookie("entrada").unwrap();
    let page = maya
        .asks(
            "GET",
            "/oauth2/sign_out",
            &[
                ("sec-fetch-mode", "navigate"),
                ("sec-fetch-site", "same-origin"),
                ("accept", "text/html"),
            ],
        )
        .await;
    assert_eq!(page.status, 303);
    let entra = Url::parse(page.header("location")).unwrap();
    let sent = |name: &str| entra.query_pairs().find(|it| it.0 == name).map(|it| it.1.into_owned());
    assert!(
        entra.as_str().starts_with(&format!(
            "{}/{}/oauth2/v2.0/logout?",
            world.emulator.authority(),
            world.emulator.tenant_id()
        )),
        "{entra}"
    );
    assert_eq!(
        sent("post_logout_redirect_uri").unwrap(),
        format!("{}/oauth2/sign_out", world.public_url)
    );
    let hint = sent("logout_hint").unwrap();
    assert!(hint.starts_with("O.") && !hint.contains('@'), "{hint}");
    assert_eq!(sent("id_token_hint"), None);
    // Entra signs that account out without asking, and leads back to our page.
    let page = maya.opens(&entra).await;
    assert!(
        page.url.path() == "/oauth2/sign_out" && page.body.contains("signed out"),
        "{}: {}",
        page.url,
        page.body
    );
    maya.plants("entrada", &cookie);
    assert_eq!(status(&mut maya).await, 401);
    // At Entra too: the next way in asks who it is.
    maya.forgets();
    assert!(maya.visits("/x").await.is_the_sign_in_at_entra());
}

#[tokio::test]
async fn a_page_of_a_sibling_host_or_of_another_site_has_to_ask_first() {
    let world = World::start().await;
    let mut maya = world.signed_in(MAYA).await;
    for site in ["same-site", "cross-site"] {
        let link =
            [("accept", "text/html"), ("sec-fetch-mode", "navigate"), ("sec-fetch-site", site)];
        let page = maya.asks("GET", "/oauth2/sign_out", &link).await;
        assert!(
            page.status == 200
                && page.body.contains("<form")
                && page.header("set-cookie").is_empty(),
            "{site}: {}",
            page.body
        );
    }
    assert_eq!(status(&mut maya).await, 200);
    // What is asked is answered by a form of our own.
    assert_eq!(
        maya.posts("/oauth2/sign_out?rd=%2F", crate::world::browser::FORM, "").await.status,
        303
    );
    assert_eq!(status(&mut maya).await, 401);
}
