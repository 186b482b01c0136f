//! The way of a request to the app and back.

use crate::world::browser::SCRIPT;
use crate::world::echo::EchoApp;
use crate::world::raw::{self, ask2, http2, talk};
use crate::world::{World, WorldPlan};
use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Frame;
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Host and port that people type.
pub fn authority(world: &World) -> &str {
    world.public_url.split_once("://").unwrap().1
}

#[tokio::test]
async fn what_is_judged_is_byte_for_byte_what_is_sent() {
    let world = World::start().await;
    let mut maya = world.signed_in("maya@contoso.example").await;
    for target in
        ["/a?b=//..%2f;x", "/%E2%82%AC/%20x?y=%00", "/a/b/?", "/@x:y/~z!$&'()*+,=", "/x?%2e%2e/"]
    {
        let page = raw_get(&world, &maya.cookie_header(), target).await;
        assert!(page.starts_with("HTTP/1.1 200"), "{target}: {page}");
        assert_eq!(world.app.seen.last_target(), target);
    }
    for target in [
        "/a//b",
        "/a/../b",
        "/%2e%2e/b",
        "/a%2fb",
        "/a;b",
        "/a%5cb",
        "/a\\b",
        "/a%00",
        "/a%252e",
        "*",
    ] {
        let before = world.app.seen.count();
        let page = raw_get(&world, &maya.cookie_header(), target).await;
        assert_eq!(raw::status(&page), 400, "{target}: {page}");
        assert_eq!(world.app.seen.count(), before);
    }
    assert_eq!(maya.visits("/public/x").await.status, 200);
}

async fn raw_get(world: &World, cookie: &str, target: &str) -> String {
    let host = authority(world);
    talk(
        world.address,
        &format!(
            "GET {target} HTTP/1.1\r\nHost: {host}\r\nCookie: {cookie}\r\nConnection: close\r\n\r\n"
        ),
    )
    .await
}

#[tokio::test]
async fn hosts_and_methods_without_one_reading_are_refused() {
    let world = World::start().await;
    let host = authority(&world);
    for (request, status) in [
        (
            format!(
                "GET /public/x HTTP/1.1\r\nHost: {host}\r\nHost: {host}\r\nConnection: close\r\n\r\n"
            ),
            400,
        ),
        ("GET /public/x HTTP/1.1\r\nConnection: close\r\n\r\n".to_owned(), 400),
        (
            format!(
                "GET http://evil.example/public/x HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
            ),
            400,
        ),
        (format!("CONNECT {host} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"), 400),
        (format!("TRACE /public/x HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"), 400),
        (
            "GET /public/x HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n".to_owned(),
            421,
        ),
        (
            format!(
                "GET http://{host}/public/x HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
            ),
            200,
        ),
        (
            format!(
                "GET /public/x HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n",
                host.to_uppercase()
            ),
            200,
        ),
    ] {
        let answer = talk(world.address, &request).await;
        assert_eq!(raw::status(&answer), status, "{request}: {answer}");
    }
    assert_eq!(world.app.seen.count(), 2);
}

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
    assert_eq!(page.app_heard("x-real-ip"), "");
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
    let page = maya.signs_in_as("maya@contoso.example").await;
    assert_eq!(page.app_heard("x-forwarded-for"), "6.6.6.6, 192.0.2.7, 127.0.0.1");
    assert_eq!(page.app_heard("forwarded"), "for=192.0.2.7;host=\"app.example.com\";proto=https");
    assert!(maya.cookie("__Host-entrada").is_some());
    assert!(world.logged().await.contains("\"client\":\"192.0.2.7\""));
}

