//! A certificate and its private key, by which an app proves to Entra who it is.

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

/// The longest PEM text that is read, in bytes: a key of 4096 bits has a quarter of it.
pub const MAX_PEM_BYTES: usize = 16 * 1024;

/// The fewest bits of a key: Entra takes RSA of 2048 bits and more (`learn:/certificate-credentials`).
const MIN_RSA_BITS: usize = 2048;

/// Why a certificate and a key are none that Entra takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadCertificate {
    /// No `CERTIFICATE` in PEM.
    #[error("contains no certificate in PEM")]
    NoCertificate,
    /// No private key in PEM.
    #[error("contains no private key in PEM")]
    NoKey,
    /// The key is locked by a password.
    #[error("contains an encrypted private key")]
    Encrypted,
    /// The key is no RSA key of 2048 bits or more.
    #[error("contains no RSA key of 2048 bits or more")]
    NotRsa,
    /// The key is another one's.
    #[error("contains a private key that does not belong to the certificate")]
    Stranger,
    /// More than 16 KiB.
    #[error("is longer than 16 KiB")]
    TooLong,
}

impl BadCertificate {
    /// What helps against it.
    pub fn hint(self) -> &'static str {
        match self {
            Self::NoCertificate => "a certificate in PEM begins with -----BEGIN CERTIFICATE-----",
            Self::NoKey => "a private key in PEM begins with -----BEGIN PRIVATE KEY-----; it can be in the same file or in its own",
            Self::Encrypted => "remove its password: openssl pkey -in app.key -out plain.key",
            Self::NotRsa => "Entra accepts RSA keys of 2048 bits or more: openssl req -x509 -newkey rsa:2048 -nodes -keyout app.key -out app.crt -days 365",
            Self::Stranger => "use the key that the certificate was created with",
            Self::TooLong => "expected one certificate and one key",
        }
    }
}

/// A certificate with its key. Made by `parse` alone, so the two belong together.
#[derive(Clone)]
pub struct ClientCertificate {
    key: Arc<KeyPair>,
    thumbprint: String,
    ends: u64,
    written: Secret,
}

impl ClientCertificate {
    /// Reads both out of PEM, in one text or in two behind each other: the first certificate counts, and the first key.
    ///
    /// # Errors
    /// `BadCertificate` says what is missing.
    pub fn parse(pem: &Secret) -> Result<Self, BadCertificate> {
        let text = pem.expose();
        if text.len() > MAX_PEM_BYTES {
            return Err(BadCertificate::TooLong);
        }
        let der = CertificateDer::from_pem_slice(text.as_bytes()).map_err(|_| BadCertificate::NoCertificate)?;
        let certificate = x509_cert::Certificate::from_der(&der).map_err(|_| BadCertificate::NoCertificate)?;
        let key = match PrivateKeyDer::from_pem_slice(text.as_bytes()) {
            Ok(PrivateKeyDer::Pkcs8(it)) => KeyPair::from_pkcs8(it.secret_pkcs8_der()).map_err(|_| BadCertificate::NotRsa)?,
            Ok(PrivateKeyDer::Pkcs1(it)) => KeyPair::from_der(it.secret_pkcs1_der()).map_err(|_| BadCertificate::NotRsa)?,
            Ok(_) => return Err(BadCertificate::NotRsa),
            Err(_) if text.contains("-----BEGIN ENCRYPTED PRIVATE KEY-----") => return Err(BadCertificate::Encrypted),
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
        Ok(Self { key: Arc::new(key), thumbprint: URL_SAFE_NO_PAD.encode(digest(&SHA256, &der)), ends, written: pem.clone() })
    }

    /// When it ends, seconds since 1970.
    pub fn ends(&self) -> u64 {
        self.ends
    }

    /// As `x5t#S256` names it (RFC 7515 section 4.1.8).
    pub fn thumbprint(&self) -> &str {
        &self.thumbprint
    }

    /// The PEM that it was read from, for whoever seals it.
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
