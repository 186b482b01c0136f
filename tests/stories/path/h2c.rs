//! Apps that use HTTP/2 in cleartext, frame by frame.

use super::authority;
use crate::world::h2::{ACK, DATA, END_STREAM, HEADERS, PING, RawHttp2};
use crate::world::raw::talk_for;
use crate::world::{World, WorldPlan};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::net::TcpListener;

/// ENHANCE_YOUR_CALM (RFC 9113 section 7).
const ENHANCE_YOUR_CALM: u32 = 11;

/// Starts an app that serves each of its connections with `serve`, which gets the number of the
/// connection.
async fn h2c_app<F, S>(serve: F) -> SocketAddr
where
    F: Fn(tokio::net::TcpStream, usize) -> S + Send + Sync + 'static,
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
