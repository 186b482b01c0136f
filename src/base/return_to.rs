//! The place that a person returns to after sign-in or sign-out. The types rule out open redirects.

use super::own_path;
use super::site::Site;
use super::target::{PathStrictness, Target};

/// A place on our own site, or on a host that the operator listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReturnTo {
    place: String,
    is_shortened: bool,
}

/// Maximum length of a remembered place, in bytes: as long as the request lines that front proxies
/// accept (nginx's `large_client_header_buffers`). Of a longer one only the path is remembered.
pub const MAX_RETURN_TO_BYTES: usize = 8 * 1024;
/// Maximum length of a place in the query of one of our links, in bytes, so that no page of ours
/// grows with the request.
const MAX_ENCODED_BYTES: usize = 12 * 1024;

impl ReturnTo {
    /// The home page, `/`.
    pub fn home() -> Self {
        Self::whole("/".to_owned())
    }

    fn whole(place: String) -> Self {
        Self { place, is_shortened: false }
    }

    /// Parses `rd`. A value that does not clearly lead to this site or to a listed host becomes the
    /// home page.
    pub fn parse(text: &str, site: &Site) -> Self {
        Self::fitting(text, |text| local(text, site).or_else(|| listed(text, site)))
    }

    /// The page that a request was for.
    pub fn of(target: &Target, site: &Site) -> Self {
        Self::fitting(target.path_and_query().as_str(), |text| local(text, site))
    }

    /// Reads a text, or only its part before the query if it is too long.
    fn fitting(text: &str, read: impl Fn(&str) -> Option<Self>) -> Self {
        if fits(text) {
            return read(text).unwrap_or_else(Self::home);
        }
        let page = Some(before_query(text)).filter(|it| fits(it)).and_then(read);
        page.unwrap_or_else(Self::home).shortened()
    }

    /// The same page without its query and fragment.
    #[must_use]
    pub fn without_query(&self) -> Self {
        Self::whole(before_query(&self.place).to_owned())
    }

    /// The same page, of which the rest was too long.
    #[must_use]
    pub fn shortened(self) -> Self {
        Self { is_shortened: true, ..self }
    }

    /// Whether the rest of a place that was too long is missing.
    pub fn is_shortened(&self) -> bool {
        self.is_shortened
    }

    /// The value for a `Location` header.
    pub fn as_str(&self) -> &str {
        &self.place
    }
}

fn before_query(text: &str) -> &str {
    text.split(['?', '#']).next().unwrap_or_default()
}

fn fits(text: &str) -> bool {
    let encoded = || url::form_urlencoded::byte_serialize(text.as_bytes()).map(str::len);
    text.len() <= MAX_RETURN_TO_BYTES && encoded().sum::<usize>() <= MAX_ENCODED_BYTES
}

/// The complete URL of our own page to which Entra sends browsers after a sign-out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LandingUrl(String);

impl LandingUrl {
    /// The URL of the page that confirms the sign-out.
    pub fn signed_out(site: &Site) -> Self {
        Self(format!("{}{}{}", site.origin(), site.prefix(), own_path::SIGN_OUT))
    }

    /// The value for `post_logout_redirect_uri`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn local(text: &str, site: &Site) -> Option<ReturnTo> {
    let (rest, fragment) = text.split_once('#').map_or((text, None), |(rest, it)| (rest, Some(it)));
    if fragment.is_some_and(|it| !it.bytes().all(|it| (0x21..=0x7e).contains(&it))) {
        return None;
    }
    // Lenient, because `;` and `//` further in do not lead to another site. Both modes reject `/\`,
    // `//` at the start and control characters.
    let target = Target::parse(&http::Method::GET, rest, PathStrictness::Lenient).ok()?;
    if site.is_ours(target.path()) && !site.may_return_to_ours(target.path()) {
        return None;
    }
    // A header value is ASCII. Only a query can contain anything else.
    let text = percent_encoding::utf8_percent_encode(text, percent_encoding::CONTROLS).to_string();
    fits(&text).then(|| ReturnTo::whole(text))
}

