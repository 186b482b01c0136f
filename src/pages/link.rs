//! Allowed targets of links in pages.

use minijinja::Value;

/// Returns `href` if it may be used as a link: a path on this site, or a web address. Escaping does
/// not make `javascript:` harmless.
pub(super) fn link(href: &str) -> Option<&str> {
    let is_path = href.starts_with('/') && !href.starts_with("//") && !href.starts_with("/\\");
    (is_path || href.starts_with("https://") || href.starts_with("http://")).then_some(href)
}

/// Escapes a long link for an attribute. Unlike elsewhere, `/` stays as it is: it would become six
/// characters.
pub(super) fn attribute(href: &str) -> Value {
    let escaped = href
        .replace('&', "&amp;")
        .replace('"', "&quot;")
        .replace('\'', "&#x27;")
        .replace('<', "&lt;")
        .replace('>', "&gt;");
    Value::from_safe_string(escaped)
}

#[cfg(test)]
mod tests {
    use super::{attribute, link};

    #[test]
    fn a_link_leaves_no_attribute() {
        let escaped = attribute("/a?b=c&d=\"><script>'");
        assert_eq!(escaped.as_str(), Some("/a?b=c&amp;d=&quot;&gt;&lt;script&gt;&#x27;"));
    }

    #[test]
    fn only_paths_and_web_addresses_become_links() {
        for href in
            ["/", "/oauth2/start?rd=%2F", "https://app.example.com/", "http://localhost:4180/"]
        {
            assert_eq!(link(href), Some(href));
        }
        for href in [
            "",
            "javascript:alert(1)",
            "JavaScript:alert(1)",
            " /",
            "//evil.example",
            "/\\evil.example",
            "data:text/html,x",
            "https:evil",
        ] {
            assert_eq!(link(href), None, "{href}");
        }
    }
}
