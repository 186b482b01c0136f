//! Pages on which people would be stuck: in frames, refused by a rule, closed by an outage.

use crate::world::browser::{NAVIGATION, SCRIPT};
use crate::world::samples::{MAYA, TOM};
use crate::world::{World, WorldPlan};

/// What a browser sends for a frame in a page of another site.
fn framed(dest: &'static str) -> [(&'static str, &'static str); 4] {
    [
        ("accept", "text/html,application/xhtml+xml,*/*;q=0.8"),
        ("sec-fetch-mode", "navigate"),
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-dest", dest),
    ]
}

/// Entra's pages cannot be framed: a frame that redirected there stayed empty, and its cookie
/// counted as one more sign-in.
#[tokio::test]
async fn a_frame_links_to_the_sign_in_in_a_new_tab() {
    for session in ["", "keep_fragment = true"] {
        let world =
            World::with(WorldPlan { session: session.into(), ..WorldPlan::default() }).await;
        for dest in ["iframe", "frame", "embed", "object"] {
            for (target, start) in [
                ("/board?x=%22y", "/oauth2/start?rd=%2Fboard%3Fx%3D%2522y"),
                (
                    "/oauth2/start?rd=%2Fboard&login_hint=m",
                    "/oauth2/start?rd=%2Fboard&amp;login_hint=m",
                ),
            ] {
                let page = world.browser().asks("GET", target, &framed(dest)).await;
                let what = format!("{dest} {target}: {}", page.body);
                assert_eq!((page.status, page.header("set-cookie")), (401, ""), "{what}");
                let link = format!("href=\"{start}\" target=\"_blank\" rel=\"noopener\"");
                assert!(page.body.contains(&link), "{what}");
                assert_eq!(page.body.matches("href=").count(), 1, "{what}");
                let policy = page.header("content-security-policy");
                assert!(
                    !policy.contains("frame-ancestors") && policy.contains("default-src 'none'")
                );
                assert!(policy.contains("form-action 'none'"), "{policy}");
                assert!(!page.headers.contains_key("x-frame-options"));
                for no in ["<form", "<script", "localhost", "Entrada", "Contoso", "refresh"] {
                    assert!(!page.body.contains(no), "{no} in {what}");
                }
            }
        }
        // In the tab, the sign-in leads to the page.
        let mut maya = world.browser();
        maya.visits("/oauth2/start?rd=%2Fboard%3Fx%3Dy").await;
        if session.is_empty() {
            assert_eq!(maya.signs_in_as(MAYA).await.path_and_query(), "/board?x=y");
            // Whoever is signed in sees the app in the frame.
            assert_eq!(maya.asks("GET", "/board", &framed("iframe")).await.status, 200);
            let refused = maya.asks("GET", "/nobody/x", &framed("iframe")).await;
            assert_eq!((refused.status, refused.header("x-frame-options")), (403, "DENY"));
            assert!(refused.header("content-security-policy").contains("frame-ancestors 'none'"));
        }
    }
}

/// Where a rule says `signed_out = "401"`, and after a form, the frame stayed empty: the page of a
/// refusal cannot be framed.
#[tokio::test]
async fn a_frame_has_the_link_also_where_nothing_redirects() {
    let world = World::start().await;
    let mut stranger = world.browser();
    for (method, target) in [("GET", "/api/x"), ("POST", "/board"), ("POST", "/api/x")] {
        let page = stranger.asks(method, target, &framed("iframe")).await;
        let what = format!("{method} {target}: {}", page.body);
        assert_eq!((page.status, page.header("set-cookie")), (401, ""), "{what}");
        assert_eq!(page.header("www-authenticate"), "Entrada realm=\"app\"", "{what}");
        assert!(page.body.contains("target=\"_blank\" rel=\"noopener\""), "{what}");
        assert!(!page.header("content-security-policy").contains("frame-ancestors"), "{what}");
        assert!(!page.headers.contains_key("x-frame-options"), "{what}");
        // Outside of a frame, the answer is what the rule says.
        let page = stranger.asks("GET", "/api/x", NAVIGATION).await;
        assert_eq!((page.status, page.header("x-frame-options")), (401, "DENY"));
    }
}

