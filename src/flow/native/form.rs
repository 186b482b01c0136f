//! Forms that a client posts, and the error responses to invalid ones (RFC 6749 section 5.2).

use crate::config::native::NativeClient;
use crate::sidecar::Sidecar;
use crate::wire::body::Body;
use crate::wire::form;
use crate::wire::reply;
use http::header::{AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use hyper::body::Incoming;
use serde::Serialize;

/// The posted fields, which include codes and tokens.
pub(super) struct TokenForm(form::FormFields);

/// An OAuth error response.
#[derive(Clone, Copy, Debug)]
pub(super) struct OAuthError {
    status: StatusCode,
    error: &'static str,
    description: &'static str,
    wait: Option<u64>,
}

#[derive(Serialize)]
struct OAuthErrorBody {
    error: &'static str,
    error_description: &'static str,
}

impl OAuthError {
    pub(super) const fn new(error: &'static str, description: &'static str) -> Self {
        Self { status: StatusCode::BAD_REQUEST, error, description, wait: None }
    }

    /// A temporary error that the client did not cause. The client may send the same request again.
    pub(super) const fn later(seconds: u64, description: &'static str) -> Self {
        Self {
            status: StatusCode::SERVICE_UNAVAILABLE,
            error: "temporarily_unavailable",
            description,
            wait: Some(seconds),
        }
    }

    /// The client's address sent too many unknown codes and tokens.
    pub(super) const fn too_many(seconds: u64) -> Self {
        let error = Self::new(
            "temporarily_unavailable",
            "too many unknown codes and tokens from this address",
        );
        Self { status: StatusCode::TOO_MANY_REQUESTS, wait: Some(seconds), ..error }
    }

    /// Whether the same request may be sent again.
    pub(super) fn is_passing(&self) -> bool {
        self.wait.is_some()
    }

    /// The cause for the log.
    pub(super) fn cause(&self) -> String {
        format!("{}: {}", self.error, self.description)
    }

    pub(super) fn answer(&self) -> Response<Body> {
        let mut response = reply::json(
            self.status,
            &OAuthErrorBody { error: self.error, error_description: self.description },
        );
        if let Some(seconds) = self.wait {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            // RFC 6749 section 5.2 requires the scheme that the client used, but no scheme works
            // here.
            response.headers_mut().insert(
                WWW_AUTHENTICATE,
                HeaderValue::from_static("Basic realm=\"clients have no secret\""),
            );
        }
        response
    }
}

impl TokenForm {
    /// Reads the form that a client posted.
    pub(super) async fn read(
        headers: &HeaderMap,
        body: &mut Option<Incoming>,
    ) -> Result<Self, OAuthError> {
        if headers.contains_key(AUTHORIZATION) {
            let error = OAuthError::new(
                "invalid_client",
                "clients are public here: send client_id and no secret",
            );
            return Err(OAuthError { status: StatusCode::UNAUTHORIZED, ..error });
        }
        let kind = headers
            .get(CONTENT_TYPE)
            .and_then(|it| it.to_str().ok())
            .and_then(|it| it.split(';').next())
            .unwrap_or_default();
        if !kind.trim().eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            return Err(OAuthError::new(
                "invalid_request",
                "the body must be application/x-www-form-urlencoded",
            ));
        }
        let unread =
            OAuthError::new("invalid_request", "the body is too long, too slow or incomplete");
        let form =
            form::FormFields::read(body.take().ok_or(unread)?).await.map_err(|it| match it {
                form::Error::Broken => unread,
                form::Error::DuplicateField => {
                    OAuthError::new("invalid_request", "a parameter is repeated")
                }
            })?;
        let form = Self(form);
        if ["client_secret", "client_assertion", "client_assertion_type"]
            .iter()
            .any(|it| form.text(it).is_some())
        {
            return Err(OAuthError::new(
                "invalid_client",
                "clients are public here: send client_id and no secret",
            ));
        }
        Ok(form)
    }

    /// Returns the value of a field, or nothing if it is empty (RFC 6749 section 3.2).
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.0.sent(name)
    }

    pub(super) fn needed(&self, name: &str, missing: &'static str) -> Result<&str, OAuthError> {
        self.text(name).ok_or(OAuthError::new("invalid_request", missing))
    }

    /// Returns the registered client that sends the request.
    pub(super) fn client<'a>(&self, sidecar: &'a Sidecar) -> Result<&'a NativeClient, OAuthError> {
        let id = self.needed("client_id", "client_id is missing")?;
        sidecar
            .native
            .as_ref()
            .and_then(|it| it.client(id))
            .ok_or(OAuthError::new("invalid_client", "the client is not registered"))
    }
}
