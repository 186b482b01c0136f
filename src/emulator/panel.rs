//! The control panel at `/`, and the JSON API for programs at `/control`.

use std::fmt::Write as _;

use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::control_request::ControlRequest;
use super::faults::{GraphFault, TokenFault};
use super::page::{self, escape};
use super::people::EmulatedPerson;
use super::state::EmulatorState;
use super::tenants::TenantAddress;
use super::time::timestamp;
use super::token_defect::TokenDefect;
use super::web::{self, EmulatorReply, EmulatorRequest};

/// The path of the control panel.
pub(super) const PANEL: &str = "/";
/// The path of the control API for programs.
pub(super) const CONTROL: &str = "/control";

/// Serves the panel and handles its forms.
pub(super) async fn panel(state: &EmulatorState, request: &EmulatorRequest) -> EmulatorReply {
    if request.method != Method::POST {
        return page::panel(&body(state));
    }
    if !request.is_own() {
        return page::notice(
            StatusCode::FORBIDDEN,
            "Refused",
            "This form did not come from a page of the emulator.",
        );
    }
    let done = match ControlRequest::of_form(&request.form) {
        Ok(order) => order.carry_out(state).await,
        Err(error) => Err(error),
    };
    match done {
        Ok(()) => web::see_other(PANEL),
        Err(error) => page::notice(StatusCode::BAD_REQUEST, "Invalid value", &error.to_string()),
    }
}

/// Returns the state and accepts changes, both as JSON. Every request from a page of another site
/// is refused.
pub(super) async fn control(state: &EmulatorState, request: &EmulatorRequest) -> EmulatorReply {
    if request.is_foreign() {
        return refused(StatusCode::FORBIDDEN, "another site sent this request");
    }
    if request.method == Method::POST {
        if !request.header("content-type").is_some_and(|it| it.starts_with("application/json")) {
            return refused(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "the content type must be application/json",
            );
        }
        let done = match ControlRequest::of_json(&request.body) {
            Ok(order) => order.carry_out(state).await,
            Err(error) => Err(error),
        };
        if let Err(error) = done {
            return refused(StatusCode::BAD_REQUEST, &error.to_string());
        }
    } else if !matches!(request.method, Method::GET | Method::HEAD) {
        return refused(
            StatusCode::METHOD_NOT_ALLOWED,
            "method not allowed; use GET, HEAD or POST",
        );
    }
    web::json(StatusCode::OK, &state_json(state))
}

fn refused(status: StatusCode, why: &str) -> EmulatorReply {
    web::json(status, &json!({"error": why}))
}

fn state_json(state: &EmulatorState) -> Value {
    let control = &state.control;
    let people: Vec<Value> = state.people.iter().map(|it| person_json(state, it)).collect();
    json!({
        "authority": state.authority,
        "client_id": state.client_id,
        "time": state.clock.now(),
        "down": control.is_down(),
        "slow": control.delay(),
        "single_use_refresh": control.is_single_use(),
        "graph_page": control.page_size(),
        "front_channel_url": control.front_channel(),
        "people": people,
        "calls": {
            "all": control.calls(),
            "authorize": control.authorize_calls(),
            "token": control.token_calls(),
            "code": control.code_calls(),
            "refresh": control.refresh_calls(),
            "app": control.app_calls(),
            "keys": control.keys_calls(),
            "discovery": control.discovery_calls(),
            "graph": control.graph_calls()
        },
        "reused_refresh_tokens": control.reused_refresh_tokens()
    })
}

fn person_json(state: &EmulatorState, person: &EmulatedPerson) -> Value {
    let change = state.control.changed.of(&person.oid);
    let person = state.control.changed.applied(person);
    json!({"oid": person.oid, "user_name": person.user_name, "tenant": person.tenant, "roles": person.roles, "groups": person.groups.len(),
        "disabled": change.disabled, "revoked": change.revoked, "refused": change.refused})
}

fn body(state: &EmulatorState) -> String {
    let mut out = String::from(
        "<p>This emulates Microsoft Entra for sign-ins on this machine. Changes take effect with the next request.</p>",
    );
    out.push_str(&figures(state));
    out.push_str(&registrations(state));
    out.push_str("<h2>People</h2>");
    for person in &state.people {
        out.push_str(&of_person(state, person));
    }
    out.push_str("<h2>Entra</h2>");
    out.push_str(&of_entra(state));
    out.push_str("<h2>Token endpoint</h2>");
    out.push_str(&of_tokens(state));
    out.push_str("<h2>Graph</h2>");
    let calls = number("calls", "Calls, or nothing for all", "");
    let seconds = number("seconds", "Seconds (for too-many and slow)", "");
    out.push_str(&form(
        "graph",
        &format!("{}{calls}{seconds}", choice("Graph response", with_none(&GraphFault::NAMES))),
        "Set",
    ));
    out.push_str(&form(
        "graph_page",
        &number("value", "Groups per page", &state.control.page_size().to_string()),
        "Set",
    ));
    out
}

/// Returns the values that an admin copies from the admin center to set up a sign-in.
fn registrations(state: &EmulatorState) -> String {
    let mut out = String::new();
    for it in &state.registrations {
        let domain = TenantAddress::read(&it.tenant)
            .and_then(TenantAddress::home)
            .map_or("a tenant", |it| it.domain);
        let _ = write!(
            out,
            "<h2>App registration at {}</h2><dl><dt>Directory (tenant) ID</dt><dd>{}</dd><dt>Application (client) ID</dt><dd>{}</dd>\
<dt>Client secret: Value</dt><dd>{}</dd><dt>Client secret: Secret ID</dt><dd>{}</dd></dl>",
            escape(domain),
            escape(&it.tenant),
            escape(&it.client_id),
            escape(&it.client_secret),
            escape(&it.secret_id)
        );
    }
    out
}

