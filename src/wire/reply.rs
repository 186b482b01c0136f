//! Entrada's own responses. Caches must not store them, unless a response allows it explicitly.

use super::body::Body;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, LOCATION, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use http::{HeaderValue, Response, StatusCode};
use serde::Serialize;

const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

/// A response without a body.
pub fn empty(status: StatusCode) -> Response<Body> {
    let mut out = Response::new(Body::empty());
    *out.status_mut() = status;
    out.headers_mut().insert(CACHE_CONTROL, NO_STORE);
    out
}

/// A redirect. `None` if the location is not a valid header value, which is never the case for a
/// `ReturnTo` or a URL.
pub fn redirect(status: StatusCode, location: &str) -> Option<Response<Body>> {
    let mut out = empty(status);
    out.headers_mut().insert(LOCATION, HeaderValue::from_str(location).ok()?);
    // The URL of the current page may hold a code or a state.
    out.headers_mut().insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    Some(out)
}

/// A JSON response.
pub fn json(status: StatusCode, value: &impl Serialize) -> Response<Body> {
    of_type(status, "application/json", serde_json::to_vec(value).unwrap_or_default())
}

/// A problem response in JSON (RFC 9457).
pub fn problem(status: StatusCode, value: &impl Serialize) -> Response<Body> {
    of_type(status, "application/problem+json", serde_json::to_vec(value).unwrap_or_default())
}

/// One of our pages, with a strict content security policy.
pub fn page(status: StatusCode, html: String, policy: &HeaderValue) -> Response<Body> {
    let mut out = of_type(status, "text/html; charset=utf-8", html.into_bytes());
    let headers = out.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, policy.clone());
    headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    out
}

fn of_type(status: StatusCode, kind: &'static str, body: Vec<u8>) -> Response<Body> {
    let mut out = Response::new(Body::full(body));
    *out.status_mut() = status;
    let headers = out.headers_mut();
    headers.insert(CACHE_CONTROL, NO_STORE);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    out
}
