//! Entra's signing keys (JWKS, RFC 7517). Each is parsed once and kept for a day after it was last
//! published.

use super::invalid::InvalidToken;
use aws_lc_rs::signature::{ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// Maximum document size, in bytes.
const MAX_KEY_SET_BYTES: usize = 1024 * 1024;
/// Maximum number of keys in one document; Entra publishes 6 to 14.
const MAX_KEYS_PER_DOCUMENT: usize = 64;
/// Maximum number of keys that are kept, over all documents of a day.
const MAX_KNOWN_KEYS: usize = 256;
/// Seconds that a key is kept after it was last published. A response can lack a live key for
/// hours, because Entra's servers do not always agree.
const KEY_RETENTION_SECONDS: u64 = 24 * 3600;
/// Maximum length of a member, in characters: a modulus of 8192 bits has 1366.
const MAX_KEY_MEMBER_CHARS: usize = 2048;
/// Minimum and maximum size of the modulus, in bytes.
const MODULUS_BYTES: std::ops::RangeInclusive<usize> = 256..=1024;

/// Why a keys document is rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadKeys {
    /// Larger than 1 MiB, or more than 64 keys.
    #[error("the key document is too large")]
    TooLarge,
    /// Not a keys document.
    #[error("the key document is malformed")]
    Malformed,
    /// Contains no key that could verify an RS256 token.
    #[error("the key document contains no usable key")]
    None,
}

/// A public key for the verification of RS256 tokens.
pub struct VerificationKey {
    kid: String,
    modulus: Vec<u8>,
    exponent: Vec<u8>,
    issuer: Option<String>,
    cloud: Option<String>,
    public: ParsedPublicKey,
}

impl VerificationKey {
    /// The key's ID.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// Whether the signature over `signed` was made with this key (RSASSA-PKCS1-v1_5 with SHA-256,
    /// RFC 7518 section 3.3).
    pub fn fits(&self, signed: &[u8], signature: &[u8]) -> bool {
        self.public.verify_sig(signed, signature).is_ok()
    }

    /// Rejects a key that signs for another issuer: the issuer that it is published for, with
    /// `{tenantid}` filled in, must be the token's, and its cloud the configured tenant's. If Entra
    /// publishes neither, nothing is compared.
    ///
    /// # Errors
    /// `InvalidToken::KeyIssuer`.
    pub fn speaks_for(
        &self,
        issuer: &str,
        tenant: &str,
        cloud: Option<&str>,
    ) -> Result<(), InvalidToken> {
        let meant = self.issuer.as_ref().map(|it| it.replace("{tenantid}", tenant));
        let other_cloud = self.cloud.as_deref().zip(cloud).is_some_and(|(key, ours)| key != ours);
        if meant.is_some_and(|it| it != issuer) || other_cloud {
            Err(InvalidToken::KeyIssuer)
        } else {
            Ok(())
        }
    }

    fn is_same(&self, other: &Self) -> bool {
        self.modulus == other.modulus && self.exponent == other.exponent
    }
}

impl fmt::Debug for VerificationKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Key({})", self.kid)
    }
}

#[derive(Deserialize)]
struct KeyDocument {
    keys: Vec<KeyEntry>,
}

/// A key as it is published. Members have any JSON type, so that a future kind of key invalidates
/// only itself.
#[derive(Deserialize)]
struct KeyEntry {
    #[serde(default)]
    kty: Value,
    #[serde(default, rename = "use")]
    usage: Value,
    #[serde(default)]
    alg: Value,
    #[serde(default)]
    kid: Value,
    #[serde(default)]
    n: Value,
    #[serde(default)]
    e: Value,
    #[serde(default)]
    issuer: Value,
    #[serde(default)]
    cloud_instance_name: Value,
}

