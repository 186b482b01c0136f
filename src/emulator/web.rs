//! Requests and responses of the endpoints.

use bytes::Bytes;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, LOCATION, REFERRER_POLICY, SET_COOKIE,
};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use http_body_util::Full;
use serde_json::Value;

use super::state::ParameterPairs;

/// A response from the emulator.
pub(super) type EmulatorReply = Response<Full<Bytes>>;

/// The connection must end without a response.
#[derive(Debug, thiserror::Error)]
#[error("the connection was cut, as it was asked to be")]
pub(super) struct AbortedConnection;

/// The emulator's session cookie.
pub(super) const SESSION_COOKIE: &str = "entra-emulator-session";

/// A request whose body has been read.
pub(super) struct EmulatorRequest {
    pub(super) method: Method,
    pub(super) headers: HeaderMap,
    pub(super) query: ParameterPairs,
    pub(super) form: ParameterPairs,
    /// The body, of any content type.
    pub(super) body: Bytes,
    /// Scheme and host as the client sent them, without a trailing slash.
    pub(super) origin: String,
}

impl EmulatorRequest {
    /// Returns a parameter from the form, or else from the query.
    pub(super) fn value(&self, name: &str) -> Option<&str> {
        self.form.value(name).or_else(|| self.query.value(name))
    }

    /// Returns a header if it is text.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|it| it.to_str().ok())
    }

    /// Returns the value of the emulator's session cookie.
    pub(super) fn session(&self) -> Option<&str> {
        let lines =
            self.headers.get_all(http::header::COOKIE).iter().filter_map(|it| it.to_str().ok());
        lines
            .flat_map(|line| line.split(';'))
            .find_map(|pair| pair.trim().strip_prefix(SESSION_COOKIE)?.strip_prefix('='))
    }

    /// Returns whether a form was submitted from one of the emulator's own pages (RFC 6454 section
    /// 7, Fetch Metadata).
    pub(super) fn is_own(&self) -> bool {
        let site = self.header("sec-fetch-site").map(|it| it == "same-origin");
        let origin = self.header("origin").map(|it| it == self.origin);
        matches!((site, origin), (Some(true), None) | (None | Some(true), Some(true)))
    }
}

impl EmulatorRequest {
    /// Returns whether a page of another site sent the request, as far as the browser reports it;
    /// programs report nothing and do not count as foreign.
    pub(super) fn is_foreign(&self) -> bool {
        let site =
            self.header("sec-fetch-site").is_some_and(|it| !matches!(it, "same-origin" | "none"));
        site || self
            .headers
            .get_all(http::header::ORIGIN)
            .iter()
            .any(|it| it != self.origin.as_str())
    }
}

/// Returns a response with this status and content type.
pub(super) fn reply(
    status: StatusCode,
    kind: &'static str,
    body: impl Into<Bytes>,
) -> EmulatorReply {
    let mut reply = Response::new(Full::new(body.into()));
    *reply.status_mut() = status;
    let headers = reply.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert("x-content-type-options", HeaderValue::from_static("nosniff"));
    reply
}

/// Returns JSON that must not be cached.
pub(super) fn json(status: StatusCode, body: &Value) -> EmulatorReply {
    let mut reply = reply(status, "application/json; charset=utf-8", body.to_string());
    reply.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store, no-cache"));
    reply.headers_mut().insert("pragma", HeaderValue::from_static("no-cache"));
    reply.headers_mut().insert("expires", HeaderValue::from_static("-1"));
    reply
}

/// Returns JSON that may be cached for a day and read by any page, like Entra's metadata.
pub(super) fn public_json(body: &Value) -> EmulatorReply {
    let mut reply = reply(StatusCode::OK, "application/json; charset=utf-8", body.to_string());
    reply.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("max-age=86400, private"));
    reply.headers_mut().insert("access-control-allow-origin", HeaderValue::from_static("*"));
    reply
}

/// Returns a page with a content policy. The referrer stays within the origin, so that forms still
/// carry their `Origin`.
pub(super) fn html(
    status: StatusCode,
    body: String,
    policy: &str,
    referrer: &'static str,
) -> EmulatorReply {
    let mut reply = reply(status, "text/html; charset=utf-8", body);
    let headers = reply.headers_mut();
    if let Ok(policy) = HeaderValue::from_str(policy) {
        headers.insert(CONTENT_SECURITY_POLICY, policy);
    }
    headers.insert(REFERRER_POLICY, HeaderValue::from_static(referrer));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert("x-frame-options", HeaderValue::from_static("DENY"));
    reply
}

/// Redirects the browser.
pub(super) fn redirect(to: &str) -> EmulatorReply {
    let Ok(to) = HeaderValue::from_str(to) else {
        return reply(
            StatusCode::BAD_REQUEST,
            "text/plain; charset=utf-8",
            "This address cannot be redirected to.",
        );
    };
    let mut reply = reply(StatusCode::FOUND, "text/plain; charset=utf-8", "");
    reply.headers_mut().insert(LOCATION, to);
    reply.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    reply
}

/// Redirects the browser to a page after a form (RFC 9110 section 15.4.4).
pub(super) fn see_other(to: &'static str) -> EmulatorReply {
    let mut reply = redirect(to);
    *reply.status_mut() = StatusCode::SEE_OTHER;
    reply
}

/// Sets or clears the session cookie. It is `Lax`, because authorization requests are cross-site
/// navigations.
pub(super) fn with_session(mut reply: EmulatorReply, id: Option<&str>, tls: bool) -> EmulatorReply {
    let secure = if tls { "; Secure" } else { "" };
    let line = match id {
        Some(id) => format!("{SESSION_COOKIE}={id}; Path=/; HttpOnly; SameSite=Lax{secure}"),
        None => format!("{SESSION_COOKIE}=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax{secure}"),
    };
    if let Ok(line) = HeaderValue::from_str(&line) {
        reply.headers_mut().append(SET_COOKIE, line);
    }
    reply
}
