//! Credential of an organization's sign-in, in the form that is sealed.

use crate::base::certificate::{BadCertificate, ClientCertificate};
use crate::base::client_secret::{self, BadClientSecret};
use crate::base::credential::ClientCredential;
use crate::base::secret::Secret;

/// Represents the operator's token in the sealed text: no client secret's Value starts like this.
const FEDERATED_MARKER: &str = "-----FEDERATED-----";

/// Allowed length of a Value, in bytes. Entra generates 40 characters.
const SECRET_VALUE_BYTES: std::ops::RangeInclusive<usize> = 8..=512;

/// Credential of an organization's sign-in, as far as the database contains it.
#[derive(Clone, Debug)]
pub enum OrganizationCredential {
    /// Its own client secret.
    Secret(ClientSecret),
    /// Its own certificate, with the key.
    Certificate(ClientCertificate),
    /// The token from `[entra] federated_token`, whose issuer the organization's registration
    /// trusts. Only the operator configures the file.
    Operators,
}

/// The validated Value of a client secret.
#[derive(Clone, Debug)]
pub struct ClientSecret(Secret);

/// The kinds of credentials.
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
    /// Returns the name for people.
    pub fn words(self) -> &'static str {
        match self {
            Self::ClientSecret => "client secret",
            Self::Certificate => "certificate",
            Self::Federated => "federated credential",
        }
    }

    /// Returns the name for programs.
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
    /// Creates a client secret without validation.
    pub(super) fn secret(value: &str) -> Self {
        Self::Secret(ClientSecret(Secret::new(value)))
    }

    /// Returns the Value of a client secret.
    pub(super) fn value(&self) -> &str {
        let Self::Secret(it) = self else { panic!("{self:?}") };
        it.0.expose()
    }
}

impl OrganizationCredential {
    /// Parses the Value of a client secret, as typed or sent.
    ///
    /// # Errors
    /// `BadClientSecret` if the text is not a Value.
    pub fn of_value(text: &str) -> Result<Self, BadClientSecret> {
        let secret = client_secret::read(text)?;
        let text = secret.expose();
        let is_plain = SECRET_VALUE_BYTES.contains(&text.len())
            && text.bytes().all(|it| it.is_ascii_graphic())
            && !text.starts_with("-----");
        if is_plain { Ok(Self::Secret(ClientSecret(secret))) } else { Err(BadClientSecret::Other) }
    }

    /// Parses a certificate with its key, in PEM.
    ///
    /// # Errors
    /// Why Entra would reject the certificate or the key.
    pub fn of_certificate(pem: &Secret) -> Result<Self, BadCertificate> {
        ClientCertificate::parse(pem).map(Self::Certificate)
    }

    /// Returns the kind of the credential.
    pub fn kind(&self) -> CredentialKind {
        match self {
            Self::Secret(_) => CredentialKind::ClientSecret,
            Self::Certificate(_) => CredentialKind::Certificate,
            Self::Operators => CredentialKind::Federated,
        }
    }

    /// Returns the expiry in seconds since 1970, if the credential contains it.
    pub fn ends(&self) -> Option<u64> {
        if let Self::Certificate(it) = self { Some(it.ends()) } else { None }
    }

    /// Returns the credential to send to Entra; `None` for the operator's token.
    pub fn own(&self) -> Option<ClientCredential> {
        match self {
            Self::Secret(it) => Some(ClientCredential::Secret(it.0.clone())),
            Self::Certificate(it) => Some(ClientCredential::Certificate(it.clone())),
            Self::Operators => None,
        }
    }

    /// Whether it is exactly the same credential.
    pub fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Secret(it), Self::Secret(other)) => it.0.expose() == other.0.expose(),
            (Self::Certificate(it), Self::Certificate(other)) => it == other,
            (Self::Operators, Self::Operators) => true,
            _ => false,
        }
    }

    /// Returns the text to seal.
    pub(super) fn write(&self) -> Secret {
        match self {
            Self::Secret(it) => it.0.clone(),
            Self::Certificate(it) => it.written().clone(),
            Self::Operators => Secret::new(FEDERATED_MARKER),
        }
    }

    /// Parses the text that was sealed.
    pub(super) fn read(text: Secret) -> Option<Self> {
        match text.expose() {
            FEDERATED_MARKER => Some(Self::Operators),
            it if it.starts_with("-----") => {
                ClientCertificate::parse(&text).ok().map(Self::Certificate)
            }
            _ => Some(Self::Secret(ClientSecret(text))),
        }
    }
}
