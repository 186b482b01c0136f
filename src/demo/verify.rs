//! Verifies an assertion step by step, as an app in any language does (RFC 7515, 7519, 8725).

use super::claims::AssertedPerson;
use super::keys::{AssertionKeys, PublicKey};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderMap;
use serde_json::{Map, Value};

/// The required value of `typ`.
const ASSERTION_TYPE: &str = "entrada+jwt";
/// Maximum size of an assertion, in bytes.
const MAX_ASSERTION_BYTES: usize = 16 * 1024;
/// Maximum difference between two clocks, in seconds.
const LEEWAY_SECONDS: u64 = 30;

/// The values that an assertion must match.
#[derive(Debug)]
pub(super) struct ExpectedAssertion {
    pub(super) header: String,
    pub(super) issuer: String,
    pub(super) audience: String,
    pub(super) keys: AssertionKeys,
}

/// The person in a verified assertion. Only this module creates it, after all steps.
#[derive(Debug)]
pub(super) struct VerifiedAssertion(AssertedPerson);

impl VerifiedAssertion {
    /// Returns the person.
    pub(super) fn person(&self) -> &AssertedPerson {
        &self.0
    }
}

/// One step of the verification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct VerificationStep {
    pub(super) name: &'static str,
    pub(super) state: StepState,
    /// The value that was found.
    pub(super) value: String,
}

/// The result of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StepState {
    Passed,
    Failed,
    /// The step was skipped, because an earlier one left nothing to check.
    Skipped,
}

/// The result of the whole verification.
#[derive(Debug, Default)]
pub(super) struct VerificationReport {
    pub(super) steps: Vec<VerificationStep>,
    /// The header, as far as it could be read.
    pub(super) header: Option<Map<String, Value>>,
    /// The claims, as far as they could be read.
    pub(super) claims: Option<Map<String, Value>>,
    pub(super) verified: Option<VerifiedAssertion>,
}

/// The parts of an assertion, not yet verified.
struct AssertionParts<'a> {
    signed: &'a str,
    signature: Vec<u8>,
    header: Map<String, Value>,
    claims: Map<String, Value>,
}

/// Verifies the assertion in a request. Returns `None` if it carries none.
pub(super) async fn verify(
    expected: &ExpectedAssertion,
    headers: &HeaderMap,
    now: u64,
) -> Option<VerificationReport> {
    let mut values = headers.get_all(&expected.header).iter();
    let first = values.next()?;
    let mut out = VerificationReport::default();
    let token = match (first.to_str(), values.next()) {
        (Ok(token), None) if token.len() <= MAX_ASSERTION_BYTES => token,
        (_, Some(_)) => return Some(out.refuse("Header", "the header is repeated")),
        _ => return Some(out.refuse("Header", "the value is too long or is not text")),
    };
    out.step("Header", true, format!("{}, {} bytes", expected.header, token.len()));
    let Some(parts) = AssertionParts::read(token) else {
        return Some(
            out.refuse("Three parts", "the value is not header, claims and signature in base64url"),
        );
    };
    out.step("Three parts", true, "header, claims and signature were read".to_owned());
    check(expected, &parts, now, &mut out).await;
    if out.steps.iter().all(|it| it.state == StepState::Passed) {
        out.verified = Some(VerifiedAssertion(AssertedPerson::read(&parts.claims)));
    }
    (out.header, out.claims) = (Some(parts.header), Some(parts.claims));
    Some(out)
}

async fn check(
    expected: &ExpectedAssertion,
    parts: &AssertionParts<'_>,
    now: u64,
    out: &mut VerificationReport,
) {
    let says = |name: &str| shown(parts.header.get(name));
    let is_type = parts.text("typ") == Some(ASSERTION_TYPE) && !parts.header.contains_key("crit");
    out.step("Type", is_type, format!("typ is {}", says("typ")));
    // The app chooses the algorithm, never the token (RFC 8725 3.1).
    let is_algorithm = parts.text("alg") == Some("ES256");
    out.step("Algorithm", is_algorithm, format!("alg is {}", says("alg")));
    let key = find_key(expected, parts, out).await;
    match key.filter(|_| is_algorithm) {
        Some(key) => out.step(
            "Signature",
            parts.is_signed_by(&key),
            "ECDSA on P-256 with SHA-256".to_owned(),
        ),
        None => out.skip("Signature", "no key is available"),
    }
    let claim = |name: &str| parts.claims.get(name);
    let is_issuer = claim("iss").and_then(Value::as_str) == Some(&expected.issuer);
    out.step("Issuer", is_issuer, format!("iss is {}", shown(claim("iss"))));
    out.step(
        "Audience",
        is_for(claim("aud"), &expected.audience),
        format!("aud is {}", shown(claim("aud"))),
    );
    let expiry = claim("exp").and_then(Value::as_u64);
    out.step(
        "Not expired",
        expiry.is_some_and(|it| now < it.saturating_add(LEEWAY_SECONDS)),
        shown_value("exp", claim("exp"), expiry, now),
    );
    let begin = claim("nbf").and_then(Value::as_u64);
    out.step(
        "Already valid",
        begin.is_some_and(|it| it <= now.saturating_add(LEEWAY_SECONDS)),
        shown_value("nbf", claim("nbf"), begin, now),
    );
}

