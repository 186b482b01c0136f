//! Step-up for the app: its claims challenge sends a signed-in person to Entra and back. A step-up
//! for an access rule begins in `proxy` or `forward_auth`.

use super::super::exchange::Exchange;
use super::super::facts::RequestFacts;
use super::super::refusal::Refusal;
use super::begin::{self, SignInStart};
use crate::config::access::is_context;
use crate::entra::claims_challenge::{decode, encoded_claims};
use crate::session::pending::{SessionRequest, SignInPurpose};
use crate::session::record::Session;
use crate::session::rounds::ROUNDS_WINDOW_SECONDS;
use crate::wire::body::Body;
use crate::wire::inbound::{CallerKind, InboundRequest};
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::header::SET_COOKIE;
use http::{HeaderMap, Method, Response};
use serde_json::{Map, Value};
use std::sync::Arc;

/// Maximum length of `claims` in an app's challenge, in bytes of its base64: it becomes part of a
/// URL.
const MAX_APP_CLAIMS_BYTES: usize = 4 * 1024;

/// Whether a challenge of the app can be followed: only for a browser that navigates to a page,
/// with a session.
pub(in crate::flow) fn may_follow(
    inbound: &InboundRequest,
    session: Option<&Arc<Session>>,
) -> bool {
    inbound.caller == CallerKind::Navigation
        && session.is_some()
        && inbound.target.method() == Method::GET
}

/// Follows an app's 401 with a claims challenge to Entra and back. An unreadable challenge is
/// passed through unchanged, and so is one that this session has just satisfied: another round
/// would have the same result. The exchange's headers contain only the client's cookies.
pub(in crate::flow) async fn challenged(
    exchange: &Exchange<'_>,
    challenge: &str,
    response: Response<Body>,
    facts: &mut RequestFacts,
) -> Result<Response<Body>, Refusal> {
    let Some(session) = &facts.session else { return Ok(response) };
    let Some(asked) = StepUpRequest::read(challenge) else {
        facts.cause = Some("cannot read the app's claims challenge".to_owned());
        return Ok(response);
    };
    let is_recent = exchange.sidecar.process.clock.now()
        < session.started_at().saturating_add(ROUNDS_WINDOW_SECONDS);
    if is_recent && session.answered() == Some(&asked.mark) {
        facts.cause = Some("the app repeats a claims challenge that was just satisfied".to_owned());
        return Ok(response);
    }
    let wanted = SessionRequest {
        acrs: asked.acrs,
        challenge: Some(asked.mark),
        ..SessionRequest::to(&exchange.return_to())
    };
    let mut start = SignInStart::new(SignInPurpose::Session(wanted));
    start.hints.claims = Some(asked.claims);
    let mut away = begin::start_sign_in(exchange, start).await?;
    // Keeps the app's cookies, so that the app finds its state again when the person returns.
    for line in response.headers().get_all(SET_COOKIE) {
        away.headers_mut().append(SET_COOKIE, line.clone());
    }
    Ok(away)
}

/// Returns `claims` of the first claims challenge, still encoded.
pub(in crate::flow) fn challenge_of(headers: &HeaderMap) -> Option<String> {
    encoded_claims(headers)
}

/// The step-up that an app requests.
#[derive(Debug, PartialEq, Eq)]
struct StepUpRequest {
    /// The claims for Entra, as JSON.
    claims: String,
    /// The authentication contexts, one of which the ID token must contain.
    acrs: Vec<String>,
    /// Distinguishes this challenge from others.
    mark: Box<str>,
}

impl StepUpRequest {
    /// Reads a JSON object in base64 or base64url, with or without padding.
    fn read(said: &str) -> Option<Self> {
        if said.len() > MAX_APP_CLAIMS_BYTES {
            return None;
        }
        let json = decode(said)?;
        let mut claims: Map<String, Value> = serde_json::from_slice(&json).ok()?;
        // Apps request it for the access token that they expect. Entrada reads the ID token
        // instead.
        if let Some(acrs) = claims.get("access_token").and_then(|it| it.get("acrs")).cloned() {
            let id_token = claims.entry("id_token").or_insert_with(|| Value::Object(Map::new()));
            id_token.as_object_mut()?.entry("acrs").or_insert(acrs);
        }
        let acrs = essential(&claims);
        let claims = Value::Object(claims).to_string();
        let mark = URL_SAFE_NO_PAD.encode(digest(&SHA256, claims.as_bytes())).into();
        Some(Self { claims, acrs, mark })
    }
}

/// Returns the authentication contexts, one of which the ID token must contain (OpenID Connect Core
/// section 5.5.1).
fn essential(claims: &Map<String, Value>) -> Vec<String> {
    let acrs = claims
        .get("id_token")
        .and_then(|it| it.get("acrs"))
        .filter(|it| it.get("essential") == Some(&Value::Bool(true)));
    let Some(acrs) = acrs else { return Vec::new() };
    let several = acrs.get("values").and_then(Value::as_array).into_iter().flatten();
    acrs.get("value")
        .into_iter()
        .chain(several)
        .filter_map(Value::as_str)
        .filter(|it| is_context(it))
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::engine::general_purpose::{STANDARD, URL_SAFE};

    #[test]
    fn claims_are_read_in_either_base64_and_asked_of_the_token_that_is_read_here() {
        let json = r#"{"access_token":{"acrs":{"essential":true,"value":"c1"}},"x":"~~~???>>>"}"#;
        let meant = r#"{"access_token":{"acrs":{"essential":true,"value":"c1"}},"id_token":{"acrs":{"essential":true,"value":"c1"}},"x":"~~~???>>>"}"#;
        let said = [
            STANDARD.encode(json),
            URL_SAFE.encode(json),
            URL_SAFE_NO_PAD.encode(json),
            STANDARD.encode(json).trim_end_matches('=').to_owned(),
        ];
        for it in said {
            let asked = StepUpRequest::read(&it).unwrap();
            assert_eq!(
                serde_json::from_str::<Value>(&asked.claims).unwrap(),
                serde_json::from_str::<Value>(meant).unwrap()
            );
            assert_eq!(asked.acrs, ["c1"]);
        }
    }

    #[test]
    fn what_is_no_object_or_too_long_is_no_challenge() {
        let long = format!(r#"{{"id_token":{{"x":"{}"}}}}"#, "x".repeat(MAX_APP_CLAIMS_BYTES));
        for json in [
            "",
            "[]",
            "\"c1\"",
            "{",
            r#"{"id_token":1,"access_token":{"acrs":{"value":"c1"}}}"#,
            &long,
        ] {
            assert_eq!(StepUpRequest::read(&STANDARD.encode(json)), None, "{json}");
        }
        assert_eq!(StepUpRequest::read("no base64!"), None);
    }

    #[test]
    fn only_what_is_essential_must_come_back() {
        for (json, acrs) in [
            (
                r#"{"id_token":{"acrs":{"essential":true,"values":["c1","c2","other"]}}}"#,
                &["c1", "c2"][..],
            ),
            (r#"{"id_token":{"acrs":{"value":"c1"}}}"#, &[]),
            (r#"{"access_token":{"nbf":{"essential":true,"value":"1604106651"}}}"#, &[]),
        ] {
            assert_eq!(StepUpRequest::read(&STANDARD.encode(json)).unwrap().acrs, acrs, "{json}");
        }
    }
}
