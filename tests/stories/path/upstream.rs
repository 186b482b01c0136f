//! Which app a request goes to, and an app that does not answer.

use super::authority;
use crate::world::browser::SCRIPT;
use crate::world::echo::EchoApp;
use crate::world::samples::{MAYA, TOM};
use crate::world::{World, WorldPlan};
use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

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
async fn many_at_once_all_get_their_own_answer() {
    let world = World::start().await;
    let (maya, tom) = (world.signed_in(MAYA).await, world.signed_in(TOM).await);
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