fn listed(text: &str, site: &Site) -> Option<ReturnTo> {
    let scheme = if site.is_https() { "https" } else { "http" };
    let rest = text.strip_prefix(scheme)?.strip_prefix("://")?;
    let split = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at_checked(split)?;
    let path = if path.is_empty() { "/" } else { path };
    if site.is_host(authority) {
        return local(path, site);
    }
    let (host, _) = super::site::split_authority(authority)?;
    if !site.may_return_to(host) {
        return None;
    }
    let local = local(path, site)?;
    let place = format!("{scheme}://{authority}{}", local.place);
    // The place is read as a browser reads it (WHATWG URL): a host name that the browser rejects or
    // reads as another name is not allowed.
    let read = url::Url::parse(&place).ok()?;
    read.host_str().is_some_and(|it| it.eq_ignore_ascii_case(host)).then(|| ReturnTo::whole(place))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn site() -> Site {
        Site::parse("https://app.example.com", "/oauth2", None)
            .unwrap()
            .with_hosts(Vec::new(), vec![".example.com".into()])
    }

    #[test]
    fn honest_places_survive() {
        for place in [
            "/",
            "/reports?year=2026",
            "/a?next=https://x.example//y",
            "/a#b",
            "/a;b/c",
            "/oauth2/setup",
            "/oauth2/setup/sheet",
            "https://b.example.com/x?y#z",
            "/a?x=%2f%2f",
        ] {
            assert_eq!(ReturnTo::parse(place, &site()).as_str(), place);
        }
        assert_eq!(ReturnTo::parse("https://app.example.com/x", &site()).as_str(), "/x");
        assert_eq!(
            LandingUrl::signed_out(&site()).as_str(),
            "https://app.example.com/oauth2/sign_out"
        );
    }

    #[test]
    fn a_place_is_bounded_in_length_and_its_fragment_in_characters() {
        let of_length = |bytes: usize| format!("/x?{}", "a".repeat(bytes - 3));
        let read = |text: &str| {
            let place = ReturnTo::parse(text, &site());
            (place.as_str().to_owned(), place.is_shortened())
        };
        let longest = of_length(MAX_RETURN_TO_BYTES);
        assert_eq!(read(&longest), (longest.clone(), false));
        for too_long in [
            of_length(MAX_RETURN_TO_BYTES + 1),
            format!("/x?{}", "&".repeat(MAX_ENCODED_BYTES / 3)),
            format!("/x#{}", "a".repeat(MAX_RETURN_TO_BYTES)),
            format!("https://app.example.com/x?{}", "a".repeat(MAX_RETURN_TO_BYTES)),
        ] {
            assert_eq!(read(&too_long), ("/x".to_owned(), true));
        }
        assert_eq!(read(&"/a".repeat(MAX_RETURN_TO_BYTES)), ("/".to_owned(), true));
        let elsewhere = format!("//evil.example/?{}", "a".repeat(MAX_RETURN_TO_BYTES));
        assert_eq!(read(&elsewhere), ("/".to_owned(), true));
        for place in ["/a#b c", "/a#\x7f", "/a#b\r\nLocation: x", "/a#ü"] {
            assert_eq!(ReturnTo::parse(place, &site()).as_str(), "/", "{place:?}");
        }
    }

    #[test]
    fn the_page_that_a_request_was_for_is_gone_back_to_unless_it_is_ours() {
        for (text, place) in
            [("/a?b", "/a?b"), ("/oauth2/sign_out", "/"), ("/oauth2/setup", "/oauth2/setup")]
        {
            let target = Target::parse(&http::Method::GET, text, PathStrictness::Strict).unwrap();
            assert_eq!(ReturnTo::of(&target, &site()).as_str(), place);
        }
    }

    #[test]
    fn a_page_without_its_query_is_the_same_page() {
        for (place, page) in [
            ("/", "/"),
            ("/a?b=/c#d", "/a"),
            ("/a#b?c", "/a"),
            ("https://b.example.com/x?y#z", "https://b.example.com/x"),
        ] {
            let page_only = ReturnTo::parse(place, &site()).without_query();
            assert_eq!(page_only.as_str(), page);
            assert_eq!(ReturnTo::parse(page, &site()), page_only);
        }
    }

    #[test]
    fn nothing_leads_to_another_origin() {
        for place in [
            "//evil.example",
            "/\\evil.example",
            "\\\\evil",
            "https:evil.example",
            "https:/evil.example",
            "https://evil.example",
            "HTTPS://evil.example",
            "https://app.example.com@evil.example",
            "https://badexample.com",
            "https://x.example.com.evil.example",
            "javascript:alert(1)",
            "/%09/evil",
            "/\t/evil",
            "/%5cevil",
            "///evil",
            "/.//evil",
            "/..//evil",
            "http://b.example.com/",
            "/oauth2/sign_out",
            "/oauth2/setup/../sign_out",
            "/oauth2/setup/invitation?token=x",
            "/oauth2/setups",
            "/oauth2",
            "/a\r\nLocation: x",
            "https://b.example.com\\@evil.example",
            "https://b.example.com:99999/",
            "https://evil。example",
            "https://xn--.example.com/",
            "https://b[.example.com/x",
            "",
            "evil.example",
            "https://[::1",
            "/a\0",
        ] {
            let read = ReturnTo::parse(place, &site());
            assert_eq!(read.as_str(), "/", "{place:?}");
        }
    }
}
