//! `GET /logo`: the operator's logo (`[pages] logo`), for the pages.

use super::exchange::Exchange;
use super::refusal::Refusal;
use crate::wire::body::Body;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_NONE_MATCH,
    X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderName, HeaderValue, Method, Response, StatusCode};

/// A changed logo has another address on the pages, so this only bounds how long caches keep an old
/// one.
const LOGO_CACHE: HeaderValue = HeaderValue::from_static("public, max-age=3600");

/// An SVG that somebody opens by itself is a document: it runs no script, loads nothing, and belongs
/// to no origin.
const LOGO_POLICY: HeaderValue =
    HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'; sandbox");

const CROSS_ORIGIN_RESOURCE_POLICY: HeaderName =
    HeaderName::from_static("cross-origin-resource-policy");

/// Sends the logo. It needs no session: people who are signed out see it first.
pub(super) fn logo(exchange: &Exchange<'_>) -> Result<Response<Body>, Refusal> {
    let (logo, tag) = exchange.sidecar.pages.logo().ok_or(Refusal::NotFound)?;
    exchange.require_method(&[Method::GET, Method::HEAD], "GET, HEAD")?;
    let tag = HeaderValue::from_str(&format!("\"{tag}\""))
        .map_err(|_| Refusal::Internal("the tag of the logo is not a valid header value"))?;
    let is_known = exchange.headers.get(IF_NONE_MATCH).is_some_and(|it| *it == tag);
    let body = if is_known { Body::empty() } else { Body::full(logo.bytes().clone()) };
    let mut response = Response::new(body);
    if is_known {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    }
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, LOGO_CACHE);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(logo.kind().media_type()));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(CONTENT_SECURITY_POLICY, LOGO_POLICY);
    headers.insert(CROSS_ORIGIN_RESOURCE_POLICY, HeaderValue::from_static("same-origin"));
    headers.insert(ETAG, tag);
    Ok(response)
}
