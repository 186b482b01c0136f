//! Answers that last: they end with the session that was let in, as tunnels do.

use crate::world::browser::{NAVIGATION, SCRIPT, TestBrowser};
use crate::world::raw::{self, talk};
use crate::world::samples::MAYA;
use crate::world::{World, WorldPlan};
use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// What SECURITY.md promises.
const PROMISED: Duration = Duration::from_secs(5);

fn host(world: &World) -> &str {
    world.public_url.split_once("://").unwrap().1
}

/// A stream of events over HTTP/1.1, begun.
async fn events1(world: &World, path: &str, browser: &TestBrowser) -> TcpStream {
    let mut io = TcpStream::connect(world.address).await.unwrap();
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {}\r\nCookie: {}\r\n\r\n",
        host(world),
        browser.cookie_header()
    );
    io.write_all(request.as_bytes()).await.unwrap();
    let mut begun = [0; 1024];
    let count = io.read(&mut begun).await.unwrap();
    assert!(
        begun[..count].starts_with(b"HTTP/1.1 200"),
        "{}",
        String::from_utf8_lossy(&begun[..count])
    );
    io
}

/// The same over HTTP/2.
async fn events2(world: &World, path: &str, browser: &TestBrowser) -> Incoming {
    let mut sender = raw::http2(world.address).await;
    let request = Request::get(format!("http://{}{path}", host(world)))
        .header("cookie", browser.cookie_header())
        .body(Full::<Bytes>::default())
        .unwrap();
    let response = sender.send_request(request).await.unwrap();
    assert_eq!(response.status(), 200);
    // The connection lives as long as the one that may ask on it.
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_secs(60)).await;
        drop(sender);
    });
    response.into_body()
}

/// How long until the stream ends, and whether it ended as one that was cut off.
async fn ends1(mut io: TcpStream) -> (Duration, bool) {
    let begun = Instant::now();
    let mut heard = Vec::new();
    let read = tokio::time::timeout(PROMISED * 2, io.read_to_end(&mut heard))
        .await
        .expect("the answer outlived its session");
    (begun.elapsed(), read.is_err() || !heard.ends_with(b"0\r\n\r\n"))
}

async fn ends2(mut body: Incoming) -> (Duration, bool) {
    let begun = Instant::now();
    let until_the_end = async {
        loop {
            match body.frame().await {
                Some(Ok(_)) => {}
                Some(Err(_)) => return true,
                None => return false,
            }
        }
    };
    let cut_off = tokio::time::timeout(PROMISED * 2, until_the_end)
        .await
        .expect("the answer outlived its session");
    (begun.elapsed(), cut_off)
}

/// 196 more events reached a client after its session was revoked.
#[tokio::test]
async fn a_stream_of_events_ends_with_its_session_over_both_versions_and_the_log_says_why() {
    let told = crate::world::CapturedEvents::listens();
    let world = World::start().await;
    let mut maya = world.signed_in(MAYA).await;
    let (one, two, silent) = (
        events1(&world, "/events", &maya).await,
        events2(&world, "/events", &maya).await,
        events2(&world, "/half", &maya).await,
    );
    let (open, mut open2) = (
        events1(&world, "/public/events", &world.browser()).await,
        events2(&world, "/public/events", &world.browser()).await,
    );
    maya.posts("/oauth2/sign_out", NAVIGATION, "").await;
    let ((after1, cut1), (after2, cut2), (after3, cut3)) =
        tokio::join!(ends1(one), ends2(two), ends2(silent));
    println!("HTTP/1.1 after {after1:?}, HTTP/2 after {after2:?}, a silent one after {after3:?}");
    assert!(cut1 && cut2 && cut3);
    assert!(after1 < PROMISED && after2 < PROMISED && after3 < PROMISED);
    assert_eq!(told.times("its session ended"), 3, "{}", told.text());
    // What belongs to no session goes on.
    drop(open);
    assert!(open2.frame().await.unwrap().is_ok());
}

#[tokio::test]
async fn an_answer_ends_when_the_rules_no_longer_let_its_person_in() {
    let told = crate::world::CapturedEvents::listens();
    let world = World::start().await;
    let maya = world.signed_in(MAYA).await;
    let stream = events2(&world, "/events", &maya).await;
    let open = events2(&world, "/api/events", &maya).await;
    let changed = world.changed("path = \"/nobody/**\"", "path = \"/events\"");
    world.service.reload(&changed).await.unwrap();
    let (after, cut) = ends2(stream).await;
    assert!(cut && after < PROMISED, "{after:?}");
    assert!(told.text().contains("the access rules no longer allow it"), "{}", told.text());
    let mut open = open;
    assert!(open.frame().await.unwrap().is_ok());
}

