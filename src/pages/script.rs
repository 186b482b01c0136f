//! The only script: it copies the text beside a button. It is optional: without it the button is
//! hidden, and every page still works.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use minijinja::Value;

const COPY_SCRIPT: &str = include_str!("templates/copy.js");

/// Returns the whole element, so that no template can change a byte that the digest covers.
pub(super) fn element() -> Value {
    Value::from_safe_string(format!("<script>{COPY_SCRIPT}</script>"))
}

/// Returns the source expression that allows this script and nothing else (CSP 3, 2.3.1).
pub(super) fn source() -> String {
    format!("'sha256-{}'", STANDARD.encode(digest(&SHA256, COPY_SCRIPT.as_bytes())))
}
