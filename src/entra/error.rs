//! Errors of the sign-in with Entra.

use super::failure::EntraRefusal;
use super::invalid::InvalidToken;
use super::keys::BadKeys;
use super::metadata::BadMetadata;
use crate::wire::client;
use std::fmt;

/// A response that Entra does not send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForeignResponse {
    /// The name of the endpoint.
    pub endpoint: &'static str,
    /// The HTTP status.
    pub status: u16,
    /// `Content-Type`, shortened.
    pub content_type: Option<String>,
    /// Host and port of the proxy that the request took.
    pub proxy: Option<String>,
}

impl fmt::Display for ForeignResponse {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            out,
            "status {} with {}",
            self.status,
            self.content_type.as_deref().unwrap_or("no content type")
        )?;
        match &self.proxy {
            Some(proxy) => write!(out, " through the proxy {proxy}"),
            None => Ok(()),
        }
    }
}

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
    /// Something answered that cannot be Entra, such as a network's sign-in page.
    #[error("the {endpoint} returned {0} instead of JSON", endpoint = .0.endpoint)]
    Foreign(Box<ForeignResponse>),
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

impl Error {
    /// Whether the problem passes without anyone's help. Before Entra answered once
    /// (`was_reached`), nothing is known to pass: the configuration or the network may never work.
    pub fn passes(&self, was_reached: bool) -> bool {
        was_reached
            && matches!(self, Self::Unreachable { .. } | Self::Status { .. } | Self::Paused(_))
            && !self.is_certificate()
    }

    /// Describes the problem for the operator, with the configuration keys that can fix it.
    pub fn diagnosis(&self) -> String {
        self.keys().map_or_else(|| self.to_string(), |keys| format!("{self}; check {keys}"))
    }

    fn is_certificate(&self) -> bool {
        match self {
            Self::Unreachable { cause, .. } => cause.to_string().contains("certificate"),
            _ => false,
        }
    }

    fn keys(&self) -> Option<&'static str> {
        match self {
            it if it.is_certificate() => Some("entra.ca_file and HTTPS_PROXY"),
            Self::Unreachable { cause: client::Error::Proxy { .. }, .. } => {
                Some("HTTPS_PROXY and NO_PROXY")
            }
            Self::Unreachable { .. } => Some("entra.authority, entra.cloud and HTTPS_PROXY"),
            Self::Foreign(it) if it.proxy.is_some() => Some("HTTPS_PROXY and entra.authority"),
            Self::Foreign(_) => {
                Some("entra.authority, HTTPS_PROXY and the network between Entrada and Entra")
            }
            Self::Refused(it) if matches!(it.code, Some(90_002 | 900_023 | 50_059)) => {
                Some("entra.tenant and entra.cloud")
            }
            Self::Refused(it) if it.code == Some(900_439) => Some("entra.cloud"),
            Self::Metadata(_) => Some("entra.tenant, entra.cloud and entra.authority"),
            Self::Keys(_) | Self::Status { .. } | Self::Answer => Some("entra.authority"),
            Self::UnknownKey => Some("entra.client_id, and the app's claims mapping"),
            Self::Refused(_)
            | Self::Token(_)
            | Self::Paused(_)
            | Self::Credential(_)
            | Self::Address(_) => None,
        }
    }
}

impl From<EntraRefusal> for Error {
    fn from(refusal: EntraRefusal) -> Self {
        Self::Refused(Box::new(refusal))
    }
}
