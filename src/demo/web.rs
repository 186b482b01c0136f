//! Responses of the demo: each has a policy, and browsers must not guess the content type.

use crate::wire::body::Body;
use bytes::Bytes;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
    X_FRAME_OPTIONS,
};
use http::{HeaderValue, Response, StatusCode};
use serde::Serialize;

/// A response from the demo.
pub(super) type DemoReply = Response<Body>;

/// The policy for everything that is not a page: allows nothing.
const NOTHING: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; sandbox",
);

/// Returns a response with this content type.
pub(super) fn reply(status: StatusCode, kind: &'static str, body: Body) -> DemoReply {
    let mut out = Response::new(body);
    *out.status_mut() = status;
    let headers = out.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(CONTENT_SECURITY_POLICY, NOTHING);
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    out
}

/// Returns a response with one sentence.
pub(super) fn text(status: StatusCode, text: &'static str) -> DemoReply {
    reply(status, "text/plain; charset=utf-8", Body::full(Bytes::from_static(text.as_bytes())))
}

/// Returns a JSON response.
pub(super) fn json(value: &impl Serialize) -> DemoReply {
    reply(
        StatusCode::OK,
        "application/json",
        Body::full(serde_json::to_vec(value).unwrap_or_default()),
    )
}

/// Returns a page with its own policy.
pub(super) fn page(status: StatusCode, html: String, policy: &HeaderValue) -> DemoReply {
    let mut out = reply(status, "text/html; charset=utf-8", Body::full(html));
    out.headers_mut().insert(CONTENT_SECURITY_POLICY, policy.clone());
    out
}
