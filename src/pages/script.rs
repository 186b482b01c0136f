//! The two scripts. One copies the text beside a button of the set-up page; without it the button is
//! hidden. The other takes the fragment of an address along to a sign-in; without it, the sign-in
//! starts without the fragment.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use minijinja::Value;

const COPY_SCRIPT: &str = include_str!("templates/copy.js");
const FRAGMENT_SCRIPT: &str = include_str!("templates/fragment.js");

/// Returns the whole element of the script that copies, so that no template can change a byte that
/// the digest covers.
pub(super) fn copy() -> Value {
    element(COPY_SCRIPT)
}

/// Returns the whole element of the script that takes the fragment along.
pub(super) fn fragment() -> Value {
    element(FRAGMENT_SCRIPT)
}

/// Returns the source expression that allows the script that copies and nothing else (CSP 3, 2.3.1).
pub(super) fn copy_source() -> String {
    source(COPY_SCRIPT)
}

/// Returns the source expression that allows the script that takes the fragment along.
pub(super) fn fragment_source() -> String {
    source(FRAGMENT_SCRIPT)
}

fn element(script: &str) -> Value {
    Value::from_safe_string(format!("<script>{script}</script>"))
}

fn source(script: &str) -> String {
    format!("'sha256-{}'", STANDARD.encode(digest(&SHA256, script.as_bytes())))
}
