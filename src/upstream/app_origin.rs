//! The app's own address in its responses. With `host = "upstream"` the app does not know its public
//! address, and its redirects would lead people to the inside.

use crate::base::site::split_authority;
use http::header::{CONTENT_LOCATION, LOCATION, REFRESH};
use http::{HeaderMap, HeaderValue};

/// Replaces the app's own origin by `public`, in the headers that name an address. `app` is the
/// `Host` that the app received. The scheme does not count: an app that believes
/// `X-Forwarded-Proto` writes https before its inner name.
pub(super) fn replace(headers: &mut HeaderMap, app: &HeaderValue, public: &str) {
    let Some(app) = app.to_str().ok() else { return };
    for name in [LOCATION, CONTENT_LOCATION] {
        if let Some(value) = headers.get_mut(&name) {
            replace_in(value, app, |text| replaced(text, app, public));
        }
    }
    if let Some(value) = headers.get_mut(REFRESH) {
        replace_in(value, app, |text| {
            let at = text.to_ascii_lowercase().find("url=")? + "url=".len();
            let (before, address) = text.split_at_checked(at)?;
            let bare = address.trim_matches(['"', '\'', ' ']);
            Some(format!("{before}{}", replaced(bare, app, public)?))
        });
    }
}

fn replace_in(value: &mut HeaderValue, app: &str, replaced: impl Fn(&str) -> Option<String>) {
    // Most addresses are relative.
    let text = value.to_str().ok().filter(|it| it.len() > app.len());
    let found = text.and_then(replaced).and_then(|it| HeaderValue::from_str(&it).ok());
    if let Some(found) = found {
        *value = found;
    }
}

/// Returns `None` if the text does not name the app's origin.
fn replaced(text: &str, app: &str, public: &str) -> Option<String> {
    let (scheme, rest) = text.split_once("//")?;
    let default_port = match scheme {
        "" => None,
        it if it.eq_ignore_ascii_case("http:") => Some(80),
        it if it.eq_ignore_ascii_case("https:") => Some(443),
        _ => return None,
    };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at_checked(end)?;
    let (host, port) = split_authority(authority)?;
    let (app_host, app_port) = split_authority(app)?;
    let is_app = host.eq_ignore_ascii_case(app_host)
        && match app_port {
            Some(expected) => port.or(default_port) == Some(expected),
            None => port.is_none() || port == default_port,
        };
    is_app.then(|| format!("{public}{path}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_apps_own_origin_is_replaced_and_no_other_address() {
        for (app, text, expected) in [
            ("app:3000", "http://app:3000/x?y#z", "https://app.example.com/x?y#z"),
            ("app:3000", "https://APP:3000/x", "https://app.example.com/x"),
            ("app:3000", "//app:3000/x", "https://app.example.com/x"),
            ("app:3000", "http://app:3000", "https://app.example.com"),
            ("app:3000", "http://app:3000?x", "https://app.example.com?x"),
            // An address of the public site stays one, whatever follows.
            ("app:3000", "http://app:3000//evil.example", "https://app.example.com//evil.example"),
            ("app:80", "http://app/x", "https://app.example.com/x"),
            ("app:443", "https://app/x", "https://app.example.com/x"),
            ("localhost", "http://localhost/x", "https://app.example.com/x"),
            ("localhost", "http://localhost:80/x", "https://app.example.com/x"),
            ("[::1]:3000", "http://[::1]:3000/x", "https://app.example.com/x"),
        ] {
            let replaced = replaced(text, app, "https://app.example.com");
            assert_eq!(replaced.as_deref(), Some(expected), "{app} {text}");
        }
        for (app, text) in [
            ("app:3000", "/x"),
            ("app:3000", "x//app:3000/"),
            ("app:3000", "http://app/x"),
            ("app:80", "https://app/x"),
            ("app:3000", "http://app:30000/x"),
            ("app:3000", "http://app:3000@evil.example/"),
            ("app:3000", "http://app:3000.evil.example/"),
            ("app:3000", "http://app.evil.example:3000/"),
            ("app:3000", "http://evil.example/?http://app:3000/"),
            ("app:3000", "ftp://app:3000/x"),
            ("localhost", "http://localhost:8080/x"),
        ] {
            assert_eq!(replaced(text, app, "https://app.example.com"), None, "{app} {text}");
        }
    }

    #[test]
    fn each_header_that_names_an_address_is_rewritten() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("location", "http://app:3000/a"),
            ("content-location", "http://app:3000/b"),
            ("refresh", "5; URL='http://app:3000/c'"),
            ("link", "<http://app:3000/d>; rel=next"),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        replace(&mut headers, &HeaderValue::from_static("app:3000"), "https://app.example.com");
        assert_eq!(headers["location"], "https://app.example.com/a");
        assert_eq!(headers["content-location"], "https://app.example.com/b");
        assert_eq!(headers["refresh"], "5; URL=https://app.example.com/c");
        assert_eq!(headers["link"], "<http://app:3000/d>; rel=next");
    }
}