#[tokio::test]
async fn big_bodies_stream_both_ways_and_are_not_held() {
    let world = World::start().await;
    const SIZE: u64 = 1 << 30;
    let before = resident();
    let stream = TcpStream::connect(world.address).await.unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let block = Bytes::from(vec![b'u'; 64 * 1024]);
    let frames = futures_util::stream::unfold(0u64, move |sent| {
        let block = block.clone();
        async move { (sent < SIZE).then(|| (Ok::<_, Infallible>(Frame::data(block)), sent + 64 * 1024)) }
    });
    let body = BodyExt::boxed(StreamBody::new(Box::pin(frames)));
    let request =
        Request::post("/public/upload").header("host", authority(&world)).body(body).unwrap();
    let response = sender.send_request(request).await.unwrap();
    let said = response.into_body().collect().await.unwrap().to_bytes();
    assert!(String::from_utf8_lossy(&said).contains(&format!("\"bytes\":{SIZE}")));

    let request =
        Request::get(format!("/public/download?bytes={SIZE}")).header("host", authority(&world));
    let request = request.body(BodyExt::boxed(Full::new(Bytes::new()))).unwrap();
    sender.ready().await.unwrap();
    let mut body = sender.send_request(request).await.unwrap().into_body();
    let mut count = 0;
    while let Some(frame) = body.frame().await {
        count += frame.unwrap().data_ref().map_or(0, |it| it.len() as u64);
    }
    assert_eq!(count, SIZE);
    // Client, program and app are all in this process, and other stories as well.
    let grown = resident().saturating_sub(before);
    assert!(grown < 256 << 20, "memory grew by {grown} bytes");
}

fn resident() -> u64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap();
    text.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4096
}

#[tokio::test]
async fn events_arrive_as_they_are_sent() {
    let world = World::start().await;
    let mut stream = TcpStream::connect(world.address).await.unwrap();
    stream
        .write_all(
            format!("GET /public/events HTTP/1.1\r\nHost: {}\r\n\r\n", authority(&world))
                .as_bytes(),
        )
        .await
        .unwrap();
    let mut heard = String::new();
    let began = Instant::now();
    let mut buffer = [0; 1024];
    while !heard.contains("data: 2") {
        let count = tokio::time::timeout(Duration::from_secs(5), stream.read(&mut buffer))
            .await
            .unwrap()
            .unwrap();
        heard.push_str(&String::from_utf8_lossy(&buffer[..count]));
        if heard.contains("data: 0") && !heard.contains("data: 1") {
            assert!(began.elapsed() < Duration::from_millis(1500), "the first event was held back");
        }
    }
    assert!(heard.contains("text/event-stream"));
}

