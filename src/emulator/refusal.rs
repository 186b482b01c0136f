//! Refusals in Entra's format: an AADSTS code, an OAuth error, and IDs to search for.

use std::borrow::Cow;

use http::StatusCode;
use serde_json::{Value, json};

use super::control::InjectedRefusal;
use super::refusals::RefusalRow;
use super::state::EmulatorState;
use super::time::timestamp;
use super::web::{self, EmulatorReply};

/// A refusal that has no IDs yet.
#[derive(Clone, Debug)]
pub(super) struct EmulatedRefusal {
    /// The number after `AADSTS`.
    pub(super) code: u32,
    /// The OAuth error (RFC 6749 section 5.2).
    pub(super) error: Cow<'static, str>,
    /// The sentence after the code.
    pub(super) text: String,
    /// Entra's more detailed reason.
    pub(super) suberror: Option<Cow<'static, str>>,
    /// The claims that a new authorization request must ask for: JSON in a string.
    pub(super) claims: Option<String>,
}

/// A claims challenge as Entra writes it: the policy to satisfy.
const CHALLENGE: &str = r#"{"access_token":{"polids":{"essential":true,"values":["9ab03e19-ed42-4168-b6b7-7001fb3e933a"]}}}"#;
/// Codes without a page of their own: no `error_uri` is sent for them.
const WITHOUT_PAGE: [u32; 2] = [700_038, 70_003];

impl EmulatedRefusal {
    pub(super) fn new(code: u32, error: &'static str, text: impl Into<String>) -> Self {
        Self { code, error: error.into(), text: text.into(), suberror: None, claims: None }
    }

    /// Adds Entra's more detailed reason.
    pub(super) fn finer(self, suberror: &'static str) -> Self {
        Self { suberror: Some(suberror.into()), ..self }
    }

    /// Returns a row of the table as the callback reports it.
    pub(super) fn at_callback(row: &RefusalRow) -> Self {
        Self { suberror: row.suberror.map(Cow::from), ..Self::new(row.code, row.error, row.text) }
    }

    /// Returns a row of the table as the token endpoint reports it; errors that only the person can
    /// resolve carry a claims challenge.
    pub(super) fn at_token(row: &RefusalRow) -> Self {
        let claims = (row.at_token == "interaction_required").then(|| CHALLENGE.to_owned());
        Self {
            suberror: row.suberror.map(Cow::from),
            claims,
            ..Self::new(row.code, row.at_token, row.text)
        }
    }

    /// Returns a refusal that a test has defined; the sentence comes from the table if it has one.
    pub(super) fn written(refused: InjectedRefusal) -> Self {
        let InjectedRefusal { error, code, suberror, claims } = refused;
        let text = super::refusals::of(code).map_or("The request was refused.", |it| it.text);
        Self {
            code,
            error: error.into(),
            text: text.to_owned(),
            suberror: suberror.map(Cow::from),
            claims,
        }
    }

    /// Returns the refusal for a missing parameter (AADSTS900144).
    pub(super) fn missing(name: &str) -> Self {
        Self::new(
            900_144,
            "invalid_request",
            format!("The request body must contain the following parameter: '{name}'."),
        )
    }

    /// Returns the HTTP status: 401 only for a client that failed to authenticate.
    pub(super) fn status(&self) -> StatusCode {
        if self.error == "invalid_client" {
            StatusCode::UNAUTHORIZED
        } else {
            StatusCode::BAD_REQUEST
        }
    }

    /// Adds the IDs and the time.
    pub(super) fn at(self, state: &EmulatorState, correlation: &str) -> TracedRefusal {
        TracedRefusal {
            trace: state.guid(),
            correlation: correlation.to_owned(),
            time: timestamp(state.clock.now()),
            uri: error_uri(state, self.code),
            refusal: self,
        }
    }
}

fn error_uri(state: &EmulatorState, code: u32) -> Option<String> {
    (!WITHOUT_PAGE.contains(&code)).then(|| format!("{}/error?code={code}", state.authority))
}

/// A refusal with its IDs.
pub(super) struct TracedRefusal {
    pub(super) refusal: EmulatedRefusal,
    pub(super) trace: String,
    pub(super) correlation: String,
    pub(super) time: String,
    pub(super) uri: Option<String>,
}

impl TracedRefusal {
    /// Returns `error_description`, with spaces between the parts, as Entra has written it since
    /// 2026.
    pub(super) fn description(&self) -> String {
        let EmulatedRefusal { code, text, .. } = &self.refusal;
        format!(
            "AADSTS{code}: {text} Trace ID: {} Correlation ID: {} Timestamp: {}",
            self.trace, self.correlation, self.time
        )
    }

    /// Returns the JSON response of the token endpoint.
    pub(super) fn json(&self) -> EmulatorReply {
        let mut body = json!({"error": *self.refusal.error, "error_description": self.description(), "error_codes": [self.refusal.code],
            "timestamp": self.time, "trace_id": self.trace, "correlation_id": self.correlation});
        if let Some(members) = body.as_object_mut() {
            if let Some(uri) = &self.uri {
                members.insert("error_uri".to_owned(), Value::from(uri.as_str()));
            }
            for (name, value) in [
                ("suberror", self.refusal.suberror.as_deref()),
                ("claims", self.refusal.claims.as_deref()),
            ] {
                members.extend(value.map(|value| (name.to_owned(), Value::from(value))));
            }
        }
        web::json(self.refusal.status(), &body)
    }
}
