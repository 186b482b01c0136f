//! The one script there is: it copies what stands beside a button. A comfort, and no page needs it: without it the button is not shown.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use minijinja::Value;

const COPY_SCRIPT: &str = include_str!("templates/copy.js");

/// The whole element, so that no template can change a byte of what the digest covers.
pub(super) fn element() -> Value {
    Value::from_safe_string(format!("<script>{COPY_SCRIPT}</script>"))
}

/// The source expression that allows it, and nothing else (CSP 3, 2.3.1).
pub(super) fn source() -> String {
    format!("'sha256-{}'", STANDARD.encode(digest(&SHA256, COPY_SCRIPT.as_bytes())))
}
