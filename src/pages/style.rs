//! The only style sheet; it is inlined, and its digest is in the policy.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use minijinja::Value;

/// A style sheet that can be inlined in a page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct StyleSheet {
    text: String,
    source: String,
}

/// The reason that a text cannot be inlined as a style sheet.
#[derive(Debug, thiserror::Error)]
pub(super) enum BadStyleSheet {
    /// It contains the end tag of its own element.
    #[error("it contains \"</style\"")]
    Ends,
    /// Browsers replace NUL characters, so the digest would not match.
    #[error("it contains a NUL character")]
    Nul,
}

impl StyleSheet {
    /// Replaces line endings with `\n`, as HTML parsers do before they compare the digest (HTML
    /// 13.2.3.5).
    pub(super) fn new(text: &str) -> Result<Self, BadStyleSheet> {
        let text = text.trim_start_matches('\u{feff}').replace("\r\n", "\n").replace('\r', "\n");
        if text.contains('\0') {
            return Err(BadStyleSheet::Nul);
        }
        if text.to_ascii_lowercase().contains("</style") {
            return Err(BadStyleSheet::Ends);
        }
        let source = format!("'sha256-{}'", STANDARD.encode(digest(&SHA256, text.as_bytes())));
        Ok(Self { text, source })
    }

    /// Returns the source expression that allows it (CSP 3, 2.3.1).
    pub(super) fn source(&self) -> &str {
        &self.source
    }

    /// Returns the whole element, so that no template can change a byte that the digest covers.
    pub(super) fn element(&self) -> Value {
        Value::from_safe_string(format!("<style>{}</style>", self.text))
    }
}

#[cfg(test)]
mod tests {
    use super::StyleSheet;

    #[test]
    fn the_digest_is_that_of_the_text_a_browser_sees() {
        // From `printf 'p{}\n' | openssl dgst -sha256 -binary | base64`.
        let unix = StyleSheet::new("p{}\n").unwrap();
        assert_eq!(unix.source(), "'sha256-ENciTu8dY6ZA4nEGXBqyKSkyCEnyvmHRBTrJoNuRdwE='");
        assert_eq!(StyleSheet::new("\u{feff}p{}\r\n").unwrap(), unix);
        assert_eq!(unix.element().to_string(), "<style>p{}\n</style>");
    }

    #[test]
    fn a_style_sheet_cannot_leave_its_element() {
        assert!(StyleSheet::new("p{}</STYLE ><b>").is_err());
        assert!(StyleSheet::new("p{}\0").is_err());
    }
}
