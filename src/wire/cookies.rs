//! Entrada's cookies: read from requests, set in responses, and never passed to the app.

use cookie::{Cookie, SameSite};
use http::header::{COOKIE, SET_COOKIE};
use http::{HeaderMap, HeaderValue};
use memchr::memchr;

/// Maximum size of all `Cookie` lines that are read, in bytes; beyond it, none of our cookies is
/// found.
const MAX_COOKIE_BYTES: usize = 64 * 1024;

/// The names of Entrada's cookies on this site.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CookieNames {
    session: String,
    secure: bool,
}

/// The result of looking for one of our cookies in a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CookieMatch<'a> {
    /// The cookie is absent.
    None,
    /// The cookie is present once.
    One(&'a str),
    /// The cookie is present more than once: one was planted, so none can be trusted.
    Several,
}

impl CookieNames {
    /// `__Host-entrada` on https, where browsers reject it from sibling hosts (RFC 6265bis section
    /// 4.1.3.2). On http `entrada` with the port: cookies do not distinguish ports, so programs at
    /// two ports of one host would overwrite each other's.
    pub fn new(https: bool, port: u16) -> Self {
        let session = if https { "__Host-entrada".to_owned() } else { format!("entrada-{port}") };
        Self { session, secure: https }
    }

    /// Name of the session cookie.
    pub fn session(&self) -> &str {
        &self.session
    }

    /// Name of the cookie with the sealed record of the session, if the browser keeps it.
    pub fn record(&self) -> String {
        format!("{}-s", self.session)
    }

    /// Name of the cookie with the browser's secret for its sign-ins.
    pub fn browser(&self) -> String {
        format!("{}-b", self.session)
    }

    /// Name of the cookie that counts the browser's recent sign-in attempts.
    pub fn rounds(&self) -> String {
        format!("{}-r", self.session)
    }

    /// Name of the cookie with the code of the organization last used to sign in on this device.
    pub fn organization(&self) -> String {
        format!("{}-o", self.session)
    }

    /// Name of the cookie of a set-up session that started with an invitation link.
    pub fn visit(&self) -> String {
        format!("{}-v", self.session)
    }

    /// Whether a cookie name is one of ours, set over http or https, at any port.
    pub fn is_ours(name: impl AsRef<[u8]>) -> bool {
        let name = name.as_ref();
        let rest = name.strip_prefix(b"__Host-").unwrap_or(name).strip_prefix(b"entrada");
        rest.is_some_and(|it| it.is_empty() || it.starts_with(b"-"))
    }

    /// Builds a `Set-Cookie` value that lasts for `seconds`, or for the browser session if `None`.
    pub fn set(&self, name: &str, value: &str, seconds: Option<u64>) -> Option<HeaderValue> {
        let mut built = Cookie::build((name, value))
            .path("/")
            .http_only(true)
            .secure(self.secure)
            .same_site(SameSite::Lax);
        if let Some(seconds) = seconds {
            built = built.max_age(cookie::time::Duration::seconds(
                i64::try_from(seconds).unwrap_or(i64::MAX),
            ));
        }
        HeaderValue::from_str(&built.to_string()).ok()
    }

    /// Builds a `Set-Cookie` value that deletes the cookie; the attributes are those it was set
    /// with.
    pub fn remove(&self, name: &str) -> Option<HeaderValue> {
        self.set(name, "", Some(0))
    }
}

/// All cookies of a request as names and values, in order. Lines are read as bytes, so that a
/// cookie that is not text does not hide the others.
pub fn all(headers: &HeaderMap) -> impl Iterator<Item = (&str, &str)> {
    all_pairs(headers).filter_map(|it| std::str::from_utf8(it).ok()?.split_once('='))
}

fn all_pairs(headers: &HeaderMap) -> impl Iterator<Item = &[u8]> {
    let mut left = MAX_COOKIE_BYTES;
    let lines = headers.get_all(COOKIE).iter().take_while(move |it| {
        left = left.saturating_sub(it.len());
        left > 0
    });
    lines.flat_map(pairs)
}

