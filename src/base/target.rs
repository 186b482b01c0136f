//! The target of a request: a method and a path with exactly one reading. Ambiguous targets are
//! rejected.

use http::uri::PathAndQuery;
use http::{Method, Uri};
use std::borrow::Cow;

/// A method and a path that cannot be read in two ways.
///
/// The bytes that are judged are the bytes that are forwarded: a target is never rewritten, only
/// rejected (RFC 3986 section 6 lists the equivalences that proxies and apps disagree on).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    method: Method,
    path_and_query: PathAndQuery,
}

/// How strictly a path is read (`[upstream] paths`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PathStrictness {
    /// Rejects everything that two servers might read differently.
    #[default]
    Strict,
    /// Allows `//`, `;`, `%2f` and `%25`, for apps that use them in names. Dot segments and encoded
    /// bytes that are not UTF-8 are still rejected, also where they are encoded twice.
    Lenient,
}

/// The reason why a target was rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AmbiguousTarget {
    /// `.` or `..` as a segment, plain or encoded, also before a `;`.
    #[error("a dot segment")]
    DotSegment,
    /// An empty segment, `//`.
    #[error("an empty segment")]
    EmptySegment,
    /// `%2f`, `%5c` or `\`.
    #[error("an encoded slash or a backslash")]
    Slash,
    /// A `;` in the path.
    #[error("a path parameter")]
    PathParameter,
    /// A control character (plain or encoded, NUL included), a space, `#`, a byte beyond ASCII, or
    /// encoded bytes that are not UTF-8. In strict mode also a character that no URI path contains,
    /// such as `<` or `{`, and an encoded `.`, `?` or `#`.
    #[error("a character that is not allowed")]
    Character,
    /// `%` without two hexadecimal digits. An encoded `%`, which can hide a second encoding, in
    /// strict mode; in lenient mode, one that hides a third.
    #[error("a malformed or doubled percent-encoding")]
    Percent,
    /// Not a path (`*`, an authority).
    #[error("not a path")]
    NotAPath,
    /// The method `CONNECT` or `TRACE`, or a method longer than `MAX_METHOD_BYTES`.
    #[error("a method that is not supported")]
    Method,
    /// A path with its query longer than `MAX_TARGET_BYTES`.
    #[error("too long")]
    TooLong,
}

/// Maximum length of a path with its query, in bytes.
pub const MAX_TARGET_BYTES: usize = 16 * 1024;

/// Maximum length of a method, in bytes. The longest registered method has 17.
pub const MAX_METHOD_BYTES: usize = 64;

impl Target {
    /// Reads the target of a request.
    ///
    /// # Errors
    /// Returns an `AmbiguousTarget` if two servers could disagree on the meaning.
    pub fn read(
        method: &Method,
        uri: &Uri,
        strictness: PathStrictness,
    ) -> Result<Self, AmbiguousTarget> {
        let path_and_query = uri.path_and_query().ok_or(AmbiguousTarget::NotAPath)?;
        plain(method, path_and_query.as_str(), strictness)?;
        Ok(Self { method: method.clone(), path_and_query: path_and_query.clone() })
    }

    /// Parses a target from text (`X-Original-URI`, `entrada explain`).
    ///
    /// # Errors
    /// Returns an `AmbiguousTarget` if two servers could disagree on the meaning.
    pub fn parse(
        method: &Method,
        text: &str,
        strictness: PathStrictness,
    ) -> Result<Self, AmbiguousTarget> {
        plain(method, text, strictness)?;
        let path_and_query =
            PathAndQuery::try_from(text).map_err(|_| AmbiguousTarget::Character)?;
        // The library must keep exactly the text that was checked; for example, it cuts off a
        // fragment.
        if path_and_query.as_str() != text {
            return Err(AmbiguousTarget::Character);
        }
        Ok(Self { method: method.clone(), path_and_query })
    }

    /// The method.
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// The path, without the query.
    pub fn path(&self) -> &str {
        self.path_and_query.path()
    }

    /// The query, without the `?`.
    pub fn query(&self) -> Option<&str> {
        self.path_and_query.query()
    }

