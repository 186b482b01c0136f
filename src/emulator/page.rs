//! The emulator's pages: plain HTML that works without scripts.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::StatusCode;
use url::Url;

use super::people::EmulatedPerson;
use super::refusal::TracedRefusal;
use super::web::{self, EmulatorReply};

const STYLE: &str = ":root{color-scheme:light dark}body{font:16px/1.5 system-ui,sans-serif;max-width:34rem;margin:0 auto;padding:1rem}\
.banner{background:#7a1f00;color:#fff;margin:1rem 0;padding:.5rem 1rem;border-radius:.25rem;font-weight:700}\
button{font:inherit;display:block;width:100%;text-align:left;margin:.5rem 0;padding:.75rem 1rem;border:1px solid #888;border-radius:.25rem;background:Canvas;\
color:CanvasText;cursor:pointer}button:focus-visible{outline:3px solid #06c}small{display:block;opacity:.8}dt{font-weight:700}dd{margin:0 0 .5rem;overflow-wrap:anywhere}";

const SUBMIT: &str = "document.forms[0].submit()";
const GO_ON: &str =
    "addEventListener('load',()=>location.replace(document.getElementById('on').href))";

const LABELS: &str = "label{display:block}input,select{font:inherit;display:block;width:100%;box-sizing:border-box;padding:.5rem;border:1px solid #888;\
border-radius:.25rem;background:Field;color:FieldText}input:focus-visible,select:focus-visible,summary:focus-visible{outline:3px solid #06c}\
form{margin:0 0 1rem}summary{cursor:pointer;padding:.5rem 0}";

/// Escapes a text for HTML, in content and in quoted attributes.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
    }
    out
}

fn hash(text: &str) -> String {
    format!("'sha256-{}'", STANDARD.encode(digest(&SHA256, text.as_bytes())))
}

fn shell(title: &str, body: &str) -> String {
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
<title>{title} – Entrada emulator</title><style>{STYLE}{LABELS}</style></head><body><header class=\"banner\">NOT MICROSOFT – Entrada emulator</header>\
<main><h1>{title}</h1>{body}</main></body></html>"
    )
}

/// Returns the policy. It has no `form-action`: browsers apply that to the redirect back to the app
/// as well.
fn policy() -> String {
    format!(
        "default-src 'none'; style-src {}; base-uri 'none'; frame-ancestors 'none'",
        hash(&format!("{STYLE}{LABELS}"))
    )
}

fn page(status: StatusCode, title: &str, body: &str) -> EmulatorReply {
    web::html(status, shell(title, body), &policy(), "same-origin")
}

fn form(action: &str, transaction: &str, buttons: &str) -> String {
    let (action, transaction) = (escape(action), escape(transaction));
    format!(
        "<form method=\"post\" action=\"{action}\"><input type=\"hidden\" name=\"transaction\" value=\"{transaction}\">{buttons}</form>"
    )
}

/// Returns the account picker: a button for each person, the error-code accounts in a collapsed
/// list, and a cancel button.
pub(super) fn picker<'a>(
    action: &str,
    transaction: &str,
    people: impl Iterator<Item = &'a EmulatedPerson>,
    of_codes: &[EmulatedPerson],
) -> EmulatorReply {
    let mut buttons: String = people.map(choice).collect();
    let folded: String = of_codes.iter().map(choice).collect();
    buttons.push_str(&format!(
        "<details><summary>An error: one account per code</summary>{folded}</details>"
    ));
    buttons.push_str("<button name=\"cancel\" value=\"1\">Cancel</button>");
    page(StatusCode::OK, "Pick an account", &form(action, transaction, &buttons))
}

fn choice(person: &EmulatedPerson) -> String {
    let (oid, name, user, about) = (
        escape(&person.oid),
        escape(&person.name),
        escape(&person.user_name),
        escape(person.about),
    );
    format!(
        "<button name=\"person\" value=\"{oid}\">{name}<small>{user} – {about}</small></button>"
    )
}

/// Asks a person for consent.
pub(super) fn consent(
    action: &str,
    transaction: &str,
    person: &EmulatedPerson,
    scope: &str,
) -> EmulatorReply {
    let text = format!("<p>{}, this app asks for: {}</p>", escape(&person.name), escape(scope));
    let buttons = "<button name=\"consent\" value=\"yes\">Accept</button><button name=\"consent\" value=\"no\">Decline</button>";
    page(StatusCode::OK, "Permissions requested", &(text + &form(action, transaction, buttons)))
}

/// Shows a refusal on the emulator's own page, as Entra does.
pub(super) fn refusal(traced: &TracedRefusal) -> EmulatorReply {
    let TracedRefusal { refusal, trace, correlation, time, .. } = traced;
    let body = format!(
        "<p>AADSTS{}: {}</p><dl><dt>Request Id</dt><dd>{trace}</dd><dt>Correlation Id</dt><dd>{}</dd><dt>Timestamp</dt><dd>{time}</dd></dl>",
        refusal.code,
        escape(&refusal.text),
        escape(correlation)
    );
    page(StatusCode::BAD_REQUEST, "Sorry, but we’re having trouble signing you in", &body)
}

/// Returns the control panel. Its forms submit only to the panel itself.
pub(super) fn panel(body: &str) -> EmulatorReply {
    web::html(
        StatusCode::OK,
        shell("Emulator control panel", body),
        &format!("{}; form-action 'self'", policy()),
        "same-origin",
    )
}

/// Returns a page with one sentence.
pub(super) fn notice(status: StatusCode, title: &str, text: &str) -> EmulatorReply {
    page(status, title, &format!("<p>{}</p>", escape(text)))
}

/// Notifies the app of a sign-out in a frame, then continues: with a script after the app has
/// answered, otherwise with a link.
pub(super) fn signing_out(frame: &Url, onward: Option<&Url>) -> EmulatorReply {
    let link = onward.map_or(String::new(), |it| {
        format!(
            "<p><a id=\"on\" href=\"{}\">Continue</a></p><script>{GO_ON}</script>",
            escape(it.as_str())
        )
    });
    let frame_line = format!(
        "<iframe title=\"The app signs out\" hidden src=\"{}\"></iframe>",
        escape(frame.as_str())
    );
    let body = format!("<p>It is a good idea to close all browser windows.</p>{frame_line}{link}");
    let policy = format!(
        "{}; frame-src {}; script-src {}",
        policy(),
        frame.origin().ascii_serialization(),
        hash(GO_ON)
    );
    web::html(
        StatusCode::OK,
        shell("You signed out of your account", &body),
        &policy,
        "same-origin",
    )
}

/// Returns a form that submits itself to the app (OAuth 2.0 Form Post Response Mode), with a button
/// if scripts are disabled.
pub(super) fn form_post(to: &str, pairs: &[(&str, String)]) -> EmulatorReply {
    let mut fields = String::new();
    for (name, value) in pairs {
        fields.push_str(&format!(
            "<input type=\"hidden\" name=\"{}\" value=\"{}\">",
            escape(name),
            escape(value)
        ));
    }
    let body = format!(
        "<form method=\"post\" action=\"{}\">{fields}<button>Continue</button></form><script>{SUBMIT}</script>",
        escape(to)
    );
    let policy = format!("{}; script-src {}", policy(), hash(SUBMIT));
    // The app receives `Origin` only if the policy allows it.
    web::html(StatusCode::OK, shell("Working", &body), &policy, "strict-origin")
}
