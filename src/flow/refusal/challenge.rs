//! The `WWW-Authenticate` challenges of a 401.

use crate::bearer::access_token::BadAccessToken;
use crate::config::access::AuthContexts;
use crate::entra::claims_challenge::{ClaimsChallenge, insufficient_claims};
use http::HeaderValue;

/// What a signed-in person must prove first: one of these authentication contexts, and what Entra
/// requires.
#[derive(Clone, Debug)]
pub(in crate::flow) struct RequiredProof {
    pub(in crate::flow) acrs: AuthContexts,
    pub(in crate::flow) claims: Option<ClaimsChallenge>,
}

impl RequiredProof {
    /// Names the proof for the log and for people.
    pub(in crate::flow) fn name(&self) -> String {
        let entra = self.claims.as_ref().map(|_| "what Microsoft Entra requires");
        let contexts = (!self.acrs.is_empty()).then(|| self.acrs.join(" or "));
        contexts.into_iter().chain(entra.map(str::to_owned)).collect::<Vec<_>>().join(", ")
    }
}

/// The challenge of a 401 (RFC 9110 section 11.6.1): a sign-in in a browser, for which no
/// registered scheme exists.
pub(in crate::flow) const SIGN_IN_CHALLENGE: HeaderValue =
    HeaderValue::from_static("Entrada realm=\"app\"");

/// Returns the challenge of a 401 if a signed-in person must prove something. It has the format of
/// Microsoft's claims challenge.
pub(in crate::flow) fn insufficient(proof: &RequiredProof) -> HeaderValue {
    HeaderValue::from_str(&insufficient_claims(&proof.acrs, proof.claims.as_ref()))
        .unwrap_or(SIGN_IN_CHALLENGE)
}

/// Returns the challenge of a 401 for a rejected access token (RFC 6750 section 3.1).
pub(super) fn invalid_token(bad: BadAccessToken) -> HeaderValue {
    HeaderValue::from_str(&format!("Bearer error=\"invalid_token\", error_description=\"{bad}\""))
        .unwrap_or(SIGN_IN_CHALLENGE)
}
