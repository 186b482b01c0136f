//! WebSockets and other upgrades.

use crate::path::authority;
use crate::world::browser::{NAVIGATION, SCRIPT};
use crate::world::echo::EchoApp;
use crate::world::raw::{self, talk};
use crate::world::samples::{MAYA, MAYA_ID, TOM};
use crate::world::{RULES, World, WorldPlan};
use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use http::{Method, Request, StatusCode};
use http_body_util::Full;
use hyper::client::conn::http2::SendRequest;
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;

#[tokio::test]
async fn a_web_socket_carries_messages_and_ends_with_its_session() {
    let world = World::start().await;
    let mut maya = world.signed_in(MAYA).await;
    let cookie = maya.cookie_header();
    let mut socket = web_socket(&world, "/ws", &cookie, Some(&world.public_url)).await.unwrap();
    socket.send(Message::text("hello")).await.unwrap();
    assert_eq!(socket.next().await.unwrap().unwrap(), Message::text("hello"));
    // Signing out ends it at once.
    maya.posts("/oauth2/sign_out", NAVIGATION, "").await;
    let end = tokio::time::timeout(Duration::from_secs(5), socket.next())
        .await
        .expect("the tunnel outlived its session");
    assert!(end.is_none_or(|it| it.is_err() || it.is_ok_and(|it| it.is_close())));
    // Nor does it open again, nor from another site's page, nor for a stranger.
    assert_eq!(web_socket(&world, "/ws", &cookie, Some(&world.public_url)).await.unwrap_err(), 401);
    let tom = world.signed_in(TOM).await;
    assert_eq!(
        web_socket(&world, "/ws", &tom.cookie_header(), Some("https://evil.example"))
            .await
            .unwrap_err(),
        403
    );
    assert_eq!(web_socket(&world, "/admin/ws", &tom.cookie_header(), None).await.unwrap_err(), 403);
    assert!(web_socket(&world, "/ws", &tom.cookie_header(), None).await.is_ok());
}

#[tokio::test]
async fn a_web_socket_keeps_its_session_alive_while_somebody_speaks_and_ends_with_its_life() {
    let world = World::with(WorldPlan {
        session: "idle = \"10m\"\nlifetime = \"1h\"".into(),
        ..WorldPlan::default()
    })
    .await;
    let mut maya = world.signed_in(MAYA).await;
    let mut socket = web_socket(&world, "/ws", &maya.cookie_header(), None).await.unwrap();
    for _ in 0..2 {
        world.later(400);
        socket.send(Message::text("still here")).await.unwrap();
        assert_eq!(socket.next().await.unwrap().unwrap(), Message::text("still here"));
        tokio::time::sleep(Duration::from_millis(5500)).await;
    }
    assert_eq!(maya.asks("GET", "/api/x", SCRIPT).await.status, 200);
    world.later(3600);
    let end = tokio::time::timeout(Duration::from_secs(8), socket.next())
        .await
        .expect("the tunnel outlived its session");
    assert!(end.is_none_or(|it| it.is_err() || it.is_ok_and(|it| it.is_close())));
}

/// In real time: the cache that holds the sessions has an idle clock of its own, which no test can move.
#[tokio::test]
async fn a_busy_web_socket_keeps_its_session_in_the_cache_too() {
    let world = World::with(WorldPlan {
        session: "idle = \"10s\"\nlifetime = \"1m\"".into(),
        ..WorldPlan::default()
    })
    .await;
    let mut maya = world.signed_in(MAYA).await;
    let mut socket = web_socket(&world, "/ws", &maya.cookie_header(), None).await.unwrap();
    for _ in 0..15 {
        tokio::time::sleep(Duration::from_secs(1)).await;
        socket.send(Message::text("still here")).await.unwrap();
        assert_eq!(socket.next().await.unwrap().unwrap(), Message::text("still here"));
    }
    assert_eq!(maya.asks("GET", "/api/x", SCRIPT).await.status, 200);
}

