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
use tokio::sync::OnceCell;

use super::time::date;

/// The reason that no key could be created.
#[derive(Debug, thiserror::Error)]
pub(super) enum BadKey {
    #[error("the RSA key could not be made")]
    Rsa,
    #[error("the certificate could not be made: {0}")]
    Certificate(#[from] rcgen::Error),
}

/// The accounts whose tokens a key signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum KeyFamily {
    /// Work accounts of the public cloud.
    Public,
    /// Personal accounts.
    Personal,
    /// Work accounts of the US Government cloud.
    Government,
}

impl KeyFamily {
    fn common_name(self) -> &'static str {
        match self {
            Self::Public => "Entrada emulator",
            Self::Personal => "Entrada emulator, personal accounts",
            Self::Government => "Entrada emulator, US Government",
        }
    }

    fn cloud(self) -> &'static str {
        if self == Self::Government { "microsoftonline.us" } else { "microsoftonline.com" }
    }
}

/// One key in the set.
pub(super) struct SigningKey {
    family: KeyFamily,
    pair: KeyPair,
    kid: String,
    n: String,
    x5c: String,
}

/// All published keys for work accounts; the first one signs.
pub(super) type KeySet = Vec<Arc<SigningKey>>;

impl SigningKey {
    /// Creates a key. This can take seconds, so do not call it on an async thread.
    pub(super) fn generate(family: KeyFamily, now: u64) -> Result<Self, BadKey> {
        let pair = KeyPair::generate(KeySize::Rsa2048).map_err(|_| BadKey::Rsa)?;
        let pkcs8 = AsDer::<Pkcs8V1Der<'_>>::as_der(&pair).map_err(|_| BadKey::Rsa)?;
        let signer = rcgen::KeyPair::from_pkcs8_der_and_sign_algo(
            &PrivatePkcs8KeyDer::from(pkcs8.as_ref()),
            &rcgen::PKCS_RSA_SHA256,
        )?;
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, family.common_name());
        let today = date(now);
        let (month, day) =
            (u8::try_from(today.month).unwrap_or(1), u8::try_from(today.day.min(28)).unwrap_or(1));
        params.not_before = date_time_ymd(today.year, month, day);
        params.not_after = date_time_ymd(today.year.saturating_add(5), month, day);
        let certificate = params.self_signed(&signer)?;
        let der = certificate.der();
        let kid = URL_SAFE_NO_PAD.encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, der).as_ref());
        // An RSAPublicKey (RFC 8017) for 2048 bits: nine bytes of headers and sign, then the
        // modulus; the exponent is 65537.
        let n = pair
            .public_key()
            .as_ref()
            .get(9..265)
            .map(|it| URL_SAFE_NO_PAD.encode(it))
            .ok_or(BadKey::Rsa)?;
        Ok(Self { family, n, kid, x5c: STANDARD.encode(der), pair })
    }

    /// Returns the key ID.
    pub(super) fn kid(&self) -> &str {
        &self.kid
    }

    /// Returns the modulus, as published.
    pub(super) fn modulus(&self) -> &str {
        &self.n
    }

    /// Returns the entry in the published set; it has no `alg`, as with Entra, and in the version
    /// 1.0 set no `issuer`.
    pub(super) fn jwk(&self, issuer: Option<&str>) -> Value {
        let mut jwk = json!({"kty": "RSA", "use": "sig", "kid": self.kid, "x5t": self.kid, "n": self.n, "e": "AQAB", "x5c": [self.x5c]});
        if let (Some(issuer), Some(members)) = (issuer, jwk.as_object_mut()) {
            members.insert("issuer".to_owned(), issuer.into());
            members.insert("cloud_instance_name".to_owned(), self.family.cloud().into());
        }
        jwk
    }

    /// Returns a JWT in compact form (RFC 7515 section 3.1), signed with RS256.
    pub(super) fn jwt(&self, claims: &Value) -> Result<String, BadKey> {
        self.signed(&self.kid, &claims.to_string())
    }

    /// Signs these claims, which may be malformed, under any key ID.
    pub(super) fn signed(&self, kid: &str, claims: &str) -> Result<String, BadKey> {
        let text = signing_input(&json!({"typ": "JWT", "alg": "RS256", "kid": kid}), claims);
        let mut signature = vec![0; self.pair.public_modulus_len()];
        self.pair
            .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text.as_bytes(), &mut signature)
            .map_err(|_| BadKey::Rsa)?;
        Ok(format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }
}

/// Returns the header and the claims, encoded and joined.
pub(super) fn signing_input(header: &Value, claims: &str) -> String {
    format!("{}.{}", URL_SAFE_NO_PAD.encode(header.to_string()), URL_SAFE_NO_PAD.encode(claims))
}

/// One key for each of the other families.
pub(super) struct OtherKeys {
    pub(super) personal: SigningKey,
    pub(super) government: SigningKey,
}

static OTHERS: OnceCell<Arc<OtherKeys>> = OnceCell::const_new();

/// Returns the keys of the other families, created at first use, once for the process. Returns
/// `None` if they could not be created.
pub(super) async fn others(now: u64) -> Option<Arc<OtherKeys>> {
    let make = move || -> Result<OtherKeys, BadKey> {
        Ok(OtherKeys {
            personal: SigningKey::generate(KeyFamily::Personal, now)?,
            government: SigningKey::generate(KeyFamily::Government, now)?,
        })
    };
    let made = OTHERS
        .get_or_try_init(|| async move {
            tokio::task::spawn_blocking(make).await.map_err(|_| BadKey::Rsa)?.map(Arc::new)
        })
        .await;
    made.ok().cloned()
}
