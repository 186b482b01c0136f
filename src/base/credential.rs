//! What an app proves itself to Entra by: a client secret, a certificate, or the token of another issuer.

use super::certificate::ClientCertificate;
use super::secret::Secret;
use std::path::PathBuf;

/// How an app proves to Entra who it is.
#[derive(Clone, Debug)]
pub enum ClientCredential {
    /// `client_secret`: its Value.
    Secret(Secret),
    /// `certificate`: it signs an assertion for each request (`private_key_jwt`, RFC 7523).
    Certificate(ClientCertificate),
    /// `federated_token`: the file of an assertion that somebody else signs, read anew for each request, since it changes about every hour.
    Federated(PathBuf),
}

impl ClientCredential {
    /// What must show in no output.
    pub fn secret(&self) -> Option<&Secret> {
        match self {
            Self::Secret(it) => Some(it),
            Self::Certificate(it) => Some(it.written()),
            Self::Federated(_) => None,
        }
    }

    /// When it ends by itself, seconds since 1970, where that stands in it.
    pub fn ends(&self) -> Option<u64> {
        if let Self::Certificate(it) = self { Some(it.ends()) } else { None }
    }

    /// Whether it is the very same.
    pub fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Secret(it), Self::Secret(other)) => it.expose() == other.expose(),
            (Self::Certificate(it), Self::Certificate(other)) => it == other,
            (Self::Federated(it), Self::Federated(other)) => it == other,
            _ => false,
        }
    }
}
