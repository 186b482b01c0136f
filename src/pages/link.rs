//! Allowed targets of links in pages.

/// Returns `href` if it may be used as a link: a path on this site, or a web address. Escaping does
/// not make `javascript:` harmless.
pub(super) fn link(href: &str) -> Option<&str> {
    let is_path = href.starts_with('/') && !href.starts_with("//") && !href.starts_with("/\\");
    (is_path || href.starts_with("https://") || href.starts_with("http://")).then_some(href)
}

#[cfg(test)]
mod tests {
    use super::link;

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
