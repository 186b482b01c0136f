//! The pages of the demo.

use super::claims::Person;
use super::received::received;
use super::verify::{Outcome, State};
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderValue, StatusCode};
use minijinja::value::Value;
use minijinja::{AutoEscape, Environment, Error, UndefinedBehavior, context};
use serde_json::Map;

const LAYOUT: (&str, &str) = ("layout.html", include_str!("templates/layout.html"));
const STYLE: &str = include_str!("templates/style.css");
const SOCKET: &str = include_str!("templates/socket.js");
const STREAM: &str = include_str!("templates/stream.js");

/// Groups that are shown before the rest is folded away.
const FIRST_GROUPS: usize = 5;

/// A page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sheet {
    Index,
    Admin,
    Public,
    WebSocket,
    Stream,
    Upload,
    NotFound,
}

/// What only one page shows.
#[derive(Clone, Copy, Debug)]
pub(super) enum Extra {
    None,
    /// So many bytes have come.
    Uploaded(u64),
}

/// Renders pages.
#[derive(Debug)]
pub(super) struct Look {
    environment: Environment<'static>,
    assertion_header: String,
    sign_out: String,
    start: String,
    plain: HeaderValue,
    socket: HeaderValue,
    stream: HeaderValue,
}

impl Sheet {
    const ALL: [Self; 7] = [Self::Index, Self::Admin, Self::Public, Self::WebSocket, Self::Stream, Self::Upload, Self::NotFound];

    /// The file name of the template, and its text.
    fn template(self) -> (&'static str, &'static str) {
        match self {
            Self::Index => ("index.html", include_str!("templates/index.html")),
            Self::Admin => ("admin.html", include_str!("templates/admin.html")),
            Self::Public => ("public.html", include_str!("templates/public.html")),
            Self::WebSocket => ("websocket.html", include_str!("templates/websocket.html")),
            Self::Stream => ("stream.html", include_str!("templates/stream.html")),
            Self::Upload => ("upload.html", include_str!("templates/upload.html")),
            Self::NotFound => ("not_found.html", include_str!("templates/not_found.html")),
        }
    }

    fn script(self) -> Option<&'static str> {
        match self {
            Self::WebSocket => Some(SOCKET),
            Self::Stream => Some(STREAM),
            _ => None,
        }
    }

    /// The status it is sent with.
    pub(super) fn status(self) -> StatusCode {
        if self == Self::NotFound { StatusCode::NOT_FOUND } else { StatusCode::OK }
    }
}

impl Look {
    /// # Errors
    /// A template that does not parse, which a test keeps from happening.
    pub(super) fn new(assertion_header: &str, sign_out: String, start: &str) -> Result<Self, Error> {
        let mut environment = Environment::new();
        environment.set_auto_escape_callback(|_| AutoEscape::Html);
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        for (name, source) in Sheet::ALL.map(Sheet::template).into_iter().chain([LAYOUT]) {
            environment.add_template(name, source)?;
        }
        Ok(Self {
            environment,
            assertion_header: assertion_header.to_owned(),
            sign_out,
            start: start.to_owned(),
            plain: policy(None),
            socket: policy(Some(SOCKET)),
            stream: policy(Some(STREAM)),
        })
    }

    /// The policy that the page is sent under.
    pub(super) fn policy(&self, sheet: Sheet) -> &HeaderValue {
        match sheet {
            Sheet::WebSocket => &self.socket,
            Sheet::Stream => &self.stream,
            _ => &self.plain,
        }
    }

    /// The page as HTML.
    pub(super) fn render(&self, sheet: Sheet, headers: &HeaderMap, outcome: Option<&Outcome>, extra: &Extra) -> Result<String, Error> {
        let script = sheet.script().map(|it| Value::from_safe_string(format!("<script>{it}</script>")));
        let verified = outcome.and_then(|it| it.verified.as_ref()).map(|it| person(it.person()));
        let claimed = outcome.and_then(|it| it.claims.as_ref()).map(|it| person(&Person::read(it)));
        let host = headers.get(http::header::HOST).and_then(|it| it.to_str().ok()).unwrap_or("localhost:4180");
        let (name, _) = sheet.template();
        let context = context! {
            style => Value::from_safe_string(format!("<style>{STYLE}</style>")),
            script,
            verified,
            claimed,
            host,
            page => name,
            steps => outcome.map(steps),
            passed => outcome.map_or(0, |it| it.steps.iter().filter(|it| it.state == State::Passed).count()),
            header => outcome.and_then(|it| pretty(it.header.as_ref())),
            claims => outcome.and_then(|it| pretty(it.claims.as_ref())),
            received => if sheet == Sheet::Index { received(headers, &self.assertion_header) } else { Value::from(()) },
            assertion_header => self.assertion_header.as_str(),
            sign_out => self.sign_out.as_str(),
            sign_in => format!("{}?rd=/", self.start),
            switch => format!("{}?prompt=select_account&rd=/", self.start),
            uploaded => match extra { Extra::Uploaded(bytes) => Some(*bytes), Extra::None => None },
        };
        self.environment.get_template(name)?.render(context)
    }
}

fn person(it: &Person) -> Value {
    let (first, rest) = it.groups.split_at(it.groups.len().min(FIRST_GROUPS));
    let initial: String = it.called().chars().next().into_iter().flat_map(char::to_uppercase).collect();
    context! {
        called => it.called(),
        initial,
        id => it.id.as_str(),
        name => it.name.as_str(),
        user => it.user.as_str(),
        email => it.email.as_str(),
        tenant => it.tenant.as_str(),
        organization => it.organization.as_str(),
        role => it.role.as_str(),
        person => it.person.as_str(),
        roles => it.roles.clone(),
        groups => first.to_vec(),
        more_groups => rest.to_vec(),
        is_truncated => it.is_truncated,
        contexts => it.contexts.clone(),
        is_guest => it.is_guest,
    }
}

fn steps(outcome: &Outcome) -> Value {
    let word = |state| match state {
        State::Passed => "ok",
        State::Failed => "failed",
        State::Skipped => "skipped",
    };
    outcome.steps.iter().map(|it| context! { name => it.name, state => word(it.state), value => it.value.as_str() }).collect()
}

fn pretty(object: Option<&Map<String, serde_json::Value>>) -> Option<String> {
    serde_json::to_string_pretty(object?).ok()
}

/// No `form-action`: Chromium holds redirects after a form to it as well, and signing out goes on to Entra.
fn policy(script: Option<&str>) -> HeaderValue {
    let hash = |text: &str| format!("'sha256-{}'", STANDARD.encode(digest(&SHA256, text.as_bytes())));
    let script = script.map(|it| format!("; script-src {}; connect-src 'self'", hash(it))).unwrap_or_default();
    let text = format!("default-src 'none'; style-src {}{script}; base-uri 'none'; frame-ancestors 'none'", hash(STYLE));
    HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static("default-src 'none'"))
}
