//! The keys that sign assertions, and their public halves as a JWKS (RFC 7517).

use super::keyring::Keyring;
use super::reduce;
use crate::base::random::RandomSource;
use aws_lc_rs::agreement;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, UnparsedPublicKey,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

const ASSERTION_KEY_PURPOSE: &str = "assertion ES256";

/// Signs with the key from the newest secret; publishes the keys from all secrets.
pub struct SigningKeys {
    pair: EcdsaKeyPair,
    kid: String,
    jwks: String,
    /// Thumbprint and public point of each key, the signing key first.
    public: Vec<(String, Vec<u8>)>,
    randomness: SystemRandom,
}

/// A key could not be derived from a secret, or could not sign; AWS-LC gives no reason.
#[derive(Debug, thiserror::Error)]
#[error("cannot derive a signing key from the session secrets")]
pub struct KeyDerivationError;

struct DerivedKey {
    pair: EcdsaKeyPair,
    kid: String,
    public: String,
    point: Vec<u8>,
}

impl SigningKeys {
    /// Derives the keys; the same secrets give the same keys in every replica and after every
    /// restart.
    ///
    /// # Errors
    /// Returns `KeyDerivationError` if AWS-LC rejects a key, which does not happen for any derived
    /// number.
    pub fn new(keyring: &Keyring) -> Result<Self, KeyDerivationError> {
        Self::of(keyring, ASSERTION_KEY_PURPOSE)
    }

    /// Derives the keys for another purpose: a signature for one purpose is not accepted for
    /// another.
    ///
    /// # Errors
    /// Returns `KeyDerivationError` if AWS-LC rejects a key, which does not happen for any derived
    /// number.
    pub fn of(keyring: &Keyring, purpose: &str) -> Result<Self, KeyDerivationError> {
        let made =
            keyring.keys::<48>(purpose).iter().map(|it| make(it)).collect::<Result<Vec<_>, _>>()?;
        let jwks = format!(
            r#"{{"keys":[{}]}}"#,
            made.iter().map(|it| it.public.as_str()).collect::<Vec<_>>().join(",")
        );
        let public = made.iter().map(|it| (it.kid.clone(), it.point.clone())).collect();
        let first = made.into_iter().next().ok_or(KeyDerivationError)?;
        Ok(Self { pair: first.pair, kid: first.kid, jwks, public, randomness: SystemRandom::new() })
    }

    /// The JWS header for each key, the signing key first.
    pub fn heads(&self, typ: &str) -> impl Iterator<Item = String> {
        self.public.iter().map(move |it| head(typ, &it.0))
    }

    /// Whether the key at that index of `heads` made the signature (RFC 7518 section 3.4).
    pub fn verifies(&self, place: usize, signed: &[u8], signature: &[u8]) -> bool {
        let key = self
            .public
            .get(place)
            .map(|it| UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &it.1));
        key.is_some_and(|it| it.verify(signed, signature).is_ok())
    }

    /// ID of the signing key (RFC 7638 thumbprint).
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The public halves as a JWKS document.
    pub fn jwks(&self) -> &str {
        &self.jwks
    }

    /// A digest of the JWKS document for an `ETag`: SHA-256 in base64url.
    pub fn tag(&self) -> String {
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, self.jwks.as_bytes());
        URL_SAFE_NO_PAD.encode(digest.as_ref())
    }

    /// Signs claims with ES256 and returns a compact JWS (RFC 7515, RFC 7518 section 3.4).
    ///
    /// # Errors
    /// Returns `KeyDerivationError` if AWS-LC cannot sign.
    pub fn sign(&self, typ: &str, claims: &[u8]) -> Result<String, KeyDerivationError> {
        let header = head(typ, &self.kid);
        let mut out = String::with_capacity(claims.len() * 4 / 3 + 256);
        URL_SAFE_NO_PAD.encode_string(header, &mut out);
        out.push('.');
        URL_SAFE_NO_PAD.encode_string(claims, &mut out);
        let signature =
            self.pair.sign(&self.randomness, out.as_bytes()).map_err(|_| KeyDerivationError)?;
        out.push('.');
        URL_SAFE_NO_PAD.encode_string(signature.as_ref(), &mut out);
        Ok(out)
    }
}

fn head(typ: &str, kid: &str) -> String {
    format!(r#"{{"alg":"ES256","typ":"{typ}","kid":"{kid}"}}"#)
}

fn make(long: &[u8; 48]) -> Result<DerivedKey, KeyDerivationError> {
    let private = zeroize::Zeroizing::new(reduce::to_private_key(long));
    let point = agreement::PrivateKey::from_private_key(&agreement::ECDH_P256, private.as_ref())
        .map_err(|_| KeyDerivationError)?;
    let point = point.compute_public_key().map_err(|_| KeyDerivationError)?;
    // Uncompressed point (SEC 1 section 2.3.3): 4, x, y.
    let (x, y) =
        point.as_ref().get(1..).and_then(|it| it.split_at_checked(32)).ok_or(KeyDerivationError)?;
    let (x, y) = (URL_SAFE_NO_PAD.encode(x), URL_SAFE_NO_PAD.encode(y));
    let thumbprint = format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#);
    let kid = URL_SAFE_NO_PAD
        .encode(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, thumbprint.as_bytes()));
    let public = format!(
        r#"{{"kty":"EC","use":"sig","alg":"ES256","crv":"P-256","kid":"{kid}","x":"{x}","y":"{y}"}}"#
    );
    let pair = EcdsaKeyPair::from_private_key_and_public_key(
        &ECDSA_P256_SHA256_FIXED_SIGNING,
        private.as_ref(),
        point.as_ref(),
    );
    Ok(DerivedKey {
        pair: pair.map_err(|_| KeyDerivationError)?,
        kid,
        public,
        point: point.as_ref().to_vec(),
    })
}

/// Generates a short ID for `jti` and `sid`: 128 random bits in base64url.
pub fn short_id(random: &RandomSource) -> String {
    random.text::<16>()
}

impl std::fmt::Debug for SigningKeys {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "SigningKeys {}", self.kid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::secret::Secret;

    fn keys(secrets: &[&str]) -> SigningKeys {
        let secrets: Vec<_> = secrets.iter().map(|it| Secret::new(*it)).collect();
        SigningKeys::new(&Keyring::new(&secrets, &crate::seal::random::system())).unwrap()
    }

    #[test]
    fn somebody_elses_library_verifies_what_we_sign() {
        let ours = keys(&["a secret of at least thirty-two bytes"]);
        let token = ours.sign("entrada+jwt", br#"{"sub":"maya","exp":9999999999}"#).unwrap();
        let jwks: jsonwebtoken::jwk::JwkSet = serde_json::from_str(ours.jwks()).unwrap();
        let key = jsonwebtoken::DecodingKey::from_jwk(jwks.find(ours.kid()).unwrap()).unwrap();
        let rules = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::ES256);
        let read = jsonwebtoken::decode::<serde_json::Value>(&token, &key, &rules).unwrap();
        assert_eq!(read.claims["sub"], "maya");
        assert_eq!(read.header.typ.as_deref(), Some("entrada+jwt"));
    }

    #[test]
    fn replicas_agree_and_old_keys_stay_published() {
        assert_eq!(keys(&["one"]).kid(), keys(&["one"]).kid());
        let turned = keys(&["two", "one"]);
        assert_eq!(turned.kid(), keys(&["two"]).kid());
        assert!(turned.jwks().contains(keys(&["one"]).kid()));
    }
}
