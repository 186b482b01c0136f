//! The controls by name, for the panel and for external programs: each corresponds to one method of
//! `EmulatorControl`.

use std::collections::HashMap;

use serde_json::Value;

use super::control::InjectedRefusal;
use super::faults::{GraphFault, TokenFault, UNTIL_CLEARED};
use super::state::{EmulatorState, ParameterPairs};
use super::token_defect::TokenDefect;

/// The controls that a request can name.
pub(super) const CONTROL_SETTINGS: [&str; 18] = [
    "revoke",
    "disable",
    "enable",
    "roles",
    "groups",
    "refuse_refresh",
    "allow_refresh",
    "rotate_keys",
    "down",
    "slow",
    "wrong",
    "single_use_refresh",
    "token",
    "graph",
    "graph_page",
    "refuse_token",
    "front_channel_url",
    "move_clock",
];

/// The reason that a control request is rejected.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum BadControlRequest {
    #[error("name exactly one of: {}", CONTROL_SETTINGS.join(", "))]
    Setting,
    #[error("no person has that object ID or username")]
    Person,
    #[error("{0} is not valid")]
    Value(&'static str),
    #[error("the key could not be created")]
    Key,
}

/// One control, its value, and the other parameters.
#[derive(Debug)]
pub(super) struct ControlRequest {
    setting: &'static str,
    value: String,
    more: HashMap<String, String>,
}

impl ControlRequest {
    /// Reads a JSON object with one control: `{"token": "too-many", "calls": 2, "seconds": 5}`.
    pub(super) fn of_json(body: &[u8]) -> Result<Self, BadControlRequest> {
        let Ok(Value::Object(members)) = serde_json::from_slice(body) else {
            return Err(BadControlRequest::Setting);
        };
        let mut more: HashMap<String, String> =
            members.into_iter().map(|(name, value)| (name, text(value))).collect();
        let mut named = CONTROL_SETTINGS.into_iter().filter(|it| more.contains_key(*it));
        let (Some(setting), None) = (named.next(), named.next()) else {
            return Err(BadControlRequest::Setting);
        };
        Ok(Self { setting, value: more.remove(setting).unwrap_or_default(), more })
    }

    /// Reads a form from the panel: `setting`, `value` and the other fields.
    pub(super) fn of_form(form: &ParameterPairs) -> Result<Self, BadControlRequest> {
        let setting = CONTROL_SETTINGS
            .into_iter()
            .find(|it| form.value("setting") == Some(it))
            .ok_or(BadControlRequest::Setting)?;
        let more = ["person", "calls", "seconds", "error", "suberror", "claims"].into_iter();
        let more =
            more.filter_map(|name| Some((name.to_owned(), form.value(name)?.to_owned()))).collect();
        Ok(Self { setting, value: form.value("value").unwrap_or_default().to_owned(), more })
    }

    /// Carries out the request.
    pub(super) async fn carry_out(&self, state: &EmulatorState) -> Result<(), BadControlRequest> {
        let control = &state.control;
        match self.setting {
            "rotate_keys" if !control.rotate_keys().await => return Err(BadControlRequest::Key),
            "rotate_keys" => {}
            "down" => control.be_down(self.truth()?),
            "single_use_refresh" => control.single_use_refresh(self.truth()?),
            "slow" => control.be_slow(self.number()?),
            "graph_page" => control.graph_page(self.number()?),
            "wrong" => control.wrong(
                TokenDefect::ALL
                    .into_iter()
                    .find(|it| it.0 == self.value)
                    .ok_or(BadControlRequest::Value("wrong"))?
                    .1,
            ),
            "move_clock" => state
                .clock
                .shift(self.value.parse().map_err(|_| BadControlRequest::Value("move_clock"))?),
            "front_channel_url" => {
                control.front_channel_url(Some(self.value.as_str()).filter(|it| !it.is_empty()));
            }
            "token" | "graph" => self.fault(state)?,
            "refuse_token" => control.refuse_next_token(self.refused()?),
            _ => self.apply_to_person(state)?,
        }
        Ok(())
    }

    fn apply_to_person(&self, state: &EmulatorState) -> Result<(), BadControlRequest> {
        let control = &state.control;
        let named = match self.setting {
            "roles" | "groups" | "refuse_refresh" => {
                self.more.get("person").ok_or(BadControlRequest::Person)?
            }
            _ => &self.value,
        };
        let everyone = || state.people.iter().chain(&state.of_codes).chain(&state.guests_at_home);
        let oid = everyone()
            .find(|it| it.oid == *named || it.user_name.eq_ignore_ascii_case(named))
            .map(|it| it.oid.as_str())
            .ok_or(BadControlRequest::Person)?;
        let list = || {
            self.value
                .split(',')
                .map(str::trim)
                .filter(|it| !it.is_empty())
                .map(str::to_owned)
                .collect()
        };
        match self.setting {
            "revoke" => control.revoke(oid),
            "disable" => control.disable(oid, true),
            "enable" => control.disable(oid, false),
            "roles" => control.set_roles(oid, list()),
            "groups" => control.set_groups(oid, list()),
            "refuse_refresh" => {
                let code = self.value.parse().map_err(|_| BadControlRequest::Value("the code"))?;
                return control
                    .refuse_refresh(oid, code)
                    .then_some(())
                    .ok_or(BadControlRequest::Value("the code"));
            }
            _ => control.allow_refresh(oid),
        }
        Ok(())
    }

    fn fault(&self, state: &EmulatorState) -> Result<(), BadControlRequest> {
        let calls = self
            .more
            .get("calls")
            .map_or(Ok(UNTIL_CLEARED), |it| it.parse())
            .map_err(|_| BadControlRequest::Value("calls"))?;
        let seconds = self
            .more
            .get("seconds")
            .map(|it| it.parse())
            .transpose()
            .map_err(|_| BadControlRequest::Value("seconds"))?;
        match (self.setting, self.value.as_str()) {
            ("token", "none") => state.control.clear_token_answer(),
            ("token", name) => state.control.token_answer(
                TokenFault::named(name, seconds).ok_or(BadControlRequest::Value("the fault"))?,
                calls,
            ),
            (_, "none") => state.control.clear_graph(),
            (_, name) => state.control.graph(
                GraphFault::named(name, seconds).ok_or(BadControlRequest::Value("the fault"))?,
                calls,
            ),
        }
        Ok(())
    }

    fn refused(&self) -> Result<InjectedRefusal, BadControlRequest> {
        let said = |name: &str| self.more.get(name).filter(|it| !it.is_empty()).cloned();
        let error = said("error").unwrap_or_else(|| "invalid_grant".to_owned());
        let code = self.value.parse().map_err(|_| BadControlRequest::Value("the code"))?;
        Ok(InjectedRefusal { error, code, suberror: said("suberror"), claims: said("claims") })
    }

    fn number(&self) -> Result<u64, BadControlRequest> {
        self.value.parse().map_err(|_| BadControlRequest::Value(self.setting))
    }

    fn truth(&self) -> Result<bool, BadControlRequest> {
        self.value.parse().map_err(|_| BadControlRequest::Value(self.setting))
    }
}

fn text(value: Value) -> String {
    match value {
        Value::String(text) => text,
        Value::Null => String::new(),
        Value::Array(list) => list.into_iter().map(text).collect::<Vec<_>>().join(","),
        other => other.to_string(),
    }
}