/// Looks for one of our cookies.
pub fn find<'a>(headers: &'a HeaderMap, name: &str) -> CookieMatch<'a> {
    let value_of = |it: &'a [u8]| it.strip_prefix(name.as_bytes())?.strip_prefix(b"=");
    // Only values under this name are decoded as text.
    let mut values = all_pairs(headers).filter_map(|it| std::str::from_utf8(value_of(it)?).ok());
    match (values.next(), values.next()) {
        (None, _) => CookieMatch::None,
        (Some(value), None) => CookieMatch::One(value),
        (Some(_), Some(_)) => CookieMatch::Several,
    }
}

/// Removes our cookies from a request before the app receives it.
pub fn hide(headers: &mut HeaderMap) {
    let mut lines = headers.get_all(COOKIE).iter();
    // Almost every client sends a single line, and many only our cookie in it.
    if let (Some(line), None) = (lines.next(), lines.next()) {
        if pairs(line).any(is_ours_in_pair) {
            match strip_own(line) {
                Some(line) => headers.insert(COOKIE, line),
                None => headers.remove(COOKIE),
            };
        }
        return;
    }
    if !headers.get_all(COOKIE).iter().any(|it| pairs(it).any(is_ours_in_pair)) {
        return;
    }
    let lines: Vec<_> = headers.get_all(COOKIE).iter().filter_map(strip_own).collect();
    let mut lines = lines.into_iter();
    match lines.next() {
        Some(first) => headers.insert(COOKIE, first),
        None => headers.remove(COOKIE),
    };
    for line in lines {
        headers.append(COOKIE, line);
    }
}

/// The `Cookie` lines of a request, kept after the request is gone. A single line, as in HTTP/1.1,
/// needs no allocation.
#[derive(Clone, Debug)]
pub struct CookieLines {
    first: Option<HeaderValue>,
    more: Vec<HeaderValue>,
}

impl CookieLines {
    /// Copies the lines of a request, before any cookie is removed.
    pub fn of(headers: &HeaderMap) -> Self {
        let mut lines = headers.get_all(COOKIE).iter().cloned();
        Self { first: lines.next(), more: lines.collect() }
    }

    /// Returns the lines as they were received.
    pub fn into_headers(self) -> HeaderMap {
        self.first.into_iter().chain(self.more).map(|it| (COOKIE, it)).collect()
    }
}

/// The client's cookies without ours, in one line; empty if there are none.
pub fn app_cookies(headers: &HeaderMap) -> HeaderValue {
    let lines: Vec<_> = headers.get_all(COOKIE).iter().filter_map(strip_own).collect();
    let joined = lines.iter().map(HeaderValue::as_bytes).collect::<Vec<_>>().join(&b"; "[..]);
    HeaderValue::from_maybe_shared(bytes::Bytes::from(joined))
        .unwrap_or(HeaderValue::from_static(""))
}

fn strip_own(line: &HeaderValue) -> Option<HeaderValue> {
    let mut left = Vec::new();
    for pair in pairs(line).filter(|it| !is_ours_in_pair(it) && !it.is_empty()) {
        if left.is_empty() {
            left.reserve_exact(line.len());
        } else {
            left.extend_from_slice(b"; ");
        }
        left.extend_from_slice(pair);
    }
    if left.is_empty() {
        None
    } else {
        HeaderValue::from_maybe_shared(bytes::Bytes::from(left)).ok()
    }
}

/// Drops cookies that the app tries to set under our names.
pub fn guard(headers: &mut HeaderMap) {
    if !headers.get_all(SET_COOKIE).iter().any(|it| is_ours_in(it.as_bytes(), b'=')) {
        return;
    }
    let theirs: Vec<_> = headers
        .get_all(SET_COOKIE)
        .iter()
        .filter(|it| !is_ours_in(it.as_bytes(), b'='))
        .cloned()
        .collect();
    headers.remove(SET_COOKIE);
    for line in theirs {
        headers.append(SET_COOKIE, line);
    }
}

