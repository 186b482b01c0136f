//! Parses and verifies signed tokens (JWS compact serialization, RFC 7515). RS256 is the only
//! algorithm.
//!
//! The claims are read only after the signature is verified; `rules` defines which claims are
//! valid.

use super::invalid::InvalidToken;
use super::keys::VerificationKey;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};

/// Maximum token size, in bytes; a token with 200 groups has 12 KiB.
const MAX_ENTRA_TOKEN_BYTES: usize = 64 * 1024;
/// Maximum header size, in base64url characters.
const MAX_TOKEN_HEADER_BYTES: usize = 8 * 1024;
/// Maximum length of a `kid`, in bytes; Entra's have 27.
const MAX_KID_BYTES: usize = 256;

/// A well-formed token that names RS256 and a key, and is not verified yet.
pub struct UnverifiedToken<'a> {
    signed: &'a str,
    payload: &'a str,
    signature: Vec<u8>,
    kid: String,
}

/// The claims of a token with a valid signature; only `UnverifiedToken::verify` creates them.
pub struct TokenClaims {
    all: Map<String, Value>,
    /// Names, in lower case, that several claims share except for their case.
    shared: HashSet<String>,
    was_shared_read: AtomicBool,
}

/// Parses a token without trusting it.
///
/// # Errors
/// `InvalidToken` says why the token cannot be verified at all.
pub fn parse(bytes: &[u8]) -> Result<UnverifiedToken<'_>, InvalidToken> {
    if bytes.len() > MAX_ENTRA_TOKEN_BYTES {
        return Err(InvalidToken::TooLarge);
    }
    let text = std::str::from_utf8(bytes).map_err(|_| InvalidToken::Malformed)?;
    let (signed, signature) = text.rsplit_once('.').ok_or(InvalidToken::Malformed)?;
    let (header, payload) = signed.split_once('.').ok_or(InvalidToken::Malformed)?;
    if header.len() > MAX_TOKEN_HEADER_BYTES || payload.contains('.') {
        return Err(InvalidToken::Malformed);
    }
    let kid = judge(&object(header)?)?;
    let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| InvalidToken::Malformed)?;
    Ok(UnverifiedToken { signed, payload, signature, kid })
}

/// Checks the header; returns the `kid`. Keys that a header contains (`jwk`, `x5c`) or points to
/// (`jku`, `x5u`) are never used.
fn judge(header: &Map<String, Value>) -> Result<String, InvalidToken> {
    if !shared_names(header).is_empty() {
        return Err(InvalidToken::DuplicateClaim);
    }
    if header.get("alg").and_then(Value::as_str) != Some("RS256") {
        return Err(InvalidToken::Algorithm);
    }
    if ["crit", "b64", "zip", "enc"].iter().any(|it| header.contains_key(*it)) {
        return Err(InvalidToken::Critical);
    }
    let is_jwt = header
        .get("typ")
        .is_none_or(|it| it.as_str().is_some_and(|it| it.eq_ignore_ascii_case("JWT")));
    if !is_jwt || header.contains_key("cty") {
        return Err(InvalidToken::Type);
    }
    let kid = header
        .get("kid")
        .and_then(Value::as_str)
        .filter(|it| (1..=MAX_KID_BYTES).contains(&it.len()));
    kid.map(str::to_owned).ok_or(InvalidToken::NoKeyId)
}

impl UnverifiedToken<'_> {
    /// The ID of the key that the token claims to be signed with.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// Verifies the signature, and only then reads the claims.
    ///
    /// # Errors
    /// `Signature`, or what is wrong with the form of the claims.
    pub fn verify(&self, key: &VerificationKey) -> Result<TokenClaims, InvalidToken> {
        if key.kid() != self.kid || !key.fits(self.signed.as_bytes(), &self.signature) {
            return Err(InvalidToken::Signature);
        }
        object(self.payload).map(TokenClaims::new)
    }
}

impl TokenClaims {
    fn new(all: Map<String, Value>) -> Self {
        Self { shared: shared_names(&all), all, was_shared_read: AtomicBool::new(false) }
    }

    /// Returns a claim of any type. If another claim differs by case only, its meaning is unclear:
    /// the token is then `is_ambiguous`, and there is no claim.
    pub fn claim(&self, name: &str) -> Option<&Value> {
        if !self.shared.is_empty() && self.shared.contains(&name.to_ascii_lowercase()) {
            self.was_shared_read.store(true, Ordering::Relaxed);
            return None;
        }
        self.all.get(name)
    }

    /// Whether a claim was read that has another one that differs by case only. Claims that no one
    /// reads, such as a tenant's own, may differ so.
    pub fn is_ambiguous(&self) -> bool {
        self.was_shared_read.load(Ordering::Relaxed)
    }

    /// Returns a claim if it is a string.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.claim(name)?.as_str()
    }
}

impl fmt::Debug for UnverifiedToken<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Unverified")
    }
}

impl fmt::Debug for TokenClaims {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Claims")
    }
}

/// Returns the names, in lower case, that several members share except for their case: another
/// reader could treat `TID` and `tid` as the same.
fn shared_names(all: &Map<String, Value>) -> HashSet<String> {
    let mut counts: HashMap<String, usize> = HashMap::new();
    for name in all.keys() {
        *counts.entry(name.to_ascii_lowercase()).or_default() += 1;
    }
    counts.into_iter().filter(|it| it.1 > 1).map(|it| it.0).collect()
}

/// Decodes base64url without padding that contains one JSON object without duplicate names.
fn object(part: &str) -> Result<Map<String, Value>, InvalidToken> {
    let bytes = URL_SAFE_NO_PAD.decode(part).map_err(|_| InvalidToken::Malformed)?;
    match serde_json::from_slice(&bytes) {
        Ok(StrictJson(Value::Object(map))) => Ok(map),
        Ok(_) => Err(InvalidToken::Malformed),
        Err(error) if error.to_string().starts_with(DUPLICATE_NAME) => {
            Err(InvalidToken::DuplicateClaim)
        }
        Err(_) => Err(InvalidToken::Malformed),
    }
}

/// Error message of `StrictJson` for a duplicate name.
const DUPLICATE_NAME: &str = "twice";

/// JSON in which no object contains a duplicate name, at any depth; plain `serde_json` keeps the last
/// one.
struct StrictJson(Value);

impl<'de> Deserialize<'de> for StrictJson {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(StrictVisitor).map(StrictJson)
    }
}

struct StrictVisitor;

impl<'de> Visitor<'de> for StrictVisitor {
    type Value = Value;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, it: bool) -> Result<Value, E> {
        Ok(it.into())
    }

    fn visit_u64<E>(self, it: u64) -> Result<Value, E> {
        Ok(it.into())
    }

    fn visit_i64<E>(self, it: i64) -> Result<Value, E> {
        Ok(it.into())
    }

    fn visit_f64<E>(self, it: f64) -> Result<Value, E> {
        Ok(Number::from_f64(it).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, it: &str) -> Result<Value, E> {
        Ok(it.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut out = Vec::new();
        while let Some(StrictJson(item)) = items.next_element()? {
            out.push(item);
        }
        Ok(Value::Array(out))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut out = Map::new();
        let mut seen = HashSet::new();
        while let Some((name, StrictJson(value))) = members.next_entry::<String, StrictJson>()? {
            if !seen.insert(name.clone()) {
                return Err(A::Error::custom(DUPLICATE_NAME));
            }
            out.insert(name, value);
        }
        Ok(Value::Object(out))
    }
}
