//! Errors of the sign-in with Entra.

use super::failure::EntraRefusal;
use super::invalid::InvalidToken;
use super::keys::BadKeys;
use super::metadata::BadMetadata;
use crate::wire::client;

/// Why a sign-in or another request to Entra failed. No variant contains a token, a code or a
/// secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Entra refused the request.
    #[error("Entra refused: {0}")]
    Refused(Box<EntraRefusal>),
    /// The ID token broke a rule.
    #[error("the ID token is rejected: {0}")]
    Token(#[from] InvalidToken),
    /// An endpoint did not answer.
    #[error("no answer from the {endpoint}: {cause}")]
    Unreachable {
        /// The name of the endpoint.
        endpoint: &'static str,
        /// Why there was no response.
        cause: client::Error,
    },
    /// An endpoint answered with an error status and no further details.
    #[error("the {endpoint} returned status {status}")]
    Status {
        /// The name of the endpoint.
        endpoint: &'static str,
        /// The HTTP status.
        status: u16,
        /// `Retry-After`, in seconds.
        retry_after: Option<u64>,
    },
    /// Entra did not answer recently, so requests are paused; the number of seconds that remain.
    #[error("Entra did not answer recently; the next attempt is in {0} s")]
    Paused(u64),
    /// The discovery document is rejected.
    #[error("{0}")]
    Metadata(#[from] BadMetadata),
    /// The keys document is unusable.
    #[error("{0}")]
    Keys(#[from] BadKeys),
    /// The token is signed with a key that Entra has not published yet, at least not on the server
    /// that answered.
    #[error("the ID token is signed with a key that Entra has not published yet")]
    UnknownKey,
    /// The token endpoint's response cannot be read, or contains no ID token.
    #[error("the token endpoint's response cannot be read or contains no ID token")]
    Answer,
    /// The app's credential is not available; the text says why.
    #[error("the app's credential cannot be used: {0}")]
    Credential(String),
    /// An address that the sign-in needs is not a valid URL.
    #[error("{0} is not an address")]
    Address(&'static str),
}

impl From<EntraRefusal> for Error {
    fn from(refusal: EntraRefusal) -> Self {
        Self::Refused(Box::new(refusal))
    }
}
