//! Reasons why a call is rejected, as a problem in JSON (RFC 9457).

use crate::directory::Error;
use crate::directory::admin::ActionError;
use crate::directory::domain_claim::DomainError;
use crate::directory::people_csv::ImportError;
use crate::server::gate::GateRefusal;
use crate::sidecar::domain_prover::DomainRefusal;
use crate::wire::body::Body;
use crate::wire::reply;
use http::header::{ALLOW, WWW_AUTHENTICATE};
use http::{HeaderValue, Response, StatusCode};
use serde_json::json;

/// The reason why a call is rejected.
#[derive(Debug, thiserror::Error)]
pub(in crate::server) enum ApiError {
    #[error("no such endpoint; see /openapi.json")]
    Path,
    #[error("method not allowed; use {0}")]
    Method(String),
    #[error(transparent)]
    Gate(#[from] GateRefusal),
    #[error("the configuration has no [directory] section")]
    NoDirectory,
    #[error("the content type must be {0}")]
    Type(&'static str),
    #[error("the body is longer than {0} bytes")]
    TooLong(usize),
    #[error("the body did not arrive in time")]
    TooSlow,
    #[error("the body is invalid: {0}")]
    Body(String),
    #[error("{0}: {1}")]
    Field(&'static str, &'static str),
    #[error("the query is invalid: {0}")]
    Query(&'static str),
    #[error("{0}")]
    File(String),
    #[error("no such request or person; it may have been decided, or have ended")]
    NoRequest,
    #[error("the call ended without a response")]
    Broken,
    #[error(transparent)]
    Domain(DomainRefusal),
    #[error(transparent)]
    Directory(#[from] Error),
}

impl From<ImportError> for ApiError {
    fn from(broken: ImportError) -> Self {
        match broken {
            ImportError::File(why) => Self::File(why),
            ImportError::Directory(error) => Self::Directory(error),
        }
    }
}

impl From<DomainRefusal> for ApiError {
    fn from(refused: DomainRefusal) -> Self {
        match refused {
            DomainRefusal::Claim(DomainError::Directory(error)) => Self::Directory(error),
            other => Self::Domain(other),
        }
    }
}

impl From<ActionError> for ApiError {
    fn from(it: ActionError) -> Self {
        match it {
            ActionError::Directory(error) => Self::Directory(error),
            ActionError::NoSuchPerson => Self::NoRequest,
            // The operator outranks everyone, so only this cause is left: the person was removed
            // after the lookup.
            _ => Self::Directory(Error::Conflict),
        }
    }
}

impl ApiError {
    fn status(&self) -> StatusCode {
        match self {
            Self::Path | Self::NoDirectory | Self::NoRequest => StatusCode::NOT_FOUND,
            Self::Method(_) => StatusCode::METHOD_NOT_ALLOWED,
            Self::Gate(it) => it.status(),
            Self::Type(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::TooLong(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::Body(_) | Self::Field(..) | Self::Query(_) | Self::File(_) => {
                StatusCode::BAD_REQUEST
            }
            Self::Broken => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Domain(DomainRefusal::Bad(_)) => StatusCode::BAD_REQUEST,
            Self::Domain(DomainRefusal::NoAnswer) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Domain(_) => StatusCode::CONFLICT,
            Self::Directory(error) => status_of(error),
        }
    }

    /// The response. Details of a database error are only logged.
    pub(in crate::server) fn answer(&self) -> Response<Body> {
        let status = self.status();
        let title = match self {
            Self::Directory(error) if status.is_server_error() => {
                tracing::error!(%error, "directory unreachable; cannot handle an admin API request");
                "the directory is not available; see the log".to_owned()
            }
            other => other.to_string(),
        };
        let mut out = reply::problem(status, &json!({ "title": title, "status": status.as_u16() }));
        match self {
            Self::Method(allowed) => {
                drop(HeaderValue::from_str(allowed).map(|it| out.headers_mut().insert(ALLOW, it)));
            }
            Self::Gate(GateRefusal::NoToken | GateRefusal::OtherToken) => {
                drop(
                    out.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer")),
                );
            }
            _ => {}
        }
        out
    }
}

fn status_of(error: &Error) -> StatusCode {
    match error {
        Error::NoOrganization(_) | Error::NoPerson(_) => StatusCode::NOT_FOUND,
        Error::NoRole(_) | Error::NoSetUpRole(_) | Error::NotPlain(_) => StatusCode::BAD_REQUEST,
        Error::Database(_)
        | Error::File(_)
        | Error::Unopened(_)
        | Error::UnopenedSignIn
        | Error::UnopenedErasures
        | Error::NotSealed => StatusCode::SERVICE_UNAVAILABLE,
        // The request conflicts with existing data.
        _ => StatusCode::CONFLICT,
    }
}
