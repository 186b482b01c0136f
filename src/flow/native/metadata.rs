//! Authorization server metadata (RFC 8414).

use super::super::exchange::Exchange;
use super::super::refusal::Refusal;
use crate::wire::body::Body;
use crate::wire::reply;
use http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL};
use http::{HeaderValue, Method, Response, StatusCode};
use serde_json::json;

/// The path where clients look for the metadata (RFC 8414 section 3). It belongs to the app if no
/// client is registered.
pub(in crate::flow) const METADATA_PATH: &str = "/.well-known/oauth-authorization-server";

/// `GET /.well-known/oauth-authorization-server`: returns the metadata.
pub(in crate::flow) fn metadata(exchange: &Exchange<'_>) -> Result<Response<Body>, Refusal> {
    exchange.require_method(&[Method::GET, Method::HEAD], "GET, HEAD")?;
    let issuer = exchange.app.site.origin();
    let at = |name: &str| format!("{issuer}{}/native/{name}", exchange.app.site.prefix());
    let document = json!({
        "issuer": issuer,
        "authorization_endpoint": at("authorize"),
        "token_endpoint": at("token"),
        "revocation_endpoint": at("revoke"),
        "jwks_uri": at("jwks.json"),
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": ["authorization_code", "refresh_token"],
        "code_challenge_methods_supported": ["S256"],
        "token_endpoint_auth_methods_supported": ["none"],
        "revocation_endpoint_auth_methods_supported": ["none"],
        "authorization_response_iss_parameter_supported": true,
    });
    let mut response = reply::json(StatusCode::OK, &document);
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=3600"));
    // The metadata contains no secrets, and a client may be a web page.
    response.headers_mut().insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    Ok(response)
}