#[tokio::test]
async fn http2_without_tls_works_and_cookies_are_joined() {
    let world = World::start().await;
    let maya = world.signed_in("maya@contoso.example").await;
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

#[tokio::test]
async fn grpc_with_trailers_goes_through_to_an_h2c_app() {
    let app = EchoApp::start().await;
    let world = World::with(WorldPlan {
        upstream: format!("url = \"h2c://{}\"", app.address),
        ..WorldPlan::default()
    })
    .await;
    let maya = world.signed_in("maya@contoso.example").await;
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
async fn an_upload_that_waits_to_be_told_is_told_only_after_it_was_let_in() {
    let world = World::start().await;
    let host = authority(&world);
    let maya = world.signed_in("maya@contoso.example").await;
    let mut stream = TcpStream::connect(world.address).await.unwrap();
    let head = format!(
        "POST /x HTTP/1.1\r\nHost: {host}\r\nCookie: {}\r\nContent-Length: 4\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n",
        maya.cookie_header()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut buffer = [0; 1024];
    let count = tokio::time::timeout(Duration::from_secs(5), stream.read(&mut buffer))
        .await
        .unwrap()
        .unwrap();
    assert!(
        buffer[..count].starts_with(b"HTTP/1.1 100"),
        "{}",
        String::from_utf8_lossy(&buffer[..count])
    );
    stream.write_all(b"data").await.unwrap();
    let mut rest = String::new();
    stream.read_to_string(&mut rest).await.unwrap();
    assert!(rest.contains("\"bytes\":4"), "{rest}");
    let head = format!(
        "POST /x HTTP/1.1\r\nHost: {host}\r\nContent-Length: 4\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n"
    );
    let answer = talk(world.address, &head).await;
    assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
}

#[tokio::test]
async fn head_has_no_body_and_the_right_length() {
    let world = World::start().await;
    let request = format!(
        "HEAD /public/teapot HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n",
        authority(&world)
    );
    let answer = talk(world.address, &request).await;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(
        head.starts_with("HTTP/1.1 418") && head.to_lowercase().contains("content-length: 15"),
        "{head}"
    );
    assert_eq!(body, "");
}

#[tokio::test]
async fn an_app_that_is_down_or_slow_is_told() {
    let world = World::with(WorldPlan {
        upstream: "response_timeout = \"1s\"".into(),
        ..WorldPlan::default()
    })
    .await;
    let mut maya = world.browser();
    let page = maya.visits("/public/never").await;
    assert_eq!(page.status, 504);
    assert!(page.body.contains("too long"), "{}", page.body);
    assert_eq!(maya.asks("GET", "/public/never", SCRIPT).await.json()["status"], 504);
    world.app.dies();
    tokio::time::sleep(Duration::from_millis(50)).await;
    let page = maya.visits("/public/x").await;
    assert_eq!(page.status, 502);
    assert!(page.body.contains(page.header("x-request-id")));
    assert_eq!(
        maya.asks("GET", "/public/x", SCRIPT).await.header("content-type"),
        "application/problem+json"
    );
}

#[tokio::test]
async fn a_long_upload_is_no_slow_app() {
    let world = World::with(WorldPlan {
        upstream: "response_timeout = \"1s\"".into(),
        ..WorldPlan::default()
    })
    .await;
    let mut stream = TcpStream::connect(world.address).await.unwrap();
    let head = format!(
        "POST /public/x HTTP/1.1\r\nHost: {}\r\nContent-Length: 8\r\nConnection: close\r\n\r\n",
        authority(&world)
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    for _ in 0..8 {
        stream.write_all(b"x").await.unwrap();
        tokio::time::sleep(Duration::from_millis(400)).await;
    }
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("\"bytes\":8"), "{answer}");
}

#[tokio::test]
async fn a_client_that_stops_sending_is_cut_off() {
    let world = World::with(WorldPlan {
        server: "[server.limits]\nbody_timeout = \"1s\"".into(),
        ..WorldPlan::default()
    })
    .await;
    let began = Instant::now();
    let head = format!(
        "POST /public/x HTTP/1.1\r\nHost: {}\r\nContent-Length: 8\r\n\r\nhal",
        authority(&world)
    );
    let answer = raw::talk_for(world.address, head.as_bytes(), Duration::from_secs(8)).await;
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    assert!(began.elapsed() < Duration::from_secs(5));
}

/// A method of 60 KiB was sent on, and written to the log.
#[tokio::test]
async fn a_method_that_is_too_long_is_refused_and_not_logged() {
    let world = World::start().await;
    let long = "A".repeat(60_000);
    for method in [&long[..65], &long] {
        let answer = talk(
            world.address,
            &format!(
                "{method} /public/x HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n",
                authority(&world)
            ),
        )
        .await;
        assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    }
    assert_eq!(world.app.seen.count(), 0);
    assert!(!world.logged().await.contains("AAAAAAAA"));
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

/// With an app in HTTP/2 this was a 502, as if the app could not be reached: hyper's error for the stream does not carry its cause.
#[tokio::test]
async fn a_body_that_ends_early_is_the_clients_fault_whatever_the_app_speaks() {
    let app = EchoApp::start().await;
    for scheme in ["http", "h2c"] {
        let upstream = format!("url = \"{scheme}://{}\"", app.address);
        let world = World::with(WorldPlan {
            upstream,
            server: "[server.limits]\nbody_timeout = \"1s\"".into(),
            ..WorldPlan::default()
        })
        .await;
        let head = format!(
            "POST /public/x HTTP/1.1\r\nHost: {}\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n",
            authority(&world)
        );
        for rest in ["", "no chunk\r\n", "fffffffffffffffff\r\n"] {
            let answer = raw::talk_for(
                world.address,
                format!("{head}{rest}").as_bytes(),
                Duration::from_secs(8),
            )
            .await;
            assert!(answer.starts_with("HTTP/1.1 408"), "{scheme} {rest:?}: {answer}");
        }
    }
}

#[tokio::test]
async fn an_app_that_falls_silent_midway_is_cut_off() {
    let world = World::with(WorldPlan {
        server: "[server.limits]\nstream_timeout = \"1s\"".into(),
        ..WorldPlan::default()
    })
    .await;
    let began = Instant::now();
    let head = format!("GET /public/half HTTP/1.1\r\nHost: {}\r\n\r\n", authority(&world));
    let answer = raw::talk_for(world.address, head.as_bytes(), Duration::from_secs(8)).await;
    assert!(answer.contains("begun") && !answer.ends_with("0\r\n\r\n"), "{answer}");
    assert!(began.elapsed() < Duration::from_secs(5));
}

/// An app that answers the first request of a connection and reads and drops the second.
async fn closing_app() -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let received = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&received);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let count = Arc::clone(&count);
            tokio::spawn(async move {
                let mut buffer = [0; 8192];
                for answered in 0..2 {
                    if stream.read(&mut buffer).await.unwrap_or(0) == 0 {
                        return;
                    }
                    count.fetch_add(1, Ordering::SeqCst);
                    if answered == 0 {
                        stream
                            .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
                            .await
                            .unwrap();
                    }
                }
            });
        }
    });
    (address, received)
}

