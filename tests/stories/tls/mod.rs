//! TLS in every direction, the other ways to listen, and a proxy towards Entra.

mod entra;
mod listeners;
mod proxy_protocol;
mod strict_transport_security;
mod termination;
mod upstream;

use crate::world::browser::TestBrowser;
use crate::world::{World, WorldPlan, free_port};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig, SupportedProtocolVersion};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// A private authority, and a folder for what it makes.
pub struct TestAuthority {
    directory: tempfile::TempDir,
    issuer: Issuer<'static, KeyPair>,
    root: CertificateDer<'static>,
}

impl TestAuthority {
    pub fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        // BoringSSL takes a certificate whose issuer has its own name for a self-signed one.
        params.distinguished_name.push(DnType::CommonName, "an authority of a story");
        let key = KeyPair::generate().unwrap();
        let made = params.self_signed(&key).unwrap();
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("ca.pem"), made.pem()).unwrap();
        Self { directory, issuer: Issuer::new(params, key), root: made.der().clone() }
    }

    pub fn ca_file(&self) -> PathBuf {
        self.directory.path().join("ca.pem")
    }

    /// Writes `<file>.crt` and `<file>.key`.
    pub fn makes(&self, file: &str, name: &str) -> (PathBuf, PathBuf) {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate().unwrap();
        let made = params.signed_by(&key, &self.issuer).unwrap();
        let paths = (
            self.directory.path().join(format!("{file}.crt")),
            self.directory.path().join(format!("{file}.key")),
        );
        std::fs::write(&paths.0, made.pem()).unwrap();
        std::fs::write(&paths.1, key.serialize_pem()).unwrap();
        paths
    }

    fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots.add(self.root.clone()).unwrap();
        roots
    }

    /// Believes this authority, and nobody else.
    fn client(
        &self,
        versions: &[&'static SupportedProtocolVersion],
        alpn: &[&str],
    ) -> Arc<ClientConfig> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config =
            ClientConfig::builder_with_provider(provider).with_protocol_versions(versions).unwrap();
        let mut config = config.with_root_certificates(self.roots()).with_no_client_auth();
        config.alpn_protocols = alpn.iter().map(|it| it.as_bytes().to_vec()).collect();
        // Each connection shows the certificate.
        config.resumption = rustls::client::Resumption::disabled();
        Arc::new(config)
    }

    /// An app that shows the named certificate, and asks for one where it is told whose.
    fn app(&self, name: &str, clients: Option<&Self>) -> ServerConfig {
        let (chain, key) = self.makes("app", name);
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .unwrap();
        let builder = match clients {
            Some(clients) => builder.with_client_cert_verifier(
                WebPkiClientVerifier::builder_with_provider(Arc::new(clients.roots()), provider)
                    .build()
                    .unwrap(),
            ),
            None => builder.with_no_client_auth(),
        };
        builder
            .with_single_cert(
                vec![CertificateDer::from_pem_file(chain).unwrap()],
                PrivateKeyDer::from_pem_file(key).unwrap(),
            )
            .unwrap()
    }
}

/// A world that people reach by https, with TLS ended here.
pub async fn https_world(authority: &TestAuthority) -> World {
    https_world_with(authority, "").await
}

/// The same with further keys in `[server.tls]`, each with a comma before it.
async fn https_world_with(authority: &TestAuthority, tls: &str) -> World {
    let (certificate, key) = authority.makes("tls", "localhost");
    let port = free_port();
    let server = format!(
        "tls = {{ certificate = \"{}\", key = \"{}\"{tls} }}",
        certificate.display(),
        key.display()
    );
    World::with(WorldPlan { server, ..https_plan(port) }).await
}

fn https_plan(port: u16) -> WorldPlan {
    WorldPlan {
        port: Some(port),
        public_url: Some(format!("https://localhost:{port}")),
        ..WorldPlan::default()
    }
}

/// A world with TLS on both sides, in front of an app with a certificate of `authority` for
/// `localhost`.
pub async fn https_world_before(authority: &TestAuthority, app_port: &str) -> World {
    let (certificate, key) = authority.makes("tls", "localhost");
    World::with(WorldPlan {
        server: format!(
            "tls = {{ certificate = \"{}\", key = \"{}\" }}",
            certificate.display(),
            key.display()
        ),
        upstream: format!(
            "url = \"https://localhost:{app_port}\"\nca_file = \"{}\"",
            authority.ca_file().display()
        ),
        ..https_plan(free_port())
    })
    .await
}

async fn connect(
    world: &World,
    config: Arc<ClientConfig>,
) -> std::io::Result<TlsStream<TcpStream>> {
    let stream = TcpStream::connect(world.address).await.unwrap();
    TlsConnector::from(config).connect(ServerName::try_from("localhost").unwrap(), stream).await
}

pub fn https_browser(world: &World, authority: &TestAuthority) -> TestBrowser {
    let mut browser = world.browser();
    browser.tls = Some(authority.client(rustls::ALL_VERSIONS, &["http/1.1"]));
    browser
}

/// A company's proxy: it knows the way to one name, and can be unplugged.
struct TlsTunnels {
    address: SocketAddr,
    asked: Arc<AtomicUsize>,
    unplugged: Arc<AtomicBool>,
    leads_to: Arc<std::sync::Mutex<Option<SocketAddr>>>,
}

const ENTRA: &str = "login.story.example";

impl TlsTunnels {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let out = Self {
            address: listener.local_addr().unwrap(),
            asked: Arc::default(),
            unplugged: Arc::default(),
            leads_to: Arc::default(),
        };
        let (asked, unplugged, leads_to) =
            (Arc::clone(&out.asked), Arc::clone(&out.unplugged), Arc::clone(&out.leads_to));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                if unplugged.load(Ordering::SeqCst) {
                    continue;
                }
                tokio::spawn(tunnel(
                    stream,
                    Arc::clone(&asked),
                    Arc::clone(&unplugged),
                    Arc::clone(&leads_to),
                ));
            }
        });
        out
    }
}

async fn tunnel(
    mut stream: TcpStream,
    asked: Arc<AtomicUsize>,
    unplugged: Arc<AtomicBool>,
    leads_to: Arc<std::sync::Mutex<Option<SocketAddr>>>,
) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let Ok(byte) = stream.read_u8().await else { return };
        head.push(byte);
    }
    let head = String::from_utf8(head).unwrap();
    assert!(head.starts_with(&format!("CONNECT {ENTRA}:443 HTTP/1.1\r\n")), "{head}");
    assert!(
        head.contains(&format!("Proxy-Authorization: Basic {PASSWORD_IN_BASE64}\r\n")),
        "{head}"
    );
    asked.fetch_add(1, Ordering::SeqCst);
    let leads_to = *leads_to.lock().unwrap();
    let Some(leads_to) = leads_to else {
        let _ = stream.write_all(b"HTTP/1.1 504 Gateway Timeout\r\n\r\n").await;
        return;
    };
    let mut there = TcpStream::connect(leads_to).await.unwrap();
    stream.write_all(b"HTTP/1.1 200 Connected\r\n\r\n").await.unwrap();
    tokio::select! {
        _ = tokio::io::copy_bidirectional(&mut stream, &mut there) => {}
        () = async { while !unplugged.load(Ordering::SeqCst) { tokio::time::sleep(Duration::from_millis(10)).await } } => {}
    }
}

/// `story:pass-of-the-proxy`.
const PASSWORD_IN_BASE64: &str = "c3Rvcnk6cGFzcy1vZi10aGUtcHJveHk=";