#[tokio::test]
async fn what_is_no_page_in_a_frame_is_answered_as_ever() {
    let world = World::start().await;
    let mut stranger = world.browser();
    // A silent sign-in in a frame is as it was.
    let page = stranger.asks("GET", "/oauth2/start?rd=/x&prompt=none", &framed("iframe")).await;
    assert!(page.status == 302 && page.header("location").contains("/authorize?"));
    let page = stranger.asks("GET", "/oauth2/front_channel_logout?sid=x", &framed("iframe")).await;
    assert_eq!((page.status, page.body.as_str()), (200, ""));
    for (target, headers, status) in [
        ("/public/x", &framed("iframe")[..], 200),
        ("/api/x", SCRIPT, 401),
        ("/x", NAVIGATION, 302),
        ("/x", &framed("document"), 302),
    ] {
        assert_eq!(stranger.asks("GET", target, headers).await.status, status, "{target}");
    }
    let page = stranger.asks("GET", "/oauth2/sign_in", &framed("iframe")).await;
    assert_eq!(page.header("x-frame-options"), "DENY");
}

/// Whoever was refused did not see as whom, and had no way to another account.
#[tokio::test]
async fn who_is_refused_by_a_rule_sees_as_whom_and_can_change_the_account() {
    let world = World::start().await;
    let mut tom = world.signed_in(TOM).await;
    let page = tom.visits("/admin/x?y=z").await;
    assert_eq!(page.status, 403);
    for part in [
        "You are signed in as tom@contoso.example".replace('@', "&#x40;"),
        "href=\"/oauth2/start?rd=%2Fadmin%2Fx&amp;prompt=select_account\"".to_owned(),
        "Use another account".to_owned(),
        "href=\"/oauth2/sign_out\"".to_owned(),
    ] {
        let plain = page.body.replace("&#x40;", "@").replace("&#x3d;", "=");
        assert!(plain.contains(&part.replace("&#x40;", "@")), "{part}: {}", page.body);
    }
    // Another account leads to the page.
    let shown = tom.visits("/oauth2/start?rd=%2Fadmin%2Fx%3Fy%3Dz&prompt=select_account").await;
    assert!(shown.is_the_sign_in_at_entra());
    assert_eq!(tom.signs_in_as(MAYA).await.path_and_query(), "/admin/x?y=z");
    // Programs are told nothing more than before, and nobody's name.
    let mut tom = world.signed_in(TOM).await;
    let json = tom.asks("GET", "/admin/x", SCRIPT).await;
    assert!(json.status == 403 && !json.body.contains("tom@"), "{}", json.body);
    // What is closed to everyone shows no name to a stranger either.
    let page = world.browser().asks("GET", "/nobody/x", NAVIGATION).await;
    assert!(!page.body.contains("You are signed in as"), "{}", page.body);
}

/// With several tenants, one person's session can fail although Entra answers for everyone else: a
/// new sign-in then helps.
#[tokio::test]
async fn where_only_the_session_cannot_be_confirmed_a_new_sign_in_is_offered() {
    let world = World::with(WorldPlan {
        session: "idle = \"20d\"\nlifetime = \"60d\"".into(),
        entra: "tenant = \"organizations\"\nallowed_tenants = [\"*\"]".into(),
        more: String::new(),
        ..WorldPlan::default()
    })
    .await;
    let mut maya = world.signed_in(MAYA).await;
    world.emulator.control().refuse_refresh(crate::world::samples::MAYA_ID, 50_196);
    world.later(5 * 3600);
    let page = maya.asks("GET", "/x", NAVIGATION).await;
    assert_eq!(page.status, 503, "{}", page.body);
    assert!(
        page.body.contains("Sign in again") && page.body.contains("/oauth2/start?rd=%2Fx"),
        "{}",
        page.body
    );
    maya.visits("/oauth2/start?rd=%2Fx").await;
    assert_eq!(maya.signs_in_as(MAYA).await.status, 200);
}
