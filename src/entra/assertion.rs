//! Client assertions, which authenticate an app instead of a client secret: signed with the app's
//! own key, or issued by another issuer.
//!
//! Sources: RFC 7521, RFC 7523, `learn:/certificate-credentials`,
//! `learn:/workload-identity-federation`.

use super::error::Error;
use crate::base::certificate::ClientCertificate;
use crate::base::credential::ClientCredential;
use crate::base::guid::Guid;
use crate::base::random::RandomSource;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::RSA_PSS_SHA256;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;
use std::path::Path;
use tokio::io::AsyncReadExt as _;

/// `client_assertion_type` for both kinds.
pub(super) const CLIENT_ASSERTION_TYPE: &str =
    "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// Lifetime of an assertion that Entrada signs, in seconds; the same as in Microsoft's own
/// libraries.
const ASSERTION_LIFETIME_SECONDS: u64 = 600;

/// Maximum size of a token from another issuer, in bytes.
const MAX_FEDERATED_TOKEN_BYTES: u64 = 16 * 1024;

/// The client, the endpoint and the time of a request that needs an assertion.
pub(super) struct AssertionRequest<'a> {
    pub(super) client: Guid,
    /// The token endpoint.
    pub(super) endpoint: &'a str,
    pub(super) now: u64,
    pub(super) random: &'a RandomSource,
}

/// Returns the assertion for one request; `None` for a client secret.
pub(super) async fn assertion(
    credential: &ClientCredential,
    asking: &AssertionRequest<'_>,
) -> Result<Option<String>, Error> {
    match credential {
        ClientCredential::Secret(_) => Ok(None),
        ClientCredential::Certificate(it) => signed(it, asking).map(Some),
        ClientCredential::Federated(path) => of_another(path).await.map(Some),
    }
}

fn signed(certificate: &ClientCertificate, asking: &AssertionRequest<'_>) -> Result<String, Error> {
    let header = json!({"alg": "PS256", "typ": "JWT", "x5t#S256": certificate.thumbprint()});
    let id = asking.client.to_string();
    let claims = json!({
        "aud": asking.endpoint,
        "iss": id,
        "sub": id,
        // A new one each time, as Entra requires; it is not documented whether Entra rejects a
        // repeated one.
        "jti": asking.random.text::<16>(),
        "iat": asking.now,
        "nbf": asking.now,
        "exp": asking.now.saturating_add(ASSERTION_LIFETIME_SECONDS),
    });
    let text = format!(
        "{}.{}",
        URL_SAFE_NO_PAD.encode(header.to_string()),
        URL_SAFE_NO_PAD.encode(claims.to_string())
    );
    let key = certificate.key();
    let mut signature = vec![0; key.public_modulus_len()];
    let failed = |_| Error::Credential("the certificate's key could not sign".to_owned());
    key.sign(&RSA_PSS_SHA256, &SystemRandom::new(), text.as_bytes(), &mut signature)
        .map_err(failed)?;
    Ok(format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature)))
}

/// Reads the file each time, because its writer replaces it about every hour.
async fn of_another(path: &Path) -> Result<String, Error> {
    let refused = |why: &dyn std::fmt::Display| {
        Error::Credential(format!(
            "the federated token's file {} cannot be read: {why}",
            path.display()
        ))
    };
    let file = tokio::fs::File::open(path).await.map_err(|it| refused(&it))?;
    let mut text = String::new();
    file.take(MAX_FEDERATED_TOKEN_BYTES + 1)
        .read_to_string(&mut text)
        .await
        .map_err(|it| refused(&it))?;
    if u64::try_from(text.len()).is_ok_and(|it| it > MAX_FEDERATED_TOKEN_BYTES) {
        return Err(refused(&"it is longer than 16 KiB"));
    }
    let token = text.trim();
    // Anything that does not look like a JWT is not sent to Entra.
    let is_jwt = token.split('.').count() == 3
        && token.bytes().all(|it| it.is_ascii_alphanumeric() || matches!(it, b'.' | b'-' | b'_'));
    if is_jwt { Ok(token.to_owned()) } else { Err(refused(&"it holds no JWT")) }
}