async fn find_key(
    expected: &ExpectedAssertion,
    parts: &AssertionParts<'_>,
    out: &mut VerificationReport,
) -> Option<PublicKey> {
    let kid = parts.text("kid").unwrap_or_default();
    let keys = match expected.keys.all(kid).await {
        Ok(keys) => keys,
        Err(why) => {
            out.step("Keys fetched", false, format!("{}: {why}", expected.keys.url()));
            out.skip("Key found", "no keys are available");
            return None;
        }
    };
    out.step("Keys fetched", true, format!("{} ({} in the set)", expected.keys.url(), keys.len()));
    let key = keys.iter().find(|it| !kid.is_empty() && it.kid == kid).cloned();
    out.step("Key found", key.is_some(), format!("kid is {}", shown(parts.header.get("kid"))));
    key
}

impl<'a> AssertionParts<'a> {
    fn read(token: &'a str) -> Option<Self> {
        let (signed, signature) = token.rsplit_once('.')?;
        let (header, claims) = signed.split_once('.')?;
        Some(Self {
            signed,
            signature: URL_SAFE_NO_PAD.decode(signature).ok()?,
            header: object(header)?,
            claims: object(claims)?,
        })
    }

    /// Returns a text from the header.
    fn text(&self, name: &str) -> Option<&str> {
        self.header.get(name).and_then(Value::as_str)
    }

    fn is_signed_by(&self, key: &PublicKey) -> bool {
        let Some(point) = point(key) else { return false };
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point)
            .verify(self.signed.as_bytes(), &self.signature)
            .is_ok()
    }
}

/// Returns the uncompressed point of a P-256 key (RFC 7518 6.2.1; SEC 1 2.3.3).
fn point(key: &PublicKey) -> Option<Vec<u8>> {
    let coordinate = |text: &str| URL_SAFE_NO_PAD.decode(text).ok().filter(|it| it.len() == 32);
    (key.kty == "EC" && key.crv == "P-256").then_some(())?;
    Some([vec![4], coordinate(&key.x)?, coordinate(&key.y)?].concat())
}

fn object(part: &str) -> Option<Map<String, Value>> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
}

/// Returns whether the audience includes us; `aud` is a text or a list of texts (RFC 7519 4.1.3).
fn is_for(audience: Option<&Value>, us: &str) -> bool {
    match audience {
        Some(Value::String(it)) => it == us,
        Some(Value::Array(all)) => all.iter().any(|it| it.as_str() == Some(us)),
        _ => false,
    }
}

fn shown(value: Option<&Value>) -> String {
    match value {
        Some(Value::String(it)) => it.clone(),
        Some(other) => other.to_string(),
        None => "absent".to_owned(),
    }
}

fn shown_value(name: &str, value: Option<&Value>, at: Option<u64>, now: u64) -> String {
    match at {
        Some(at) if at > now => format!("{name} is in {} s", at - now),
        Some(at) => format!("{name} was {} s ago", now - at),
        None => format!("{name} is {}", shown(value)),
    }
}

impl VerificationReport {
    fn step(&mut self, name: &'static str, passed: bool, value: String) {
        self.steps.push(VerificationStep {
            name,
            state: if passed { StepState::Passed } else { StepState::Failed },
            value,
        });
    }

    fn skip(&mut self, name: &'static str, why: &str) {
        self.steps.push(VerificationStep {
            name,
            state: StepState::Skipped,
            value: why.to_owned(),
        });
    }

    fn refuse(mut self, name: &'static str, why: &str) -> Self {
        self.step(name, false, why.to_owned());
        self
    }
}
