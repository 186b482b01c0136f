//! What a browser shows.

use http::HeaderMap;
use std::panic::AssertUnwindSafe;
use url::Url;

/// The result of a request.
#[derive(Clone, Debug)]
pub struct BrowserPage {
    pub url: Url,
    pub status: u16,
    pub headers: HeaderMap,
    pub body: String,
    /// Every address in the redirect chain, in order.
    pub way: Vec<Url>,
}

impl BrowserPage {
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body)
            .unwrap_or_else(|_| panic!("no JSON but {}: {}", self.status, self.body))
    }

    /// Returns the `state` of a redirect to Entra.
    pub fn state(&self) -> String {
        let location = url::Url::parse(self.header("location")).unwrap();
        location.query_pairs().find(|it| it.0 == "state").unwrap().1.into_owned()
    }

    /// Returns the reference of a JSON problem.
    pub fn reference(&self) -> String {
        self.json()["reference"].as_str().unwrap().to_owned()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |it| it.to_str().unwrap())
    }

    /// Returns the address to which the page leads by itself, as browsers follow it.
    pub fn onward(&self) -> Option<String> {
        let (_, rest) = self.body.split_once("<meta http-equiv=\"refresh\" content=\"0; url=")?;
        let (url, _) = rest.split_once('"')?;
        Some(url.replace("&quot;", "\"").replace("&#x27;", "'").replace("&amp;", "&"))
    }

    pub fn path_and_query(&self) -> String {
        self.url[url::Position::BeforePath..].to_owned()
    }

    pub fn is_the_sign_in_at_entra(&self) -> bool {
        self.status == 200
            && self.body.contains("Pick an account")
            && self.body.contains("NOT MICROSOFT")
    }

    /// Returns every line that the echo app received under this name.
    pub fn app_heard_all(&self, name: &str) -> Vec<String> {
        let json = self.json();
        let headers =
            json["headers"].as_array().unwrap_or_else(|| panic!("not the app: {}", self.body));
        headers
            .iter()
            .filter(|it| it[0].as_str().unwrap().eq_ignore_ascii_case(name))
            .map(|it| it[1].as_str().unwrap().to_owned())
            .collect()
    }

    /// Returns the value that the echo app received under this name; empty if there was none.
    pub fn app_heard(&self, name: &str) -> String {
        let all = self.app_heard_all(name);
        assert!(all.len() <= 1, "{name} came {} times", all.len());
        all.into_iter().next().unwrap_or_default()
    }
}

/// Checks what front proxies limit: no redirect of ours, and no answer that makes nginx redirect, has
/// a head of 4 KiB (nginx's `proxy_buffer_size`), and all our cookies together have less, however
/// many tabs there are. `cookies` are those that the app's site has set, as `name=value`.
pub fn is_small(parts: &http::response::Parts, cookies: &[String]) {
    let lines = parts.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4);
    let head = 32 + lines.sum::<usize>();
    let redirects = parts.status.is_redirection() || parts.headers.contains_key("location");
    assert!(!redirects || head < 4096, "{head} bytes of a head: {:?}", parts.headers);
    let ours = cookies.iter().filter(|it| it.trim_start_matches("__Host-").starts_with("entrada"));
    let bytes = ours.map(|it| it.len() + 2).sum::<usize>();
    assert!(bytes < 4096, "{bytes} bytes of cookies");
}

/// The check passed whenever the browser sent more than 8,000 bytes of cookies, whoever set them.
#[test]
fn a_long_head_or_many_cookies_of_ours_are_noticed() {
    let head = |status: u16, bytes: usize| {
        let response =
            http::Response::builder().status(status).header("location", "x".repeat(bytes));
        response.body(()).unwrap().into_parts().0
    };
    let cookie = |name: &str, bytes: usize| format!("{name}={}", "x".repeat(bytes));
    let passes = |head: &http::response::Parts, cookies: &[String]| {
        std::panic::catch_unwind(AssertUnwindSafe(|| is_small(head, cookies))).is_ok()
    };
    for status in [302, 303, 401] {
        assert!(passes(&head(status, 4000), &[]) && !passes(&head(status, 4096), &[]), "{status}");
    }
    let short = head(302, 10);
    for name in ["entrada", "__Host-entrada-b", "entrada-8443-x"] {
        assert!(passes(&short, &[cookie(name, 4000)]), "{name}");
        for bytes in [4096, 9000] {
            assert!(!passes(&short, &[cookie(name, bytes)]), "{name} {bytes}");
        }
    }
    assert!(passes(&short, &[cookie("theirs", 9000)]));
    assert!(!passes(&short, &[cookie("entrada", 2000), cookie("entrada-b", 2200)]));
}
