//! A certificate and its private key, with which an app authenticates to Entra.

use crate::base::secret::Secret;
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rsa::KeyPair;
use aws_lc_rs::signature::KeyPair as _;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::fmt;
use std::sync::Arc;
use x509_cert::der::Decode as _;

/// Maximum length of the PEM text, in bytes. A 4096-bit key takes a quarter of it.
pub const MAX_PEM_BYTES: usize = 16 * 1024;

/// Minimum size of an RSA key, in bits: Entra accepts 2048 and more
/// (`learn:/certificate-credentials`).
const MIN_RSA_BITS: usize = 2048;

/// The reason why Entra would not accept a certificate and its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadCertificate {
    /// The text contains no PEM block `CERTIFICATE`.
    #[error("contains no certificate in PEM")]
    NoCertificate,
    /// The text contains no PEM private key.
    #[error("contains no private key in PEM")]
    NoKey,
    /// The key is encrypted with a password.
    #[error("contains an encrypted private key")]
    Encrypted,
    /// The key is not an RSA key of 2048 bits or more.
    #[error("contains no RSA key of 2048 bits or more")]
    NotRsa,
    /// The key does not belong to the certificate.
    #[error("contains a private key that does not belong to the certificate")]
    Stranger,
    /// The text is longer than 16 KiB.
    #[error("is longer than 16 KiB")]
    TooLong,
}

impl BadCertificate {
    /// A hint on how to fix the error.
    pub fn hint(self) -> &'static str {
        match self {
            Self::NoCertificate => "a certificate in PEM begins with -----BEGIN CERTIFICATE-----",
            Self::NoKey => {
                "a private key in PEM begins with -----BEGIN PRIVATE KEY-----; it can be in the same file or in its own"
            }
            Self::Encrypted => "remove its password: openssl pkey -in app.key -out plain.key",
            Self::NotRsa => {
                "Entra accepts RSA keys of 2048 bits or more: openssl req -x509 -newkey rsa:2048 -nodes -keyout app.key -out app.crt -days 365"
            }
            Self::Stranger => "use the key that the certificate was created with",
            Self::TooLong => "expected one certificate and one key",
        }
    }
}

/// A certificate with its key. Only `parse` creates one, so the two belong together.
#[derive(Clone)]
pub struct ClientCertificate {
    key: Arc<KeyPair>,
    thumbprint: String,
    ends: u64,
    written: Secret,
}

impl ClientCertificate {
    /// Parses both from PEM, in one text or in two texts joined together. The first certificate and
    /// the first key count.
    ///
    /// # Errors
    /// Returns a `BadCertificate` that names the missing part.
    pub fn parse(pem: &Secret) -> Result<Self, BadCertificate> {
        let text = pem.expose();
        if text.len() > MAX_PEM_BYTES {
            return Err(BadCertificate::TooLong);
        }
        let der = CertificateDer::from_pem_slice(text.as_bytes())
            .map_err(|_| BadCertificate::NoCertificate)?;
        let certificate =
            x509_cert::Certificate::from_der(&der).map_err(|_| BadCertificate::NoCertificate)?;
        let key = match PrivateKeyDer::from_pem_slice(text.as_bytes()) {
            Ok(PrivateKeyDer::Pkcs8(it)) => {
                KeyPair::from_pkcs8(it.secret_pkcs8_der()).map_err(|_| BadCertificate::NotRsa)?
            }
            Ok(PrivateKeyDer::Pkcs1(it)) => {
                KeyPair::from_der(it.secret_pkcs1_der()).map_err(|_| BadCertificate::NotRsa)?
            }
            Ok(_) => return Err(BadCertificate::NotRsa),
            Err(_) if text.contains("-----BEGIN ENCRYPTED PRIVATE KEY-----") => {
                return Err(BadCertificate::Encrypted);
            }
            Err(_) => return Err(BadCertificate::NoKey),
        };
        if key.public_modulus_len() * 8 < MIN_RSA_BITS {
            return Err(BadCertificate::NotRsa);
        }
        let spoken = &certificate.tbs_certificate.subject_public_key_info.subject_public_key;
        if spoken.as_bytes() != Some(key.public_key().as_ref()) {
            return Err(BadCertificate::Stranger);
        }
        let ends = certificate.tbs_certificate.validity.not_after.to_unix_duration().as_secs();
        Ok(Self {
            key: Arc::new(key),
            thumbprint: URL_SAFE_NO_PAD.encode(digest(&SHA256, &der)),
            ends,
            written: pem.clone(),
        })
    }

    /// End of validity, in seconds since 1970.
    pub fn ends(&self) -> u64 {
        self.ends
    }

    /// SHA-256 thumbprint, encoded for `x5t#S256` (RFC 7515 section 4.1.8).
    pub fn thumbprint(&self) -> &str {
        &self.thumbprint
    }

    /// The original PEM text, for callers that seal it.
    pub fn written(&self) -> &Secret {
        &self.written
    }

    /// The private key.
    pub fn key(&self) -> &KeyPair {
        &self.key
    }
}

impl PartialEq for ClientCertificate {
    fn eq(&self, other: &Self) -> bool {
        self.thumbprint == other.thumbprint
    }
}

impl Eq for ClientCertificate {}

impl fmt::Debug for ClientCertificate {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Certificate({})", self.thumbprint)
    }
}
