//! Signing out reaches Entra whatever became of the session here, and only if the person wants it.

use crate::organizations::OrganizationsWorld;
use crate::world::browser::{FORM, NAVIGATION, SCRIPT, TestBrowser};
use crate::world::raw::talk;
use crate::world::samples::{CONTOSO, MAYA, TOM};
use crate::world::{World, WorldPlan};
use url::Url;

/// A method, what the browser says of the page behind the request, and the status of the answer.
type ForeignRequest = (&'static str, &'static [(&'static str, &'static str)], u16);

async fn status(browser: &mut TestBrowser) -> u16 {
    browser.asks("GET", "/api/x", SCRIPT).await.status
}

/// The forms in which a request to sign out can come from elsewhere, and what each is told.
const FROM_ELSEWHERE: [ForeignRequest; 12] = [
    ("GET", &[("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate")], 200),
    ("GET", &[("sec-fetch-site", "same-site"), ("sec-fetch-mode", "navigate")], 200),
    ("GET", &[("sec-fetch-site", "cross-site"), ("sec-fetch-dest", "iframe")], 200),
    ("GET", &[("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "no-cors")], 200),
    ("GET", &[], 200),
    ("HEAD", &[], 200),
    ("GET", &[("referer", "https://evil.example/")], 200),
    ("POST", &[("sec-fetch-site", "cross-site"), ("origin", "https://evil.example")], 403),
    ("POST", &[("sec-fetch-site", "same-site"), ("origin", "https://sibling.example")], 403),
    ("POST", &[("origin", "https://evil.example")], 403),
    ("POST", &[("origin", "null")], 403),
    ("POST", &[("sec-fetch-site", "cross-site"), ("origin", "null")], 403),
];

/// Without a session, a link of another site led to Entra's sign-out, or was told "signed out".
#[tokio::test]
async fn another_site_signs_nobody_out_here_or_at_entra_with_or_without_a_session() {
    let world = World::start().await;
    let mut maya = world.signed_in(MAYA).await;
    let mut expired = world.browser();
    expired.plants("entrada", &"A".repeat(43));
    for (browser, is_signed_in) in
        [(&mut maya, true), (&mut world.browser(), false), (&mut expired, false)]
    {
        for (method, headers, status) in FROM_ELSEWHERE {
            let headers: Vec<_> =
                [("accept", "text/html")].into_iter().chain(headers.iter().copied()).collect();
            let page = browser.asks(method, "/oauth2/sign_out?rd=/x", &headers).await;
            let what = format!("{method} {headers:?} {is_signed_in}: {}", page.body);
            assert_eq!((page.status, page.header("location")), (status, ""), "{what}");
            assert!(!page.headers.contains_key("set-cookie"), "{what}");
            let asks = page.body.contains("<form") && page.body.contains("Sign out?");
            assert!(asks || status == 403 || method == "HEAD", "{what}");
        }
        if is_signed_in {
            assert_eq!(status(browser).await, 200);
        }
    }
    // A request that does not say where it comes from is asked too, also by POST.
    let text = talk(
        world.address,
        &format!(
            "POST /oauth2/sign_out HTTP/1.1\r\nHost: localhost:{}\r\nAccept: text/html\r\nCookie: {}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
            world.address.port(),
            maya.cookie_header()
        ),
    )
    .await;
    assert!(text.starts_with("HTTP/1.1 200") && text.contains("<form"), "{text}");
    assert_eq!(status(&mut maya).await, 200);
}

/// Whoever came back after a break, or after a restart, was told "signed out", and one click signed
/// the same person in.
#[tokio::test]
async fn whoever_signs_out_reaches_entra_whatever_became_of_the_session() {
    for way in ["idle", "revoked", "restarted", "never there"] {
        for method in ["GET", "POST"] {
            let world = World::start().await;
            let mut maya =
                if way == "never there" { world.browser() } else { world.signed_in(MAYA).await };
            match way {
                "idle" => world.later(2 * 3600),
                "revoked" => {
                    drop(world.internals().process.live.end(&maya.cookie("entrada").unwrap()));
                }
                "restarted" => maya.plants("entrada", &"A".repeat(43)),
                _ => {}
            }
            let page = maya.asks(method, "/oauth2/sign_out", FORM).await;
            let place = format!(
                "{}/{}/oauth2/v2.0/logout?",
                world.emulator.authority(),
                world.emulator.tenant_id()
            );
            assert!(
                page.status == 303 && page.header("location").starts_with(&place),
                "{way} {method}: {} {}",
                page.status,
                page.body
            );
            // Entra leads back, which is the end: no second round, and nobody is signed in.
            let entra = Url::parse(page.header("location")).unwrap();
            let page = maya.opens(&entra).await;
            assert_eq!(page.way.len(), 2, "{way}: {:?}", page.way);
            assert!(
                page.url.path() == "/oauth2/sign_out" && page.body.contains("You are signed out"),
                "{way}: {} {}",
                page.url,
                page.body
            );
            assert!(maya.visits("/x").await.is_the_sign_in_at_entra(), "{way}");
        }
    }
}

/// The way back is one-purpose: ten minutes, sealed, only by GET, and not where someone is signed
/// in.
#[tokio::test]
async fn attack_the_way_back_of_a_sign_out_is_believed_as_it_was_sealed_only() {
    let world = World::start().await;
    let mut maya = world.signed_in(MAYA).await;
    let begun = maya.asks("GET", "/x2", NAVIGATION).await;
    assert_eq!(begun.status, 200);
    let other = world.browser().asks("GET", "/x", NAVIGATION).await.state();
    let page = maya.posts("/oauth2/sign_out?rd=/public/y", FORM, "").await;
    let state = page.state();
    let from_entra: &[(&str, &str)] = &[
        ("accept", "text/html"),
        ("sec-fetch-mode", "navigate"),
        ("sec-fetch-site", "cross-site"),
    ];
    let asks = async |browser: &mut TestBrowser, state: &str| {
        let target = format!("/oauth2/sign_out?state={state}");
        let page = browser.asks("GET", &target, from_entra).await;
        (page.status, page.header("location").to_owned(), page.body.contains("Sign out?"))
    };
    let asked = (200, String::new(), true);
    assert_eq!(asks(&mut maya, &state).await, (303, "/public/y".to_owned(), false));
    // Of a sign-in, changed, or in a browser where someone is signed in.
    for wrong in [other.as_str(), &state[1..], &format!("{state}A"), "x", ""] {
        assert_eq!(asks(&mut maya, wrong).await, asked, "{wrong}");
    }
    let mut tom = world.signed_in(TOM).await;
    assert_eq!(asks(&mut tom, &state).await, asked);
    assert_eq!(status(&mut tom).await, 200);
    // Nor is it the `state` of a callback.
    let target = format!("/oauth2/callback?code=x&state={state}");
    assert_eq!(maya.asks("GET", &target, NAVIGATION).await.status, 400);
    world.later(601);
    assert_eq!(asks(&mut maya, &state).await, asked);
}

#[tokio::test]
async fn where_entra_cannot_be_reached_nobody_is_told_signed_out() {
    let world = World::with(WorldPlan { entra_down: true, ..WorldPlan::default() }).await;
    let mut maya = world.browser();
    let page = maya.asks("POST", "/oauth2/sign_out", FORM).await;
    assert!(
        page.status == 200
            && page.body.contains("You may still be signed in at Microsoft")
            && page.body.contains("/oauth2/v2.0/logout")
            && !page.body.contains("You are signed out"),
        "{}",
        page.body
    );
}

/// Where there are companies, the device remembers which one; otherwise the page says that it does
/// not know, and offers the sign-out.
#[tokio::test]
async fn without_a_session_the_remembered_company_is_signed_out_of_or_the_page_says_so() {
    let world = OrganizationsWorld::start().await;
    let mut maya = world.world.browser();
    world.comes(&mut maya, "contoso", MAYA).await;
    world.world.later(2 * 3600);
    let page = maya.asks("GET", "/oauth2/sign_out", FORM).await;
    assert!(page.header("location").contains(&format!("/{CONTOSO}/oauth2/v2.0/logout?")));
    for planted in [None, Some("nobody-knows"), Some("<script>")] {
        let mut stranger = world.world.browser();
        if let Some(code) = planted {
            stranger.plants("entrada-o", code);
        }
        let page = stranger.asks("GET", "/oauth2/sign_out", FORM).await;
        assert!(
            page.status == 200
                && page.body.contains("does not know which company")
                && page.body.contains("/oauth2/v2.0/logout")
                && !page.body.contains("You are signed out"),
            "{planted:?}: {} {}",
            page.status,
            page.body
        );
    }
}
