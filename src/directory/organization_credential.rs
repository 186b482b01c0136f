//! What an organization's sign-in proves itself by, as it is sealed.

use crate::base::certificate::{BadCertificate, ClientCertificate};
use crate::base::credential::ClientCredential;
use crate::base::guid::Guid;
use crate::base::secret::Secret;

/// What stands for the operator's token where it is sealed: no Value of a client secret begins like this.
const FEDERATED_MARKER: &str = "-----FEDERATED-----";

/// How long a Value may be, in bytes. Entra makes them of 40 characters.
const SECRET_VALUE_BYTES: std::ops::RangeInclusive<usize> = 8..=512;

/// Why a text is no Value of a client secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadClientSecret {
    /// The Secret ID, which stands right beside it.
    #[error("this is the Secret ID; copy the Value, which is shown only once, or create a new secret if you no longer have it")]
    SecretId,
    /// Something else, or nothing.
    #[error("copy the Value of a client secret")]
    Other,
}

/// By what an organization's sign-in proves itself, as far as its database knows.
#[derive(Clone, Debug)]
pub enum OrganizationCredential {
    /// Its own client secret.
    Secret(ClientSecret),
    /// Its own certificate, with the key.
    Certificate(ClientCertificate),
    /// The token of `[entra] federated_token`, whose issuer its registration trusts. Which file that is, the operator alone says.
    Operators,
}

/// The Value of a client secret; only what is one becomes one.
#[derive(Clone, Debug)]
pub struct ClientSecret(Secret);

/// The three there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CredentialKind {
    /// A client secret.
    ClientSecret,
    /// A certificate.
    Certificate,
    /// The operator's token.
    Federated,
}

impl CredentialKind {
    /// As people call it.
    pub fn words(self) -> &'static str {
        match self {
            Self::ClientSecret => "client secret",
            Self::Certificate => "certificate",
            Self::Federated => "federated credential",
        }
    }

    /// As programs call it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ClientSecret => "client-secret",
            Self::Certificate => "certificate",
            Self::Federated => "federated",
        }
    }
}

#[cfg(test)]
impl OrganizationCredential {
    /// A client secret that needs no judging.
    pub(super) fn secret(value: &str) -> Self {
        Self::Secret(ClientSecret(Secret::new(value)))
    }

    /// The Value, where it is a client secret.
    pub(super) fn value(&self) -> &str {
        let Self::Secret(it) = self else { panic!("{self:?}") };
        it.0.expose()
    }
}

impl OrganizationCredential {
    /// The Value of a client secret, as somebody typed or sent it.
    ///
    /// # Errors
    /// `BadClientSecret`, where the text is none.
    pub fn of_value(text: &str) -> Result<Self, BadClientSecret> {
        let text = text.trim();
        if Guid::parse(text).is_some() {
            return Err(BadClientSecret::SecretId);
        }
        let is_plain = SECRET_VALUE_BYTES.contains(&text.len()) && text.bytes().all(|it| it.is_ascii_graphic()) && !text.starts_with("-----");
        if is_plain { Ok(Self::Secret(ClientSecret(Secret::new(text)))) } else { Err(BadClientSecret::Other) }
    }

    /// A certificate with its key, in PEM.
    ///
    /// # Errors
    /// Why Entra would take neither.
    pub fn of_certificate(pem: &Secret) -> Result<Self, BadCertificate> {
        ClientCertificate::parse(pem).map(Self::Certificate)
    }

    /// Which of the three it is.
    pub fn kind(&self) -> CredentialKind {
        match self {
            Self::Secret(_) => CredentialKind::ClientSecret,
            Self::Certificate(_) => CredentialKind::Certificate,
            Self::Operators => CredentialKind::Federated,
        }
    }

    /// When it ends by itself, seconds since 1970, where that stands in it.
    pub fn ends(&self) -> Option<u64> {
        if let Self::Certificate(it) = self { Some(it.ends()) } else { None }
    }

    /// What is sent to Entra; nothing where that is the operator's.
    pub fn own(&self) -> Option<ClientCredential> {
        match self {
            Self::Secret(it) => Some(ClientCredential::Secret(it.0.clone())),
            Self::Certificate(it) => Some(ClientCredential::Certificate(it.clone())),
            Self::Operators => None,
        }
    }

    /// Whether it is the very same.
    pub fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Secret(it), Self::Secret(other)) => it.0.expose() == other.0.expose(),
            (Self::Certificate(it), Self::Certificate(other)) => it == other,
            (Self::Operators, Self::Operators) => true,
            _ => false,
        }
    }

    /// As it is sealed.
    pub(super) fn write(&self) -> Secret {
        match self {
            Self::Secret(it) => it.0.clone(),
            Self::Certificate(it) => it.written().clone(),
            Self::Operators => Secret::new(FEDERATED_MARKER),
        }
    }

    /// Reads what was sealed.
    pub(super) fn read(text: Secret) -> Option<Self> {
        match text.expose() {
            FEDERATED_MARKER => Some(Self::Operators),
            it if it.starts_with("-----") => ClientCertificate::parse(&text).ok().map(Self::Certificate),
            _ => Some(Self::Secret(ClientSecret(text))),
        }
    }
}
