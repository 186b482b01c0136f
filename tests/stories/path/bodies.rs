//! Bodies stream, and whoever ends one early is named.

use super::authority;
use crate::world::echo::EchoApp;
use crate::world::h2::{self, RawHttp2};
use crate::world::raw::{self, talk};
use crate::world::samples::MAYA;
use crate::world::{World, WorldPlan};
use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Frame;
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

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
async fn an_upload_that_waits_to_be_told_is_told_only_after_it_was_let_in() {
    let world = World::start().await;
    let host = authority(&world);
    let maya = world.signed_in(MAYA).await;
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

/// A call in both directions whose client only listens was once reset after `body_timeout`.
#[tokio::test]
async fn a_client_may_be_quiet_once_the_response_has_begun() {
    const QUIET: Duration = Duration::from_secs(3);
    let app = EchoApp::start().await;
    for scheme in ["http", "h2c"] {
        let world = World::with(WorldPlan {
            upstream: format!("url = \"{scheme}://{}\"", app.address),
            server: "[server.limits]\nbody_timeout = \"1s\"".into(),
            ..WorldPlan::default()
        })
        .await;
        let request = format!(
            "POST /public/talk HTTP/1.1\r\nHost: {}\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n",
            authority(&world)
        );
        let one = async {
            let mut io = TcpStream::connect(world.address).await.unwrap();
            io.write_all(request.as_bytes()).await.unwrap();
            tokio::time::sleep(QUIET).await;
            io.write_all(b"5\r\nworld\r\n0\r\n\r\n").await.unwrap();
            let mut answer = String::new();
            let reading = io.read_to_string(&mut answer);
            let _ = tokio::time::timeout(Duration::from_secs(5), reading).await;
            answer
        };
        let two = async {
            let mut client = RawHttp2::connect(world.address, &[]).await;
            let stream = client.next_stream();
            let head = h2::head("POST", authority(&world), "/public/talk", &[]);
            client.sends(h2::HEADERS, h2::END_HEADERS, stream, &head).await;
            tokio::time::sleep(QUIET).await;
            client.sends(h2::DATA, h2::END_STREAM, stream, b"world").await;
            let mut answer = Vec::new();
            while let Some(Some(frame)) = client.next_within(Duration::from_secs(5)).await {
                assert_ne!(frame.kind, h2::RST_STREAM, "{scheme}");
                if frame.kind == h2::DATA {
                    answer.extend(&frame.payload);
                    if frame.flags & h2::END_STREAM != 0 {
                        break;
                    }
                }
            }
            String::from_utf8_lossy(&answer).into_owned()
        };
        let (one, two) = tokio::join!(one, two);
        assert!(one.contains("hello ") && one.contains("world"), "{scheme}: {one}");
        assert_eq!(two, "hello world", "{scheme}");
    }
}