/// Reads a keys document. Keys other than RSA signing keys with at least 2048 bits are skipped, and
/// so is a `kid` that two different keys share.
///
/// # Errors
/// `BadKeys` if no usable key remains.
pub fn read(bytes: &[u8]) -> Result<Vec<VerificationKey>, BadKeys> {
    if bytes.len() > MAX_KEY_SET_BYTES {
        return Err(BadKeys::TooLarge);
    }
    let document: KeyDocument = serde_json::from_slice(bytes).map_err(|_| BadKeys::Malformed)?;
    if document.keys.len() > MAX_KEYS_PER_DOCUMENT {
        return Err(BadKeys::TooLarge);
    }
    let all: Vec<VerificationKey> = document.keys.iter().filter_map(KeyEntry::key).collect();
    let claimed_twice =
        |key: &VerificationKey| all.iter().any(|it| it.kid == key.kid && !it.is_same(key));
    let doubtful: Vec<bool> = all.iter().map(claimed_twice).collect();
    let usable: Vec<VerificationKey> =
        all.into_iter().zip(doubtful).filter(|it| !it.1).map(|it| it.0).collect();
    if usable.is_empty() { Err(BadKeys::None) } else { Ok(usable) }
}

impl KeyEntry {
    fn key(&self) -> Option<VerificationKey> {
        let signs = self.usage.is_null() || self.usage == "sig";
        let rs256 = self.alg.is_null() || self.alg == "RS256";
        if self.kty != "RSA" || !signs || !rs256 {
            return None;
        }
        let kid = text(&self.kid)?.to_owned();
        let (modulus, exponent) = (number(&self.n)?, number(&self.e)?);
        let strong = MODULUS_BYTES.contains(&modulus.len())
            && modulus
                .first()
                .is_some_and(|it| modulus.len() > *MODULUS_BYTES.start() || *it >= 0x80);
        let odd =
            exponent.last().is_some_and(|it| it & 1 == 1) && exponent.len() <= 4 && exponent != [1];
        if !strong || !odd {
            return None;
        }
        let parts = RsaPublicKeyComponents { n: &modulus, e: &exponent };
        let public = parts.to_parsed_public_key(&RSA_PKCS1_2048_8192_SHA256).ok()?;
        // A member that is present must be a string: a malformed issuer must not remove the
        // restriction to it.
        let said = |it: &Value| {
            if it.is_null() { Some(None) } else { text(it).map(|it| Some(it.to_owned())) }
        };
        let (issuer, cloud) = (said(&self.issuer)?, said(&self.cloud_instance_name)?);
        Some(VerificationKey { kid, modulus, exponent, issuer, cloud, public })
    }
}

fn text(value: &Value) -> Option<&str> {
    value.as_str().filter(|it| (1..=MAX_KEY_MEMBER_CHARS).contains(&it.len()))
}

/// Decodes `Base64urlUInt` (RFC 7518 section 2), without leading zeros.
fn number(value: &Value) -> Option<Vec<u8>> {
    let bytes = URL_SAFE_NO_PAD.decode(text(value)?).ok()?;
    Some(bytes.into_iter().skip_while(|it| *it == 0).collect())
}

/// All known keys from the latest documents, merged by `kid`.
#[derive(Clone, Debug, Default)]
pub struct KnownKeys(BTreeMap<String, HeldKey>);

#[derive(Clone, Debug)]
struct HeldKey {
    key: Arc<VerificationKey>,
    seen: u64,
}

impl KnownKeys {
    /// Returns the key with that ID.
    pub fn find(&self, kid: &str) -> Option<&Arc<VerificationKey>> {
        self.0.get(kid).map(|it| &it.key)
    }

    /// Adds the keys of a document. A key is dropped a day after it was last published, not when a
    /// single document lacks it. If a `kid` suddenly names another key, the old key stays until
    /// then. The second value says whether that happened.
    #[must_use]
    pub fn merged(&self, fresh: Vec<VerificationKey>, now: u64) -> (Self, bool) {
        let mut all = self.0.clone();
        all.retain(|_, it| now.saturating_sub(it.seen) <= KEY_RETENTION_SECONDS);
        let mut swapped = false;
        for key in fresh {
            match all.get(&key.kid) {
                Some(old) if !old.key.is_same(&key) => swapped = true,
                _ => {
                    all.insert(key.kid.clone(), HeldKey { key: Arc::new(key), seen: now });
                }
            }
        }
        while all.len() > MAX_KNOWN_KEYS {
            let Some(oldest) = all.iter().min_by_key(|it| it.1.seen).map(|it| it.0.clone()) else {
                break;
            };
            all.remove(&oldest);
        }
        (Self(all), swapped)
    }
}
