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
use std::collections::HashSet;
use std::fmt;

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
#[derive(PartialEq)]
pub struct TokenClaims(Map<String, Value>);

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
        object(self.payload).map(TokenClaims)
    }
}

impl TokenClaims {
    /// Returns a claim of any type.
    pub fn claim(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
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
            // A later consumer could treat `TID` and `tid` as the same name, so a token with both
            // is rejected.
            if !seen.insert(name.to_ascii_lowercase()) {
                return Err(A::Error::custom(DUPLICATE_NAME));
            }
            out.insert(name, value);
        }
        Ok(Value::Object(out))
    }
}
