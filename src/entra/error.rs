//! Why a sign-in does not go on.

use super::failure::EntraRefusal;
use super::invalid::InvalidToken;
use super::keys::BadKeys;
use super::metadata::BadMetadata;
use crate::wire::client;

/// Why a sign-in does not go on. None holds a token, a code or a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Entra said no.
    #[error("Entra refused: {0}")]
    Refused(Box<EntraRefusal>),
    /// The ID token broke a rule.
    #[error("the ID token is rejected: {0}")]
    Token(#[from] InvalidToken),
    /// No answer from an endpoint.
    #[error("no answer from the {endpoint}: {cause}")]
    Unreachable {
        /// Which one.
        endpoint: &'static str,
        /// Why.
        cause: client::Error,
    },
    /// An endpoint answered with a status that tells nothing more.
    #[error("the {endpoint} returned status {status}")]
    Status {
        /// Which one.
        endpoint: &'static str,
        /// The HTTP status.
        status: u16,
        /// `Retry-After`, in seconds.
        retry_after: Option<u64>,
    },
    /// Entra did not answer lately, and is left alone for a while.
    #[error("Entra did not answer recently; the next attempt is in {0} s")]
    Resting(u64),
    /// The discovery document is not believed.
    #[error("{0}")]
    Metadata(#[from] BadMetadata),
    /// The document of keys is of no use.
    #[error("{0}")]
    Keys(#[from] BadKeys),
    /// The token is signed with a key that Entra has not published yet, at least not on the server that was asked.
    #[error("the ID token is signed with a key that Entra has not published yet")]
    UnknownKey,
    /// The token endpoint's answer cannot be read, or holds no ID token.
    #[error("the token endpoint's response cannot be read or contains no ID token")]
    Answer,
    /// What the app proves itself by is not there; the text says why.
    #[error("the app's credential cannot be used: {0}")]
    Credential(String),
    /// An address that the sign-in needs is none.
    #[error("{0} is not an address")]
    Address(&'static str),
}

impl From<EntraRefusal> for Error {
    fn from(refusal: EntraRefusal) -> Self {
        Self::Refused(Box::new(refusal))
    }
}