    /// The path as read by an app that decodes it, drops path parameters and joins slashes, if that
    /// is not the same; as read by an app that decodes it twice; and by one that drops path
    /// parameters first, as servlet containers do: a parameter ends at the next slash as written.
    ///
    /// These readings are judged too: `/%61dmin` is `/admin` to most apps.
    pub fn other_readings(&self) -> impl Iterator<Item = Vec<u8>> + use<> {
        let path = self.path();
        let (mut once, mut twice, mut dropped_first) = (None, None, None);
        if path.contains(['%', ';']) || path.contains("//") {
            let decoded = decode(path.as_bytes());
            if decoded.contains(&b'%') {
                twice = Some(simplified(&decode(&decoded)));
            }
            let read = simplified(&decoded);
            if path.contains(';') && path.contains('%') {
                let left = simplified(&decode(&without_parameters(path.as_bytes())));
                dropped_first = Some(left).filter(|it| *it != read);
            }
            once = Some(read).filter(|it| it != path.as_bytes());
        }
        once.into_iter().chain(twice).chain(dropped_first)
    }

    /// Path and query, byte for byte as received.
    pub fn path_and_query(&self) -> &PathAndQuery {
        &self.path_and_query
    }
}

fn plain(method: &Method, text: &str, strictness: PathStrictness) -> Result<(), AmbiguousTarget> {
    if matches!(*method, Method::CONNECT | Method::TRACE)
        || method.as_str().len() > MAX_METHOD_BYTES
    {
        return Err(AmbiguousTarget::Method);
    }
    if text.len() > MAX_TARGET_BYTES {
        return Err(AmbiguousTarget::TooLong);
    }
    if !text.starts_with('/') {
        return Err(AmbiguousTarget::NotAPath);
    }
    let (path, query) = text.split_once('?').unwrap_or((text, ""));
    // Old clients send a query in UTF-8. Its meaning is the app's business.
    if query.bytes().any(|it| it <= b' ' || matches!(it, 0x7f | b'#'))
        || path.bytes().any(|it| !(0x21..=0x7e).contains(&it) || it == b'#')
    {
        return Err(AmbiguousTarget::Character);
    }
    path_is_plain(path.as_bytes(), strictness)
}

fn path_is_plain(path: &[u8], strictness: PathStrictness) -> Result<(), AmbiguousTarget> {
    let strict = strictness == PathStrictness::Strict;
    let mut rest = path.iter();
    while let Some(byte) = rest.next() {
        match byte {
            b'\\' => return Err(AmbiguousTarget::Slash),
            b';' if strict => return Err(AmbiguousTarget::PathParameter),
            b'%' => encoded_is_plain(hex(rest.next(), rest.next())?, strict)?,
            b'<' | b'>' | b'"' | b'`' | b'^' | b'{' | b'}' | b'|' if strict => {
                return Err(AmbiguousTarget::Character);
            }
            _ => {}
        }
    }
    let decoded = decode(path);
    segments_are_plain(path, &decoded, strict)?;
    if path.windows(3).any(|it| it == b"%25") {
        encoded_twice_is_plain(&decoded)?;
    }
    Ok(())
}

/// Checks a path as an app reads it that decodes twice. A `%` without two digits stays as it is.
fn encoded_twice_is_plain(decoded: &[u8]) -> Result<(), AmbiguousTarget> {
    for escape in decoded.windows(3).filter(|it| it.starts_with(b"%")) {
        match hex(escape.get(1), escape.get(2)) {
            Ok(b'%') => return Err(AmbiguousTarget::Percent),
            Ok(byte) => encoded_is_plain(byte, false)?,
            Err(_) => {}
        }
    }
    let twice = decode(decoded);
    // What was cut apart can form another encoding: `%25%2532e` becomes `%2e`.
    let is_encoded = |it: &[u8]| it.starts_with(b"%") && hex(it.get(1), it.get(2)).is_ok();
    if twice.windows(3).any(is_encoded) {
        return Err(AmbiguousTarget::Percent);
    }
    segments_are_plain(decoded, &twice, false)
}

fn encoded_is_plain(byte: u8, strict: bool) -> Result<(), AmbiguousTarget> {
    match byte {
        0..=0x1f | 0x7f => Err(AmbiguousTarget::Character),
        b'\\' => Err(AmbiguousTarget::Slash),
        b'/' if strict => Err(AmbiguousTarget::Slash),
        b'%' if strict => Err(AmbiguousTarget::Percent),
        b'.' | b'?' | b'#' if strict => Err(AmbiguousTarget::Character),
        b';' if strict => Err(AmbiguousTarget::PathParameter),
        _ => Ok(()),
    }
}

