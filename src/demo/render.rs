//! The pages of the demo.

use super::claims::AssertedPerson;
use super::received::received;
use super::verify::{StepState, VerificationReport};
use crate::base::language::Language;
use crate::wire::inbound::language;
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderValue, StatusCode};
use minijinja::value::Value;
use minijinja::{AutoEscape, Environment, Error, UndefinedBehavior, context};
use serde_json::Map;
use std::collections::BTreeMap;

const LAYOUT: (&str, &str) = ("layout.html", include_str!("templates/layout.html"));
const STYLE: &str = include_str!("templates/style.css");
const SOCKET: &str = include_str!("templates/socket.js");
const STREAM: &str = include_str!("templates/stream.js");

/// Number of groups that are shown before the rest is collapsed.
const MAX_UNFOLDED_GROUPS: usize = 5;

/// The pages of the demo.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DemoPage {
    Index,
    Admin,
    Public,
    WebSocket,
    Stream,
    Upload,
    Phone,
    NotFound,
}

/// The content that only one page shows.
#[derive(Clone, Debug)]
pub(super) enum PageExtra {
    None,
    /// The number of uploaded bytes.
    Uploaded(u64),
    /// The state of the phone's walk.
    Phone(Value),
}

/// Renders the demo's pages.
#[derive(Debug)]
pub(super) struct DemoRenderer {
    environment: Environment<'static>,
    english: Value,
    german: Value,
    assertion_header: String,
    sign_out: String,
    start: String,
    has_phone: bool,
    plain: HeaderValue,
    socket: HeaderValue,
    stream: HeaderValue,
}

impl DemoPage {
    const ALL: [Self; 8] = [
        Self::Index,
        Self::Admin,
        Self::Public,
        Self::WebSocket,
        Self::Stream,
        Self::Upload,
        Self::Phone,
        Self::NotFound,
    ];

