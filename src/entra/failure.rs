//! Refusals from Entra: an OAuth error, an AADSTS code, and IDs to search for.

use super::claims_challenge::ClaimsChallenge;
use crate::base::guid::Guid;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use std::fmt;

/// Maximum length of a description that is read, in bytes.
const MAX_DESCRIPTION_BYTES: usize = 8 * 1024;

/// A refusal from Entra. It contains only validated, harmless text, because anyone can forge one at
/// the callback.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EntraRefusal {
    /// The OAuth error (RFC 6749 sections 4.1.2.1 and 5.2); `unknown` if it is not a valid one.
    pub error: String,
    /// Entra's more specific reason: `suberror` at the token endpoint, `error_subcode` at the
    /// callback.
    pub suberror: Option<Box<str>>,
    /// The number after `AADSTS`.
    pub code: Option<u32>,
    /// Identifies the request in Entra's sign-in log.
    pub correlation_id: Option<Box<str>>,
    /// Identifies the response in Microsoft's own log.
    pub trace_id: Option<Box<str>>,
    /// Time of the refusal, in Entra's format: `2026-01-09 02:02:12Z`.
    pub timestamp: Option<Box<str>>,
    /// The requirements for the next sign-in. Only the token endpoint sends them.
    pub claims: Option<ClaimsChallenge>,
}

impl EntraRefusal {
    /// Reads `error` and `error_description` from a callback.
    pub fn of_callback(error: &str, description: Option<&str>) -> Self {
        let text = description.filter(|it| it.len() <= MAX_DESCRIPTION_BYTES).unwrap_or_default();
        Self {
            error: error_name(error),
            suberror: None,
            code: code_in(text),
            correlation_id: guid(after(text, "Correlation ID:")),
            trace_id: guid(after(text, "Trace ID:")),
            timestamp: timestamp(after(text, "Timestamp:")),
            claims: None,
        }
    }

    /// Adds the more specific reason; anything other than a plain word is ignored.
    #[must_use]
    pub fn because(mut self, suberror: Option<&str>) -> Self {
        self.suberror = suberror.filter(|it| is_plain(it)).map(Into::into);
        self
    }

    /// Whether the person canceled or declined the sign-in at Entra.
    pub fn is_cancelled(&self) -> bool {
        self.error == "access_denied"
            && (self.suberror.as_deref() == Some("cancel") || self.code.is_none())
    }

    /// Whether Entra asks to try again later (RFC 6749 section 4.1.2.1).
    pub fn is_passing(&self) -> bool {
        matches!(self.error.as_str(), "temporarily_unavailable" | "server_error")
    }

    /// Whether Entra refuses the app itself rather than the person (RFC 6749 section 5.2).
    pub fn is_of_the_app(&self) -> bool {
        matches!(self.error.as_str(), "invalid_client" | "unauthorized_client")
    }

    /// Reads the body of an error response from the token or discovery endpoint; `None` if it is
    /// not one.
    pub fn of_body(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }
}

/// The members of an error body that are read. An unexpected type in an optional member does not
/// discard the other members.
#[derive(Deserialize)]
struct ErrorBody {
    error: String,
    #[serde(default)]
    error_description: Value,
    #[serde(default)]
    suberror: Value,
    #[serde(default)]
    error_codes: Value,
    #[serde(default)]
    correlation_id: Value,
    #[serde(default)]
    trace_id: Value,
    #[serde(default)]
    timestamp: Value,
    #[serde(default)]
    claims: Value,
}

impl<'de> Deserialize<'de> for EntraRefusal {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let body = ErrorBody::deserialize(from)?;
        let said = Self::of_callback(&body.error, body.error_description.as_str())
            .because(body.suberror.as_str());
        let listed = body
            .error_codes
            .as_array()
            .and_then(|it| it.first()?.as_u64())
            .and_then(|it| u32::try_from(it).ok());
        Ok(Self {
            code: listed.or(said.code),
            correlation_id: guid(body.correlation_id.as_str()).or(said.correlation_id),
            trace_id: guid(body.trace_id.as_str()).or(said.trace_id),
            timestamp: timestamp(body.timestamp.as_str()).or(said.timestamp),
            error: said.error,
            suberror: said.suberror,
            claims: body.claims.as_str().and_then(ClaimsChallenge::of_json),
        })
    }
}

impl fmt::Display for EntraRefusal {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.error)?;
        if let Some(code) = self.code {
            write!(out, " AADSTS{code}")?;
        }
        if let Some(id) = &self.correlation_id {
            write!(out, " correlation id {id}")?;
        }
        Ok(())
    }
}

impl openidconnect::ErrorResponse for EntraRefusal {}

fn error_name(text: &str) -> String {
    if is_plain(text) { text } else { "unknown" }.to_owned()
}

fn is_plain(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text.bytes().all(|it| it.is_ascii_alphanumeric() || matches!(it, b'_' | b'-' | b'.'))
}

fn code_in(text: &str) -> Option<u32> {
    let (_, rest) = text.split_once("AADSTS")?;
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    rest.get(..digits)?.parse().ok()
}

/// Returns the word after a label. Older texts separate their parts with line ends, newer ones with
/// spaces.
fn after<'a>(text: &'a str, label: &str) -> Option<&'a str> {
    text.split_once(label).map(|it| it.1.trim_start())
}

