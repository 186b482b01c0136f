//! Hosts, addresses and TLS.

use std::net::TcpListener;
use std::sync::Arc;

use http::StatusCode;

use super::super::{Emulator, EmulatorOptions, Error};
use super::{ask, at, authorize, begin, oid, options};

#[tokio::test]
async fn foreign_hosts_and_foreign_forms_are_refused() {
    let emulator = begin().await;
    let seen =
        ask(&at(&emulator, "discovery/v2.0/keys"), None, &[("host", "rebound.example")]).await;
    assert_eq!(seen.status, StatusCode::MISDIRECTED_REQUEST);
    let page = ask(&authorize(&emulator, &[]), None, &[]).await;
    let own = emulator.authority();
    let person = oid(&emulator, "maya");
    let form = [("transaction", page.transaction()), ("person", person.as_str())];
    let foreign: [&[(&str, &str)]; 4] = [
        &[],
        &[("origin", "https://evil.example")],
        &[("origin", "null")],
        &[("origin", &own), ("sec-fetch-site", "cross-site")],
    ];
    for headers in foreign {
        assert_eq!(
            ask(&at(&emulator, "pick"), Some(&form), headers).await.status,
            StatusCode::FORBIDDEN,
            "{headers:?}"
        );
    }
    let long = "x".repeat(70_000);
    assert_eq!(
        ask(&at(&emulator, "oauth2/v2.0/token"), Some(&[("code", &long)]), &[]).await.status,
        StatusCode::PAYLOAD_TOO_LARGE
    );
}

#[tokio::test]
async fn other_machines_never_see_it() {
    let started = Emulator::start(TcpListener::bind("0.0.0.0:0").unwrap(), options()).await;
    assert!(matches!(started.err(), Some(Error::NotLoopback(_))));
}

#[tokio::test]
async fn tls_is_trusted_through_the_written_authority() {
    use rustls::pki_types::pem::PemObject as _;
    let directory = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let emulator = Emulator::start(
        listener,
        EmulatorOptions { tls: Some(directory.path().to_owned()), ..options() },
    )
    .await
    .unwrap();
    let mut roots = rustls::RootCertStore::empty();
    roots
        .add(rustls::pki_types::CertificateDer::from_pem_file(emulator.ca_file().unwrap()).unwrap())
        .unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap();
    let config = config.with_root_certificates(roots).with_no_client_auth();
    let authority = emulator.authority();
    let address = authority.strip_prefix("https://").unwrap();
    for name in ["localhost", "127.0.0.1"] {
        let stream = tokio::net::TcpStream::connect(address).await.unwrap();
        let name = rustls::pki_types::ServerName::try_from(name).unwrap();
        let connector = tokio_rustls::TlsConnector::from(Arc::new(config.clone()));
        assert!(connector.connect(name, stream).await.is_ok());
    }
}
