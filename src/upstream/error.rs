//! Errors of requests to the app.

use crate::wire::body::BoxError;

/// Why a request to the app failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The app does not accept connections, or TLS failed.
    #[error("cannot connect: {0}")]
    Connect(std::io::Error),
    /// No connection within `connect_timeout`.
    #[error("cannot connect in time")]
    ConnectTimeout,
    /// Other requests of the same connection or address did not end within `response_timeout`.
    #[error("too many requests of the same connection or address at once")]
    ShareUsedUp,
    /// No response head within `response_timeout`.
    #[error("no response in time")]
    ResponseTimeout,
    /// The connection broke before the response head, or the response is not HTTP.
    #[error("no usable response: {0}")]
    Broken(BoxError),
    /// The client stopped sending its body.
    #[error("the client stopped sending its body")]
    ClientStalled,
    /// The client's body is incomplete.
    #[error("the client's body is incomplete")]
    ClientBroke,
    /// The session of the request ended before its body did, or before the app responded.
    #[error("the session ended before the app answered")]
    SessionEnded,
    /// The rules allowed the request but denied it before its body had ended.
    #[error("the access rules denied access before the app answered")]
    NotAllowed,
    /// The app switched protocols in a way that was not requested.
    #[error("the app's response to an upgrade is not valid")]
    Upgrade,
    /// An upgrade was requested from an upstream that uses HTTP/2, and that does not support it.
    #[error("the h2c upstream does not support this upgrade")]
    UpgradeToH2c,
    /// The request cannot be written for this upstream.
    #[error("the request cannot be forwarded: {0}")]
    Unsendable(#[from] http::Error),
}

/// The side that caused the error. It determines the status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultSide {
    /// 502: the app is unreachable or its response is not valid.
    Unreachable,
    /// 504: the app is too slow.
    Slow,
    /// 503: the client has too many requests at once.
    Busy,
    /// 408: the client stopped sending.
    Client,
    /// 501: the app's protocol does not support the request.
    NotSupported,
}

impl Error {
    /// Returns the side that caused the error.
    pub fn fault(&self) -> FaultSide {
        match self {
            Self::ConnectTimeout | Self::ResponseTimeout => FaultSide::Slow,
            Self::ClientStalled | Self::ClientBroke | Self::SessionEnded | Self::NotAllowed => {
                FaultSide::Client
            }
            Self::ShareUsedUp => FaultSide::Busy,
            Self::UpgradeToH2c => FaultSide::NotSupported,
            Self::Connect(_) | Self::Broken(_) | Self::Upgrade | Self::Unsendable(_) => {
                FaultSide::Unreachable
            }
        }
    }

    /// The app's response is not usable.
    pub(super) fn broken(cause: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Broken(Box::new(cause))
    }

    /// The client's body ended early.
    pub(super) fn of_request_body(error: BoxError) -> Self {
        error.downcast::<RequestBodyError>().map_or(Self::ClientBroke, |broke| (*broke).into())
    }
}

/// How a client's body ended early.
#[derive(Clone, Copy, Debug, thiserror::Error)]
pub(super) enum RequestBodyError {
    #[error("the client stopped sending")]
    Stalled,
    #[error("the client disconnected")]
    Off,
    #[error("the session ended")]
    SessionEnded,
    #[error("the access rules no longer allow it")]
    NotAllowed,
}

impl From<RequestBodyError> for Error {
    fn from(broke: RequestBodyError) -> Self {
        match broke {
            RequestBodyError::Stalled => Self::ClientStalled,
            RequestBodyError::Off => Self::ClientBroke,
            RequestBodyError::SessionEnded => Self::SessionEnded,
            RequestBodyError::NotAllowed => Self::NotAllowed,
        }
    }
}

/// The app stopped sending in the middle of a response.
#[derive(Debug, thiserror::Error)]
#[error("the app stopped sending")]
pub(super) struct AppStalled;

/// The permit of a request no longer holds.
#[derive(Debug, thiserror::Error)]
#[error("the request is no longer allowed")]
pub(super) struct PermitRevoked;

pub(super) fn boxed(error: impl std::error::Error + Send + Sync + 'static) -> BoxError {
    Box::new(error)
}

/// Why `[upstream]` cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BadUpstream {
    /// `ca_file` is not usable.
    #[error("ca_file: {0}")]
    Roots(#[from] crate::wire::tls::BadRoots),
    /// `client_certificate` is not usable.
    #[error("client_certificate: {0}")]
    Certificate(String),
    /// A host for which no certificate can exist.
    #[error("url: {0:?} is not a valid TLS server name")]
    Name(String),
}
