//! Handshakes and certificates.

use super::*;

pub(super) struct CertificateFiles {
    directory: tempfile::TempDir,
    pub(super) files: TlsFiles,
}

impl CertificateFiles {
    pub(super) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let files = TlsFiles {
            certificate: directory.path().join("tls.crt"),
            key: directory.path().join("tls.key"),
        };
        let out = Self { directory, files };
        out.renew();
        out
    }

    fn renew(&self) {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        std::fs::write(&self.files.certificate, made.cert.pem()).unwrap();
        std::fs::write(&self.files.key, made.signing_key.serialize_pem()).unwrap();
    }

    fn spoil(&self) {
        let key = rcgen::KeyPair::generate().unwrap().serialize_pem();
        std::fs::write(&self.files.key, key).unwrap();
    }

    /// Trusts only the certificate that is currently in the file.
    async fn connect(
        &self,
        world: &World,
        alpn: &[u8],
    ) -> std::io::Result<tokio_rustls::client::TlsStream<TcpStream>> {
        self.handshake(world.connect().await, alpn).await
    }

    /// The same on a connection that is open.
    pub(super) async fn handshake(
        &self,
        stream: TcpStream,
        alpn: &[u8],
    ) -> std::io::Result<tokio_rustls::client::TlsStream<TcpStream>> {
        let mut config = rustls::ClientConfig::builder_with_provider(Arc::new(
            rustls::crypto::aws_lc_rs::default_provider(),
        ))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots(&self.files.certificate))
        .with_no_client_auth();
        config.alpn_protocols = vec![alpn.to_vec()];
        tokio_rustls::TlsConnector::from(Arc::new(config))
            .connect("localhost".try_into().unwrap(), stream)
            .await
    }
}

fn roots(path: &Path) -> rustls::RootCertStore {
    use rustls::pki_types::pem::PemObject as _;
    let mut roots = rustls::RootCertStore::empty();
    roots.add(rustls::pki_types::CertificateDer::from_pem_file(path).unwrap()).unwrap();
    roots
}

#[tokio::test]
async fn tls_speaks_both_versions_by_alpn_and_prefers_the_hybrid_key_exchange() {
    let files = CertificateFiles::new();
    let world =
        start_with(limits(), Some(ServerCertificates::load(&files.files).unwrap()), Duration::ZERO);
    let stream = files.connect(&world, b"h2").await.unwrap();
    let group = stream.get_ref().1.negotiated_key_exchange_group().unwrap().name();
    assert_eq!(group, rustls::NamedGroup::X25519MLKEM768);
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let (mut sender, connection) = http2(TokioIo::new(stream)).await;
    tokio::spawn(connection);
    let get = Request::get("https://localhost/").body(Full::default()).unwrap();
    assert_eq!(text(sender.send_request(get).await.unwrap()).await, "address=true tls=true");

    let mut stream = files.connect(&world, b"http/1.1").await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
    stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut answered = String::new();
    stream.read_to_string(&mut answered).await.unwrap();
    assert!(answered.ends_with("tls=true"));
}

#[tokio::test]
async fn a_tls_handshake_that_stands_still_is_closed_after_the_header_timeout() {
    let files = CertificateFiles::new();
    let world =
        start_with(limits(), Some(ServerCertificates::load(&files.files).unwrap()), Duration::ZERO);
    for sent in [&b""[..], b"\x16\x03\x01"] {
        in_time(closes(&mut world.ask(sent).await).await, HEADER);
    }
    let mut silent = files.connect(&world, b"h2").await.unwrap();
    let took = closes(&mut silent).await;
    assert!(took <= HEADER + LATE, "{took:?}");
}

#[tokio::test]
async fn a_new_certificate_is_shown_while_old_connections_live_and_a_bad_pair_keeps_the_old() {
    let files = CertificateFiles::new();
    let certificates = ServerCertificates::load(&files.files).unwrap();
    let world = start_with(limits(), Some(certificates.clone()), Duration::ZERO);
    let mut old = files.connect(&world, b"http/1.1").await.unwrap();
    files.renew();
    assert!(files.connect(&world, b"http/1.1").await.is_err());
    certificates.reload().await;
    files.connect(&world, b"http/1.1").await.unwrap();
    files.spoil();
    certificates.reload().await;
    files.connect(&world, b"http/1.1").await.unwrap();
    std::fs::remove_file(&files.files.key).unwrap();
    certificates.reload().await;
    files.connect(&world, b"http/1.1").await.unwrap();
    old.write_all(GET).await.unwrap();
    let mut bytes = [0; 15];
    old.read_exact(&mut bytes).await.unwrap();
    assert_eq!(&bytes, b"HTTP/1.1 200 OK");
}

#[tokio::test]
async fn certificates_that_cannot_be_used_at_start_are_named() {
    let files = CertificateFiles::new();
    let error_of = |files: &TlsFiles| ServerCertificates::load(files).unwrap_err().to_string();
    files.spoil();
    let both = error_of(&files.files);
    assert!(both.contains("tls.crt") && both.contains("tls.key"), "{both}");
    std::fs::write(&files.files.key, "a secret, but no key").unwrap();
    let key = error_of(&files.files);
    assert!(key.contains("tls.key") && !key.contains("a secret"), "{key}");
    std::fs::write(&files.files.certificate, "").unwrap();
    assert!(error_of(&files.files).contains("tls.crt: contains no certificate"));
    let missing =
        TlsFiles { certificate: files.directory.path().join("nowhere"), ..files.files.clone() };
    assert!(error_of(&missing).contains("nowhere: No such file"));
}