    /// Returns the file name of the template, and its text.
    fn template(self) -> (&'static str, &'static str) {
        match self {
            Self::Index => ("index.html", include_str!("templates/index.html")),
            Self::Admin => ("admin.html", include_str!("templates/admin.html")),
            Self::Public => ("public.html", include_str!("templates/public.html")),
            Self::WebSocket => ("websocket.html", include_str!("templates/websocket.html")),
            Self::Stream => ("stream.html", include_str!("templates/stream.html")),
            Self::Upload => ("upload.html", include_str!("templates/upload.html")),
            Self::Phone => ("phone.html", include_str!("templates/phone.html")),
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

    /// Returns the HTTP status of the page.
    pub(super) fn status(self) -> StatusCode {
        if self == Self::NotFound { StatusCode::NOT_FOUND } else { StatusCode::OK }
    }
}

impl DemoRenderer {
    /// Parses the templates.
    ///
    /// # Errors
    ///
    /// If a template does not parse, which a test prevents.
    pub(super) fn new(
        assertion_header: &str,
        sign_out: String,
        start: &str,
        has_phone: bool,
    ) -> Result<Self, Error> {
        let mut environment = Environment::new();
        environment.set_auto_escape_callback(|_| AutoEscape::Html);
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        for (name, source) in DemoPage::ALL.map(DemoPage::template).into_iter().chain([LAYOUT]) {
            environment.add_template(name, source)?;
        }
        Ok(Self {
            environment,
            english: words(Language::English),
            german: words(Language::German),
            assertion_header: assertion_header.to_owned(),
            sign_out,
            start: start.to_owned(),
            has_phone,
            plain: policy(None),
            socket: policy(Some(SOCKET)),
            stream: policy(Some(STREAM)),
        })
    }

    /// Returns the policy of the page.
    pub(super) fn policy(&self, sheet: DemoPage) -> &HeaderValue {
        match sheet {
            DemoPage::WebSocket => &self.socket,
            DemoPage::Stream => &self.stream,
            _ => &self.plain,
        }
    }

    /// Renders the page as HTML.
    pub(super) fn render(
        &self,
        sheet: DemoPage,
        headers: &HeaderMap,
        outcome: Option<&VerificationReport>,
        extra: &PageExtra,
    ) -> Result<String, Error> {
        let script =
            sheet.script().map(|it| Value::from_safe_string(format!("<script>{it}</script>")));
        let verified = outcome.and_then(|it| it.verified.as_ref()).map(|it| person(it.person()));
        let claimed =
            outcome.and_then(|it| it.claims.as_ref()).map(|it| person(&AssertedPerson::read(it)));
        let host = headers
            .get(http::header::HOST)
            .and_then(|it| it.to_str().ok())
            .unwrap_or("localhost:4180");
        let (name, _) = sheet.template();
        // Only the phone's pages have their texts in a catalog, because the phone stands for an app
        // of the people who use it.
        let language =
            if extra.is_the_phone_itself() { language(headers) } else { Language::English };
        let context = context! {
            style => Value::from_safe_string(format!("<style>{STYLE}</style>")),
            script,
            language => language.tag(),
            words => if language == Language::German { &self.german } else { &self.english },
            verified,
            claimed,
            host,
            page => name,
            steps => outcome.map(steps),
            passed => outcome.map_or(0, |it| it.steps.iter().filter(|it| it.state == StepState::Passed).count()),
            header => outcome.and_then(|it| pretty(it.header.as_ref())),
            claims => outcome.and_then(|it| pretty(it.claims.as_ref())),
            received => if sheet == DemoPage::Index { received(headers, &self.assertion_header) } else { Value::from(()) },
            assertion_header => self.assertion_header.as_str(),
            sign_out => self.sign_out.as_str(),
            sign_in => format!("{}?rd=/", self.start),
            switch => format!("{}?prompt=select_account&rd=/", self.start),
            has_phone => self.has_phone,
            uploaded => if let PageExtra::Uploaded(bytes) = extra { Some(*bytes) } else { None },
            phone => if let PageExtra::Phone(it) = extra { it.clone() } else { Value::from(()) },
        };
        self.environment.get_template(name)?.render(context)
    }
}

impl PageExtra {
    /// Returns whether this is the phone's own page, not the page behind the sign-in that only
    /// links to it.
    fn is_the_phone_itself(&self) -> bool {
        matches!(self, Self::Phone(it) if it.get_attr("elsewhere").is_ok_and(|it| it.is_undefined()))
    }
}

/// Returns the texts; a test ensures that the files can be read.
fn words(language: Language) -> Value {
    Value::from(read(language).unwrap_or_default())
}

fn read(language: Language) -> Result<BTreeMap<String, String>, toml::de::Error> {
    toml::from_str(match language {
        Language::English => include_str!("words/en.toml"),
        Language::German => include_str!("words/de.toml"),
    })
}

fn person(it: &AssertedPerson) -> Value {
    let (first, rest) = it.groups.split_at(it.groups.len().min(MAX_UNFOLDED_GROUPS));
    let initial: String =
        it.called().chars().next().into_iter().flat_map(char::to_uppercase).collect();
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

fn steps(outcome: &VerificationReport) -> Value {
    let word = |state| match state {
        StepState::Passed => "ok",
        StepState::Failed => "failed",
        StepState::Skipped => "skipped",
    };
    outcome
        .steps
        .iter()
        .map(|it| context! { name => it.name, state => word(it.state), value => it.value.as_str() })
        .collect()
}

fn pretty(object: Option<&Map<String, serde_json::Value>>) -> Option<String> {
    serde_json::to_string_pretty(object?).ok()
}

/// Returns the policy. It has no `form-action`: Chromium applies that to redirects after a form as
/// well, and signing out continues at Entra.
fn policy(script: Option<&str>) -> HeaderValue {
    let hash =
        |text: &str| format!("'sha256-{}'", STANDARD.encode(digest(&SHA256, text.as_bytes())));
    let script = script
        .map(|it| format!("; script-src {}; connect-src 'self'", hash(it)))
        .unwrap_or_default();
    let text = format!(
        "default-src 'none'; style-src {}{script}; base-uri 'none'; frame-ancestors 'none'",
        hash(STYLE)
    );
    HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static("default-src 'none'"))
}

#[cfg(test)]
mod tests {
    use super::{Language, read};

    #[test]
    fn the_phone_says_the_same_in_both_languages_and_says_all_of_it() {
        let (english, german) = (read(Language::English).unwrap(), read(Language::German).unwrap());
        assert_eq!(english.keys().collect::<Vec<_>>(), german.keys().collect::<Vec<_>>());
        let steps = ["metadata", "browser", "code", "token", "call", "refresh", "revoke"];
        let source =
            [include_str!("templates/phone.html"), include_str!("templates/layout.html")].concat();
        for (name, text) in &english {
            assert!(text != &german[name], "{name}: {text}");
            let is_of_a_step = steps.contains(&name.trim_end_matches("_what"));
            assert!(
                is_of_a_step || source.contains(&format!("words.{name}")),
                "{name} is not said"
            );
        }
        for step in steps {
            assert!(
                english.contains_key(step) && english.contains_key(&format!("{step}_what")),
                "{step}"
            );
        }
    }
}
