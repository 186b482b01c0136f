//! TLS termination: reads the certificate and the key from files, and reads them again when they
//! change.

use crate::config::server::TlsFiles;
use arc_swap::ArcSwap;
use aws_lc_rs::digest::{SHA256, digest};
use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::{Ticketer, default_provider};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio_rustls::TlsAcceptor;
use zeroize::Zeroizing;

/// How often the files are checked.
const RELOAD_INTERVAL: Duration = Duration::from_secs(30);

/// Why a certificate cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file cannot be read.
    #[error("{path}: {source}")]
    Read {
        /// The path of the file.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// The certificate file is not PEM or contains no certificate.
    #[error("{path}: {cause}")]
    Certificate {
        /// The path of the file.
        path: PathBuf,
        /// The reason.
        cause: String,
    },
    /// The key file is not PEM or contains no private key.
    #[error("{path}: contains no readable private key in PEM")]
    Key {
        /// The path of the file.
        path: PathBuf,
    },
    /// The key does not belong to the certificate, or its type is not supported.
    #[error("{certificate} and {key}: {cause}")]
    Pair {
        /// The path of the certificate file.
        certificate: PathBuf,
        /// The path of the key file.
        key: PathBuf,
        /// The error from rustls.
        cause: rustls::Error,
    },
    /// TLS cannot be set up.
    #[error("TLS cannot be set up: {0}")]
    Setup(#[from] rustls::Error),
}

/// The server certificate and its files. Cheap to clone; all clones use the same certificate.
#[derive(Clone, Debug)]
pub struct ServerCertificates {
    shared: Arc<SharedCertificate>,
    config: Arc<ServerConfig>,
}

#[derive(Debug)]
struct SharedCertificate {
    files: TlsFiles,
    provider: CryptoProvider,
    current: ArcSwap<CertifiedKey>,
    /// The fingerprint of the contents that were last tried, valid or not: an error is logged only
    /// once.
    tried: Mutex<FileFingerprint>,
}

type FileFingerprint = Vec<u8>;

impl ServerCertificates {
    /// Reads both files.
    ///
    /// # Errors
    /// `Error` names the file and the problem.
    pub fn load(files: &TlsFiles) -> Result<Self, Error> {
        let provider = default_provider();
        let contents = CertificateFiles::read(files)?;
        let (current, tried) = (
            ArcSwap::from_pointee(contents.pair(files, &provider)?),
            Mutex::new(contents.fingerprint()),
        );
        let shared = Arc::new(SharedCertificate {
            files: files.clone(),
            provider: provider.clone(),
            current,
            tried,
        });
        // TLS 1.3 and 1.2. The hybrid post-quantum X25519MLKEM768 is the preferred key exchange.
        let config = ServerConfig::builder_with_provider(Arc::new(provider))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth();
        let mut config =
            config.with_cert_resolver(Arc::clone(&shared) as Arc<dyn ResolvesServerCert>);
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        // Tickets instead of a session table: clients resume without memory on the server. The
        // ticket keys change every few hours.
        config.ticketer = Ticketer::new()?;
        Ok(Self { shared, config: Arc::new(config) })
    }

    /// Checks the files now. If the new pair cannot be used, the old one stays in use, and the
    /// error is logged once. Existing connections are not affected.
    pub async fn reload(&self) {
        let shared = Arc::clone(&self.shared);
        // Fails only if the runtime is shutting down.
        let _ = tokio::task::spawn_blocking(move || shared.reload()).await;
    }

    /// Checks the files every 30 seconds for as long as the task lives.
    pub(super) async fn watch(self) {
        loop {
            tokio::time::sleep(RELOAD_INTERVAL).await;
            self.reload().await;
        }
    }

    /// Returns the acceptor for the listeners.
    pub(super) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(Arc::clone(&self.config))
    }
}

impl SharedCertificate {
    fn reload(&self) {
        let read = CertificateFiles::read(&self.files);
        // A missing file counts as contents too; otherwise it would be logged every 30 seconds.
        let fingerprint = read
            .as_ref()
            .map_or_else(|it| it.to_string().into_bytes(), CertificateFiles::fingerprint);
        let mut tried = self.tried.lock().unwrap_or_else(PoisonError::into_inner);
        if *tried == fingerprint {
            return;
        }
        *tried = fingerprint;
        match read.and_then(|it| it.pair(&self.files, &self.provider)) {
            Ok(pair) => {
                self.current.store(Arc::new(pair));
                tracing::info!(certificate = %self.files.certificate.display(), "certificate reloaded");
            }
            Err(error) => {
                tracing::error!(%error, "certificate not reloaded; the previous one is still in use");
            }
        }
    }
}

impl ResolvesServerCert for SharedCertificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current.load_full())
    }
}

/// The contents of both files.
struct CertificateFiles {
    certificate: Vec<u8>,
    key: Zeroizing<Vec<u8>>,
}

impl CertificateFiles {
    fn read(files: &TlsFiles) -> Result<Self, Error> {
        Ok(Self { certificate: read(&files.certificate)?, key: Zeroizing::new(read(&files.key)?) })
    }

    fn fingerprint(&self) -> FileFingerprint {
        [&self.certificate, &*self.key]
            .iter()
            .flat_map(|it| digest(&SHA256, it).as_ref().to_vec())
            .collect()
    }

    fn pair(&self, files: &TlsFiles, provider: &CryptoProvider) -> Result<CertifiedKey, Error> {
        let bad = |cause: &str| Error::Certificate {
            path: files.certificate.clone(),
            cause: cause.to_owned(),
        };
        let chain: Vec<_> = CertificateDer::pem_slice_iter(&self.certificate)
            .collect::<Result<_, _>>()
            .map_err(|it| bad(&it.to_string()))?;
        if chain.is_empty() {
            return Err(bad("contains no certificate in PEM"));
        }
        // The parser's error could quote the file.
        let key = PrivateKeyDer::from_pem_slice(&self.key)
            .map_err(|_| Error::Key { path: files.key.clone() })?;
        CertifiedKey::from_der(chain, key, provider).map_err(|cause| Error::Pair {
            certificate: files.certificate.clone(),
            key: files.key.clone(),
            cause,
        })
    }
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    std::fs::read(path).map_err(|source| Error::Read { path: path.to_owned(), source })
}
