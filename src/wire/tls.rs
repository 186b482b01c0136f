//! The root certificates that are trusted for outgoing connections.

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use std::path::{Path, PathBuf};

/// The reason why a certificate file cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {cause}")]
pub struct BadRoots {
    /// Path of the file.
    pub path: PathBuf,
    /// The cause, for the log.
    pub cause: String,
}

/// The system's root certificates (Mozilla's if the system has none), and those in `extra`.
///
/// # Errors
/// Returns `BadRoots` if `extra` cannot be read or contains no certificate.
pub fn roots(extra: Option<&Path>) -> Result<RootCertStore, BadRoots> {
    let mut roots = RootCertStore::empty();
    let native = rustls_native_certs::load_native_certs();
    roots.add_parsable_certificates(native.certs);
    if roots.is_empty() {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    let Some(path) = extra else { return Ok(roots) };
    let bad = |cause: String| BadRoots { path: path.to_owned(), cause };
    let mut found = false;
    for certificate in CertificateDer::pem_file_iter(path).map_err(|it| bad(it.to_string()))? {
        let certificate = certificate.map_err(|it| bad(it.to_string()))?;
        roots.add(certificate).map_err(|it| bad(it.to_string()))?;
        found = true;
    }
    if found { Ok(roots) } else { Err(bad("contains no certificate".to_owned())) }
}
