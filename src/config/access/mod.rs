//! `[access]`: the access rules.

mod conditions;
mod coverage;
mod rule;

pub use rule::{AccessRule, Allow, AllowConditions, AuthContexts, SignedOutAnswer, is_context};

use super::address::pattern;
use super::entra::SignInAudience;
use super::key_reader::choose;
use super::problem::{InvalidValue, quote};
use super::section::{ConfigSection, LocatedValue, unexpected};
use super::value_type::ValueType;
use crate::base::domains::TenantName;
use http::{HeaderValue, Method};
use toml::Spanned;
use toml::de::DeValue;

/// The parsed section `[access]`. The first rule whose path and method match decides.
#[derive(Clone, Debug)]
pub struct AccessConfig {
    /// Decides if no rule matches the path.
    pub default: Allow,
    /// The rules in the order of the file.
    pub rules: Vec<AccessRule>,
    /// Origins in addition to our own whose pages may open WebSockets with a session.
    pub origins: Vec<HeaderValue>,
    /// Whether `[directory]` is written. Each organization then brings its own registration, which
    /// defines its own app roles.
    pub has_directory: bool,
}

/// Maximum number of rules; each request searches them in order.
const MAX_ACCESS_RULES: usize = 1000;

/// The words that `allow` accepts; tables are read separately.
#[derive(Clone, Copy, Debug, Default)]
enum AllowWord {
    #[default]
    SignedIn,
    Anyone,
    Nobody,
}

const ALLOW_WORDS: [(&str, AllowWord); 3] = [
    ("signed-in", AllowWord::SignedIn),
    ("anyone", AllowWord::Anyone),
    ("nobody", AllowWord::Nobody),
];

impl From<AllowWord> for Allow {
    fn from(word: AllowWord) -> Self {
        match word {
            AllowWord::SignedIn => Self::SignedIn,
            AllowWord::Anyone => Self::Anyone,
            AllowWord::Nobody => Self::Nobody,
        }
    }
}

impl AccessConfig {
    /// The domains that stand for tenants in the rules.
    pub fn domains(&self) -> impl Iterator<Item = &str> {
        let tables = self.rules.iter().filter_map(|it| {
            if let Allow::Tables(tables) = &it.allow { Some(tables) } else { None }
        });
        tables.flatten().flat_map(|it| &it.tenants).filter_map(TenantName::domain)
    }
}

/// Reads `[access]`; `people` is the part of `[entra]` and `[directory]` that says who may sign in.
pub(super) fn read(section: &ConfigSection<'_>, people: SignInAudience<'_>) -> AccessConfig {
    let default: Allow = section
        .key("default", "Who has access to paths that no rule matches")
        .choice(&ALLOW_WORDS)
        .into();
    let rules: Vec<_> = section
        .each("rule", MAX_ACCESS_RULES, |it| rule(it, people))
        .into_iter()
        .flatten()
        .collect();
    let origins = section
        .key(
            "origins",
            "Origins in addition to that of `public_url` whose pages may open WebSockets with a \
             person's session",
        )
        .list(&[], origin);
    coverage::refuse_covered(section, &rules);
    coverage::warn_of_spellings(section, &rules, &default);
    AccessConfig {
        default,
        rules: rules.into_iter().map(|it| it.value).collect(),
        origins: origins.into_iter().map(|it| it.value).collect(),
        has_directory: people.has_directory,
    }
}

/// A rule, with the place where its path is written.
fn rule(
    section: &ConfigSection<'_>,
    people: SignInAudience<'_>,
) -> Option<LocatedValue<AccessRule>> {
    let path = section.key("path", "The paths that the rule covers").needed().parse(pattern);
    let suffixes = section
        .key("suffixes", "Whether a rule for `/x` also covers `/x.json`, `/x.` and `/x%20`")
        .flag(false);
    let methods = section
        .key("methods", "HTTP methods that the rule covers; empty means all, and GET includes HEAD")
        .whole_list(&[], method);
    let signed_out = section
        .key(
            "signed_out",
            "Response without a session: `auto` redirects browser navigations, `401` never \
             redirects",
        )
        .choice(&[("auto", SignedOutAnswer::Auto), ("401", SignedOutAnswer::Unauthorized)]);
    let allow = allow(section, people);
    let path = path?;
    let methods = methods?.into_iter().map(|it| it.value).collect();
    let pattern = if suffixes { path.value.with_suffixes() } else { path.value };
    let rule =
        AccessRule { path: pattern, methods, allow: allow?, signed_out, line: section.line() };
    Some(LocatedValue { value: rule, place: path.place })
}

/// Reads an origin as browsers write it (RFC 6454 section 6.2).
fn origin(text: &str) -> Result<HeaderValue, InvalidValue> {
    let written = url::Url::parse(text)
        .ok()
        .filter(|it| matches!(it.scheme(), "https" | "http"))
        .map(|it| it.origin().ascii_serialization());
    match (written, HeaderValue::from_str(text)) {
        (Some(written), Ok(value)) if written == text => Ok(value),
        (written, _) => Err(InvalidValue::new(format!("{} is not an origin", quote(text))).hint(
            match written {
                Some(written) => format!("write {}, as browsers do", quote(&written)),
                None => "write scheme and host, like \"https://app.example.com\"".to_owned(),
            },
        )),
    }
}

fn method(text: &str) -> Result<Method, InvalidValue> {
    let refused = || InvalidValue::new(format!("{} is not a method", quote(text)));
    let method = Method::from_bytes(text.as_bytes())
        .map_err(|_| refused().hint("write one method per entry, like [\"GET\", \"POST\"]"))?;
    if text.bytes().any(|it| it.is_ascii_lowercase()) {
        return Err(
            refused().hint(format!("write methods in upper case: {}", quote(&text.to_uppercase())))
        );
    }
    if matches!(method, Method::CONNECT | Method::TRACE) {
        return Err(refused().hint("CONNECT and TRACE are never allowed"));
    }
    Ok(method)
}

/// Reads a word, a table or a list of tables.
fn allow(section: &ConfigSection<'_>, people: SignInAudience<'_>) -> Option<Allow> {
    let forms = ValueType::WordOrTables(ALLOW_WORDS.iter().map(|it| it.0).collect());
    let value = section
        .key(
            "allow",
            "Who has access. All keys of a table must match, with any of their values; of several \
             tables, one must match",
        )
        .required_of_file(
            forms,
            "write \"anyone\", \"signed-in\", \"nobody\" or a table like { roles = [\"Admin\"] }",
        )?;
    let tables: Vec<&Spanned<DeValue<'_>>> = match value.get_ref() {
        DeValue::String(word) => {
            let chosen = choose(word, &ALLOW_WORDS)
                .map_err(|it| section.add_problem(&section.locate("allow"), it));
            return chosen.ok().map(Allow::from);
        }
        DeValue::Table(_) => vec![value],
        DeValue::Array(tables) if !tables.is_empty() => tables.iter().collect(),
        other => {
            let invalid = unexpected("a keyword, a table or a list of tables", other)
                .hint("to deny everyone, write \"nobody\"");
            section.add_problem(&section.locate("allow"), invalid);
            return None;
        }
    };
    let read: Vec<_> = tables
        .iter()
        .filter_map(|it| section.table("allow", it, |it| conditions::table(it, people)))
        .collect();
    (read.len() == tables.len()).then_some(Allow::Tables(read))
}
