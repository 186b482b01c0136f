//! Why a request did not come back from the app.

use crate::wire::body::BoxError;

/// Why a request did not come back from the app.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Nobody listens there, or TLS failed.
    #[error("cannot connect: {0}")]
    Connect(std::io::Error),
    /// Not connected within `connect_timeout`.
    #[error("cannot connect in time")]
    ConnectTimeout,
    /// No head of a response within `response_timeout`.
    #[error("no response in time")]
    ResponseTimeout,
    /// The connection broke before the head of a response, or what came is no HTTP.
    #[error("no usable response: {0}")]
    Broken(hyper::Error),
    /// The client sent no more of its body.
    #[error("the client stopped sending its body")]
    ClientStalled,
    /// The client's own body broke off.
    #[error("the client's body is incomplete")]
    ClientBroke,
    /// The session of the request ended before its body did, or before the app answered.
    #[error("the session ended before the app answered")]
    SessionEnded,
    /// The rules let the request in, and no longer did before its body had ended.
    #[error("the access rules denied access before the app answered")]
    NotAllowed,
    /// The app switched protocols in a way that was not asked for.
    #[error("the app's response to an upgrade is not valid")]
    Upgrade,
    /// An upgrade towards an upstream that speaks HTTP/2.
    #[error("an h2c upstream does not support upgrades")]
    UpgradeToH2c,
    /// The request cannot be written for this upstream.
    #[error("the request cannot be forwarded: {0}")]
    Unsendable(#[from] http::Error),
}

/// Whose fault it is, for the status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultSide {
    /// 502: the app cannot be reached, or answers nonsense.
    Unreachable,
    /// 504: the app is too slow.
    Slow,
    /// 408: the client stopped sending.
    Client,
    /// 501: the app's protocol has no such thing.
    NotSupported,
}

impl Error {
    /// Whose fault it is.
    pub fn fault(&self) -> FaultSide {
        match self {
            Self::ConnectTimeout | Self::ResponseTimeout => FaultSide::Slow,
            Self::ClientStalled | Self::ClientBroke | Self::SessionEnded | Self::NotAllowed => FaultSide::Client,
            Self::UpgradeToH2c => FaultSide::NotSupported,
            Self::Connect(_) | Self::Broken(_) | Self::Upgrade | Self::Unsendable(_) => FaultSide::Unreachable,
        }
    }

    /// The client's fault where its body ended early, whatever hyper calls what came of that.
    pub(super) fn or_client(self, broke: Option<RequestBodyError>) -> Self {
        match (self, broke) {
            (Self::Broken(_), Some(broke)) => broke.into(),
            (error, _) => error,
        }
    }

    /// Looks for our own cause under hyper's.
    pub(super) fn of_hyper(error: hyper::Error) -> Self {
        let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(&error);
        while let Some(it) = cause {
            match it.downcast_ref::<RequestBodyError>() {
                Some(broke) => return (*broke).into(),
                None => cause = it.source(),
            }
        }
        Self::Broken(error)
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

/// An app that sends no more of a response it began.
#[derive(Debug, thiserror::Error)]
#[error("the app stopped sending")]
pub(super) struct AppStalled;

/// The permit of a request does not hold any more.
#[derive(Debug, thiserror::Error)]
#[error("the request is no longer allowed")]
pub(super) struct PermitRevoked;

pub(super) fn boxed(error: impl std::error::Error + Send + Sync + 'static) -> BoxError {
    Box::new(error)
}

/// Why `[upstream]` cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BadUpstream {
    /// `ca_file`.
    #[error("ca_file: {0}")]
    Roots(#[from] crate::wire::tls::BadRoots),
    /// `client_certificate`.
    #[error("client_certificate: {0}")]
    Certificate(String),
    /// A host that no certificate can be for.
    #[error("url: {0:?} is not a valid TLS server name")]
    Name(String),
}