fn figures(state: &EmulatorState) -> String {
    let control = &state.control;
    format!(
        "<dl><dt>Time</dt><dd>{}</dd><dt>Calls</dt><dd>{} in total: {} to authorize, {} to token ({} codes, {} refresh tokens), {} to Graph</dd>\
<dt>Reused refresh tokens</dt><dd>{}</dd></dl>",
        timestamp(state.clock.now()),
        control.calls(),
        control.authorize_calls(),
        control.token_calls(),
        control.code_calls(),
        control.refresh_calls(),
        control.graph_calls(),
        control.reused_refresh_tokens()
    )
}

fn of_person(state: &EmulatorState, person: &EmulatedPerson) -> String {
    let change = state.control.changed.of(&person.oid);
    let person = state.control.changed.applied(person);
    let oid = escape(&person.oid);
    let whose = hidden("person", &oid);
    let this = hidden("value", &oid);
    let mut said = format!("{} – {}", escape(&person.user_name), escape(person.about));
    if change.disabled {
        said.push_str(", disabled");
    }
    if let Some(code) = change.refused {
        let _ = write!(said, ", refresh refused with AADSTS{code}");
    }
    let (setting, words) = if change.disabled {
        ("enable", "Enable the account")
    } else {
        ("disable", "Disable the account")
    };
    let mut out =
        format!("<details><summary>{}<small>{said}</small></summary>", escape(&person.name));
    out.push_str(&form(
        "roles",
        &(whose.clone() + &field("value", "Roles, separated by commas", &person.roles.join(", "))),
        "Set the roles",
    ));
    if person.groups.len() <= 20 {
        out.push_str(&form(
            "groups",
            &(whose.clone()
                + &field("value", "Groups, separated by commas", &person.groups.join(", "))),
            "Set the groups",
        ));
    }
    out.push_str(&form("revoke", &this, "Revoke the session and all tokens"));
    out.push_str(&form(setting, &this, words));
    out.push_str(&form(
        "refuse_refresh",
        &(whose + &number("value", "AADSTS code", "50076")),
        "Refuse every refresh",
    ));
    out.push_str(&form("allow_refresh", &this, "Allow refresh again"));
    out + "</details>"
}

fn of_entra(state: &EmulatorState) -> String {
    let control = &state.control;
    let truth = |now: bool| hidden("value", if now { "false" } else { "true" });
    let front = control.front_channel().unwrap_or_default();
    [
        form("rotate_keys", "", "Rotate the keys"),
        form(
            "down",
            &truth(control.is_down()),
            if control.is_down() { "End the outage" } else { "Start an outage" },
        ),
        form(
            "slow",
            &number(
                "value",
                "Delay of each response, in milliseconds",
                &control.delay().to_string(),
            ),
            "Set the delay",
        ),
        form(
            "wrong",
            &choice("Error in the next ID token", TokenDefect::ALL.iter().map(|it| it.0)),
            "Break the next token",
        ),
        form(
            "front_channel_url",
            &field("value", "Front-channel logout URL of the app", &front),
            "Register",
        ),
        form(
            "move_clock",
            &number("value", "Seconds to move forward (negative: back)", "3600"),
            "Move the clock",
        ),
    ]
    .concat()
}

fn of_tokens(state: &EmulatorState) -> String {
    let single = state.control.is_single_use();
    let calls = number("calls", "Calls, or nothing for all", "");
    let seconds = number("seconds", "Seconds (for too-many)", "");
    let refusal = number("value", "AADSTS code", "53003")
        + &field("error", "OAuth error", "interaction_required");
    [
        form(
            "token",
            &format!(
                "{}{calls}{seconds}",
                choice("Token endpoint response", with_none(&TokenFault::NAMES))
            ),
            "Set",
        ),
        form(
            "refuse_token",
            &(refusal
                + &field("suberror", "Suberror", "")
                + &field("claims", "Claims challenge, JSON", "")),
            "Refuse the next request",
        ),
        form(
            "single_use_refresh",
            &hidden("value", if single { "false" } else { "true" }),
            if single { "Make refresh tokens reusable" } else { "Make refresh tokens single-use" },
        ),
    ]
    .concat()
}

fn with_none<'a>(names: &'a [&'a str]) -> impl Iterator<Item = &'a str> {
    std::iter::once("none").chain(names.iter().copied())
}

fn form(setting: &str, fields: &str, button: &str) -> String {
    format!(
        "<form method=\"post\" action=\"{PANEL}\">{}{fields}<button>{button}</button></form>",
        hidden("setting", setting)
    )
}

fn hidden(name: &str, value: &str) -> String {
    format!("<input type=\"hidden\" name=\"{name}\" value=\"{value}\">")
}

fn field(name: &str, label: &str, value: &str) -> String {
    format!(
        "<label>{label}<input name=\"{name}\" value=\"{}\" autocomplete=\"off\"></label>",
        escape(value)
    )
}

fn number(name: &str, label: &str, value: &str) -> String {
    format!(
        "<label>{label}<input type=\"number\" name=\"{name}\" value=\"{}\"></label>",
        escape(value)
    )
}

fn choice<'a>(label: &str, options: impl Iterator<Item = &'a str>) -> String {
    let mut all = String::new();
    for it in options {
        let _ = write!(all, "<option>{it}</option>");
    }
    format!("<label>{label}<select name=\"value\">{all}</select></label>")
}
