//! A temporary authority and a certificate for this machine, for clients that reject plain HTTP.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, date_time_ymd,
};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::TlsAcceptor;

use super::time::date;

/// The reason that TLS cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum BadTls {
    /// The certificate could not be created.
    #[error("the certificate could not be made: {0}")]
    Certificate(#[from] rcgen::Error),
    /// The key does not match, or no protocol version is available.
    #[error("TLS cannot be set up: {0}")]
    Rustls(#[from] rustls::Error),
    /// The authority's certificate could not be written.
    #[error("{path} cannot be written: {source}")]
    Write {
        /// The path of the file.
        path: PathBuf,
        /// The error from the system.
        source: std::io::Error,
    },
}

fn params(names: Vec<String>, name: &str, now: u64) -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    let year = date(now).year;
    params.not_before = date_time_ymd(year.saturating_sub(1), 1, 1);
    params.not_after = date_time_ymd(year.saturating_add(1), 12, 31);
    Ok(params)
}

/// Creates the authority and the certificate. Only the authority's certificate is written; its key
/// is dropped at the end of the call.
pub(super) fn acceptor(
    directory: &Path,
    host: Option<String>,
    now: u64,
) -> Result<(TlsAcceptor, PathBuf), BadTls> {
    let mut authority = params(Vec::new(), "Entrada emulator throw-away CA", now)?;
    authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let authority_key = KeyPair::generate()?;
    let pem = authority.self_signed(&authority_key)?.pem();
    let issuer = Issuer::new(authority, authority_key);
    let names =
        ["localhost", "127.0.0.1", "::1"].map(str::to_owned).into_iter().chain(host).collect();
    let mut leaf = params(names, "Entrada emulator", now)?;
    leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    leaf.use_authority_key_identifier_extension = true;
    let leaf_key = KeyPair::generate()?;
    let certificate = leaf.signed_by(&leaf_key, &issuer)?;
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(leaf_key.serialize_der()));
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth();
    let config = config.with_single_cert(vec![certificate.der().clone()], key)?;
    let path = directory.join("ca.pem");
    std::fs::create_dir_all(directory)
        .and_then(|()| std::fs::write(&path, pem))
        .map_err(|source| BadTls::Write { path: path.clone(), source })?;
    Ok((TlsAcceptor::from(Arc::new(config)), path))
}
