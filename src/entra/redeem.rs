//! Redeems a code or a refresh token for an ID token (OpenID Connect Core sections 3.1.3 and 12).

use super::assertion::{self, AssertionRequest};
use super::error::Error;
use super::failure::EntraRefusal;
use super::host::{AuthorityHost, is_json};
use super::metadata::EntraMetadata;
use super::oidc::{self, AppRegistration, EntraTokenResponse, RedeemedTokens};
use super::skew::ClockSkew;
use crate::base::secret::Secret;
use http::header::RETRY_AFTER;
use openidconnect::{
    AsyncHttpClient, AuthorizationCode, HttpRequest, HttpResponse, PkceCodeVerifier, RefreshToken,
    RequestTokenError, Scope,
};
use std::pin::Pin;

const ENDPOINT_NAME: &str = "token endpoint";

/// Redeems a code without retries: a code can be used only once. `redirect_uri` must be the one of
/// the authorization request (RFC 6749 section 4.1.3).
///
/// # Errors
/// Entra's refusal, or why there is no response.
pub async fn redeem(
    registration: &AppRegistration,
    metadata: &EntraMetadata,
    sender: &TokenRequestSender,
    redirect_uri: &str,
    code: &str,
    verifier: &str,
) -> Result<RedeemedTokens, Error> {
    let oidc =
        oidc::client(registration, metadata)?.set_redirect_uri(oidc::redirect(redirect_uri)?);
    let mut request = oidc
        .exchange_code(AuthorizationCode::new(code.to_owned()))
        .set_pkce_verifier(PkceCodeVerifier::new(verifier.to_owned()));
    for (name, value) in sender.proof(registration, metadata).await? {
        request = request.add_extra_param(name, value);
    }
    tokens(request.request_async(sender).await)
}

/// Redeems a refresh token. Entra does not revoke a used one (`learn:/refresh-tokens`), other
/// issuers do: the new one replaces it.
///
/// # Errors
/// Entra's refusal, or why there is no response.
pub async fn refresh(
    registration: &AppRegistration,
    metadata: &EntraMetadata,
    sender: &TokenRequestSender,
    token: &Secret,
) -> Result<RedeemedTokens, Error> {
    let oidc = oidc::client(registration, metadata)?;
    let token = RefreshToken::new(token.expose().to_owned());
    let scopes = registration.scopes.iter().cloned().map(Scope::new);
    let mut request = oidc
        .exchange_refresh_token(&token)
        .add_scope(Scope::new("openid".to_owned()))
        .add_scopes(scopes);
    for (name, value) in sender.proof(registration, metadata).await? {
        request = request.add_extra_param(name, value);
    }
    tokens(request.request_async(sender).await)
}

/// Redeems a refresh token for a token for Graph: a token request covers one resource. The ID token
/// in the response identifies the person.
///
/// # Errors
/// Entra's refusal, or why there is no response.
pub async fn for_graph(
    registration: &AppRegistration,
    metadata: &EntraMetadata,
    sender: &TokenRequestSender,
    token: &Secret,
    scope: String,
) -> Result<RedeemedTokens, Error> {
    let oidc = oidc::client(registration, metadata)?;
    let token = RefreshToken::new(token.expose().to_owned());
    let scopes = ["openid", "profile", "offline_access"].map(|it| Scope::new(it.to_owned()));
    let mut request =
        oidc.exchange_refresh_token(&token).add_scopes(scopes).add_scope(Scope::new(scope));
    for (name, value) in sender.proof(registration, metadata).await? {
        request = request.add_extra_param(name, value);
    }
    tokens(request.request_async(sender).await)
}

fn tokens(
    answer: Result<EntraTokenResponse, RequestTokenError<Error, EntraRefusal>>,
) -> Result<RedeemedTokens, Error> {
    let answer = answer.map_err(|error| match error {
        RequestTokenError::ServerResponse(refusal) => refusal.into(),
        RequestTokenError::Request(error) => error,
        // Both can contain the whole response, tokens included, so their text is not used.
        RequestTokenError::Parse(..) | RequestTokenError::Other(_) => Error::Answer,
    })?;
    Ok(answer.into_tokens())
}

/// Adapts Entrada's HTTP client to the library's interface.
pub struct TokenRequestSender {
    host: AuthorityHost,
    skew: ClockSkew,
}

impl TokenRequestSender {
    /// Creates a sender to that host, which compares the clocks with each response.
    pub fn new(host: AuthorityHost, skew: ClockSkew) -> Self {
        Self { host, skew }
    }

    /// Additional parameters if the app authenticates with an assertion (RFC 7521 section 4.2),
    /// which is created for each request.
    async fn proof(
        &self,
        registration: &AppRegistration,
        metadata: &EntraMetadata,
    ) -> Result<Vec<(&'static str, String)>, Error> {
        let asking = AssertionRequest {
            client: registration.client_id,
            endpoint: &metadata.token,
            now: self.host.clock.now(),
            random: &self.host.random,
        };
        let assertion = assertion::assertion(&registration.credential, &asking).await?;
        Ok(assertion
            .into_iter()
            .flat_map(|it| {
                [
                    ("client_assertion_type", assertion::CLIENT_ASSERTION_TYPE.to_owned()),
                    ("client_assertion", it),
                ]
            })
            .collect())
    }
}

impl<'c> AsyncHttpClient<'c> for TokenRequestSender {
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, Error>> + Send + 'c>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(send(&self.host, &self.skew, request))
    }
}

async fn send(
    host: &AuthorityHost,
    skew: &ClockSkew,
    request: HttpRequest,
) -> Result<HttpResponse, Error> {
    let address = request.uri().to_string();
    let response = host
        .client
        .send(request)
        .await
        .map_err(|cause| Error::Unreachable { endpoint: ENDPOINT_NAME, cause })?;
    skew.note(response.headers());
    let status = response.status().as_u16();
    // 429 and 5xx can have an HTML page as body; with other statuses, the body has the details.
    let retry_after = || response.headers().get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok();
    if matches!(status, 429 | 500..=510) {
        Err(Error::Status { endpoint: ENDPOINT_NAME, status, retry_after: retry_after() })
    } else if !is_json(&response) || !matches!(status, 200 | 400..=428) {
        Err(host.foreign(ENDPOINT_NAME, &address, &response))
    } else {
        Ok(response.map(|it| it.to_vec()))
    }
}
