//! `[headers]`: the headers that the app receives.

use super::problem::{InvalidValue, quote};
use super::section::{ConfigSection, LocatedValue, unexpected};
use super::source::{LocatedKey, ValueLocation, plain};
use super::value_type::ValueType;
use crate::base::spelling::{fold, folds_to, folds_to_beginning};
use http::HeaderName;
use std::time::Duration;
use toml::de::DeValue;

/// The parsed section `[headers]`.
#[derive(Clone, Debug)]
pub struct HeadersConfig {
    /// The sets that are sent to the app. Forward-auth responses always carry `x-auth-request`.
    pub send: Vec<HeaderSet>,
    /// Pairs of a header name and the claim it carries.
    pub custom: Vec<(HeaderName, String)>,
    /// The signed assertion.
    pub assertion: AssertionConfig,
}

/// A set of plain headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeaderSet {
    /// `X-Forwarded-User` and related headers.
    XForwarded,
    /// `X-Auth-Request-User` and related headers.
    XAuthRequest,
}

/// The signed assertion, `[headers.assertion]`. ES256 only, for now.
#[derive(Clone, Debug)]
pub struct AssertionConfig {
    /// Name of its header; `X-Entrada-Assertion` by default.
    pub name: HeaderName,
    /// The audience (`aud`).
    pub audience: String,
    /// Time from `iat` to `exp`.
    pub lifetime: Duration,
}

/// Prefixes of header names that belong to Entrada after folding: the two sets, our own headers,
/// and those that proxies send to each other.
pub const OWNED_PREFIXES: [&str; 6] = [
    "x-forwarded-",
    "x-auth-request-",
    "x-entrada-",
    "x-ms-client-principal",
    "x-ms-token-",
    "x-original-",
];

/// Whole header names that belong to Entrada. Those after the third are never written:
/// `X-Rewrite-URL` and the three method headers make some apps serve a different request from the
/// one that was judged, and `Proxy` becomes `HTTP_PROXY` under CGI.
pub const OWNED_NAMES: [&str; 8] = [
    "forwarded",
    "x-real-ip",
    "x-request-id",
    "x-rewrite-url",
    "x-http-method-override",
    "x-http-method",
    "x-method-override",
    "proxy",
];

/// Names that have a meaning in HTTP or for every app: hop-by-hop headers (RFC 9110 section 7.6.1),
/// framing, and headers with which the client describes itself.
const RESERVED_HEADERS: [&str; 16] = [
    "connection",
    "keep-alive",
    "proxy-connection",
    "proxy-authenticate",
    "proxy-authorization",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "host",
    "content-length",
    "content-type",
    "content-encoding",
    "expect",
    "cookie",
    "authorization",
];

/// Whether a header name belongs to Entrada, in any spelling.
pub fn is_owned(name: &str) -> bool {
    // Most header names in a request start with another letter. A test keeps these letters in line
    // with the lists.
    let may_be = matches!(name.as_bytes().first(), Some(b'f' | b'F' | b'p' | b'P' | b'x' | b'X'));
    may_be
        && (OWNED_PREFIXES.iter().any(|it| folds_to_beginning(name, it))
            || OWNED_NAMES.iter().any(|it| folds_to(name, it)))
}

pub(super) fn read(section: &ConfigSection<'_>, origin: Option<&str>) -> HeadersConfig {
    let sets =
        [("x-forwarded", HeaderSet::XForwarded), ("x-auth-request", HeaderSet::XAuthRequest)];
    let mut send: Vec<HeaderSet> = Vec::new();
    for it in section
        .key("send", "Sets of plain headers that the app receives")
        .choices(&["x-forwarded"], &sets)
    {
        if !send.contains(&it.value) {
            send.push(it.value);
        }
    }
    let custom = custom(section);
    let assertion = section.inner("assertion", |it| assertion(it, origin));
    let mut names: Vec<String> = assertion.iter().map(|it| fold(it.name.as_str())).collect();
    for it in &custom {
        let folded = fold(it.value.0.as_str());
        if names.contains(&folded) {
            section.add_problem(
                &it.place,
                InvalidValue::new("this header already has another meaning")
                    .hint("use each header name once; \"_\" counts as \"-\""),
            );
        }
        names.push(folded);
    }
    let custom = custom.into_iter().map(|it| it.value).collect();
    // If the name could not be read, a problem is reported and this value is never used.
    let assertion = assertion.unwrap_or_else(|| AssertionConfig {
        name: HeaderName::from_static(ASSERTION_HEADER),
        audience: String::new(),
        lifetime: Duration::ZERO,
    });
    HeadersConfig { send, custom, assertion }
}

