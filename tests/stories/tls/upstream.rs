//! TLS towards the app.

use super::TestAuthority;
use crate::world::browser::SCRIPT;
use crate::world::echo::EchoApp;
use crate::world::{World, WorldPlan};
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