fn segments_are_plain(path: &[u8], decoded: &[u8], strict: bool) -> Result<(), AmbiguousTarget> {
    // RFC 3629 section 3: lax decoders turn overlong sequences (`%c0%af`, `%e0%80%af`,
    // `%f8%80%80%80%af`) into dots, slashes and backslashes. Other bytes that are not UTF-8, such
    // as names in Latin-1, have as many readings as there are decoders, so lenient mode rejects
    // them as strict mode does.
    if std::str::from_utf8(decoded).is_err() {
        return Err(AmbiguousTarget::Character);
    }
    #[allow(clippy::naive_bytecount, reason = "a path has a few bytes")]
    let last = decoded.iter().filter(|it| **it == b'/').count();
    for (at, segment) in decoded.split(|it| *it == b'/').enumerate() {
        // `/x/..;a=b/y`: some servers drop the parameter first and then go up.
        let name = segment.split(|it| *it == b';').next().unwrap_or_default();
        if matches!(name, b"." | b"..") {
            return Err(AmbiguousTarget::DotSegment);
        }
        if strict && segment.is_empty() && at != 0 && at != last {
            return Err(AmbiguousTarget::EmptySegment);
        }
    }
    // A browser reads `//host/path` at the very start as another origin.
    if path.starts_with(b"//") {
        return Err(AmbiguousTarget::EmptySegment);
    }
    Ok(())
}

fn without_parameters(path: &[u8]) -> Vec<u8> {
    let names = path.split(|it| *it == b'/').map(|it| it.split(|it| *it == b';').next());
    names.map(Option::unwrap_or_default).collect::<Vec<_>>().join(&b'/')
}

/// Drops path parameters and joins slashes.
fn simplified(decoded: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(decoded.len());
    for segment in decoded.split(|it| *it == b'/') {
        if !out.ends_with(b"/") {
            out.push(b'/');
        }
        out.extend(segment.iter().take_while(|it| **it != b';'));
    }
    out
}

/// Borrows the path if nothing is encoded, as in most paths.
fn decode(path: &[u8]) -> Cow<'_, [u8]> {
    percent_encoding::percent_decode(path).into()
}