fn guid(text: Option<&str>) -> Option<Box<str>> {
    Guid::parse(text?.split_whitespace().next()?).map(|it| it.to_string().into())
}

fn timestamp(text: Option<&str>) -> Option<Box<str>> {
    let text = text?.get(..20)?;
    let shaped = text
        .bytes()
        .zip(b"0000-00-00 00:00:00Z")
        .all(|(it, shape)| if *shape == b'0' { it.is_ascii_digit() } else { it == *shape });
    shaped.then(|| text.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "0000aaaa-11bb-cccc-dd33-eeeeee333333";
    const CORRELATION: &str = "aaaa0000-bb11-2222-33cc-444444dddddd";

    #[test]
    fn both_spellings_of_a_description_are_read() {
        for gap in [" ", "\r\n"] {
            let text = format!(
                "AADSTS65004: User declined to consent to access the app.{gap}Trace ID: {TRACE}{gap}Correlation ID: {CORRELATION}{gap}Timestamp: 2026-01-09 02:02:12Z"
            );
            let refusal = EntraRefusal::of_callback("access_denied", Some(&text));
            assert_eq!(refusal.code, Some(65_004));
            assert_eq!(refusal.trace_id.as_deref(), Some(TRACE));
            assert_eq!(refusal.correlation_id.as_deref(), Some(CORRELATION));
            assert_eq!(refusal.timestamp.as_deref(), Some("2026-01-09 02:02:12Z"));
            assert_eq!(
                refusal.to_string(),
                format!("access_denied AADSTS65004 correlation id {CORRELATION}")
            );
        }
    }

    #[test]
    fn a_cancelled_sign_in_comes_without_a_description() {
        let refusal = EntraRefusal::of_callback("access_denied", None).because(Some("cancel"));
        assert!(refusal.is_cancelled() && refusal.suberror.as_deref() == Some("cancel"));
        assert!(
            !EntraRefusal::of_callback("access_denied", Some("AADSTS53003: Blocked"))
                .is_cancelled()
        );
        assert!(
            !EntraRefusal::of_callback("server_error", None).because(Some("cancel")).is_cancelled()
        );
        assert_eq!(refusal.because(Some("<b>")).suberror, None);
        let refusal = EntraRefusal::of_callback("access_denied", None);
        assert_eq!(
            (refusal.error.as_str(), refusal.code, refusal.timestamp),
            ("access_denied", None, None)
        );
    }

    #[test]
    fn what_anybody_could_write_does_not_get_through() {
        let text = "AADSTS99999999999: <script> Trace ID: <b>x</b> Correlation ID: ../.. Timestamp: 2026-01-09 02:02:12Z<i>";
        let refusal = EntraRefusal::of_callback("<script>alert(1)</script>", Some(text));
        assert_eq!(refusal.to_string(), "unknown");
        assert_eq!((refusal.code, refusal.trace_id), (None, None));
        assert_eq!(refusal.timestamp.as_deref(), Some("2026-01-09 02:02:12Z"));
        assert_eq!(
            EntraRefusal::of_callback(&"a".repeat(65), Some(&"é".repeat(100_000))).error,
            "unknown"
        );
    }

    #[test]
    fn the_body_of_the_token_endpoint_is_read() {
        let body = format!(
            r#"{{"error":"invalid_client","error_description":"AADSTS7000215: Invalid client secret provided.","error_codes":[7000215],
            "suberror":"bad_token","timestamp":"2026-01-09 02:02:12Z","trace_id":"{TRACE}","correlation_id":"{CORRELATION}","error_uri":"https://x"}}"#
        );
        let refusal = EntraRefusal::of_body(body.as_bytes()).unwrap();
        assert_eq!((refusal.error.as_str(), refusal.code), ("invalid_client", Some(7_000_215)));
        assert!(
            refusal.is_of_the_app()
                && !refusal.is_passing()
                && refusal.suberror.as_deref() == Some("bad_token")
        );
        assert_eq!(refusal.trace_id.as_deref(), Some(TRACE));
        let body = br#"{"error":"interaction_required","suberror":"basic_action","claims":"{\"access_token\": {\"polids\":{\"essential\":true}}}"}"#;
        let refusal = EntraRefusal::of_body(body).unwrap();
        assert_eq!(
            refusal.claims.as_ref().map(ClaimsChallenge::as_json),
            Some(r#"{"access_token":{"polids":{"essential":true}}}"#)
        );
        for odd in [
            r#""[1]""#.to_owned(),
            r#""{} {}""#.to_owned(),
            "{}".to_owned(),
            format!(r#""{{\"a\":\"{}\"}}""#, "x".repeat(3000)),
        ] {
            let body = format!(r#"{{"error":"interaction_required","claims":{odd}}}"#);
            assert_eq!(EntraRefusal::of_body(body.as_bytes()).unwrap().claims, None, "{odd}");
        }
        let odd =
            EntraRefusal::of_body(br#"{"error":"server_error","error_codes":"none","trace_id":7}"#)
                .unwrap();
        assert_eq!((odd.error.as_str(), odd.code, odd.trace_id), ("server_error", None, None));
        assert!(
            EntraRefusal::of_body(b"<html>").is_none() && EntraRefusal::of_body(b"{}").is_none()
        );
    }
}
