//! TLS where we terminate it: certificate and key from files, re-read when they change.

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

/// How often the files are looked at.
const RELOAD_INTERVAL: Duration = Duration::from_secs(30);

/// Why a certificate cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file cannot be read.
    #[error("{path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file of the chain is not PEM, or holds no certificate.
    #[error("{path}: {cause}")]
    Certificate {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        cause: String,
    },
    /// The file of the key is not PEM, or holds no private key.
    #[error("{path}: contains no readable private key in PEM")]
    Key {
        /// The file.
        path: PathBuf,
    },
    /// The key is not the certificate's, or of a kind that is not known.
    #[error("{certificate} and {key}: {cause}")]
    Pair {
        /// The file of the chain.
        certificate: PathBuf,
        /// The file of the key.
        key: PathBuf,
        /// What rustls said.
        cause: rustls::Error,
    },
    /// TLS cannot be set up.
    #[error("TLS cannot be set up: {0}")]
    Setup(#[from] rustls::Error),
}

/// The certificate that is shown, and where it comes from. Cheap to clone; all clones show the same.
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
    /// Of the contents that were last tried, good or bad: what is wrong with them is said once.
    tried: Mutex<FileFingerprint>,
}

type FileFingerprint = Vec<u8>;

impl ServerCertificates {
    /// Reads both files.
    ///
    /// # Errors
    /// `Error` names the file and what is wrong with it.
    pub fn load(files: &TlsFiles) -> Result<Self, Error> {
        let provider = default_provider();
        let contents = CertificateFiles::read(files)?;
        let (current, tried) = (ArcSwap::from_pointee(contents.pair(files, &provider)?), Mutex::new(contents.fingerprint()));
        let shared = Arc::new(SharedCertificate { files: files.clone(), provider: provider.clone(), current, tried });
        // TLS 1.3 and 1.2; of the key exchanges the hybrid post-quantum X25519MLKEM768 comes first.
        let config = ServerConfig::builder_with_provider(Arc::new(provider)).with_safe_default_protocol_versions()?.with_no_client_auth();
        let mut config = config.with_cert_resolver(Arc::clone(&shared) as Arc<dyn ResolvesServerCert>);
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        // Tickets instead of a table of sessions: clients resume without memory of ours. Their keys change every few hours.
        config.ticketer = Ticketer::new()?;
        Ok(Self { shared, config: Arc::new(config) })
    }

    /// Looks at the files now. A pair that cannot be used keeps the old one, and is named in the log once. Connections that live stay.
    pub async fn reload(&self) {
        let shared = Arc::clone(&self.shared);
        // Only a runtime that shuts down refuses.
        let _ = tokio::task::spawn_blocking(move || shared.reload()).await;
    }

    /// Looks at the files every half minute, for as long as the task lives.
    pub(super) async fn watch(self) {
        loop {
            tokio::time::sleep(RELOAD_INTERVAL).await;
            self.reload().await;
        }
    }

    /// For the listeners.
    pub(super) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(Arc::clone(&self.config))
    }
}

impl SharedCertificate {
    fn reload(&self) {
        let read = CertificateFiles::read(&self.files);
        // A file that is gone counts as contents too, or it would be named every half minute.
        let fingerprint = read.as_ref().map_or_else(|it| it.to_string().into_bytes(), CertificateFiles::fingerprint);
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
            Err(error) => tracing::error!(%error, "certificate not reloaded; the previous one is still in use"),
        }
    }
}

impl ResolvesServerCert for SharedCertificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current.load_full())
    }
}

/// Both files, as they lie there.
struct CertificateFiles {
    certificate: Vec<u8>,
    key: Zeroizing<Vec<u8>>,
}

impl CertificateFiles {
    fn read(files: &TlsFiles) -> Result<Self, Error> {
        Ok(Self { certificate: read(&files.certificate)?, key: Zeroizing::new(read(&files.key)?) })
    }

    fn fingerprint(&self) -> FileFingerprint {
        [&self.certificate, &*self.key].iter().flat_map(|it| digest(&SHA256, it).as_ref().to_vec()).collect()
    }

    fn pair(&self, files: &TlsFiles, provider: &CryptoProvider) -> Result<CertifiedKey, Error> {
        let bad = |cause: &str| Error::Certificate { path: files.certificate.clone(), cause: cause.to_owned() };
        let chain: Vec<_> = CertificateDer::pem_slice_iter(&self.certificate).collect::<Result<_, _>>().map_err(|it| bad(&it.to_string()))?;
        if chain.is_empty() {
            return Err(bad("contains no certificate in PEM"));
        }
        // What the parser says could quote the file.
        let key = PrivateKeyDer::from_pem_slice(&self.key).map_err(|_| Error::Key { path: files.key.clone() })?;
        CertifiedKey::from_der(chain, key, provider).map_err(|cause| Error::Pair { certificate: files.certificate.clone(), key: files.key.clone(), cause })
    }
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    std::fs::read(path).map_err(|source| Error::Read { path: path.to_owned(), source })
}
