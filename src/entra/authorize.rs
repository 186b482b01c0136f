//! The way to Entra and the way out of it: the addresses that browsers are sent to.

use super::error::Error;
use super::metadata::EntraMetadata;
use super::oidc::{self, AppRegistration};
use crate::base::random::RandomSource;
use crate::base::return_to::LandingUrl;
use openidconnect::core::{CoreAuthPrompt, CoreAuthenticationFlow};
use openidconnect::{
    ClientId, CsrfToken, EndSessionUrl, LoginHint, LogoutHint, LogoutRequest, Nonce, PkceCodeChallenge, PkceCodeVerifier, PostLogoutRedirectUrl, Scope,
};
use std::fmt;

/// What a sign-in asks for beside `openid`, which the library adds: `profile` brings `oid` and `tid`, `email` the address.
/// `offline_access` the refresh token, by which Entra is asked later whether the person may still be here.
pub const SIGN_IN_SCOPES: [&str; 3] = ["profile", "email", "offline_access"];

/// What is enough to hear whose account it is: nobody has to agree to more.
pub const NAMING_SCOPES: [&str; 1] = ["profile"];

/// What may make a sign-in shorter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SignInHints {
    /// Whom to sign in.
    pub login_hint: Option<String>,
    /// Whose domain: skips the page that asks for it.
    pub domain_hint: Option<String>,
    /// `login` or `select_account`.
    pub prompt: Option<String>,
    /// A claims challenge: what the sign-in has to prove, as JSON (OpenID Connect Core section 5.5).
    pub claims: Option<String>,
}

/// The claims that ask for the proof of one of these authentication contexts (`acrs`); `None` where there are none.
pub fn claims_for(acrs: &[String]) -> Option<String> {
    let asked = match acrs {
        [] => return None,
        [one] => serde_json::json!({"essential": true, "value": one}),
        several => serde_json::json!({"essential": true, "values": several}),
    };
    Some(serde_json::json!({"id_token": {"acrs": asked}}).to_string())
}

/// A sign-in that has begun: where the browser goes, and what must be kept until it comes back.
pub struct StartedSignIn {
    /// The address at Entra.
    pub location: String,
    /// Must stand in the ID token.
    pub nonce: String,
    /// Proves that we began this sign-in (PKCE, RFC 7636).
    pub verifier: String,
}

/// Begins a sign-in under that `state`.
///
/// # Errors
/// `Address`, where an endpoint is none.
pub fn start(
    registration: &AppRegistration,
    metadata: &EntraMetadata,
    random: &RandomSource,
    hints: &SignInHints,
    state: &str,
) -> Result<StartedSignIn, Error> {
    let client = oidc::client(registration, metadata)?;
    let verifier = PkceCodeVerifier::new(random.text::<32>());
    let nonce = Nonce::new(random.text::<24>());
    let (sent_state, sent_nonce) = (CsrfToken::new(state.to_owned()), nonce.clone());
    let mut request = client
        .authorize_url(CoreAuthenticationFlow::AuthorizationCode, || sent_state, || sent_nonce)
        .add_scopes(registration.scopes.iter().cloned().map(Scope::new))
        .set_pkce_challenge(PkceCodeChallenge::from_code_verifier_sha256(&verifier))
        .add_extra_param("response_mode", "query");
    let prompt = match hints.prompt.as_deref() {
        Some("login") => Some(CoreAuthPrompt::Login),
        Some("select_account") => Some(CoreAuthPrompt::SelectAccount),
        _ => None,
    };
    // A hint and the wish to choose contradict each other.
    let choosing = prompt == Some(CoreAuthPrompt::SelectAccount);
    if let Some(hint) = hints.login_hint.as_ref().filter(|_| !choosing) {
        request = request.set_login_hint(LoginHint::new(hint.clone()));
    }
    if let Some(domain) = &hints.domain_hint {
        request = request.add_extra_param("domain_hint", domain.clone());
    }
    if let Some(claims) = &hints.claims {
        request = request.add_extra_param("claims", claims.clone());
    }
    if let Some(prompt) = prompt {
        request = request.add_prompt(prompt);
    }
    let (location, ..) = request.url();
    Ok(StartedSignIn { location: location.into(), nonce: nonce.secret().clone(), verifier: verifier.into_secret() })
}

/// Where a browser signs out (OpenID Connect RP-Initiated Logout 1.0), to come back to `back`; `None` where Entra names no such place.
pub fn sign_out(registration: &AppRegistration, metadata: &EntraMetadata, back: &LandingUrl, hint: Option<&str>) -> Option<String> {
    let endpoint = EndSessionUrl::new(metadata.end_session.clone()?).ok()?;
    let back = PostLogoutRedirectUrl::new(back.as_str().to_owned()).ok()?;
    let mut request = LogoutRequest::from(endpoint).set_client_id(ClientId::new(registration.client_id.to_string())).set_post_logout_redirect_uri(back);
    if let Some(hint) = hint {
        request = request.set_logout_hint(LogoutHint::new(hint.to_owned()));
    }
    Some(request.http_get_url().into())
}

impl fmt::Debug for StartedSignIn {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Begun")
    }
}
