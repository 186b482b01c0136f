//! What an organization's sign-in proves itself by, as it is sealed.

use crate::base::certificate::{Bad, Certificate};
use crate::base::credential::Credential;
use crate::base::guid::Guid;
use crate::base::secret::Secret;

/// What stands for the operator's token where it is sealed: no Value of a client secret begins like this.
const OPERATORS: &str = "-----FEDERATED-----";

/// As `Proof::kind` calls them.
pub(super) const CERTIFICATE: &str = "certificate";
pub(super) const FEDERATED: &str = "federated credential";

/// How long a Value may be, in bytes. Entra makes them of 40 characters.
const VALUE: std::ops::RangeInclusive<usize> = 8..=512;

/// Why a text is no Value of a client secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoValue {
    /// The Secret ID, which stands right beside it.
    #[error("this is the Secret ID; copy the Value, which is shown only once, or make a new secret if it is gone")]
    SecretId,
    /// Something else, or nothing.
    #[error("copy the Value of a client secret")]
    Other,
}

/// By what an organization's sign-in proves itself.
#[derive(Clone, Debug)]
pub enum Proof {
    /// Something of its own.
    Own(Credential),
    /// The token of `[entra] federated_token`, whose issuer its registration trusts. Which file that is, the operator alone says.
    Operators,
}

impl Proof {
    /// The Value of a client secret, as somebody typed or sent it.
    ///
    /// # Errors
    /// `NoValue`, where the text is none.
    pub fn of_value(text: &str) -> Result<Self, NoValue> {
        let text = text.trim();
        if Guid::parse(text).is_some() {
            return Err(NoValue::SecretId);
        }
        let is_plain = VALUE.contains(&text.len()) && text.bytes().all(|it| it.is_ascii_graphic()) && !text.starts_with("-----");
        if is_plain { Ok(Self::secret(text)) } else { Err(NoValue::Other) }
    }

    /// A client secret that needs no judging.
    pub fn secret(value: impl Into<String>) -> Self {
        Self::Own(Credential::Secret(Secret::new(value)))
    }

    /// A certificate with its key, in PEM.
    ///
    /// # Errors
    /// Why Entra would take neither.
    pub fn of_certificate(pem: &Secret) -> Result<Self, Bad> {
        Certificate::parse(pem).map(|it| Self::Own(Credential::Certificate(it)))
    }

    /// Whether it is a client secret, of which Entra does not tell us when it ends.
    pub(super) fn is_client_secret(&self) -> bool {
        matches!(self, Self::Own(Credential::Secret(_)))
    }

    /// As people call it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Own(Credential::Secret(_)) => "client secret",
            Self::Own(Credential::Certificate(_)) => CERTIFICATE,
            Self::Own(Credential::Federated(_)) | Self::Operators => FEDERATED,
        }
    }

    /// When it ends by itself, seconds since 1970, where that stands in it.
    pub fn ends(&self) -> Option<u64> {
        if let Self::Own(Credential::Certificate(it)) = self { Some(it.ends()) } else { None }
    }

    /// Whether it is the very same.
    pub fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Own(it), Self::Own(other)) => it.is(other),
            (Self::Operators, Self::Operators) => true,
            _ => false,
        }
    }

    /// As it is sealed; nothing for what stands in the configuration alone.
    pub(super) fn write(&self) -> Option<Secret> {
        match self {
            Self::Own(Credential::Secret(it)) if it.expose().starts_with("-----") => None,
            Self::Own(it) => it.secret().cloned(),
            Self::Operators => Some(Secret::new(OPERATORS)),
        }
    }

    /// Reads what was sealed.
    pub(super) fn read(text: Secret) -> Option<Self> {
        match text.expose() {
            OPERATORS => Some(Self::Operators),
            it if it.starts_with("-----") => Certificate::parse(&text).ok().map(|it| Self::Own(Credential::Certificate(it))),
            _ => Some(Self::Own(Credential::Secret(text))),
        }
    }
}
