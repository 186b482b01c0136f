//! TLS in every direction, the other ways to listen, and a proxy towards Entra.

use crate::world::browser::{NAVIGATION, SCRIPT, TestBrowser};
use crate::world::echo::EchoApp;
use crate::world::raw::{self, talk_for};
use crate::world::{RULES, World, WorldPlan, free_port};
use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{
    BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig, SupportedProtocolVersion};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UnixStream};
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
        let key = KeyPair::generate().unwrap();
        let made = params.self_signed(&key).unwrap();
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("ca.pem"), made.pem()).unwrap();
        Self { directory, issuer: Issuer::new(params, key), root: made.der().clone() }
    }

    fn ca_file(&self) -> PathBuf {
        self.directory.path().join("ca.pem")
    }

    /// Writes `<file>.crt` and `<file>.key`.
    fn makes(&self, file: &str, name: &str) -> (PathBuf, PathBuf) {
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
    World::with(WorldPlan {
        server,
        port: Some(port),
        public_url: Some(format!("https://localhost:{port}")),
        ..WorldPlan::default()
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

fn https_browser(world: &World, authority: &TestAuthority) -> TestBrowser {
    let mut browser = world.browser();
    browser.tls = Some(authority.client(rustls::ALL_VERSIONS, &["http/1.1"]));
    browser
}

#[tokio::test]
async fn a_person_signs_in_over_tls_that_ends_here() {
    let authority = TestAuthority::new();
    let world = https_world(&authority).await;
    let mut maya = https_browser(&world, &authority);
    maya.visits("/reports?x=1").await;
    let page = maya.signs_in_as("maya@contoso.example").await;
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
    let page = browser.signs_in_as("tom@contoso.example").await;
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

#[tokio::test]
async fn every_kind_of_listener_serves_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("entrada.sock");
    let (port, six) = (free_port(), free_port());
    let listen = format!(
        "listen = [\"127.0.0.1:{port}\", \"[::1]:{six}\", \"unix:{}\"]\ntrusted_proxies = [\"unix\"]",
        socket.display()
    );
    let host = format!("localhost:{port}");
    let world = World::with(WorldPlan {
        server: listen,
        port: Some(port),
        public_url: Some(format!("http://{host}")),
        ..WorldPlan::default()
    })
    .await;
    let request = format!(
        "GET /public/x HTTP/1.1\r\nHost: {host}\r\nX-Forwarded-For: 192.0.2.9\r\nConnection: close\r\n\r\n"
    );
    let four = talk_for(world.address, request.as_bytes(), Duration::from_secs(5)).await;
    assert!(
        raw::status(&four) == 200 && four.contains("[\"x-forwarded-for\",\"127.0.0.1\"]"),
        "{four}"
    );
    let six = talk_for(
        SocketAddr::new("::1".parse().unwrap(), six),
        request.as_bytes(),
        Duration::from_secs(5),
    )
    .await;
    assert!(
        raw::status(&six) == 200
            && six.contains("[\"x-forwarded-for\",\"::1\"]")
            && six.contains("for=\\\"[::1]\\\""),
        "{six}"
    );
    // Whoever may open the socket speaks for the client, where the configuration says so.
    let mut stream = UnixStream::connect(&socket).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(
        raw::status(&answer) == 200 && answer.contains("[\"x-forwarded-for\",\"192.0.2.9\"]"),
        "{answer}"
    );
    assert_eq!(world.app.seen.count(), 3);
    drop(world);
    for _ in 0..100 {
        if !socket.exists() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the socket's file was left behind");
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
    let page = maya.signs_in_as("maya@contoso.example").await;
    assert_eq!(
        (page.status, page.app_heard("x-forwarded-email").as_str()),
        (200, "maya@contoso.example")
    );
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
    let page = tom.signs_in_as("tom@contoso.example").await;
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
    assert_eq!(tom.signs_in_as("tom@contoso.example").await.status, 200);
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
    let ready = world.service.sidecar().entra.ready().unwrap_err();
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
    assert!(world.service.sidecar().entra.ready().is_err());
    assert_eq!(world.browser().asks("GET", "/x", NAVIGATION).await.status, 503);
    assert_eq!(world.browser().asks("GET", "/public/x", NAVIGATION).await.status, 200, "{RULES}");
}
