//! Claims challenges: what Entra or Graph requires of the person's next sign-in
//! (`learn:/claims-challenge`).

use crate::wire::challenge::challenges;
use base64::Engine as _;
use base64::alphabet;
use base64::engine::general_purpose::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use http::HeaderMap;
use serde::Serialize;
use serde_json::{Map, Value};

/// Maximum length of a challenge, in bytes of JSON: it becomes part of a URL.
const MAX_CLAIMS_CHALLENGE_BYTES: usize = 2 * 1024;

/// Base64 or base64url, after `-` and `_` are replaced, with or without padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A claims challenge: exactly one JSON object, to send as `claims` with the next authorization
/// request (OpenID Connect Core section 5.5).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct ClaimsChallenge(Box<str>);

impl ClaimsChallenge {
    /// Reads a JSON object, as the token endpoint sends it; `None` for anything else and for one
    /// that is too long.
    pub fn of_json(text: &str) -> Option<Self> {
        if text.len() > MAX_CLAIMS_CHALLENGE_BYTES {
            return None;
        }
        // Serialized again, so that it is exactly one object.
        let object: Map<String, Value> = serde_json::from_str(text).ok()?;
        serde_json::to_string(&object).ok().map(|it| Self(it.into()))
    }

    /// Reads the challenge of a response, as Microsoft's resources send it.
    pub fn of_headers(headers: &HeaderMap) -> Option<Self> {
        let json = decode(&encoded_claims(headers)?)?;
        Self::of_json(std::str::from_utf8(&json).ok()?)
    }

    /// The challenge as JSON.
    pub fn as_json(&self) -> &str {
        &self.0
    }
}

/// Returns `claims` of the first claims challenge of a response, still encoded: `Bearer
/// error="insufficient_claims", claims="..."`.
pub fn encoded_claims(headers: &HeaderMap) -> Option<String> {
    let all = challenges(headers);
    let mut ours = all
        .iter()
        .filter(|it| it.is("bearer") && it.parameter("error") == Some("insufficient_claims"));
    ours.find_map(|it| it.parameter("claims")).map(str::to_owned)
}

/// Decodes base64 or base64url, with or without padding.
pub fn decode(text: &str) -> Option<Vec<u8>> {
    BASE64.decode(text.replace('-', "+").replace('_', "/")).ok()
}

/// Returns the claims request for one of these authentication contexts (`acrs`); `None` if there
/// are none.
fn claims_for(acrs: &[String]) -> Option<String> {
    let asked = match acrs {
        [] => return None,
        [one] => serde_json::json!({"essential": true, "value": one}),
        several => serde_json::json!({"essential": true, "values": several}),
    };
    Some(serde_json::json!({"id_token": {"acrs": asked}}).to_string())
}

/// Returns the claims request for one of these authentication contexts and for a challenge; `None`
/// if there is neither.
pub fn requested_claims(acrs: &[String], challenge: Option<&ClaimsChallenge>) -> Option<String> {
    match (claims_for(acrs), challenge) {
        (contexts, None) => contexts,
        (None, Some(challenge)) => Some(challenge.as_json().to_owned()),
        (Some(contexts), Some(challenge)) => {
            let mut all: Value = serde_json::from_str(challenge.as_json()).ok()?;
            merge(&mut all, serde_json::from_str(&contexts).ok()?);
            Some(all.to_string())
        }
    }
}

/// Returns the value of `WWW-Authenticate` that passes the same requirements on to a program.
pub fn insufficient_claims(acrs: &[String], challenge: Option<&ClaimsChallenge>) -> String {
    let claims = STANDARD.encode(requested_claims(acrs, challenge).unwrap_or_default());
    format!("Bearer error=\"insufficient_claims\", claims=\"{claims}\"")
}

/// Adds the members of `more`; where both have the same member, that of `more` counts.
fn merge(to: &mut Value, more: Value) {
    match (to, more) {
        (Value::Object(to), Value::Object(more)) => {
            for (name, value) in more {
                merge(to.entry(name).or_insert(Value::Null), value);
            }
        }
        (to, more) => *to = more,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::engine::general_purpose::{URL_SAFE, URL_SAFE_NO_PAD};
    use http::HeaderValue;
    use http::header::WWW_AUTHENTICATE;

    const NOT_BEFORE: &str = r#"{"access_token":{"nbf":{"essential":true,"value":"1604106651"}}}"#;

    fn of_line(line: &str) -> Option<ClaimsChallenge> {
        let value = HeaderValue::from_str(line).unwrap();
        ClaimsChallenge::of_headers(&HeaderMap::from_iter([(WWW_AUTHENTICATE, value)]))
    }

    #[test]
    fn graphs_challenge_is_read_in_each_spelling() {
        let odd = r#"{"x":"~~~???>>>"}"#;
        for json in [NOT_BEFORE, odd] {
            for said in [STANDARD.encode(json), URL_SAFE.encode(json), URL_SAFE_NO_PAD.encode(json)]
            {
                let line = format!(
                    "Bearer realm=\"\", authorization_uri=\"https://login.example/authorize\", client_id=\"x\", error=\"insufficient_claims\", claims=\"{said}\""
                );
                assert_eq!(of_line(&line).unwrap().as_json(), json, "{line}");
            }
        }
    }

    #[test]
    fn other_challenges_and_other_json_are_none() {
        let long = format!(r#"{{"a":"{}"}}"#, "x".repeat(MAX_CLAIMS_CHALLENGE_BYTES));
        for json in ["[1]", "{} {}", "\"{}\"", "", "{", &long] {
            assert_eq!(ClaimsChallenge::of_json(json), None, "{json}");
            let said = STANDARD.encode(json);
            let line = format!("Bearer error=\"insufficient_claims\", claims=\"{said}\"");
            assert_eq!(of_line(&line), None, "{json}");
        }
        let said = STANDARD.encode(NOT_BEFORE);
        for line in [
            format!("Bearer error=\"invalid_token\", claims=\"{said}\""),
            format!("Basic error=\"insufficient_claims\", claims=\"{said}\""),
            "Bearer error=\"insufficient_claims\"".to_owned(),
        ] {
            assert_eq!(of_line(&line), None, "{line}");
        }
    }

    #[test]
    fn contexts_and_a_challenge_are_requested_together() {
        let challenge =
            ClaimsChallenge::of_json(r#"{"id_token":{"x":{}},"access_token":{"y":1}}"#).unwrap();
        let both = requested_claims(&["c1".to_owned()], Some(&challenge)).unwrap();
        let meant = serde_json::json!({"id_token": {"x": {}, "acrs": {"essential": true, "value": "c1"}},
            "access_token": {"y": 1}});
        assert_eq!(serde_json::from_str::<Value>(&both).unwrap(), meant);
        assert_eq!(requested_claims(&[], Some(&challenge)).as_deref(), Some(challenge.as_json()));
        assert_eq!(requested_claims(&["c1".to_owned()], None), claims_for(&["c1".to_owned()]));
        assert_eq!(requested_claims(&[], None), None);
    }
}
