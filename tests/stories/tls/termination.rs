//! TLS that ends here.

use super::{TestAuthority, connect, https_browser, https_world};
use crate::world::raw::{self, talk_for};
use crate::world::samples::MAYA;
use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::ServerName;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

#[tokio::test]
async fn a_person_signs_in_over_tls_that_ends_here() {
    let authority = TestAuthority::new();
    let world = https_world(&authority).await;
    let mut maya = https_browser(&world, &authority);
    maya.visits("/reports?x=1").await;
    let page = maya.signs_in_as(MAYA).await;
    assert_eq!((page.status, page.path_and_query().as_str()), (200, "/reports?x=1"));
    assert_eq!(page.app_heard("x-forwarded-proto"), "https");
    assert!(maya.cookie("__Host-entrada").is_some());
    // In clear there is nobody.
    let host = world.public_url.split_once("://").unwrap().1;
    let heard = talk_for(
        world.address,
        format!("GET /public/x HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").as_bytes(),
        Duration::from_secs(5),
    )
    .await;
    assert!(!heard.contains("HTTP/1.1 200"), "{heard}");
}

#[tokio::test]
async fn both_versions_of_http_and_of_tls_are_spoken_and_the_hybrid_key_exchange_is_taken() {
    let authority = TestAuthority::new();
    let world = https_world(&authority).await;
    let host = world.public_url.split_once("://").unwrap().1;
    for versions in [&[&rustls::version::TLS13][..], &[&rustls::version::TLS12]] {
        let mut stream = connect(&world, authority.client(versions, &["http/1.1"])).await.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
        stream
            .write_all(
                format!("GET /public/x HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")
                    .as_bytes(),
            )
            .await
            .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert_eq!(raw::status(&answer), 200);
    }
    let stream =
        connect(&world, authority.client(rustls::ALL_VERSIONS, &["h2", "http/1.1"])).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    assert_eq!(
        stream.get_ref().1.negotiated_key_exchange_group().unwrap().name(),
        rustls::NamedGroup::X25519MLKEM768
    );
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .unwrap();
    tokio::spawn(connection);
    let request =
        Request::get(format!("https://{host}/public/x")).body(Full::<Bytes>::default()).unwrap();
    let response = sender.send_request(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    let said: serde_json::Value =
        serde_json::from_slice(&response.into_body().collect().await.unwrap().to_bytes()).unwrap();
    assert!(said["headers"].to_string().contains("[\"x-forwarded-proto\",\"https\"]"), "{said}");
    // A client that knows no protocol of ours gets none.
    assert!(connect(&world, authority.client(rustls::ALL_VERSIONS, &["spdy/3"])).await.is_err());
}

#[tokio::test]
async fn a_renewed_certificate_is_shown_without_a_restart() {
    // A process of its own, told by SIGHUP as an operator's renewal hook does.
    let (old, new) = (TestAuthority::new(), TestAuthority::new());
    let world = https_world(&old).await;
    let program = crate::flood::FloodedProgram::start(&world).await;
    let shows = async |authority: &TestAuthority| {
        let stream = TcpStream::connect(program.address).await.unwrap();
        let config = authority.client(rustls::ALL_VERSIONS, &["http/1.1"]);
        TlsConnector::from(config)
            .connect(ServerName::try_from("localhost").unwrap(), stream)
            .await
            .is_ok()
    };
    assert!(shows(&old).await && !shows(&new).await);
    let (certificate, key) = new.makes("tls", "localhost");
    std::fs::copy(certificate, old.directory.path().join("tls.crt")).unwrap();
    program.is_told("HUP");
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(shows(&old).await, "a key that does not fit keeps the old pair");
    std::fs::copy(key, old.directory.path().join("tls.key")).unwrap();
    program.is_told("HUP");
    for _ in 0..100 {
        if shows(&new).await {
            assert!(!shows(&old).await);
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the new certificate was not shown");
}
