//! The received headers in three groups: identity, request, and browser.

use http::HeaderMap;
use minijinja::context;
use minijinja::value::Value;

/// A value longer than this number of characters is collapsed.
const FOLDED_CHARS: usize = 160;

/// The length of the visible part of a long value, in characters.
const SHOWN_CHARS: usize = 72;

const ABOUT: [&str; 6] = [
    "x-forwarded-for",
    "x-forwarded-proto",
    "x-forwarded-host",
    "forwarded",
    "traceparent",
    "x-request-id",
];

/// Returns all headers, for the template.
pub(super) fn received(headers: &HeaderMap, assertion: &str) -> Value {
    let identity = |name: &str| {
        let is_set = name.starts_with("x-forwarded-")
            || name.starts_with("x-auth-request-")
            || name.starts_with("x-ms-")
            || name.starts_with("x-entrada-");
        name == assertion || (is_set && !ABOUT.contains(&name))
    };
    let about = |name: &str| ABOUT.contains(&name);
    let heap = |is_in: &dyn Fn(&str) -> bool| -> Value {
        let all = headers.iter().filter(|it| is_in(it.0.as_str()));
        all.map(|(name, value)| entry(name.as_str(), &String::from_utf8_lossy(value.as_bytes())))
            .collect()
    };
    context! {
        identity => heap(&identity),
        about => heap(&about),
        browser => heap(&|name| !identity(name) && !about(name)),
    }
}

fn entry(name: &str, value: &str) -> Value {
    let is_long = value.chars().count() > FOLDED_CHARS;
    let begin: String = value.chars().take(SHOWN_CHARS).collect();
    context! { name, value, begin, is_long, size => value.len() }
}
