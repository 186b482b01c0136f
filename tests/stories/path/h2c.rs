//! Apps that use HTTP/2 in cleartext, frame by frame.

use super::authority;
use crate::world::echo::EchoApp;
use crate::world::h2::{
    ACK, DATA, END_STREAM, HEADERS, PING, RST_STREAM, RawHttp2, SETTINGS_MAX_CONCURRENT_STREAMS,
};
use crate::world::raw::{status, talk, talk_for};
use crate::world::{World, WorldPlan};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};

/// Error codes (RFC 9113 section 7).
const NO_ERROR: u32 = 0;
const REFUSED_STREAM: u32 = 7;
const ENHANCE_YOUR_CALM: u32 = 11;

/// Starts an app that serves each of its connections with `serve`, which gets the number of the
/// connection.
async fn h2c_app<F, S>(serve: F) -> SocketAddr
where
    F: Fn(TcpStream, usize) -> S + Send + Sync + 'static,
    S: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let mut connections = tokio::task::JoinSet::new();
        for at in 0.. {
            connections.spawn(serve(listener.accept().await.unwrap().0, at));
        }
    });
    address
}

async fn before(app: SocketAddr) -> World {
    World::with(WorldPlan { upstream: format!("url = \"h2c://{app}\""), ..WorldPlan::default() })
        .await
}

fn post(world: &World, path: &str, body: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
        authority(world),
        body.len()
    )
}

fn get(world: &World, path: &str) -> String {
    let host = authority(world);
    format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")
}

/// PINGs every 20 seconds once made gRPC servers end the connection, and with it the calls of
/// everyone else ("too many pings").
#[tokio::test]
async fn a_quiet_stream_outlives_the_time_after_which_apps_lose_patience_with_pings() {
    const QUIET: Duration = Duration::from_secs(21);
    let pings = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&pings);
    let app = h2c_app(move |io, _| {
        let pings = Arc::clone(&counted);
        async move {
            let mut app = RawHttp2::accept(io, &[]).await;
            let mut quiet = None;
            loop {
                let wait = if quiet.is_some() { QUIET } else { 2 * QUIET };
                match app.next_within(wait).await {
                    None => {
                        let Some(stream) = quiet.take() else { return };
                        app.sends(DATA, END_STREAM, stream, b"at last").await;
                    }
                    Some(None) => return,
                    Some(Some(frame)) if frame.kind == PING && frame.flags & ACK == 0 => {
                        pings.fetch_add(1, Ordering::SeqCst);
                        app.goes_away(frame.stream, ENHANCE_YOUR_CALM).await;
                        return;
                    }
                    Some(Some(frame)) => {
                        app.acknowledges(&frame).await;
                        if frame.kind == HEADERS {
                            app.answers(frame.stream, None).await;
                            quiet = Some(frame.stream);
                        }
                    }
                }
            }
        }
    })
    .await;
    let world = before(app).await;
    let answer = talk_for(world.address, get(&world, "/public/x").as_bytes(), 2 * QUIET).await;
    assert_eq!(pings.load(Ordering::SeqCst), 0, "{answer}");
    assert!(answer.contains("at last"), "{answer}");
}

/// Other requests on the connection once waited for 39 seconds.
#[tokio::test]
async fn a_connection_that_died_silently_costs_a_short_wait_and_one_ping() {
    let pings = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&pings);
    let app = h2c_app(move |io, at| {
        let pings = Arc::clone(&counted);
        async move {
            let mut app = RawHttp2::accept(io, &[]).await;
            let stream = app.next_request().await.unwrap();
            app.answers(stream, Some(&format!("connection {at}"))).await;
            while let Some(frame) = app.next().await {
                pings.fetch_add(usize::from(frame.kind == PING), Ordering::SeqCst);
            }
        }
    })
    .await;
    let world = before(app).await;
    let request = get(&world, "/public/x");
    assert!(talk(world.address, &request).await.contains("connection 0"));
    let begun = Instant::now();
    let answer = talk_for(world.address, request.as_bytes(), Duration::from_secs(30)).await;
    assert!(answer.contains("connection 1"), "{answer}");
    assert!(begun.elapsed() < Duration::from_secs(9), "{:?}", begun.elapsed());
    assert_eq!(pings.load(Ordering::SeqCst), 1);
    // Further requests do not wait for it.
    let begun = Instant::now();
    let post = post(&world, "/public/x", "one");
    let answer = talk_for(world.address, post.as_bytes(), Duration::from_secs(30)).await;
    assert!(!answer.contains("connection 0"), "{answer}");
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn an_app_that_takes_its_time_is_asked_twice_at_most_and_its_answer_arrives() {
    const SLOW: Duration = Duration::from_secs(11);
    let pings = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&pings);
    let app = h2c_app(move |io, _| {
        let pings = Arc::clone(&counted);
        async move {
            let mut app = RawHttp2::accept(io, &[]).await;
            let stream = app.next_request().await.unwrap();
            let until = Instant::now() + SLOW;
            while let Some(left) = until.checked_duration_since(Instant::now()) {
                let Some(frame) = app.next_within(left).await else { break };
                let frame = frame.unwrap();
                let is_ping = frame.kind == PING && frame.flags & ACK == 0;
                pings.fetch_add(usize::from(is_ping), Ordering::SeqCst);
                app.acknowledges(&frame).await;
            }
            app.answers(stream, Some("at last")).await;
            while app.next_request().await.is_some() {}
        }
    })
    .await;
    let world = before(app).await;
    let answer =
        talk_for(world.address, post(&world, "/public/x", "one").as_bytes(), 2 * SLOW).await;
    assert!(answer.contains("at last"), "{answer}");
    assert!((1..=2).contains(&pings.load(Ordering::SeqCst)), "{pings:?}");
}

