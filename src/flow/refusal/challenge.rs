//! The `WWW-Authenticate` challenges of a 401.

use crate::bearer::access_token::BadAccessToken;
use crate::entra::authorize::claims_for;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;

/// The challenge of a 401 (RFC 9110 section 11.6.1): a sign-in in a browser, for which no
/// registered scheme exists.
pub(in crate::flow) const SIGN_IN_CHALLENGE: HeaderValue =
    HeaderValue::from_static("Entrada realm=\"app\"");

/// Returns the challenge of a 401 if a signed-in person must satisfy one of these authentication
/// contexts. It has the format of Microsoft's claims challenge.
pub(in crate::flow) fn insufficient(acrs: &[String]) -> HeaderValue {
    let claims = STANDARD.encode(claims_for(acrs).unwrap_or_default());
    HeaderValue::from_str(&format!("Bearer error=\"insufficient_claims\", claims=\"{claims}\""))
        .unwrap_or(SIGN_IN_CHALLENGE)
}

/// Returns the challenge of a 401 for a rejected access token (RFC 6750 section 3.1).
pub(super) fn invalid_token(bad: BadAccessToken) -> HeaderValue {
    HeaderValue::from_str(&format!("Bearer error=\"invalid_token\", error_description=\"{bad}\""))
        .unwrap_or(SIGN_IN_CHALLENGE)
}
