//! TLS towards the app.

use super::TestAuthority;
use crate::world::browser::SCRIPT;
use crate::world::echo::EchoApp;
use crate::world::raw;
use crate::world::{World, WorldPlan};
use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use rustls::ServerConfig;

/// The status that a stranger gets on an open path of an app behind TLS.
async fn through(authority: &TestAuthority, app: ServerConfig, upstream: &str) -> (u16, World) {
    let echo = EchoApp::start().await;
    let port = echo.on_tls(app).await.port();
    let upstream = format!("url = \"https://localhost:{port}\"\n{upstream}")
        .replace("CA", &authority.ca_file().display().to_string());
    let world = World::with(WorldPlan { upstream, ..WorldPlan::default() }).await;
    let page = world.browser().asks("GET", "/public/x", SCRIPT).await;
    let reached = echo.seen.count();
    assert_eq!(reached > 0, page.status == 200, "{}", page.body);
    (page.status, world)
}

#[tokio::test]
async fn an_app_behind_tls_is_believed_only_by_its_name_and_its_authority() {
    let authority = TestAuthority::new();
    let ca = "ca_file = \"CA\"";
    assert_eq!(through(&authority, authority.app("localhost", None), ca).await.0, 200);
    for (app, upstream) in [
        (authority.app("localhost", None), ""),
        (authority.app("other.example", None), ca),
        (TestAuthority::new().app("localhost", None), ca),
    ] {
        let (status, world) = through(&authority, app, upstream).await;
        assert_eq!(status, 502);
        let log = world.logged().await;
        assert!(log.contains("certificate"), "{log}");
    }
}

#[tokio::test]
async fn an_app_that_asks_for_a_certificate_is_shown_the_one_of_the_configuration() {
    let authority = TestAuthority::new();
    let show = |file: &str, authority: &TestAuthority| {
        let (certificate, key) = authority.makes(file, "entrada.example");
        format!(
            "ca_file = \"CA\"\nclient_certificate = {{ certificate = \"{}\", key = \"{}\" }}",
            certificate.display(),
            key.display()
        )
    };
    let asking = || authority.app("localhost", Some(&authority));
    assert_eq!(through(&authority, asking(), &show("client", &authority)).await.0, 200);
    assert_eq!(through(&authority, asking(), "ca_file = \"CA\"").await.0, 502);
    let elsewhere = TestAuthority::new();
    assert_eq!(through(&authority, asking(), &show("client", &elsewhere)).await.0, 502);
}

/// The app behind TLS that offers these protocols, and a world in front of it.
async fn offering(protocols: &[&[u8]]) -> (EchoApp, World) {
    let authority = TestAuthority::new();
    let mut tls = authority.app("localhost", None);
    tls.alpn_protocols = protocols.iter().map(|it| it.to_vec()).collect();
    let app = EchoApp::start().await;
    let port = app.on_tls(tls).await.port();
    let upstream = format!(
        "url = \"https://localhost:{port}\"\nca_file = \"{}\"",
        authority.ca_file().display()
    );
    let world = World::with(WorldPlan { upstream, ..WorldPlan::default() }).await;
    (app, world)
}

async fn calls_grpc(world: &World) -> Result<HeaderMap, StatusCode> {
    let mut sender = raw::http2(world.address).await;
    let host = world.public_url.split_once("://").unwrap().1;
    let request = Request::post(format!("http://{host}/public/grpc"))
        .header("te", "trailers")
        .header("content-type", "application/grpc")
        .body(Full::new(Bytes::from_static(b"\0\0\0\0\x02hi")))
        .unwrap();
    let response = sender.send_request(request).await.unwrap();
    if response.status() != StatusCode::OK {
        return Err(response.status());
    }
    assert_eq!(response.headers()["x-te-heard"], "trailers");
    let collected = response.into_body().collect().await.unwrap();
    assert_eq!(&collected.trailers().unwrap()["grpc-status"], "0");
    Ok(collected.trailers().unwrap().clone())
}

#[tokio::test]
async fn calls_of_grpc_reach_an_app_behind_tls_over_http2_and_other_requests_over_http1() {
    let (_app, world) = offering(&[b"h2", b"http/1.1"]).await;
    for _ in 0..2 {
        let page = world.browser().asks("GET", "/public/x", SCRIPT).await;
        assert!(page.body.contains("\"HTTP/1.1\""), "{}", page.body);
        calls_grpc(&world).await.unwrap();
    }
}

#[tokio::test]
async fn an_app_behind_tls_that_offers_only_http2_gets_all_requests_over_it() {
    let (app, world) = offering(&[b"h2"]).await;
    for _ in 0..2 {
        let page = world.browser().asks("GET", "/public/x", SCRIPT).await;
        assert!(page.body.contains("\"HTTP/2.0\""), "{}", page.body);
        calls_grpc(&world).await.unwrap();
    }
    assert_eq!(app.seen.count(), 4);
}

#[tokio::test]
async fn an_app_behind_tls_without_http2_gets_no_calls_of_grpc() {
    for protocols in [&[][..], &[&b"http/1.1"[..]]] {
        let (app, world) = offering(protocols).await;
        assert_eq!(calls_grpc(&world).await, Err(StatusCode::BAD_GATEWAY));
        assert_eq!(app.seen.count(), 0);
        assert_eq!(world.browser().asks("GET", "/public/x", SCRIPT).await.status, 200);
    }
}