/// What an app does with a POST before it answers the next one.
#[derive(Clone, Copy, PartialEq)]
enum Refusal {
    Reset,
    GoneAway,
    /// The app says that it may have processed the request.
    GoneAfter,
}

/// An app that refuses the first requests; returns its address and the number of requests.
async fn refusing(how: Refusal, refusals: usize) -> (SocketAddr, Arc<AtomicUsize>) {
    let requests = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&requests);
    let app = h2c_app(move |io, _| {
        let requests = Arc::clone(&counted);
        async move {
            let mut app = RawHttp2::accept(io, &[]).await;
            while let Some((stream, body)) = app.next_upload().await {
                if requests.fetch_add(1, Ordering::SeqCst) >= refusals {
                    app.answers(stream, Some(&format!("received {body}"))).await;
                    continue;
                }
                match how {
                    Refusal::Reset => {
                        app.sends(RST_STREAM, 0, stream, &REFUSED_STREAM.to_be_bytes()).await;
                    }
                    Refusal::GoneAway => app.goes_away(stream.saturating_sub(2), NO_ERROR).await,
                    Refusal::GoneAfter => return app.goes_away(stream, NO_ERROR).await,
                }
            }
        }
    })
    .await;
    (app, requests)
}

#[tokio::test]
async fn a_post_that_the_app_did_not_process_goes_again_once() {
    for how in [Refusal::Reset, Refusal::GoneAway] {
        let (app, requests) = refusing(how, 1).await;
        let world = before(app).await;
        let answer = talk(world.address, &post(&world, "/public/x", "pay=1")).await;
        assert!(answer.contains("received pay=1"), "{answer}");
        assert_eq!(requests.load(Ordering::SeqCst), 2);
        let (app, requests) = refusing(how, 9).await;
        let world = before(app).await;
        let answer = talk(world.address, &post(&world, "/public/x", "pay=1")).await;
        assert_eq!(status(&answer), 502, "{answer}");
        assert_eq!(requests.load(Ordering::SeqCst), 2);
        let large = post(&world, "/public/x", &"x".repeat(20_000));
        assert_eq!(status(&talk(world.address, &large).await), 502, "it is not kept");
        assert_eq!(requests.load(Ordering::SeqCst), 3);
    }
    let (app, requests) = refusing(Refusal::GoneAfter, 1).await;
    let world = before(app).await;
    let answer = talk(world.address, &post(&world, "/public/x", "pay=1")).await;
    assert_eq!(status(&answer), 502, "{answer}");
    assert_eq!(requests.load(Ordering::SeqCst), 1, "a payment is not sent twice");
}

/// The third request once waited for the first two, for a minute at most.
#[tokio::test]
async fn requests_beyond_the_streams_that_the_app_accepts_use_further_connections() {
    const REQUESTS: usize = 5;
    let arrived = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&arrived);
    let app = h2c_app(move |io, _| {
        let arrived = Arc::clone(&counted);
        async move {
            let mut app = RawHttp2::accept(io, &[(SETTINGS_MAX_CONCURRENT_STREAMS, 2)]).await;
            let mut streams = Vec::new();
            while arrived.load(Ordering::SeqCst) <= REQUESTS {
                let next = tokio::time::timeout(Duration::from_millis(50), app.next_request());
                let Some(stream) = next.await.ok().flatten() else { continue };
                // The first one opens the connection, and the others wait for each other.
                if arrived.fetch_add(1, Ordering::SeqCst) == 0 {
                    app.answers(stream, Some("the first")).await;
                } else {
                    streams.push(stream);
                }
                assert!(streams.len() <= 2);
            }
            for stream in streams {
                app.answers(stream, Some("all are here")).await;
            }
            while app.next_request().await.is_some() {}
        }
    })
    .await;
    let world = before(app).await;
    let request = get(&world, "/public/x");
    assert!(talk(world.address, &request).await.contains("the first"));
    let asking = (0..REQUESTS).map(|_| talk(world.address, &request));
    for answer in futures_util::future::join_all(asking).await {
        assert!(answer.contains("all are here"), "{answer}");
    }
}

/// Three clients that read nothing once used up the window of the only connection.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_readers_do_not_starve_the_others() {
    let app = EchoApp::start().await;
    let world = before(app.address).await;
    let mut slow = Vec::new();
    for _ in 0..20 {
        let mut io = TcpStream::connect(world.address).await.unwrap();
        let request = get(&world, "/public/download?bytes=1073741824");
        io.write_all(request.as_bytes()).await.unwrap();
        slow.push(io);
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    for _ in 0..5 {
        let begun = Instant::now();
        let answer = talk(world.address, &get(&world, "/public/download?bytes=100000")).await;
        assert!(answer.len() > 100_000, "{} bytes", answer.len());
        assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    }
    assert_eq!(app.seen.connections.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn an_upload_that_the_app_does_not_read_does_not_block_the_others() {
    let app = h2c_app(|io, _| async {
        let mut app = RawHttp2::accept(io, &[]).await;
        while let Some((stream, body)) = app.next_upload().await {
            app.answers(stream, Some(&format!("received {body}"))).await;
        }
    })
    .await;
    let world = before(app).await;
    // More than the window of the connection, which this app never opens.
    let mut stalled = TcpStream::connect(world.address).await.unwrap();
    let large = post(&world, "/public/x", &"x".repeat(200_000));
    stalled.write_all(large.as_bytes()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(500)).await;
    for body in ["one", "two"] {
        let answer = talk(world.address, &post(&world, "/public/x", body)).await;
        assert!(answer.contains(&format!("received {body}")), "{answer}");
    }
}
