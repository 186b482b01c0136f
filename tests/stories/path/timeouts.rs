//! How long an app may take, by its route and by the call.

use super::authority;
use crate::world::echo::EchoApp;
use crate::world::raw::{ask2, http2, status, talk};
use crate::world::{RULES, World, WorldPlan};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use std::time::{Duration, Instant};

const SECOND: Duration = Duration::from_secs(1);
/// How late an answer may come on a busy machine.
const LATE: Duration = Duration::from_secs(4);

#[tokio::test]
async fn a_route_has_its_own_timeouts() {
    let app = EchoApp::start().await;
    let route = format!(
        "[[upstream.route]]\npath = \"/public/fast\"\nurl = \"http://{}\"\nresponse_timeout = \"1s\"\nstream_timeout = \"1s\"\n",
        app.address
    );
    let world = World::with(WorldPlan { more: route + RULES, ..WorldPlan::default() }).await;
    let get = |path: &str| {
        format!("GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", authority(&world))
    };
    assert_eq!(status(&talk(world.address, &get("/public/slow")).await), 200);
    let begun = Instant::now();
    assert_eq!(status(&talk(world.address, &get("/public/fast/never")).await), 504);
    assert!(begun.elapsed() >= SECOND && begun.elapsed() < SECOND + LATE);
    let begun = Instant::now();
    let answer = talk(world.address, &get("/public/fast/half")).await;
    assert!(answer.contains("begun"), "{answer}");
    assert!(begun.elapsed() >= SECOND && begun.elapsed() < SECOND + LATE);
}

#[tokio::test]
async fn a_call_of_grpc_waits_as_long_as_its_client_says() {
    let app = EchoApp::start().await;
    let world = World::with(WorldPlan {
        upstream: format!("url = \"h2c://{}\"\nresponse_timeout = \"1s\"", app.address),
        server: "[server.limits]\nstream_timeout = \"3s\"".into(),
        ..WorldPlan::default()
    })
    .await;
    let calls = async |path: &str, timeout: &str| -> (Response<String>, Duration) {
        let request = Request::post(format!("http://{}/public/{path}", authority(&world)))
            .header("content-type", "application/grpc")
            .header("grpc-timeout", timeout);
        let request = request.body(Full::new(Bytes::new())).unwrap();
        let begun = Instant::now();
        (ask2(&mut http2(world.address).await, request).await, begun.elapsed())
    };
    let (response, _) = calls("slow", "5S").await;
    assert_eq!(response.status(), 200, "longer than response_timeout");
    assert!(response.body().contains("grpc-timeout"));
    let (response, took) = calls("never", "100m").await;
    assert_eq!(response.status(), 504);
    assert!(took < SECOND, "{took:?}");
    let (response, took) = calls("never", "99999999H").await;
    assert_eq!(response.status(), 504);
    assert!(took < 3 * SECOND + LATE, "{took:?}");
}
