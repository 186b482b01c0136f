//! The core that reads and verifies a signed token (JWS compact serialization, RFC 7515): RS256 and nothing else.
//!
//! What a token says is read only after its signature fits; what the claims must be is said in `rules`.

use super::invalid::InvalidToken;
use super::keys::VerificationKey;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use std::collections::HashSet;
use std::fmt;

/// Largest token, in bytes; 200 groups make one of 12 KiB.
const MAX_TOKEN_BYTES: usize = 64 * 1024;
/// Largest header, in base64url.
const MAX_HEADER_BYTES: usize = 8 * 1024;
/// Longest `kid`, in bytes; Entra's have 27.
const MAX_KID_BYTES: usize = 256;

/// A token that is well-formed, names RS256 and a key, and has not been verified.
pub struct UnverifiedToken<'a> {
    signed: &'a str,
    payload: &'a str,
    signature: Vec<u8>,
    kid: String,
}

/// What a token says, once its signature fits; made by `UnverifiedToken::verify` only.
#[derive(PartialEq)]
pub struct TokenClaims(Map<String, Value>);

/// Reads a token without believing it.
///
/// # Errors
/// `InvalidToken` says what keeps it from being verified at all.
pub fn parse(bytes: &[u8]) -> Result<UnverifiedToken<'_>, InvalidToken> {
    if bytes.len() > MAX_TOKEN_BYTES {
        return Err(InvalidToken::TooLarge);
    }
    let text = std::str::from_utf8(bytes).map_err(|_| InvalidToken::Malformed)?;
    let (signed, signature) = text.rsplit_once('.').ok_or(InvalidToken::Malformed)?;
    let (header, payload) = signed.split_once('.').ok_or(InvalidToken::Malformed)?;
    if header.len() > MAX_HEADER_BYTES || payload.contains('.') {
        return Err(InvalidToken::Malformed);
    }
    let kid = judge(&object(header)?)?;
    let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| InvalidToken::Malformed)?;
    Ok(UnverifiedToken { signed, payload, signature, kid })
}

/// The header's rules; gives the `kid`. Keys that a header brings along (`jwk`, `x5c`) or points at (`jku`, `x5u`) are never looked at.
fn judge(header: &Map<String, Value>) -> Result<String, InvalidToken> {
    if header.get("alg").and_then(Value::as_str) != Some("RS256") {
        return Err(InvalidToken::Algorithm);
    }
    if ["crit", "b64", "zip", "enc"].iter().any(|it| header.contains_key(*it)) {
        return Err(InvalidToken::Critical);
    }
    let is_jwt = header.get("typ").is_none_or(|it| it.as_str().is_some_and(|it| it.eq_ignore_ascii_case("JWT")));
    if !is_jwt || header.contains_key("cty") {
        return Err(InvalidToken::Type);
    }
    let kid = header.get("kid").and_then(Value::as_str).filter(|it| (1..=MAX_KID_BYTES).contains(&it.len()));
    kid.map(str::to_owned).ok_or(InvalidToken::NoKeyId)
}

impl UnverifiedToken<'_> {
    /// Which key it says it is signed with.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// Verifies the signature, and only then reads the claims.
    ///
    /// # Errors
    /// `Signature`, or what is wrong with the claims' form.
    pub fn verify(&self, key: &VerificationKey) -> Result<TokenClaims, InvalidToken> {
        if key.kid() != self.kid || !key.fits(self.signed.as_bytes(), &self.signature) {
            return Err(InvalidToken::Signature);
        }
        object(self.payload).map(TokenClaims)
    }
}

impl TokenClaims {
    /// A claim of any type.
    pub fn claim(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// A claim that is a text.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.claim(name)?.as_str()
    }

    /// The names of all claims.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
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

/// Decodes base64url without padding around one JSON object without duplicates.
fn object(part: &str) -> Result<Map<String, Value>, InvalidToken> {
    let bytes = URL_SAFE_NO_PAD.decode(part).map_err(|_| InvalidToken::Malformed)?;
    match serde_json::from_slice(&bytes) {
        Ok(StrictJson(Value::Object(map))) => Ok(map),
        Ok(_) => Err(InvalidToken::Malformed),
        Err(error) if error.to_string().starts_with(DUPLICATE_NAME) => Err(InvalidToken::Twice),
        Err(_) => Err(InvalidToken::Malformed),
    }
}

/// How `StrictJson` says that a name stands twice.
const DUPLICATE_NAME: &str = "twice";

/// JSON in which no object names a member twice, at any depth: serde_json by itself keeps the last one.
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
            // `TID` beside `tid` is one name to a careless reader further on: neither is believed.
            if !seen.insert(name.to_ascii_lowercase()) {
                return Err(A::Error::custom(DUPLICATE_NAME));
            }
            out.insert(name, value);
        }
        Ok(Value::Object(out))
    }
}
