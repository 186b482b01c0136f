//! The `openidconnect` client: builds the requests, and reads the token endpoint's response into
//! Entrada's own types.

use super::error::Error;
use super::failure::EntraRefusal;
use super::metadata::EntraMetadata;
use crate::base::credential::ClientCredential;
use crate::base::guid::Guid;
use crate::base::secret::Secret;
use openidconnect::core::{
    CoreAuthDisplay, CoreAuthPrompt, CoreGenderClaim, CoreJsonWebKey,
    CoreJweContentEncryptionAlgorithm, CoreJwsSigningAlgorithm, CoreRevocableToken,
    CoreRevocationErrorResponse, CoreTokenIntrospectionResponse, CoreTokenType,
};
use openidconnect::{
    AccessToken, AuthType, AuthUrl, ClientId, ClientSecret, EmptyAdditionalClaims, EndpointNotSet,
    EndpointSet, IdToken, IssuerUrl, JsonWebKeySet, OAuth2TokenResponse, RedirectUrl, RefreshToken,
    Scope, TokenResponse, TokenUrl,
};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::time::Duration;

/// The library's client, with types for Entra's refusals and responses.
pub type OidcClient = openidconnect::Client<
    EmptyAdditionalClaims,
    CoreAuthDisplay,
    CoreGenderClaim,
    CoreJweContentEncryptionAlgorithm,
    CoreJsonWebKey,
    CoreAuthPrompt,
    EntraRefusal,
    EntraTokenResponse,
    CoreTokenIntrospectionResponse,
    CoreRevocableToken,
    CoreRevocationErrorResponse,
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointSet,
    EndpointNotSet,
>;

/// The parts of the app registration that requests need.
#[derive(Clone, Debug)]
pub struct AppRegistration {
    /// Application (client) ID.
    pub client_id: Guid,
    /// The credential that authenticates the app.
    pub credential: ClientCredential,
    /// Scopes of a sign-in, in addition to `openid`, which the library adds.
    pub scopes: Vec<String>,
}

/// Creates a client for one registration with the current endpoints. It receives no keys, because
/// `token` verifies the tokens.
///
/// # Errors
/// `Address` names the address that is not a valid URL.
pub fn client(
    registration: &AppRegistration,
    metadata: &EntraMetadata,
) -> Result<OidcClient, Error> {
    let issuer = IssuerUrl::new(metadata.issuer.clone()).map_err(|_| Error::Address("issuer"))?;
    let authorization = AuthUrl::new(metadata.authorization.clone())
        .map_err(|_| Error::Address("authorization_endpoint"))?;
    let token =
        TokenUrl::new(metadata.token.clone()).map_err(|_| Error::Address("token_endpoint"))?;
    let id = ClientId::new(registration.client_id.to_string());
    let client = openidconnect::Client::new(id, issuer, JsonWebKeySet::new(Vec::new()));
    // Any other credential is sent as an assertion, with each request.
    let client = match &registration.credential {
        ClientCredential::Secret(it) => {
            client.set_client_secret(ClientSecret::new(it.expose().to_owned()))
        }
        ClientCredential::Certificate(_) | ClientCredential::Federated(_) => client,
    };
    Ok(client.set_auth_uri(authorization).set_token_uri(token).set_auth_type(AuthType::RequestBody))
}

/// Returns the redirect URI as the library expects it.
///
/// # Errors
/// `Address` if it is not a valid URL.
pub fn redirect(uri: &str) -> Result<RedirectUrl, Error> {
    RedirectUrl::new(uri.to_owned()).map_err(|_| Error::Address("the redirect URI"))
}

/// The token endpoint's response.
///
/// The ID token stays a string until it is verified: the library's own type would reject a token
/// because of the form of claims that Entrada never reads. The access token is used only if it was
/// requested for Microsoft Graph.
#[derive(Debug, Deserialize, Serialize)]
pub struct EntraTokenResponse {
    access_token: AccessToken,
    #[serde(deserialize_with = "bearer")]
    token_type: CoreTokenType,
    id_token: Option<JsonSecret>,
    refresh_token: Option<JsonSecret>,
}

/// The tokens from a token request.
#[derive(Debug)]
pub struct RedeemedTokens {
    /// The unverified ID token.
    pub id_token: Option<Secret>,
    /// The access token for the requested resource; it is opaque to Entrada.
    pub access: Secret,
    /// The refresh token; Entra issues none without `offline_access`.
    pub refresh_token: Option<Secret>,
}

impl EntraTokenResponse {
    /// Returns the tokens that Entrada uses.
    pub fn into_tokens(self) -> RedeemedTokens {
        let access = Secret::new(self.access_token.into_secret());
        RedeemedTokens {
            id_token: self.id_token.map(|it| it.0),
            access,
            refresh_token: self.refresh_token.map(|it| it.0),
        }
    }
}

impl OAuth2TokenResponse for EntraTokenResponse {
    type TokenType = CoreTokenType;

    fn access_token(&self) -> &AccessToken {
        &self.access_token
    }

    fn token_type(&self) -> &CoreTokenType {
        &self.token_type
    }

    fn expires_in(&self) -> Option<Duration> {
        None
    }

    fn refresh_token(&self) -> Option<&RefreshToken> {
        None
    }

    fn scopes(&self) -> Option<&Vec<Scope>> {
        None
    }
}

type LibraryToken = IdToken<
    EmptyAdditionalClaims,
    CoreGenderClaim,
    CoreJweContentEncryptionAlgorithm,
    CoreJwsSigningAlgorithm,
>;

impl
    TokenResponse<
        EmptyAdditionalClaims,
        CoreGenderClaim,
        CoreJweContentEncryptionAlgorithm,
        CoreJwsSigningAlgorithm,
    > for EntraTokenResponse
{
    /// Never one that the library parsed: see `into_tokens`.
    fn id_token(&self) -> Option<&LibraryToken> {
        None
    }
}

/// `token_type`, which is case-insensitive (RFC 6749 section 5.1).
fn bearer<'de, D: Deserializer<'de>>(from: D) -> Result<CoreTokenType, D::Error> {
    let name = String::deserialize(from)?;
    if name.eq_ignore_ascii_case("bearer") {
        Ok(CoreTokenType::Bearer)
    } else {
        Err(D::Error::custom("the token type is unknown"))
    }
}

/// A secret that is read from JSON, and never written to it.
#[derive(Debug)]
struct JsonSecret(Secret);

impl<'de> Deserialize<'de> for JsonSecret {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from).map(|it| Self(Secret::new(it)))
    }
}

impl Serialize for JsonSecret {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(&self.0)
    }
}
