mod any;
mod credentials;
mod example;
mod native;
mod organizations;
mod problems;
mod rules;
mod schema;
mod sources;
mod tenants;
mod values;

use super::*;
use crate::base::secret::Secret;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use toml::de::DeValue;

const EXAMPLE: &str = include_str!("../../config.example.toml");
const SECRET: &str = "8Qx~uN7mGd2Jz4kPw9Rt5Yb1Vc6Hs3Lf";

/// The smallest valid file.
const SMALL: &str = r#"
[server]
public_url = "https://app.example.com"
[upstream]
url = "http://127.0.0.1:3000"
[entra]
tenant = "contoso.com"
client_id = "11112222-bbbb-3333-cccc-4444dddd5555"
client_secret = { env = "CLIENT" }
"#;

fn environment(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|it| (it.0.to_owned(), it.1.to_owned())).collect()
}

fn report(text: &str, pairs: &[(&str, &str)]) -> String {
    problem::print(&read("entrada.toml", text, &environment(pairs)), "entrada.toml")
}

/// The messages for the small file with additional lines.
fn report_of(more: &str) -> String {
    report(&format!("{SMALL}{more}"), &[("CLIENT", SECRET)])
}

fn meant(text: &str, pairs: &[(&str, &str)]) -> Config {
    let outcome = read("entrada.toml", text, &environment(pairs));
    assert_eq!(problem::print(&outcome, "entrada.toml"), "");
    outcome.config.unwrap()
}

fn assert_report(text: &str, expected: &str) {
    assert_eq!(text, expected.trim_start_matches('\n'), "\n{text}");
}
