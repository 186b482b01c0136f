//! Signing keys: RSA-2048 with a self-signed certificate, as Entra publishes them.

use std::sync::Arc;

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use rcgen::{CertificateParams, DistinguishedName, DnType, date_time_ymd};
use rustls::pki_types::PrivatePkcs8KeyDer;
use serde_json::{Value, json};

use super::time::date;

/// Why no key could be made.
#[derive(Debug, thiserror::Error)]
pub(super) enum BadKey {
    #[error("the RSA key could not be made")]
    Rsa,
    #[error("the certificate could not be made: {0}")]
    Certificate(#[from] rcgen::Error),
}

/// One key of the set.
pub(super) struct SigningKey {
    pair: KeyPair,
    kid: String,
    n: String,
    x5c: String,
}

/// All published keys; the first one signs.
pub(super) type KeySet = Vec<Arc<SigningKey>>;

impl SigningKey {
    /// Makes a key; takes up to seconds, so not for an async thread.
    pub(super) fn generate(now: u64) -> Result<Self, BadKey> {
        let pair = KeyPair::generate(KeySize::Rsa2048).map_err(|_| BadKey::Rsa)?;
        let pkcs8 = AsDer::<Pkcs8V1Der<'_>>::as_der(&pair).map_err(|_| BadKey::Rsa)?;
        let signer = rcgen::KeyPair::from_pkcs8_der_and_sign_algo(&PrivatePkcs8KeyDer::from(pkcs8.as_ref()), &rcgen::PKCS_RSA_SHA256)?;
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, "Entrada emulator");
        let today = date(now);
        let (month, day) = (u8::try_from(today.month).unwrap_or(1), u8::try_from(today.day.min(28)).unwrap_or(1));
        params.not_before = date_time_ymd(today.year, month, day);
        params.not_after = date_time_ymd(today.year.saturating_add(5), month, day);
        let certificate = params.self_signed(&signer)?;
        let der = certificate.der();
        let kid = URL_SAFE_NO_PAD.encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, der).as_ref());
        // RSAPublicKey of RFC 8017 for 2048 bits: nine bytes of headers and sign, then the modulus; the exponent is 65537.
        let n = pair.public_key().as_ref().get(9..265).map(|it| URL_SAFE_NO_PAD.encode(it)).ok_or(BadKey::Rsa)?;
        Ok(Self { n, kid, x5c: STANDARD.encode(der), pair })
    }

    /// The key id.
    pub(super) fn kid(&self) -> &str {
        &self.kid
    }

    /// The entry of the published set; there is no `alg`, as with Entra.
    pub(super) fn jwk(&self, issuer: &str) -> Value {
        json!({"kty": "RSA", "use": "sig", "kid": self.kid, "x5t": self.kid, "n": self.n, "e": "AQAB", "x5c": [self.x5c],
            "issuer": issuer, "cloud_instance_name": "microsoftonline.com"})
    }

    /// A JWT in the compact form (RFC 7515 section 3.1), RS256.
    pub(super) fn jwt(&self, claims: &Value) -> Result<String, BadKey> {
        let text = signing_input(&json!({"typ": "JWT", "alg": "RS256", "kid": self.kid}), claims);
        let mut signature = vec![0; self.pair.public_modulus_len()];
        self.pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text.as_bytes(), &mut signature).map_err(|_| BadKey::Rsa)?;
        Ok(format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }
}

/// Header and claims, encoded and joined.
pub(super) fn signing_input(header: &Value, claims: &Value) -> String {
    format!("{}.{}", URL_SAFE_NO_PAD.encode(header.to_string()), URL_SAFE_NO_PAD.encode(claims.to_string()))
}
