//! Properties that every parser must have for any input from outside: one function each, for
//! cargo-fuzz and for the ordinary tests.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::missing_panics_doc,
    reason = "what does not hold is found by falling over"
)]

mod addresses;
mod credentials;
mod fields;
pub mod program;
// The stories have this module at the root of their own crate.
#[cfg(not(test))]
#[allow(
    dead_code,
    unfulfilled_lint_expectations,
    unused_imports,
    reason = "the stories use the rest"
)]
#[path = "../../tests/stories/world/mod.rs"]
mod world;

pub use addresses::{redirect_uri, return_to, target};
pub use credentials::{certificates, passes, pending, records, tokens};
use entrada::config::{self, problem};
pub use fields::{challenges, cookies, forms, forwarded, proxy_header};
pub use program::program;

/// A function that panics if the property in its name does not hold for the bytes.
pub type Holds = fn(&[u8]);

/// All functions, with the name of their fuzz target, which is also the name of their seed folder.
pub const ALL: &[(&str, Holds)] = &[
    ("target", target),
    ("return_to", return_to),
    ("redirect_uri", redirect_uri),
    ("cookies", cookies),
    ("forwarded", forwarded),
    ("proxy_header", proxy_header),
    ("challenges", challenges),
    ("pending", pending),
    ("records", records),
    ("tokens", tokens),
    ("configuration", configuration),
    ("forms", forms),
    ("passes", passes),
    ("certificates", certificates),
    ("program", program),
];

/// Checks that a configuration either is read or returns every reason why not, never both.
pub fn configuration(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let variable = (
        "ENTRADA_SERVER_PUBLIC_URL".to_owned(),
        text.lines().next().unwrap_or_default().to_owned(),
    );
    for outcome in
        [config::read("entrada.toml", &text, &[]), config::read("entrada.toml", "", &[variable])]
    {
        assert_eq!(outcome.config.is_some(), outcome.problems.is_empty());
        let told = problem::print(&outcome, "entrada.toml");
        assert!(outcome.problems.iter().all(|it| !it.what.is_empty() && told.contains(&it.key)));
        assert_eq!(told.is_empty(), outcome.problems.is_empty() && outcome.warnings.is_empty());
    }
}
