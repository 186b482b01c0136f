//! The addresses at Entra to which browsers are sent to sign in and to sign out.

use super::error::Error;
use super::metadata::EntraMetadata;
use super::oidc::{self, AppRegistration};
use crate::base::return_to::LandingUrl;
use openidconnect::core::{CoreAuthPrompt, CoreAuthenticationFlow};
use openidconnect::{
    ClientId, CsrfToken, EndSessionUrl, LoginHint, LogoutHint, LogoutRequest, Nonce,
    PkceCodeChallenge, PkceCodeVerifier, PostLogoutRedirectUrl, Scope,
};
use std::fmt;

/// Scopes of a sign-in, in addition to `openid`, which the library adds: `profile` provides `oid`
/// and `tid`, `email` the address, `offline_access` the refresh token, which is used later to ask
/// Entra whether the person still has access.
pub const SIGN_IN_SCOPES: [&str; 3] = ["profile", "email", "offline_access"];

/// Scopes that are sufficient to learn which account a person has; they need no further consent.
pub const NAMING_SCOPES: [&str; 1] = ["profile"];

/// Hints that can shorten a sign-in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SignInHints {
    /// The account to sign in with.
    pub login_hint: Option<String>,
    /// The domain of the account; skips the page that asks for it.
    pub domain_hint: Option<String>,
    /// `login` or `select_account`.
    pub prompt: Option<String>,
    /// A claims challenge: what the sign-in must prove, as JSON (OpenID Connect Core section 5.5).
    pub claims: Option<String>,
}

/// The values of a sign-in that must come back together.
#[derive(Clone, Copy)]
pub struct SignInValues<'a> {
    /// Sent to Entra, which returns it.
    pub state: &'a str,
    /// Must be in the ID token.
    pub nonce: &'a str,
    /// Proves to Entra that Entrada started the sign-in (PKCE, RFC 7636): 43 to 128 characters.
    pub verifier: &'a str,
}

/// Returns the address at Entra to which a browser is sent to sign in. It returns to
/// `redirect_uri`.
///
/// # Errors
/// `Address` if an endpoint is not a valid URL.
pub fn start(
    registration: &AppRegistration,
    metadata: &EntraMetadata,
    redirect_uri: &str,
    hints: &SignInHints,
    values: SignInValues<'_>,
) -> Result<String, Error> {
    let client =
        oidc::client(registration, metadata)?.set_redirect_uri(oidc::redirect(redirect_uri)?);
    let verifier = PkceCodeVerifier::new(values.verifier.to_owned());
    let nonce = Nonce::new(values.nonce.to_owned());
    let state = CsrfToken::new(values.state.to_owned());
    let mut request = client
        .authorize_url(CoreAuthenticationFlow::AuthorizationCode, || state, || nonce)
        .add_scopes(registration.scopes.iter().cloned().map(Scope::new))
        .set_pkce_challenge(PkceCodeChallenge::from_code_verifier_sha256(&verifier))
        .add_extra_param("response_mode", "query");
    let prompt = match hints.prompt.as_deref() {
        Some("login") => Some(CoreAuthPrompt::Login),
        Some("select_account") => Some(CoreAuthPrompt::SelectAccount),
        _ => None,
    };
    // A login hint and the request to select an account contradict each other.
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
    Ok(location.into())
}

/// Returns the address where a browser signs out (OpenID Connect RP-Initiated Logout 1.0) and then
/// returns to `back` with `state`; `None` if Entra publishes no such endpoint.
pub fn sign_out(
    registration: &AppRegistration,
    metadata: &EntraMetadata,
    back: &LandingUrl,
    hint: Option<&str>,
    state: &str,
) -> Option<String> {
    let endpoint = EndSessionUrl::new(metadata.end_session.clone()?).ok()?;
    let back = PostLogoutRedirectUrl::new(back.as_str().to_owned()).ok()?;
    let mut request = LogoutRequest::from(endpoint)
        .set_client_id(ClientId::new(registration.client_id.to_string()))
        .set_post_logout_redirect_uri(back)
        .set_state(CsrfToken::new(state.to_owned()));
    if let Some(hint) = hint {
        request = request.set_logout_hint(LogoutHint::new(hint.to_owned()));
    }
    Some(request.http_get_url().into())
}

impl fmt::Debug for SignInValues<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("SignInValues")
    }
}
