//! What people, programs and operators are told when a sign-in does not go as meant.

mod codes;
mod next_steps;
mod operators;

use crate::world::browser::{BrowserPage, TestBrowser};

const TRACE: &str = "0000aaaa-11bb-cccc-dd33-eeeeee333333";
const CORRELATION: &str = "aaaa0000-bb11-2222-33cc-444444dddddd";
const TIME: &str = "2026-01-09 02:02:12Z";

/// A browser with a sign-in under way, and the address that Entra sends it back to with that answer.
async fn answered(browser: &mut TestBrowser, pairs: &[(&str, &str)]) -> String {
    browser.forgets();
    let page = browser.until("/reports?year=2026", "authorize").await;
    let state = page.url.query_pairs().find(|it| it.0 == "state").unwrap().1.into_owned();
    let query: String = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(pairs)
        .append_pair("state", &state)
        .finish();
    format!("/oauth2/callback?{query}")
}

/// What Entra writes into `error_description`.
fn description(code: u32) -> String {
    format!(
        "AADSTS{code}: Words of Entra. Trace ID: {TRACE} Correlation ID: {CORRELATION} Timestamp: {TIME}"
    )
}

/// The page as a reader sees it.
fn read(page: &BrowserPage) -> String {
    [
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&#x27;", "'"),
        ("&#39;", "'"),
        ("&amp;", "&"),
    ]
    .iter()
    .fold(page.body.clone(), |text, (from, to)| text.replace(from, to))
}