const ASSERTION_HEADER: &str = "x-entrada-assertion";

fn assertion(section: &ConfigSection<'_>, origin: Option<&str>) -> Option<AssertionConfig> {
    let name = section
        .key("name", "The header that carries the signed assertion")
        .parse_or("X-Entrada-Assertion", assertion_name);
    let audience = section
        .key("audience", "The assertion's `aud`; without it, `server.public_url`")
        .text()
        .map(|it| it.value)
        .or_else(|| origin.map(str::to_owned));
    let minute = Duration::from_mins(1);
    let lifetime = section
        .key("lifetime", "Time from `iat` to `exp`; a new one is created after half of it")
        .duration(5 * minute, minute..=60 * minute);
    Some(AssertionConfig { name: name?.value, audience: audience.unwrap_or_default(), lifetime })
}

fn assertion_name(text: &str) -> Result<HeaderName, InvalidValue> {
    let name = header_name(text)?;
    let own = fold(text).starts_with("x-entrada-");
    if own || !is_owned(text) { Ok(name) } else { Err(taken(text)) }
}

fn custom_name(text: &str) -> Result<HeaderName, InvalidValue> {
    let name = header_name(text)?;
    if is_owned(text) { Err(taken(text)) } else { Ok(name) }
}

fn header_name(text: &str) -> Result<HeaderName, InvalidValue> {
    let refused = || {
        InvalidValue::new(format!("{} is not a header name", quote(text)))
            .hint("write letters, digits and hyphens, like X-Employee-Id")
    };
    let name = HeaderName::from_bytes(text.as_bytes()).map_err(|_| refused())?;
    if RESERVED_HEADERS.contains(&fold(text).as_str()) { Err(taken(text)) } else { Ok(name) }
}

fn taken(text: &str) -> InvalidValue {
    InvalidValue::new(format!("{} is reserved", quote(text)))
        .hint("choose another name, like X-Employee-Id")
}

/// Reads `custom = { "X-Employee-Id" = "employeeid" }`.
fn custom(section: &ConfigSection<'_>) -> Vec<LocatedValue<(HeaderName, String)>> {
    let Some(value) = section
        .key("custom", "Additional headers, each with the claim of the ID token that it carries")
        .of_file(ValueType::TextByKey)
    else {
        return Vec::new();
    };
    let place = |key: &str, offset| LocatedKey {
        key: format!("headers.custom.{key}"),
        at: ValueLocation::Offset(offset),
    };
    let DeValue::Table(table) = value.get_ref() else {
        section.add_problem(
            &section.locate("custom"),
            unexpected("a table", value.get_ref())
                .hint("write { \"X-Employee-Id\" = \"employeeid\" }"),
        );
        return Vec::new();
    };
    let one = |(name, claim): (&toml::Spanned<_>, &toml::Spanned<DeValue<'_>>)| {
        let name_text: &std::borrow::Cow<'_, str> = name.get_ref();
        let value = custom_name(name_text).and_then(|header| match claim.get_ref() {
            DeValue::String(text) if !text.is_empty() => Ok((header, text.as_ref().to_owned())),
            _ => Err(InvalidValue::new("expected the name of a claim")
                .hint("write { \"X-Employee-Id\" = \"employeeid\" }")),
        });
        let place = place(&plain(name_text), name.span().start);
        value
            .map_err(|it| section.add_problem(&place, it))
            .ok()
            .map(|value| LocatedValue { value, place })
    };
    table.iter().filter_map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_the_lists_name_is_ours_in_either_case() {
        for name in OWNED_PREFIXES.iter().chain(&OWNED_NAMES) {
            assert!(is_owned(name) && is_owned(&name.to_uppercase()), "{name}");
        }
    }
}
