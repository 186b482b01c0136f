//! Class 26: the app must see exactly the requests that were judged, and a tunnel ends with its session.

use super::{HttpVersion, ask, authority};
use crate::world::raw::{self, talk_for};
use crate::world::samples::MAYA;
use crate::world::{World, WorldPlan};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

const PATIENCE: Duration = Duration::from_millis(700);

/// Bodies in which one reader sees a second request.
#[tokio::test]
async fn a_request_within_a_request_is_seen_by_nobody_unjudged() {
    let world = World::start().await;
    let inner = "GET /admin/smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let chunked = "Transfer-Encoding: chunked";
    let length = inner.len();
    for (lines, body) in [
        (format!("Content-Length: {}\r\n{chunked}", length + 5), format!("0\r\n\r\n{inner}")),
        (format!("{chunked}\r\nContent-Length: {}", length + 5), format!("0\r\n\r\n{inner}")),
        (format!("{chunked}\r\n{chunked}"), format!("0\r\n\r\n{inner}")),
        ("Transfer-Encoding: gzip, chunked".to_owned(), format!("0\r\n\r\n{inner}")),
        ("Transfer-Encoding: chunked, identity".to_owned(), format!("0\r\n\r\n{inner}")),
        ("Transfer-Encoding: xchunked".to_owned(), format!("0\r\n\r\n{inner}")),
        ("Transfer-Encoding:\u{b}chunked".to_owned(), format!("0\r\n\r\n{inner}")),
        ("Transfer-Encoding : chunked".to_owned(), format!("0\r\n\r\n{inner}")),
        ("X: y\r\n Transfer-Encoding: chunked".to_owned(), format!("0\r\n\r\n{inner}")),
        (format!("Content-Length: 0\r\nContent-Length: {length}"), inner.to_owned()),
        (format!("Content-Length: 0, {length}"), inner.to_owned()),
        (format!("Content-Length: +{length}"), inner.to_owned()),
        (format!("Content-Length: -1\r\nX: {length}"), inner.to_owned()),
        (format!("Content-Length: 0x{length:x}"), inner.to_owned()),
        (format!("Content-Length: {length}\nTransfer-Encoding: chunked"), format!("0\r\n\r\n{inner}")),
        (chunked.to_owned(), format!("0;a=\"\r\n\r\n{inner}")),
        (chunked.to_owned(), format!("-1\r\n\r\n{inner}")),
        (chunked.to_owned(), format!("ffffffffffffffff1\r\nx\r\n0\r\n\r\n{inner}")),
        (chunked.to_owned(), format!("0x0\r\n\r\n{inner}")),
        (chunked.to_owned(), format!("0\n\n{inner}")),
        ("Connection: Upgrade\r\nUpgrade: mine/1".to_owned(), inner.to_owned()),
        ("Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA".to_owned(), inner.to_owned()),
        ("Expect: 100-continue\r\nContent-Length: 0".to_owned(), inner.to_owned()),
        ("Connection: content-length, transfer-encoding\r\nContent-Length: 0".to_owned(), inner.to_owned()),
    ] {
        let request = format!("POST /public/outer HTTP/1.1\r\nHost: {}\r\n{lines}\r\n\r\n{body}", authority(&world));
        let answer = talk_for(world.address, request.as_bytes(), PATIENCE).await;
        let targets = std::mem::take(&mut *world.app.seen.targets.lock().unwrap());
        assert!(targets.iter().all(|it| it == "/public/outer") && targets.len() <= 1, "{lines:?} {body:?}: {targets:?} {answer}");
        assert!(!answer.contains("smuggled"), "{lines:?}: {answer}");
    }
}

#[tokio::test]
async fn other_transfer_codings_are_refused_and_nothing_more_is_read() {
    let world = World::start().await;
    for coding in ["gzip, chunked", "chunked, chunked", "identity, chunked"] {
        let request = format!(
            "POST /public/x HTTP/1.1\r\nHost: {0}\r\nTransfer-Encoding: {coding}\r\n\r\n0\r\n\r\nGET /public/y HTTP/1.1\r\nHost: {0}\r\n\r\n",
            authority(&world)
        );
        let answer = talk_for(world.address, request.as_bytes(), Duration::from_secs(5)).await;
        assert!(
            answer.starts_with("HTTP/1.1 400") && answer.matches("HTTP/1.1").count() == 1,
            "{coding}: {answer}"
        );
    }
    assert_eq!(world.app.seen.count(), 0);
    assert_ne!(ask(&world, HttpVersion::Two, "GET", "/public/x", &[]).await.status, 500);
}

/// What follows on one connection is judged anew: a session is a request's, not a connection's.
#[tokio::test]
async fn requests_in_a_row_are_each_judged_for_themselves() {
    let world = World::start().await;
    let maya = world.signed_in(MAYA).await;
    let host = authority(&world);
    let signed = format!(
        "GET /admin/one HTTP/1.1\r\nHost: {host}\r\nCookie: {}\r\n\r\n",
        maya.cookie_header()
    );
    let row = format!(
        "{signed}GET /admin/two HTTP/1.1\r\nHost: {host}\r\n\r\nGET /public/three HTTP/1.1\r\nHost: {host}\r\n\r\n{signed}"
    );
    let answer = talk_for(world.address, row.as_bytes(), Duration::from_millis(1500)).await;
    let statuses: Vec<_> = answer
        .split("HTTP/1.1 ")
        .skip(1)
        .filter_map(|it| it.get(..3)?.parse::<u16>().ok())
        .collect();
    assert_eq!(statuses, [200, 401, 200, 200], "{answer}");
    let three = answer.split("HTTP/1.1 ").find(|it| it.contains("/public/three")).unwrap();
    assert!(
        !three.contains("x-forwarded-user") && !three.contains("x-entrada-assertion"),
        "{three}"
    );
}

#[tokio::test]
async fn a_tunnel_ends_when_its_session_does_though_nobody_signs_out() {
    let world = World::with(WorldPlan {
        session: "idle = \"10s\"\nlifetime = \"10s\"".into(),
        ..WorldPlan::default()
    })
    .await;
    let maya = world.signed_in(MAYA).await;
    world.later(8);
    let mut stream = tokio::net::TcpStream::connect(world.address).await.unwrap();
    let request = format!(
        "GET /raw-upgrade HTTP/1.1\r\nHost: {}\r\nCookie: {}\r\nConnection: Upgrade\r\nUpgrade: mine/1\r\n\r\n",
        authority(&world),
        maya.cookie_header()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let began = Instant::now();
    let mut heard = Vec::new();
    tokio::time::timeout(Duration::from_secs(12), stream.read_to_end(&mut heard))
        .await
        .expect("the tunnel outlived its session")
        .unwrap_or_default();
    assert_eq!(raw::status(&String::from_utf8_lossy(&heard)), 101);
    assert!(began.elapsed() < Duration::from_secs(9));
}
