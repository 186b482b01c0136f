//! The credential with which an app authenticates to Entra: a client secret, a certificate or a
//! token from another issuer.

use super::certificate::ClientCertificate;
use super::secret::Secret;
use std::path::PathBuf;

/// An app's credential for Entra.
#[derive(Clone, Debug)]
pub enum ClientCredential {
    /// `client_secret`: the secret's Value.
    Secret(Secret),
    /// `certificate`: signs an assertion for each request (`private_key_jwt`, RFC 7523).
    Certificate(ClientCertificate),
    /// `federated_token`: the file with an assertion signed by another issuer. It is read for each
    /// request, because it changes about every hour.
    Federated(PathBuf),
}

impl ClientCredential {
    /// The part that must not appear in any output.
    pub fn secret(&self) -> Option<&Secret> {
        match self {
            Self::Secret(it) => Some(it),
            Self::Certificate(it) => Some(it.written()),
            Self::Federated(_) => None,
        }
    }

    /// Expiry in seconds since 1970, if the credential contains it.
    pub fn ends(&self) -> Option<u64> {
        if let Self::Certificate(it) = self { Some(it.ends()) } else { None }
    }

    /// Whether the two are the same credential with the same contents.
    pub fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Secret(it), Self::Secret(other)) => it.expose() == other.expose(),
            (Self::Certificate(it), Self::Certificate(other)) => it == other,
            (Self::Federated(it), Self::Federated(other)) => it == other,
            _ => false,
        }
    }
}
