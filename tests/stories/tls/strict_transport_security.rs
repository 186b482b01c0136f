//! When `Strict-Transport-Security` is sent.

use super::{TestAuthority, connect, https_browser, https_world, https_world_with};
use crate::world::browser::{NAVIGATION, SCRIPT};
use crate::world::samples::TOM;
use crate::world::{World, WorldPlan, free_port};
use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

const HSTS: &str = "strict-transport-security";

/// Answers of every kind: ours and the app's, redirects, refusals, and heads that are not read.
const ANSWERED: [(&str, u16); 10] = [
    ("/public/x", 200),
    ("/x", 302),
    ("/api/x", 401),
    ("/nobody/x", 401),
    ("/oauth2/sign_in", 200),
    ("/oauth2/nothing", 404),
    ("/oauth2/jwks.json", 200),
    ("/public/teapot", 418),
    ("/a//b", 400),
    ("/%00", 400),
];

#[tokio::test]
async fn strict_transport_security_is_on_every_answer_over_our_own_tls() {
    let authority = TestAuthority::new();
    let world = https_world_with(&authority, ", hsts = \"2d\"").await;
    let host = world.public_url.split_once("://").unwrap().1.to_owned();
    let stream = connect(&world, authority.client(rustls::ALL_VERSIONS, &["h2"])).await.unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .unwrap();
    tokio::spawn(connection);
    let mut browser = https_browser(&world, &authority);
    let values = |headers: &http::HeaderMap| {
        headers.get_all(HSTS).iter().map(|it| it.to_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let own = [("/public/own-hsts", 200)];
    for (path, status) in ANSWERED.into_iter().chain(own) {
        let expected = if path.ends_with("own-hsts") {
            "max-age=1; includeSubDomains"
        } else {
            "max-age=172800"
        };
        let page = browser.asks("GET", path, NAVIGATION).await;
        let status = if path == "/api/x" || path == "/nobody/x" { page.status } else { status };
        assert_eq!(
            (page.status, values(&page.headers)),
            (status, vec![expected.to_owned()]),
            "{path}"
        );
        let request = Request::get(format!("https://{host}{path}"))
            .header("accept", "text/html")
            .header("sec-fetch-mode", "navigate");
        let response =
            sender.send_request(request.body(Full::<Bytes>::default()).unwrap()).await.unwrap();
        assert_eq!(
            (response.status().as_u16(), values(response.headers())),
            (status, vec![expected.to_owned()]),
            "{path}"
        );
    }
    // Another host, a head that is too large, and a page for somebody who is signed in and may not.
    assert_eq!(
        browser.asks("GET", "/x", &[("host", "other.example")]).await.header(HSTS),
        "max-age=172800"
    );
    let large = "x".repeat(70_000);
    let page = browser.asks("GET", "/x", &[("x-large", &large)]).await;
    assert_eq!((page.status, page.header(HSTS)), (431, "max-age=172800"));
    browser.visits("/admin/x").await;
    let page = browser.signs_in_as(TOM).await;
    assert_eq!((page.status, page.header(HSTS)), (403, "max-age=172800"));
}

// RFC 6797 section 7.2: anyone on the way can write an answer in clear, and what a proxy says of https is not our TLS.
#[tokio::test]
async fn strict_transport_security_is_never_sent_in_clear_or_unasked() {
    let authority = TestAuthority::new();
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("entrada.sock");
    let (certificate, key) = authority.makes("tls", "localhost");
    let port = free_port();
    let server = format!(
        "listen = [\"127.0.0.1:{port}\", \"unix:{}\"]\ntrusted_proxies = [\"unix\"]\ntls = {{ certificate = \"{}\", key = \"{}\", hsts = \"2d\" }}",
        socket.display(),
        certificate.display(),
        key.display()
    );
    let world = World::with(WorldPlan {
        server,
        port: Some(port),
        public_url: Some(format!("https://localhost:{port}")),
        ..WorldPlan::default()
    })
    .await;
    for (path, _) in ANSWERED {
        let mut stream = UnixStream::connect(&socket).await.unwrap();
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: localhost:{port}\r\nX-Forwarded-Proto: https\r\nConnection: close\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(
            answer.starts_with("HTTP/1.1 ") && !answer.to_lowercase().contains(HSTS),
            "{answer}"
        );
    }
    let mut browser = https_browser(&world, &authority);
    assert_eq!(browser.asks("GET", "/public/x", SCRIPT).await.header(HSTS), "max-age=172800");
    // Without the key there is none, over TLS either.
    let world = https_world(&authority).await;
    assert_eq!(
        https_browser(&world, &authority).asks("GET", "/public/x", SCRIPT).await.headers.get(HSTS),
        None
    );
}
