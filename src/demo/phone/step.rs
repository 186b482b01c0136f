//! The display of one step: request and response, with shortened tokens.

use super::answer::PhoneResponse;
use minijinja::context;
use minijinja::value::Value;
use serde_json::Value as Json;

/// Maximum number of characters of a token that are shown; longer ones are shortened.
const MAX_SHOWN_TOKEN_CHARS: usize = 24;
/// Members that are shortened in every place.
const TOKEN_MEMBERS: [&str; 6] =
    ["access_token", "refresh_token", "code", "code_verifier", "token", "x-entrada-assertion"];

/// A completed step.
#[derive(Clone, Debug)]
pub(super) struct PhoneStep {
    /// The name of its texts in the catalog.
    pub(super) name: &'static str,
    pub(super) request: String,
    pub(super) answer: String,
    pub(super) is_well: bool,
}

impl PhoneStep {
    /// Returns the values for the template.
    pub(super) fn shown(&self) -> Value {
        context! { name => self.name, request => self.request.as_str(), answer => self.answer.as_str(), is_well => self.is_well }
    }
}

/// Formats a form request as it is sent.
pub(super) fn form(endpoint: &str, fields: &[(&str, &str)]) -> String {
    let lines = fields.iter().map(|(name, value)| format!("{name}={}", shortened(name, value)));
    format!(
        "POST {endpoint}\nContent-Type: application/x-www-form-urlencoded\n\n{}",
        lines.collect::<Vec<_>>().join("\n&")
    )
}

/// Formats a response: its status, and its JSON in lines.
pub(super) fn answer(response: &PhoneResponse) -> String {
    match response {
        PhoneResponse::Answer(status, Json::Null) => format!("HTTP {status}"),
        PhoneResponse::Answer(status, json) => {
            let mut shown = json.clone();
            shorten(&mut shown);
            format!("HTTP {status}\n\n{}", serde_json::to_string_pretty(&shown).unwrap_or_default())
        }
        PhoneResponse::Nothing(why) => format!("no answer: {why}"),
    }
}

/// Returns the value; a long secret is shortened to its beginning, which opens nothing.
pub(super) fn shortened(name: &str, value: &str) -> String {
    if TOKEN_MEMBERS.contains(&name) && value.chars().count() > MAX_SHOWN_TOKEN_CHARS {
        format!(
            "{}… ({} characters)",
            value.chars().take(MAX_SHOWN_TOKEN_CHARS).collect::<String>(),
            value.chars().count()
        )
    } else {
        value.to_owned()
    }
}

fn shorten(json: &mut Json) {
    for (name, value) in json.as_object_mut().into_iter().flatten() {
        match value {
            Json::String(text) => *text = shortened(name, text),
            other => shorten(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{PhoneResponse, answer, form};
    use serde_json::json;

    #[test]
    fn what_opens_something_is_shown_by_its_beginning_only() {
        let long = "abcdefghijklmnopqrstuvwxyz0123456789";
        let shown = answer(&PhoneResponse::Answer(
            200,
            json!({"access_token": long, "heard": {"x-entrada-assertion": long}, "scope": long}),
        ));
        assert_eq!(
            shown.matches("abcdefghijklmnopqrstuvwx… (36 characters)").count(),
            2,
            "{shown}"
        );
        assert!(shown.contains(&format!("\"scope\": \"{long}\"")), "{shown}");
        assert!(!form("http://localhost/token", &[("code", long)]).contains("0123456789"));
    }
}
