//! What the app hears of a request, and the client of its answer.

use super::authority;
use crate::world::browser::SCRIPT;
use crate::world::raw::talk;
use crate::world::samples::MAYA;
use crate::world::{World, WorldPlan};

#[tokio::test]
async fn what_neighbors_say_ends_here_in_both_directions() {
    let world = World::start().await;
    let host = authority(&world);
    let request = format!(
        "GET /public/hop HTTP/1.1\r\nHost: {host}\r\nConnection: close, X-Secret, x-forwarded-proto\r\nX-Secret: 1\r\nTE: trailers\r\nKeep-Alive: 5\r\nProxy-Authorization: Basic x\r\n\r\n"
    );
    let answer = talk(world.address, &request).await;
    let body = answer.split_once("\r\n\r\n").unwrap().1;
    for gone in ["x-secret", "\"te\"", "keep-alive", "proxy-authorization"] {
        assert!(!body.contains(gone), "{gone}: {body}");
    }
    assert!(body.contains("x-forwarded-proto"), "ours is written after theirs is stripped: {body}");
    let head = answer.split_once("\r\n\r\n").unwrap().0.to_lowercase();
    for gone in ["x-private", "keep-alive: timeout", "proxy-authenticate"] {
        assert!(!head.contains(gone), "{gone}: {head}");
    }
}

#[tokio::test]
async fn the_app_hears_how_the_request_came() {
    let world = World::start().await;
    let mut maya = world.browser();
    let lies = [
        ("x-forwarded-for", "6.6.6.6"),
        ("x-forwarded-proto", "https"),
        ("forwarded", "for=6.6.6.6"),
        ("x-real-ip", "6.6.6.6"),
    ];
    let page = maya.asks("GET", "/public/x", &lies).await;
    assert_eq!(page.app_heard("x-forwarded-for"), "127.0.0.1");
    assert_eq!(page.app_heard("x-forwarded-proto"), "http");
    assert_eq!(page.app_heard("x-forwarded-host"), authority(&world));
    assert_eq!(
        page.app_heard("forwarded"),
        format!("for=127.0.0.1;host=\"{}\";proto=http", authority(&world))
    );
    assert_eq!(page.app_heard("x-real-ip"), "127.0.0.1");
    assert_eq!(page.app_heard("x-request-id"), page.header("x-request-id"));
    assert_eq!(page.app_heard("traceparent").len(), 55);
    let traced = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    assert_eq!(
        maya.asks("GET", "/public/x", &[("traceparent", traced)]).await.app_heard("traceparent"),
        traced
    );
}

#[tokio::test]
async fn a_trusted_proxy_speaks_for_its_clients() {
    let plan = WorldPlan {
        server: "trusted_proxies = [\"127.0.0.1\"]".into(),
        public_url: Some("https://app.example.com".into()),
        ..WorldPlan::default()
    };
    let world = World::with(plan).await;
    let mut maya = world.browser();
    maya.says = vec![
        ("x-forwarded-for", "6.6.6.6, 192.0.2.7".into()),
        ("x-forwarded-proto", "https".into()),
        ("x-forwarded-host", "app.example.com".into()),
    ];
    maya.visits("/x").await;
    let page = maya.signs_in_as(MAYA).await;
    assert_eq!(page.app_heard("x-forwarded-for"), "6.6.6.6, 192.0.2.7, 127.0.0.1");
    assert_eq!(page.app_heard("forwarded"), "for=192.0.2.7;host=\"app.example.com\";proto=https");
    assert_eq!(page.app_heard("x-real-ip"), "192.0.2.7");
    assert!(maya.cookie("__Host-entrada").is_some());
    assert!(world.logged().await.contains("\"client\":\"192.0.2.7\""));
}

#[tokio::test]
async fn headers_of_a_trusted_proxy_reach_the_app_if_they_are_listed() {
    let sent = [
        ("x-forwarded-prefix", "/apps/shop"),
        ("x-forwarded-port", "8443"),
        ("x-request-id", "front.4711"),
        ("x-real-ip", "6.6.6.6"),
    ];
    let listed =
        "trusted_headers = [\"X-Forwarded-Prefix\", \"x-forwarded-port\", \"X-Request-Id\"]";
    let trusted = "trusted_proxies = [\"127.0.0.1\"]";
    for (server, passes) in [
        (format!("{trusted}\n{listed}"), true),
        (trusted.to_owned(), false),
        (listed.to_owned(), false),
    ] {
        let world = World::with(WorldPlan { server, ..WorldPlan::default() }).await;
        let page = world.browser().asks("GET", "/public/x", &sent).await;
        let own_id = page.header("x-request-id");
        assert_ne!(own_id, "front.4711", "the answer names our own");
        let expected = if passes { ["/apps/shop", "8443", "front.4711"] } else { ["", "", own_id] };
        for ((name, _), expected) in sent.iter().zip(expected) {
            assert_eq!(page.app_heard(name), expected, "{name}");
        }
        assert_eq!(page.app_heard("x-real-ip"), "127.0.0.1");
        assert!(world.logged().await.contains(&format!("\"request_id\":\"{own_id}\"")));
    }
}

#[tokio::test]
async fn the_host_can_be_the_apps_own() {
    let world =
        World::with(WorldPlan { upstream: "host = \"upstream\"".into(), ..WorldPlan::default() })
            .await;
    let page = world.browser().asks("GET", "/public/x", SCRIPT).await;
    assert_eq!(page.app_heard("host"), world.app.address.to_string());
    assert_eq!(page.app_heard("x-forwarded-host"), authority(&world));
}

#[tokio::test]
async fn the_app_can_set_its_own_cookies_and_none_of_ours() {
    let world = World::start().await;
    let page = world.browser().asks("GET", "/public/sets-cookies", SCRIPT).await;
    let set: Vec<_> =
        page.headers.get_all("set-cookie").iter().map(|it| it.to_str().unwrap()).collect();
    assert_eq!(set, ["theirs=1; Path=/"]);
}