#[tokio::test]
async fn bytes_that_reach_the_client_are_use_and_the_lifetime_ends_an_answer_all_the_same() {
    let world = World::with(WorldPlan {
        session: "idle = \"10m\"\nlifetime = \"1h\"".into(),
        ..WorldPlan::default()
    })
    .await;
    let mut maya = world.signed_in(MAYA).await;
    let mut stream = events2(&world, "/events", &maya).await;
    for _ in 0..3 {
        world.later(400);
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_millis(2500) {
            stream.frame().await.unwrap().unwrap();
        }
    }
    assert_eq!(maya.asks("GET", "/api/x", SCRIPT).await.status, 200);
    world.later(3600);
    assert!(ends2(stream).await.0 < PROMISED);
}

#[tokio::test]
async fn a_silent_answer_does_not_keep_its_session_alive() {
    let world = World::with(WorldPlan {
        session: "idle = \"10m\"\nlifetime = \"1h\"".into(),
        ..WorldPlan::default()
    })
    .await;
    let maya = world.signed_in(MAYA).await;
    let stream = events2(&world, "/half", &maya).await;
    tokio::time::sleep(Duration::from_millis(1500)).await;
    world.later(601);
    assert!(ends2(stream).await.1);
}

#[tokio::test]
async fn an_answer_whose_head_comes_after_its_session_has_ended_is_not_passed_on() {
    let world = World::start().await;
    let mut maya = world.signed_in(MAYA).await;
    let request = format!(
        "GET /held HTTP/1.1\r\nHost: {}\r\nCookie: {}\r\nConnection: close\r\n\r\n",
        host(&world),
        maya.cookie_header()
    );
    let (address, before) = (world.address, world.app.seen.count());
    let asked = tokio::spawn(async move { talk(address, &request).await });
    while world.app.seen.count() == before {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    maya.posts("/oauth2/sign_out", NAVIGATION, "").await;
    // What the app answers within a second is passed on.
    tokio::time::sleep(Duration::from_millis(1100)).await;
    world.app.seen.released.notify_one();
    let answer = asked.await.unwrap();
    assert_eq!(raw::status(&answer), 401);
    // The app had the request: who is told that it was not passed on, sends it twice.
    assert!(
        answer.contains("may have arrived") && !answer.contains("was not passed on"),
        "{answer}"
    );
}

/// An answer that took the app longer than `[session] idle` was withheld, since the session had gone idle over it.
#[tokio::test]
async fn a_request_that_the_app_works_on_is_use() {
    let world = World::with(WorldPlan {
        session: "idle = \"10m\"\nlifetime = \"1h\"".into(),
        ..WorldPlan::default()
    })
    .await;
    let mut maya = world.signed_in(MAYA).await;
    let request = format!(
        "GET /held HTTP/1.1\r\nHost: {}\r\nCookie: {}\r\nConnection: close\r\n\r\n",
        host(&world),
        maya.cookie_header()
    );
    let address = world.address;
    let asked = tokio::spawn(async move { talk(address, &request).await });
    for _ in 0..2 {
        tokio::time::sleep(Duration::from_millis(1500)).await;
        world.later(400);
    }
    // Who asks how long the session lasts does not make it last.
    assert_eq!(maya.asks("GET", "/oauth2/session", SCRIPT).await.status, 200);
    world.app.seen.released.notify_one();
    assert_eq!(raw::status(&asked.await.unwrap()), 200);
}

/// An upload of somebody, begun.
async fn upload(world: &World, browser: &TestBrowser) -> TcpStream {
    let mut io = TcpStream::connect(world.address).await.unwrap();
    let head = format!(
        "POST /upload HTTP/1.1\r\nHost: {}\r\nCookie: {}\r\nTransfer-Encoding: chunked\r\n\r\n",
        host(world),
        browser.cookie_header()
    );
    io.write_all(head.as_bytes()).await.unwrap();
    io
}

/// Uploads on for that long; returns the answer where there is one.
async fn uploads(io: &mut TcpStream, time: Duration) -> Option<String> {
    let (begun, mut answer) = (Instant::now(), vec![0; 4096]);
    while begun.elapsed() < time {
        // It fails where the answer is here already.
        let _ = io.write_all(b"4\r\nmore\r\n").await;
        if let Ok(count) =
            tokio::time::timeout(Duration::from_millis(200), io.read(&mut answer)).await
        {
            return Some(String::from_utf8_lossy(&answer[..count.unwrap()]).into_owned());
        }
    }
    None
}

/// An upload of more than `[session] idle` was cut off although bytes flowed, and one of more than `lifetime` was not.
#[tokio::test]
async fn an_upload_is_use_and_the_lifetime_ends_it_all_the_same() {
    let world = World::with(WorldPlan {
        session: "idle = \"10m\"\nlifetime = \"1h\"".into(),
        ..WorldPlan::default()
    })
    .await;
    let mut maya = world.signed_in(MAYA).await;
    let mut io = upload(&world, &maya).await;
    for _ in 0..2 {
        assert_eq!(uploads(&mut io, Duration::from_millis(2500)).await, None);
        world.later(400);
    }
    assert_eq!(maya.asks("GET", "/oauth2/session", SCRIPT).await.status, 200);
    assert_eq!(uploads(&mut io, Duration::from_millis(2500)).await, None);
    world.later(3600);
    let answer = uploads(&mut io, PROMISED).await.expect("the upload outlived its session");
    assert!(answer.starts_with("HTTP/1.1 401") && answer.contains("may have arrived"), "{answer}");
}

#[tokio::test]
async fn an_upload_ends_when_the_rules_no_longer_let_its_person_in() {
    let told = crate::world::CapturedEvents::listens();
    let world = World::start().await;
    let maya = world.signed_in(MAYA).await;
    let mut io = upload(&world, &maya).await;
    assert_eq!(uploads(&mut io, Duration::from_millis(500)).await, None);
    let changed = world.changed("path = \"/nobody/**\"", "path = \"/upload\"");
    world.service.reload(&changed).await.unwrap();
    let answer = uploads(&mut io, PROMISED).await.expect("the upload outlived its permit");
    assert!(answer.starts_with("HTTP/1.1 403") && answer.contains("may have arrived"), "{answer}");
    assert!(
        told.text().contains("upload cut off: the access rules no longer allow it"),
        "{}",
        told.text()
    );
}

#[tokio::test]
async fn an_upload_ends_with_its_session_too() {
    let world = World::start().await;
    let mut maya = world.signed_in(MAYA).await;
    let mut io = TcpStream::connect(world.address).await.unwrap();
    let head = format!(
        "POST /upload HTTP/1.1\r\nHost: {}\r\nCookie: {}\r\nTransfer-Encoding: chunked\r\n\r\n",
        host(&world),
        maya.cookie_header()
    );
    io.write_all(head.as_bytes()).await.unwrap();
    io.write_all(b"4\r\nsent\r\n").await.unwrap();
    tokio::time::sleep(Duration::from_millis(1100)).await;
    maya.posts("/oauth2/sign_out", NAVIGATION, "").await;
    io.write_all(b"4\r\nmore\r\n0\r\n\r\n").await.unwrap();
    let mut answer = vec![0; 4096];
    let count = tokio::time::timeout(PROMISED, io.read(&mut answer)).await.unwrap().unwrap();
    let answer = String::from_utf8_lossy(&answer[..count]).into_owned();
    assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
    assert!(
        answer.contains("may have arrived") && !answer.contains("was not passed on"),
        "{answer}"
    );
    // The next one is refused at its head.
    let again =
        talk(world.address, &head.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n")).await;
    assert_eq!(raw::status(&again), 401);
}

/// The permit was checked only when a part of the body arrived, as far as any test could tell.
#[tokio::test]
async fn an_upload_that_has_paused_ends_with_its_session_too() {
    let world = World::start().await;
    let mut maya = world.signed_in(MAYA).await;
    let mut io = upload(&world, &maya).await;
    io.write_all(b"4\r\nsent\r\n").await.unwrap();
    let mut answer = vec![0; 4096];
    let before = tokio::time::timeout(Duration::from_millis(1500), io.read(&mut answer)).await;
    assert!(before.is_err(), "a pause alone ends nothing");
    maya.posts("/oauth2/sign_out", NAVIGATION, "").await;
    let count = tokio::time::timeout(PROMISED, io.read(&mut answer))
        .await
        .expect("the upload outlived its session")
        .unwrap();
    let answer = String::from_utf8_lossy(&answer[..count]);
    assert!(answer.starts_with("HTTP/1.1 401") && answer.contains("may have arrived"), "{answer}");
}
