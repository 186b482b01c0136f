//! HTTP/2 on either side.

use super::authority;
use crate::world::echo::EchoApp;
use crate::world::raw::{ask2, http2, status, talk};
use crate::world::samples::MAYA;
use crate::world::{World, WorldPlan};
use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use std::sync::atomic::Ordering;
use std::time::Duration;

#[tokio::test]
async fn http2_without_tls_works_and_cookies_are_joined() {
    let world = World::start().await;
    let maya = world.signed_in(MAYA).await;
    let mut sender = http2(world.address).await;
    let request = Request::get(format!("http://{}/x", authority(&world)))
        .header("cookie", maya.cookie_header());
    let request = request.header("cookie", "a=1").header("cookie", "b=2");
    let response = ask2(&mut sender, request.body(Full::new(Bytes::new())).unwrap()).await;
    assert_eq!(response.status(), StatusCode::OK);
    let said: serde_json::Value = serde_json::from_str(response.body()).unwrap();
    let cookies: Vec<_> =
        said["headers"].as_array().unwrap().iter().filter(|it| it[0] == "cookie").collect();
    assert_eq!(cookies.len(), 1);
    assert_eq!(cookies[0][1], "a=1; b=2");
    let request =
        Request::get("http://evil.example/public/x").body(Full::new(Bytes::new())).unwrap();
    assert_eq!(ask2(&mut sender, request).await.status(), StatusCode::MISDIRECTED_REQUEST);
}

/// Browsers send each cookie in a field of its own over HTTP/2 (RFC 9113 section 8.2.3). Many
/// cookies were once too many fields.
#[tokio::test]
async fn many_cookies_are_judged_alike_over_both_versions() {
    let world = World::start().await;
    for (cookies, other, expected) in [(90, 20, 200), (400, 20, 200), (2, 120, 431)] {
        let crumbs: Vec<_> = (0..cookies).map(|it| format!("c{it}={it}")).collect();
        let fields: String = (0..other).map(|it| format!("x-{it}: {it}\r\n")).collect();
        let request = format!(
            "GET /public/x HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nCookie: {}\r\n{fields}\r\n",
            authority(&world),
            crumbs.join("; ")
        );
        assert_eq!(status(&talk(world.address, &request).await), expected);
        let mut request = Request::get(format!("http://{}/public/x", authority(&world)));
        for crumb in &crumbs {
            request = request.header("cookie", crumb);
        }
        for at in 0..other {
            request = request.header(format!("x-{at}"), at);
        }
        let request = request.body(Full::new(Bytes::new())).unwrap();
        let response = ask2(&mut http2(world.address).await, request).await;
        assert_eq!(response.status(), expected, "{cookies} cookies, {other} fields");
        if expected == 200 {
            assert!(response.body().contains(&crumbs.join("; ")), "{}", response.body());
        }
    }
}

#[tokio::test]
async fn grpc_with_trailers_goes_through_to_an_h2c_app() {
    let app = EchoApp::start().await;
    let world = World::with(WorldPlan {
        upstream: format!("url = \"h2c://{}\"", app.address),
        ..WorldPlan::default()
    })
    .await;
    let maya = world.signed_in(MAYA).await;
    let before = app.seen.connections.load(Ordering::SeqCst);
    let mut sender = http2(world.address).await;
    for _ in 0..3 {
        let request = Request::post(format!("http://{}/grpc", authority(&world)))
            .header("te", "trailers")
            .header("cookie", maya.cookie_header());
        let response = sender
            .send_request(request.body(Full::new(Bytes::from_static(b"\0\0\0\0\x02hi"))).unwrap())
            .await
            .unwrap();
        assert_eq!(response.headers()["content-type"], "application/grpc");
        assert_eq!(response.headers()["x-te-heard"], "trailers");
        let collected = response.into_body().collect().await.unwrap();
        assert_eq!(collected.trailers().unwrap()["grpc-status"], "0");
        assert_eq!(&collected.to_bytes()[..], b"\0\0\0\0\x02hi");
    }
    assert_eq!(
        app.seen.connections.load(Ordering::SeqCst),
        before.max(1),
        "one connection is shared"
    );
}

#[tokio::test]
async fn a_head_that_an_app_in_http2_finds_too_large_ends_no_other_request() {
    let app = EchoApp::start().await;
    let world = World::with(WorldPlan {
        upstream: format!("url = \"h2c://{}\"", app.address),
        ..WorldPlan::default()
    })
    .await;
    let head = |path: &str, more: &str| {
        format!(
            "GET /public/{path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n{more}\r\n",
            authority(&world)
        )
    };
    let (slow, large) =
        (head("slow", ""), head("x", &format!("x-long: {}\r\n", "a".repeat(60_000))));
    let slow = async { talk(world.address, &slow).await };
    let large = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        talk(world.address, &large).await
    };
    let (slow, large) = tokio::join!(slow, large);
    assert!(slow.starts_with("HTTP/1.1 200"), "{slow} {large}");
    assert!(large.starts_with("HTTP/1.1 431"), "{large}");
}
