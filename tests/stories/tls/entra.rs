//! TLS and a proxy towards Entra.

use super::{ENTRA, PASSWORD_IN_BASE64, TestAuthority, TlsTunnels};
use crate::world::browser::NAVIGATION;
use crate::world::raw;
use crate::world::samples::{MAYA, TOM};
use crate::world::{RULES, World, WorldPlan, free_port};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

#[tokio::test]
async fn a_sign_in_reaches_entra_through_the_companys_proxy_and_fails_closed_without_it() {
    let tunnels = TlsTunnels::start().await;
    let entra_port = free_port();
    *tunnels.leads_to.lock().unwrap() = Some(SocketAddr::from(([127, 0, 0, 1], entra_port)));
    let proxy = format!("http://story:pass-of-the-proxy@{}", tunnels.address);
    let world = World::with(WorldPlan {
        entra_name: Some(ENTRA.into()),
        entra_port: Some(entra_port),
        proxy: Some(proxy),
        ..WorldPlan::default()
    })
    .await;
    let mut maya = world.browser();
    maya.tls = Some(believing(world.entra_ca.as_deref().unwrap()));
    maya.entra = Some(SocketAddr::from(([127, 0, 0, 1], entra_port)));
    let page = maya.visits("/x").await;
    assert_eq!(page.url.host_str(), Some(ENTRA));
    let page = maya.signs_in_as(MAYA).await;
    assert_eq!((page.status, page.app_heard("x-forwarded-email").as_str()), (200, MAYA));
    assert!(tunnels.asked.load(Ordering::SeqCst) > 0);

    // Unplugged: whoever is in stays in, nobody else comes in, and nobody is let in without being known.
    tunnels.unplugged.store(true, Ordering::SeqCst);
    // Tunnels that stand are looked at every ten milliseconds.
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(maya.visits("/x").await.status, 200);
    let mut tom = world.browser();
    (tom.tls, tom.entra) = (maya.tls.clone(), maya.entra);
    tom.visits("/x").await;
    let before = world.app.seen.count();
    let page = tom.signs_in_as(TOM).await;
    assert_eq!(page.status, 503, "{}", page.body);
    assert_ne!(page.header("retry-after"), "");
    assert!(tom.cookie("entrada").is_none());
    assert_eq!(world.app.seen.count(), before);
    let log = world.logged().await;
    assert!(
        !log.contains("pass-of-the-proxy") && !log.contains(PASSWORD_IN_BASE64),
        "the proxy's password is in the log"
    );
    // Plugged in again, the next sign-in works.
    tunnels.unplugged.store(false, Ordering::SeqCst);
    tom.visits("/x").await;
    assert_eq!(tom.signs_in_as(TOM).await.status, 200);
}

fn believing(ca: &Path) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(ca).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap();
    Arc::new(config.with_root_certificates(roots).with_no_client_auth())
}

#[tokio::test]
async fn an_entra_with_a_certificate_of_somebody_else_is_not_believed() {
    let tunnels = TlsTunnels::start().await;
    let entra_port = free_port();
    *tunnels.leads_to.lock().unwrap() = Some(SocketAddr::from(([127, 0, 0, 1], entra_port)));
    let authority = TestAuthority::new();
    let plan = WorldPlan {
        entra_name: Some(ENTRA.into()),
        entra_port: Some(entra_port),
        proxy: Some(format!("http://story:pass-of-the-proxy@{}", tunnels.address)),
        entra_ca: Some(authority.ca_file()),
        entra_down: true,
        ..WorldPlan::default()
    };
    let world = World::with(plan).await;
    world.emulator.control().be_down(false);
    let mut maya = world.browser();
    for _ in 0..100 {
        if tunnels.asked.load(Ordering::SeqCst) > 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let page = maya.asks("GET", "/x", NAVIGATION).await;
    assert_eq!(page.status, 503, "{}", page.body);
    let ready = world.internals().entra.ready().unwrap_err();
    assert!(ready.contains("certificate"), "{ready}");
}

#[tokio::test]
async fn a_redirect_of_the_authority_is_not_followed() {
    let world = World::start().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let asked = Arc::new(AtomicUsize::new(0));
    let (count, entra) = (Arc::clone(&asked), world.emulator.authority());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut head = vec![0; 4096];
            let read = stream.read(&mut head).await.unwrap_or(0);
            let head = String::from_utf8_lossy(&head[..read]).into_owned();
            let path = head.split(' ').nth(1).unwrap_or("/").to_owned();
            count.fetch_add(1, Ordering::SeqCst);
            let answer = format!(
                "HTTP/1.1 307 Temporary Redirect\r\nLocation: {entra}{path}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            );
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    let config = world.changed(
        &format!("authority = \"{}\"", world.emulator.authority()),
        &format!("authority = \"http://{address}\""),
    );
    let before = world.emulator.control().discovery_calls();
    world.service.reload(&config).await.unwrap();
    assert!(asked.load(Ordering::SeqCst) > 0);
    assert_eq!(world.emulator.control().discovery_calls(), before);
    let ready = "GET /readyz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    assert_eq!(raw::status(&raw::talk(world.admin, ready).await), 503);
    assert_eq!(world.browser().asks("GET", "/x", NAVIGATION).await.status, 503);
    assert_eq!(world.browser().asks("GET", "/public/x", NAVIGATION).await.status, 200, "{RULES}");
}