pub type Socket = tokio_tungstenite::WebSocketStream<TcpStream>;

/// Opens a WebSocket with that cookie; the status where it is refused.
pub async fn web_socket(
    world: &World,
    path: &str,
    cookie: &str,
    origin: Option<&str>,
) -> Result<Socket, u16> {
    use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
    let mut request = format!("ws://{}{path}", authority(world)).into_client_request().unwrap();
    request.headers_mut().insert("cookie", cookie.parse().unwrap());
    if let Some(origin) = origin {
        request.headers_mut().insert("origin", origin.parse().unwrap());
    }
    let stream = TcpStream::connect(world.address).await.unwrap();
    match tokio_tungstenite::client_async(request, stream).await {
        Ok((socket, _)) => Ok(socket),
        Err(tokio_tungstenite::tungstenite::Error::Http(response)) => {
            Err(response.status().as_u16())
        }
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test]
async fn pages_of_listed_origins_open_web_sockets_and_without_a_session_all_do() {
    let listed = ["https://intranet.example.com", "http://localhost:3000"];
    let more = format!("[access]\norigins = {listed:?}\n{RULES}");
    let world = World::with(WorldPlan { more, ..WorldPlan::default() }).await;
    let cookie = world.signed_in(TOM).await.cookie_header();
    for origin in listed {
        assert!(web_socket(&world, "/ws", &cookie, Some(origin)).await.is_ok(), "{origin}");
    }
    for origin in [
        "https://evil.example",
        "http://intranet.example.com",
        "https://intranet.example.com:8443",
        "https://intranet.example.com.evil.example",
        "null",
    ] {
        assert_eq!(
            web_socket(&world, "/ws", &cookie, Some(origin)).await.err(),
            Some(403),
            "{origin}"
        );
    }
    let open = web_socket(&world, "/public/ws", "a=b", Some("https://evil.example")).await;
    assert!(open.is_ok(), "nothing is at stake");
}

#[tokio::test]
async fn any_other_upgrade_is_a_tunnel_and_neither_h2c_nor_tls_is_one() {
    let world = World::start().await;
    let host = authority(&world);
    let mut stream = TcpStream::connect(world.address).await.unwrap();
    let request = format!(
        "GET /public/raw-upgrade HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: my-protocol/1\r\n\r\nfirst bytes"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut heard = String::new();
    let mut buffer = [0; 1024];
    while !heard.contains("first bytes") {
        let count = tokio::time::timeout(Duration::from_secs(5), stream.read(&mut buffer))
            .await
            .unwrap()
            .unwrap();
        assert!(count > 0, "{heard}");
        heard.push_str(&String::from_utf8_lossy(&buffer[..count]));
    }
    assert!(heard.starts_with("HTTP/1.1 101"), "{heard}");
    // An upgrade to HTTP/2 in clear would smuggle requests past the rules.
    let request = format!(
        "GET /public/x HTTP/1.1\r\nHost: {host}\r\nConnection: close, Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n"
    );
    let answer = talk(world.address, &request).await;
    assert_eq!(raw::status(&answer), 200);
    assert!(!answer.contains("\"upgrade\"") && !answer.contains("http2-settings"), "{answer}");
    // So would TLS within the connection (RFC 2817).
    for protocol in ["TLS/1.0", "tls/1.3", "TLS/1.0, HTTP/1.1"] {
        let request = format!(
            "GET /public/x HTTP/1.1\r\nHost: {host}\r\nConnection: close, Upgrade\r\nUpgrade: {protocol}\r\n\r\n"
        );
        let answer = talk(world.address, &request).await;
        assert_eq!(raw::status(&answer), 200, "{protocol}: {answer}");
        assert!(!answer.contains("\"upgrade\""), "{protocol}: {answer}");
    }
}

/// Opens an HTTP/2 connection that may carry WebSockets.
async fn http2_for_web_sockets(world: &World) -> SendRequest<Full<Bytes>> {
    let stream = TcpStream::connect(world.address).await.unwrap();
    let (sender, connection) = hyper::client::conn::http2::handshake::<_, _, Full<Bytes>>(
        TokioExecutor::new(),
        TokioIo::new(stream),
    )
    .await
    .unwrap();
    tokio::spawn(connection);
    // The server's settings allow it.
    tokio::time::sleep(Duration::from_millis(100)).await;
    sender
}

/// The request for a WebSocket over HTTP/2 (RFC 8441).
fn extended_connect(world: &World, path: &str, cookie: &str) -> Request<Full<Bytes>> {
    Request::builder()
        .method(Method::CONNECT)
        .uri(format!("http://{}{path}", authority(world)))
        .header("sec-websocket-version", "13")
        .header("cookie", cookie)
        .extension(hyper::ext::Protocol::from_static("websocket"))
        .body(Full::new(Bytes::new()))
        .unwrap()
}

async fn web_socket_over_http2(
    world: &World,
    path: &str,
    cookie: &str,
) -> tokio_tungstenite::WebSocketStream<TokioIo<hyper::upgrade::Upgraded>> {
    let mut sender = http2_for_web_sockets(world).await;
    let response = sender.send_request(extended_connect(world, path, cookie)).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()["x-user-heard"], MAYA_ID);
    let upgraded = hyper::upgrade::on(response).await.unwrap();
    let role = tokio_tungstenite::tungstenite::protocol::Role::Client;
    tokio_tungstenite::WebSocketStream::from_raw_socket(TokioIo::new(upgraded), role, None).await
}

#[tokio::test]
async fn a_web_socket_over_http2_reaches_an_http1_app() {
    let world = World::start().await;
    let maya = world.signed_in(MAYA).await;
    // Judged as a GET: a rule that names GET lets it in.
    let mut socket = web_socket_over_http2(&world, "/read/ws", &maya.cookie_header()).await;
    socket.send(Message::text("over two")).await.unwrap();
    assert_eq!(socket.next().await.unwrap().unwrap(), Message::text("over two"));
    let mut sender = http2_for_web_sockets(&world).await;
    let response = sender.send_request(extended_connect(&world, "/read/ws", "")).await.unwrap();
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
}

/// Messages over both versions to an app of HTTP/2 (RFC 8441), and nothing else that is an upgrade.
#[tokio::test]
async fn a_web_socket_reaches_an_h2c_app_over_both_versions() {
    let app = EchoApp::start().await;
    let world = World::with(WorldPlan {
        upstream: format!("url = \"h2c://{}\"", app.address),
        ..WorldPlan::default()
    })
    .await;
    let mut maya = world.signed_in(MAYA).await;
    let cookie = maya.cookie_header();
    let mut one = web_socket(&world, "/ws", &cookie, Some(&world.public_url)).await.unwrap();
    let mut two = web_socket_over_http2(&world, "/ws", &cookie).await;
    let large = "x".repeat(300_000);
    for text in ["hello", &large] {
        one.send(Message::text(text)).await.unwrap();
        two.send(Message::text(text)).await.unwrap();
        assert_eq!(one.next().await.unwrap().unwrap(), Message::text(text));
        assert_eq!(two.next().await.unwrap().unwrap(), Message::text(text));
    }
    assert_eq!(web_socket(&world, "/nobody/ws", &cookie, None).await.unwrap_err(), 403);
    let request = format!(
        "GET /public/raw-upgrade HTTP/1.1\r\nHost: {}\r\nConnection: close, Upgrade\r\nUpgrade: my-protocol/1\r\n\r\n",
        authority(&world)
    );
    assert_eq!(raw::status(&talk(world.address, &request).await), 501);
    maya.posts("/oauth2/sign_out", NAVIGATION, "").await;
    let end = tokio::time::timeout(Duration::from_secs(5), one.next())
        .await
        .expect("the tunnel outlived its session");
    assert!(end.is_none_or(|it| it.is_err() || it.is_ok_and(|it| it.is_close())));
}