fn pairs(line: &HeaderValue) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(line.as_bytes());
    std::iter::from_fn(move || {
        let left = rest?;
        let end = memchr(b';', left).unwrap_or(left.len());
        rest = left.get(end + 1..);
        left.get(..end).map(<[u8]>::trim_ascii)
    })
}

/// Whether a pair without surrounding spaces has one of our names. Most names begin with a letter
/// that ours do not begin with.
fn is_ours_in_pair(pair: &[u8]) -> bool {
    let may_be_ours = |first: &u8| !first.is_ascii_alphanumeric() || *first == b'e';
    pair.first().is_some_and(may_be_ours) && is_ours_in(pair, b'=')
}

/// Whether a pair has one of our names; some servers read the value of a cookie without a name as
/// its name.
fn is_ours_in(pair: &[u8], end: u8) -> bool {
    let name = pair
        .split(|it| *it == end || *it == b';')
        .find(|it| !it.trim_ascii().is_empty())
        .unwrap_or_default();
    CookieNames::is_ours(name.trim_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn theirs_are_one_line_without_ours() {
        let mut headers = HeaderMap::new();
        assert_eq!(app_cookies(&headers), "");
        headers.append(COOKIE, HeaderValue::from_static("a=1; entrada=secret"));
        headers.append(COOKIE, HeaderValue::from_static("__Host-entrada-s-12345678=x"));
        headers.append(COOKIE, HeaderValue::from_static("b=2;c=3"));
        assert_eq!(app_cookies(&headers), "a=1; b=2; c=3");
    }

    fn request(lines: &[&str]) -> HeaderMap {
        let mut out = HeaderMap::new();
        for line in lines {
            out.append(COOKIE, HeaderValue::from_str(line).unwrap());
        }
        out
    }

    #[test]
    fn finds_ours_among_theirs_and_sees_doubles() {
        let names = CookieNames::new(true, 443);
        assert_eq!(
            find(&request(&["a=b; __Host-entrada=xyz; c"]), names.session()),
            CookieMatch::One("xyz")
        );
        assert_eq!(
            find(&request(&["a=b", "__Host-entrada=xyz"]), names.session()),
            CookieMatch::One("xyz")
        );
        assert_eq!(
            find(&request(&["__Host-entrada=1; __Host-entrada=2"]), names.session()),
            CookieMatch::Several
        );
        assert_eq!(
            find(&request(&["__Host-entrada=1", "__Host-entrada=1"]), names.session()),
            CookieMatch::Several
        );
        assert_eq!(
            find(&request(&["__host-entrada=1; x__Host-entrada=1"]), names.session()),
            CookieMatch::None
        );
    }

    #[test]
    fn cookie_lines_are_searched_up_to_their_bound_and_no_further() {
        let first = |bytes: usize| format!("a={}", "x".repeat(bytes - 2));
        let ours = "entrada=1";
        let after = |bytes: usize| request(&[&first(bytes), ours]);
        assert_eq!(find(&after(64 * 1024 - 1 - ours.len()), "entrada"), CookieMatch::One("1"));
        assert_eq!(find(&after(64 * 1024 - ours.len()), "entrada"), CookieMatch::None);
    }

    #[test]
    fn every_cookie_is_listed_in_its_order() {
        let all: Vec<_> = all(&request(&["a=1; b=2=3;c", "d=4"]))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        assert_eq!(
            all,
            [("a", "1"), ("b", "2=3"), ("d", "4")]
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
        );
    }

    #[test]
    fn each_kind_of_ours_has_a_name_of_its_own() {
        for (https, port, prefix) in [
            (true, 443, "__Host-entrada"),
            (true, 8443, "__Host-entrada"),
            (false, 80, "entrada-80"),
            (false, 4180, "entrada-4180"),
        ] {
            let names = CookieNames::new(https, port);
            let all = [
                names.session().to_owned(),
                names.record(),
                names.browser(),
                names.rounds(),
                names.organization(),
                names.visit(),
            ];
            assert_eq!(all, ["", "-s", "-b", "-r", "-o", "-v"].map(|it| format!("{prefix}{it}")));
            assert!(all.iter().all(CookieNames::is_ours));
        }
    }

    #[test]
    fn lines_that_are_kept_come_back_as_they_were() {
        for lines in [&[][..], &["a=1"], &["a=1; entrada=2", "b=3", "c=4"]] {
            let kept = CookieLines::of(&request(lines)).into_headers();
            assert_eq!(kept, request(lines));
        }
    }

    #[test]
    fn nothing_is_left_of_a_line_that_was_only_ours_or_empty() {
        for (lines, left) in [
            (&["entrada=1"][..], &[][..]),
            (&["entrada=1", "a=1"], &["a=1"]),
            (&["a=1; ; entrada=1;"], &["a=1"]),
            (&["entrada; a=1"], &["a=1"]),
            (&["a=1;;b=2"], &["a=1;;b=2"]),
        ] {
            let mut headers = request(lines);
            hide(&mut headers);
            assert_eq!(headers.get_all(COOKIE).iter().collect::<Vec<_>>(), left, "{lines:?}");
        }
    }

    #[test]
    fn ours_are_known_by_name_in_either_scheme() {
        for name in
            ["entrada", "entrada-4180", "entrada-4181-r", "__Host-entrada", "__Host-entrada-b"]
        {
            assert!(CookieNames::is_ours(name), "{name}");
        }
        for name in ["entradas", "my-entrada", "__Host-other", ""] {
            assert!(!CookieNames::is_ours(name), "{name}");
        }
    }

    #[test]
    fn the_app_sees_its_own_cookies_only() {
        let mut headers = request(&[
            "a=b; __Host-entrada=xyz;c=d",
            "entrada=1; entrada-s-12345678=x",
            "=entrada; e=f",
        ]);
        headers.append(COOKIE, HeaderValue::from_bytes(b"g=\xff; entrada-r=1").unwrap());
        hide(&mut headers);
        let left: Vec<_> = headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes).collect();
        assert_eq!(left, [&b"a=b; c=d"[..], b"e=f", b"g=\xff"]);
    }

    #[test]
    fn the_app_sets_none_under_our_names() {
        let mut headers = HeaderMap::new();
        for line in [
            "a=b; Path=/",
            "__Host-entrada=x; Path=/",
            " entrada =x",
            "=entrada=x",
            "entrada; Path=/",
        ] {
            headers.append(SET_COOKIE, HeaderValue::from_str(line).unwrap());
        }
        guard(&mut headers);
        assert_eq!(headers.get_all(SET_COOKIE).iter().collect::<Vec<_>>(), ["a=b; Path=/"]);
    }

    #[test]
    fn bytes_that_are_no_text_hide_nothing() {
        let mut headers = HeaderMap::new();
        headers.append(COOKIE, HeaderValue::from_bytes(b"g=\xff; entrada=1").unwrap());
        assert_eq!(find(&headers, "entrada"), CookieMatch::One("1"));
    }

    #[test]
    fn what_is_set_is_kept_from_scripts_and_other_sites() {
        let set = CookieNames::new(true, 443).set("__Host-entrada", "v", None).unwrap();
        assert_eq!(set, "__Host-entrada=v; HttpOnly; SameSite=Lax; Secure; Path=/");
        let gone = CookieNames::new(false, 80).remove("entrada").unwrap();
        assert_eq!(gone, "entrada=; HttpOnly; SameSite=Lax; Path=/; Max-Age=0");
    }
}