#[tokio::test]
async fn a_connection_that_the_app_had_closed_is_tried_again_only_where_that_is_safe() {
    let (address, received) = closing_app().await;
    let world = World::with(WorldPlan {
        upstream: format!("url = \"http://{address}\""),
        ..WorldPlan::default()
    })
    .await;
    let mut maya = world.browser();
    assert_eq!(maya.asks("GET", "/public/x", SCRIPT).await.status, 200);
    // The second request on that connection is read and dropped.
    tokio::time::sleep(Duration::from_millis(60)).await;
    assert_eq!(maya.asks("GET", "/public/x", SCRIPT).await.status, 200);
    assert_eq!(received.load(Ordering::SeqCst), 3, "once and once again");
    tokio::time::sleep(Duration::from_millis(60)).await;
    let page = maya.posts("/public/x", SCRIPT, "pay=1").await;
    assert_eq!(page.status, 502, "{}", page.body);
    assert_eq!(received.load(Ordering::SeqCst), 4, "a payment is not sent twice");
}

#[tokio::test]
async fn routes_go_to_other_apps_by_the_longest_path() {
    let (one, two) = (EchoApp::start().await, EchoApp::start().await);
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("app.sock");
    two.on_unix(&socket);
    let routes = format!(
        "[[upstream.route]]\npath = \"/public/a\"\nurl = \"http://{}\"\n[[upstream.route]]\npath = \"/public/a/b\"\nurl = \"unix:{}\"",
        one.address,
        socket.display()
    );
    let world = World::with(WorldPlan {
        more: format!("{routes}\n{}", crate::world::RULES),
        ..WorldPlan::default()
    })
    .await;
    let mut maya = world.browser();
    for path in
        ["/public/a", "/public/a/x", "/public/a/b", "/public/a/b/c", "/public/ab", "/public"]
    {
        assert_eq!(maya.asks("GET", path, SCRIPT).await.status, 200, "{path}");
    }
    assert_eq!((one.seen.count(), two.seen.count(), world.app.seen.count()), (2, 2, 2));
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

#[tokio::test]
async fn many_at_once_all_get_their_own_answer() {
    let world = World::start().await;
    let (maya, tom) = (
        world.signed_in("maya@contoso.example").await,
        world.signed_in("tom@contoso.example").await,
    );
    let people = [(maya.cookie_header(), "Maya Okafor"), (tom.cookie_header(), "Tom Becker")];
    let mut tasks = tokio::task::JoinSet::new();
    for at in 0..64 {
        let (cookie, name) = people[at % 2].clone();
        let (address, host) = (world.address, authority(&world).to_owned());
        tasks.spawn(async move {
            let stream = TcpStream::connect(address).await.unwrap();
            let (mut sender, connection) =
                hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
            tokio::spawn(connection);
            for round in 0..20 {
                sender.ready().await.unwrap();
                let request = Request::get(format!("/x/{at}/{round}"))
                    .header("host", &host)
                    .header("cookie", &cookie);
                let response = sender
                    .send_request(request.body(Full::<Bytes>::default()).unwrap())
                    .await
                    .unwrap();
                let body = response.into_body().collect().await.unwrap().to_bytes();
                let text = String::from_utf8_lossy(&body);
                assert!(
                    text.contains(name) && text.contains(&format!("/x/{at}/{round}\"")),
                    "{text}"
                );
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    assert!(world.app.seen.connections.load(Ordering::SeqCst) <= 66);
}