fn hex(high: Option<&u8>, low: Option<&u8>) -> Result<u8, AmbiguousTarget> {
    let digit = |it: Option<&u8>| {
        it.and_then(|it| char::from(*it).to_digit(16)).ok_or(AmbiguousTarget::Percent)
    };
    u8::try_from(digit(high)? << 4 | digit(low)?).map_err(|_| AmbiguousTarget::Percent)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Target, AmbiguousTarget> {
        Target::parse(&Method::GET, text, PathStrictness::Strict)
    }

    #[test]
    fn plain_targets_keep_every_byte() {
        for text in [
            "/",
            "/a",
            "/a/",
            "/a/b.c/~x",
            "/a?x=//..%2f;#".trim_end_matches('#'),
            "/%E2%82%AC",
            "/a%20b",
            "/.well-known/x",
            "/a..b",
            "/@me",
            "/a:b",
        ] {
            assert_eq!(read(text).unwrap().path_and_query().as_str(), text);
        }
    }

    #[test]
    fn what_can_be_read_two_ways_is_refused() {
        for text in [
            "",
            "*",
            "a",
            "//",
            "//evil",
            "/a//b",
            "/..",
            "/a/..",
            "/a/../b",
            "/./a",
            "/a/.",
            "/%2e%2e/a",
            "/%2E/a",
            "/a%2fb",
            "/a%5cb",
            "/a\\b",
            "/a;b",
            "/..;/a",
            "/a%3bb",
            "/a#b",
            "/a%00",
            "/a\0",
            "/a%23",
            "/a%3fb",
            "/a%252e",
            "/%",
            "/%4",
            "/%zz",
            "/a b",
            "/ü",
            "/a%0d%0a",
            "/%c0%ae%c0%ae/a",
            "/%e0%80%af",
            "/%ff",
        ] {
            assert!(read(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn lenient_still_refuses_to_climb() {
        let lenient = |text| Target::parse(&Method::GET, text, PathStrictness::Lenient);
        for text in ["/a//b", "/a;b=c/d", "/a%2fb", "/100%25", "/a%252fb", "/%25zz", "/a%253bb"] {
            assert!(lenient(text).is_ok(), "{text}");
        }
        for text in [
            "/a/../b",
            "/a/%2e%2e/b",
            "/a/..;/b",
            "/a%2f..%2fb",
            "//a",
            "/a\\b",
            "/a%5cb",
            "/a%00b",
            // The same, encoded twice, and an encoding three deep.
            "/a/%252e%252e/b",
            "/a%252f..%252fb",
            "/a/%252e.;c/b",
            "/a%255cb",
            "/a%2500b",
            "/%25c0%25af",
            "/a%25252fb",
            "/a%2525b",
            "/public/%25%2532e%25%2532e/admin",
            "/a%25%2532fb",
        ] {
            assert!(lenient(text).is_err(), "{text}");
        }
    }

    /// `byte` as an overlong sequence of `length` bytes, percent-encoded.
    fn overlong(byte: u8, length: usize) -> String {
        let lead =
            [0xc0, 0xe0, 0xf0, 0xf8, 0xfc][length - 2] | if length == 2 { byte >> 6 } else { 0 };
        let mut bytes = vec![lead];
        bytes.extend(std::iter::repeat_n(0x80, length.saturating_sub(3)));
        bytes.extend((length > 2).then_some(0x80 | byte >> 6));
        bytes.push(0x80 | byte & 0x3f);
        bytes.iter().map(|it| format!("%{it:02x}")).collect()
    }

    // Lenient mode allowed `%e0%80%af` and its longer forms, which lax decoders read as a slash.
    #[test]
    fn encoded_bytes_that_are_no_utf_8_are_refused_in_both_readings() {
        assert_eq!(
            (overlong(b'/', 3).as_str(), overlong(b'.', 2).as_str()),
            ("%e0%80%af", "%c0%ae")
        );
        assert_eq!(overlong(b'\\', 4), "%f0%80%81%9c");
        let both = [PathStrictness::Strict, PathStrictness::Lenient];
        let refused =
            |text: &str| both.iter().all(|it| Target::parse(&Method::GET, text, *it).is_err());
        for length in 2..=6 {
            for byte in 0..=0x7f {
                let sequence = overlong(byte, length);
                for text in [
                    format!("/a{sequence}b"),
                    format!("/public/{sequence}{sequence}/admin"),
                    format!("/{}", sequence.to_uppercase()),
                ] {
                    assert!(refused(&text), "{text}");
                }
            }
        }
        for text in [
            "/%ff",
            "/%fe%fe",
            "/caf%e9",
            "/%80",
            "/%e2%82",
            "/%ed%a0%80",
            "/%f4%90%80%80",
            "/a%e2%82%2fb",
            "/a;%e9",
        ] {
            assert!(refused(text), "{text}");
        }
        for text in ["/caf%c3%a9", "/%E2%82%AC", "/%f0%9f%98%80"] {
            assert!(both.iter().all(|it| Target::parse(&Method::GET, text, *it).is_ok()), "{text}");
        }
    }

    #[test]
    fn each_byte_is_refused_for_its_own_reason_and_some_in_strict_reading_only() {
        use AmbiguousTarget::{
            Character, DotSegment, EmptySegment, NotAPath, PathParameter, Percent, Slash, TooLong,
        };
        let longest = format!("/{}", "a".repeat(MAX_TARGET_BYTES - 1));
        for (text, strict, lenient) in [
            ("/a\"b", Err(Character), Ok(())),
            ("/a^b", Err(Character), Ok(())),
            ("/a{b", Err(Character), Ok(())),
            ("/a}b", Err(Character), Ok(())),
            ("/a|b", Err(Character), Ok(())),
            ("/a%2eb", Err(Character), Ok(())),
            ("/a%3fb", Err(Character), Ok(())),
            ("/a%23b", Err(Character), Ok(())),
            ("/%ff", Err(Character), Err(Character)),
            ("/a;b", Err(PathParameter), Ok(())),
            ("/a%3bb", Err(PathParameter), Ok(())),
            ("/a%2fb", Err(Slash), Ok(())),
            ("/a//b", Err(EmptySegment), Ok(())),
            // The library rejects all of these.
            ("/a<b", Err(Character), Err(Character)),
            ("/a>b", Err(Character), Err(Character)),
            ("/a`b", Err(Character), Err(Character)),
            ("/a%1fb", Err(Character), Err(Character)),
            ("/a%7fb", Err(Character), Err(Character)),
            ("/%c0", Err(Character), Err(Character)),
            ("/%c1", Err(Character), Err(Character)),
            ("/a\x7f", Err(Character), Err(Character)),
            ("/a b", Err(Character), Err(Character)),
            ("/a\\b", Err(Slash), Err(Slash)),
            ("/a%5cb", Err(Slash), Err(Slash)),
            ("/a%25b", Err(Percent), Ok(())),
            ("/a%252525b", Err(Percent), Err(Percent)),
            ("/a%2", Err(Percent), Err(Percent)),
            ("/a%2g", Err(Percent), Err(Percent)),
            ("/a%g2", Err(Percent), Err(Percent)),
            ("/a/./b", Err(DotSegment), Err(DotSegment)),
            ("/..;x/a", Err(PathParameter), Err(DotSegment)),
            ("//a", Err(EmptySegment), Err(EmptySegment)),
            ("a", Err(NotAPath), Err(NotAPath)),
            // The characters next to each boundary.
            ("/a%20b", Ok(()), Ok(())),
            ("/%7e", Ok(()), Ok(())),
            ("/a!~b", Ok(()), Ok(())),
            ("/%c2%a9", Ok(()), Ok(())),
            ("/a/", Ok(()), Ok(())),
            ("/a.b/..c", Ok(()), Ok(())),
            // A query belongs to the app; only characters that cannot be sent are rejected.
            ("/?a;b//..%2f|%zz", Ok(()), Ok(())),
            ("/?a%25b%5cc\\d=\u{fc}", Ok(()), Ok(())),
            ("/?a\x7f", Err(Character), Err(Character)),
            ("/?a b", Err(Character), Err(Character)),
            ("/\u{fc}?a", Err(Character), Err(Character)),
            ("/?a#", Err(Character), Err(Character)),
            (longest.as_str(), Ok(()), Ok(())),
            (&format!("{longest}a"), Err(TooLong), Err(TooLong)),
        ] {
            for (strictness, expected) in
                [(PathStrictness::Strict, strict), (PathStrictness::Lenient, lenient)]
            {
                assert_eq!(
                    Target::parse(&Method::GET, text, strictness).map(drop),
                    expected,
                    "{text} {strictness:?}"
                );
                // As hyper passes it on, if the library keeps it unchanged.
                if let Some(uri) = text
                    .parse::<Uri>()
                    .ok()
                    .filter(|it| it.path_and_query().is_some_and(|it| it.as_str() == text))
                {
                    assert_eq!(
                        Target::read(&Method::GET, &uri, strictness).map(drop),
                        expected,
                        "{text} {strictness:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn the_parts_of_a_target_are_those_that_were_read() {
        let read = Target::parse(&Method::POST, "/a/b?c=d?e", PathStrictness::Strict).unwrap();
        assert_eq!(
            (read.method(), read.path(), read.query()),
            (&Method::POST, "/a/b", Some("c=d?e"))
        );
        assert_eq!(
            Target::parse(&Method::GET, "/a", PathStrictness::Strict).unwrap().query(),
            None
        );
        assert_eq!(
            Target::read(
                &Method::GET,
                &Uri::from_static("app.example.com:443"),
                PathStrictness::Lenient
            ),
            Err(AmbiguousTarget::NotAPath)
        );
    }

    #[test]
    fn what_an_app_may_read_instead_is_known() {
        let other = |text| {
            let read = Target::parse(&Method::GET, text, PathStrictness::Lenient).unwrap();
            let readings = read.other_readings().map(|it| String::from_utf8(it).unwrap());
            readings.collect::<Vec<_>>()
        };
        for text in ["/", "/a/b/", "/a?%61//;"] {
            assert!(other(text).is_empty(), "{text}");
        }
        for (text, read) in [
            ("/%61dmin/%78", "/admin/x"),
            ("/a//b;c=d/e;f", "/a/b/e"),
            ("/a%2fb", "/a/b"),
            ("/a%3bb/", "/a/"),
            ("/;a/b", "/b"),
            ("/a//", "/a/"),
        ] {
            assert_eq!(other(text), [read], "{text}");
        }
        for (text, once, twice) in [
            ("/%2561dmin", "/%61dmin", "/admin"),
            ("/a%252fb", "/a%2fb", "/a/b"),
            ("/100%25", "/100%", "/100%"),
        ] {
            assert_eq!(other(text), [once, twice], "{text}");
        }
        for (text, once, dropped_first) in [
            ("/a;%2fb/admin", "/a/b/admin", "/a/admin"),
            ("/;%2fx/admin", "/x/admin", "/admin"),
            ("/admin;a%2fb", "/admin/b", "/admin"),
        ] {
            assert_eq!(other(text), [once, dropped_first], "{text}");
        }
    }

    #[test]
    fn methods_that_tunnel_or_echo_or_are_too_long_are_refused() {
        for method in [Method::CONNECT, Method::TRACE] {
            assert_eq!(
                Target::parse(&method, "/", PathStrictness::Strict),
                Err(AmbiguousTarget::Method)
            );
        }
        // Hyper accepts any token as a method (RFC 9110 section 9.1), up to the length of a whole
        // head.
        for (bytes, expected) in
            [(MAX_METHOD_BYTES, Ok(())), (MAX_METHOD_BYTES + 1, Err(AmbiguousTarget::Method))]
        {
            let method = Method::from_bytes(&vec![b'A'; bytes]).unwrap();
            assert_eq!(Target::parse(&method, "/", PathStrictness::Lenient).map(drop), expected);
        }
    }
}
