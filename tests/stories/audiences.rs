//! Several apps behind one sign-in: what one of them receives about a person is worth nothing at another.

use crate::world::browser::{SCRIPT, TestBrowser};
use crate::world::echo::EchoApp;
use crate::world::samples::MAYA;
use crate::world::{RULES, World, WorldPlan};
use serde_json::Value;
use std::collections::BTreeSet;

/// Audience by path, as `world` configures it; the default one is the public address.
const AUDIENCES: [(&str, &str); 8] = [
    ("/reports", "https://reports.example"),
    ("/reports/x?y=/billing", "https://reports.example"),
    ("/reports/billing", "https://billing.example"),
    ("/billing/x", "https://billing.example"),
    ("/plain/x", ""),
    ("/reportsx", ""),
    ("/x", ""),
    // What is sent decides, not how an app may read it.
    ("/%72eports/x", ""),
];

async fn world(server: &str) -> (World, [EchoApp; 3]) {
    let apps = [EchoApp::start().await, EchoApp::start().await, EchoApp::start().await];
    let route = |path: &str, app: &EchoApp, audience: &str| {
        format!(
            "[[upstream.route]]\npath = \"{path}\"\nurl = \"http://{}\"\n{audience}\n",
            app.address
        )
    };
    let [reports, billing, plain] = &apps;
    let billed = "audience = \"https://billing.example\"";
    let routes = [
        route("/reports", reports, "audience = \"https://reports.example\""),
        route("/reports/billing", billing, billed),
        route("/billing", billing, billed),
        route("/plain", plain, ""),
    ];
    let plan = WorldPlan {
        more: format!("{}{RULES}", routes.concat()),
        server: server.to_owned(),
        ..WorldPlan::default()
    };
    (World::with(plan).await, apps)
}

fn claims(assertion: &str) -> Value {
    jsonwebtoken::dangerous::insecure_decode::<Value>(assertion).unwrap().claims
}

async fn heard(browser: &mut TestBrowser, path: &str) -> Value {
    let page = browser.asks("GET", path, SCRIPT).await;
    assert_eq!(
        (page.status, page.app_heard_all("x-entrada-assertion").len()),
        (200, 1),
        "{path} {}",
        page.body
    );
    claims(&page.app_heard("x-entrada-assertion"))
}

// All apps received assertions of one audience, so that any of them could act at the others as the person.
#[tokio::test]
async fn each_app_receives_assertions_for_its_own_audience_only() {
    let (world, apps) = world("").await;
    let mut maya = world.signed_in(MAYA).await;
    let mut first = Vec::new();
    for (path, audience) in AUDIENCES {
        let said = heard(&mut maya, path).await;
        assert_eq!(
            said["aud"].as_str().unwrap(),
            if audience.is_empty() { world.public_url.as_str() } else { audience },
            "{path}"
        );
        first.push(said);
    }
    assert_eq!(apps.each_ref().map(|it| it.seen.count()), [2, 2, 1]);
    // One for each audience, kept with the session, and about the same person and session.
    let distinct = |all: &[Value], name: &str| {
        all.iter().map(|it| it[name].to_string()).collect::<BTreeSet<_>>().len()
    };
    assert_eq!(
        ["jti", "aud", "sub", "sid", "iss", "roles"].map(|it| distinct(&first, it)),
        [3, 3, 1, 1, 1, 1]
    );
    assert_eq!(heard(&mut maya, "/billing").await["jti"], first[2]["jti"]);
    // Each is made again when half of its time is gone.
    world.later(150);
    let again = heard(&mut maya, "/billing").await;
    assert_eq!(
        (again["aud"].as_str(), again["jti"] == first[2]["jti"]),
        (Some("https://billing.example"), false)
    );
    assert!(again["exp"].as_u64().unwrap() >= first[2]["exp"].as_u64().unwrap() + 150);
    // A stranger's request carries none, and what a client sends never arrives.
    let said = [SCRIPT, &[("x-entrada-assertion", "forged")]].concat();
    assert!(
        world
            .browser()
            .asks("GET", "/public/x", &said)
            .await
            .app_heard_all("x-entrada-assertion")
            .is_empty()
    );
    assert_eq!(heard(&mut maya, "/reports/x").await["aud"], "https://reports.example");
}

#[tokio::test]
async fn many_requests_at_once_make_one_assertion_for_each_audience() {
    let (world, _apps) = world("").await;
    let maya = world.signed_in(MAYA).await;
    let cookie = maya.cookie_header();
    let asked = (0..60).map(|at| {
        let (world, cookie) = (&world, cookie.as_str());
        async move {
            let headers = [SCRIPT, &[("cookie", cookie)]].concat();
            let page =
                world.browser().asks("GET", ["/reports", "/billing", "/x"][at % 3], &headers).await;
            claims(&page.app_heard("x-entrada-assertion"))
        }
    });
    let said = futures_util::future::join_all(asked).await;
    let distinct: BTreeSet<_> =
        said.iter().map(|it| format!("{} {}", it["aud"], it["jti"])).collect();
    assert_eq!(distinct.len(), 3, "{distinct:?}");
}

#[tokio::test]
async fn nginx_is_answered_with_the_audience_of_the_path_it_asks_about() {
    let (world, _apps) = world("trusted_proxies = [\"127.0.0.1\"]").await;
    let mut maya = world.signed_in(MAYA).await;
    for (path, audience) in AUDIENCES {
        let asked = format!("{}{path}", world.public_url);
        let page = maya
            .asks(
                "GET",
                "/oauth2/auth",
                &[("x-original-url", &asked), ("x-original-method", "GET")],
            )
            .await;
        let said = claims(page.header("x-entrada-assertion"));
        assert_eq!(
            said["aud"].as_str().unwrap(),
            if audience.is_empty() { world.public_url.as_str() } else { audience },
            "{path}"
        );
    }
}
