//! The path pattern of an access rule or a route.

use percent_encoding::percent_decode_str;
use std::fmt;

/// A path pattern: `/x`, `/x/**` or `/x/{id}/y`. Matching is case-sensitive, segment by segment.
///
/// `/x/**` covers `/x`, `/x/` and everything below. `{name}` is exactly one segment that is not
/// empty. With suffixes, `/x` also covers `/x.json`, `/x.` and `/x%20`: see
/// [`PathPattern::with_suffixes`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathPattern {
    text: String,
    /// The literal start of the path, from its first slash: a quick check that rejects most paths
    /// that do not match.
    literal_start: String,
    segments: Vec<PatternSegment>,
    below: bool,
    suffixes: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum PatternSegment {
    Literal(String),
    Any,
}

/// The reason why a text is not a valid pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadPattern {
    /// The pattern does not begin with `/`.
    #[error("a path must begin with \"/\"")]
    NoSlash,
    /// `*` is used other than as `/**` at the end.
    #[error("\"*\" is allowed only as \"/**\" at the end")]
    Wildcard,
    /// A brace does not enclose a whole segment.
    #[error("\"{{name}}\" must be a whole segment")]
    Brace,
    /// The literal part is not a plain path, so no accepted request can have it.
    #[error("no request can have this path: {0}")]
    NotPlain(super::target::AmbiguousTarget),
}

impl PathPattern {
    /// Parses a pattern.
    ///
    /// # Errors
    /// Returns a `BadPattern` that names the part that is invalid.
    pub fn parse(text: &str) -> Result<Self, BadPattern> {
        let (body, below) = match text.strip_suffix("/**") {
            Some(body) => (body, true),
            None => (text, false),
        };
        if !text.starts_with('/') {
            return Err(BadPattern::NoSlash);
        }
        if body.contains('*') {
            return Err(BadPattern::Wildcard);
        }
        let segments = body.split('/').skip(1).map(segment).collect::<Result<Vec<_>, _>>()?;
        let plain = body.replace(['{', '}'], "");
        let plain = if plain.is_empty() { "/" } else { &plain };
        let strictness = super::target::PathStrictness::Lenient;
        super::target::Target::parse(&http::Method::GET, plain, strictness)
            .map_err(BadPattern::NotPlain)?;
        let begins =
            segments.iter().map_while(PatternSegment::literal).flat_map(|it| ["/", it]).collect();
        Ok(Self { text: text.to_owned(), literal_start: begins, segments, below, suffixes: false })
    }

    /// The pattern `/**`, which matches every path.
    pub fn everything() -> Self {
        Self {
            text: "/**".to_owned(),
            literal_start: String::new(),
            segments: Vec::new(),
            below: true,
            suffixes: false,
        }
    }

    /// Returns the pattern with suffixes allowed: each literal segment may be followed by a dot and
    /// anything, or by spaces and dots only, plain or encoded.
    ///
    /// Rails serves `/admin.json` as `/admin`, and Windows drops dots and spaces at the end of a
    /// name. An empty segment (`/`, `/x/`) is not a name and has no suffix.
    #[must_use]
    pub fn with_suffixes(self) -> Self {
        Self { suffixes: true, ..self }
    }

    /// Whether the literal segments may have suffixes.
    pub fn has_suffixes(&self) -> bool {
        self.suffixes
    }

    /// Whether the last segment is a literal that is not empty.
    pub fn ends_with_name(&self) -> bool {
        self.segments.last().and_then(PatternSegment::literal).is_some_and(|it| !it.is_empty())
    }

    /// Whether the pattern matches `path` as written.
    pub fn matches(&self, path: &str) -> bool {
        if self.suffixes {
            let Some(path) = path.strip_prefix('/') else { return false };
            let is_meant = |ours: &str, theirs: &str| {
                theirs.strip_prefix(ours).is_some_and(|it| is_tail(ours, percent_decode_str(it)))
            };
            return self.fits(path.split('/'), is_meant, str::is_empty);
        }
        let Some(rest) =
            path.strip_prefix(self.literal_start.as_str()).filter(|_| path.starts_with('/'))
        else {
            return false;
        };
        if !rest.is_empty() && !rest.starts_with('/') {
            return false;
        }
        let mut rest = rest.split('/').skip(1);
        for segment in self.segments.iter().skip_while(|it| it.literal().is_some()) {
            match (segment, rest.next()) {
                (PatternSegment::Literal(ours), Some(theirs)) if ours == theirs => {}
                (PatternSegment::Any, Some(theirs)) if !theirs.is_empty() => {}
                _ => return false,
            }
        }
        self.below || rest.next().is_none()
    }

    /// Whether the pattern matches a decoded path (`Target::other_readings`).
    pub fn matches_decoded(&self, path: &[u8]) -> bool {
        let Some(path) = path.strip_prefix(b"/") else { return false };
        let is_meant = |ours: &str, theirs: &[u8]| {
            let mut theirs = theirs.iter().copied();
            percent_decode_str(ours).all(|it| theirs.next() == Some(it))
                && (theirs.len() == 0 || (self.suffixes && is_tail(ours, theirs)))
        };
        self.fits(path.split(|it| *it == b'/'), is_meant, <[u8]>::is_empty)
    }

    fn fits<'a, T: ?Sized + 'a>(
        &self,
        mut rest: impl Iterator<Item = &'a T>,
        is_meant: impl Fn(&str, &'a T) -> bool,
        is_empty: impl Fn(&'a T) -> bool,
    ) -> bool {
        for segment in &self.segments {
            match (segment, rest.next()) {
                (PatternSegment::Literal(ours), Some(theirs)) if is_meant(ours, theirs) => {}
                (PatternSegment::Any, Some(theirs)) if !is_empty(theirs) => {}
                _ => return false,
            }
        }
        self.below || rest.next().is_none()
    }

    /// Whether this pattern matches every path that `other` matches.
    pub fn covers(&self, other: &Self) -> bool {
        if self.segments.len() > other.segments.len()
            || (!self.below && (other.below || self.segments.len() != other.segments.len()))
        {
            return false;
        }
        self.segments.iter().zip(&other.segments).all(|(ours, theirs)| match (ours, theirs) {
            (PatternSegment::Any, PatternSegment::Literal(text)) => !text.is_empty(),
            (PatternSegment::Any, PatternSegment::Any) => true,
            (PatternSegment::Literal(ours), PatternSegment::Literal(theirs)) => {
                let Some(tail) = theirs.strip_prefix(ours.as_str()) else { return false };
                match (self.suffixes, other.suffixes && !theirs.is_empty()) {
                    (false, false) => tail.is_empty(),
                    (false, true) => false,
                    (true, false) => is_tail(ours, percent_decode_str(tail)),
                    // Only a suffix that starts with a dot may continue in any way.
                    (true, true) => {
                        tail.is_empty()
                            || (!ours.is_empty() && percent_decode_str(tail).next() == Some(b'.'))
                    }
                }
            }
            (PatternSegment::Literal(_), PatternSegment::Any) => false,
        })
    }
}

/// Whether decoded bytes may follow a literal segment that has suffixes: nothing, a dot and
/// anything, or spaces and dots only.
fn is_tail(literal: &str, mut tail: impl Iterator<Item = u8>) -> bool {
    match tail.next() {
        None => true,
        Some(b'.') => !literal.is_empty(),
        Some(b' ') => !literal.is_empty() && tail.all(|it| matches!(it, b'.' | b' ')),
        Some(_) => false,
    }
}

impl PatternSegment {
    fn literal(&self) -> Option<&str> {
        match self {
            Self::Literal(text) => Some(text),
            Self::Any => None,
        }
    }
}

fn segment(text: &str) -> Result<PatternSegment, BadPattern> {
    let inner = text.strip_prefix('{').and_then(|it| it.strip_suffix('}'));
    match inner {
        Some(name) if !name.is_empty() && !name.contains(['{', '}']) => Ok(PatternSegment::Any),
        Some(_) => Err(BadPattern::Brace),
        None if text.contains(['{', '}']) => Err(BadPattern::Brace),
        None => Ok(PatternSegment::Literal(text.to_owned())),
    }
}

impl fmt::Display for PathPattern {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> PathPattern {
        PathPattern::parse(text).unwrap()
    }

    #[test]
    fn two_stars_cover_the_place_itself_and_all_below() {
        for path in ["/admin", "/admin/", "/admin/users"] {
            assert!(pattern("/admin/**").matches(path), "{path}");
        }
        for path in ["/administrator", "/Admin", "/", "/x/admin"] {
            assert!(!pattern("/admin/**").matches(path), "{path}");
        }
        assert!(pattern("/**").matches("/"));
        assert!(pattern("/**").matches("/a/b"));
    }

    #[test]
    fn a_name_is_one_segment() {
        assert!(pattern("/u/{id}/x").matches("/u/7/x"));
        for path in ["/u//x", "/u/7/8/x", "/u/7", "/u/7/x/"] {
            assert!(!pattern("/u/{id}/x").matches(path), "{path}");
        }
        assert!(pattern("/").matches("/"));
        assert!(!pattern("/").matches("/a"));
    }

    #[test]
    fn a_decoded_path_meets_a_pattern_in_either_spelling() {
        assert!(pattern("/admin/**").matches_decoded(b"/admin/x"));
        assert!(pattern("/caf%C3%A9/{id}").matches_decoded("/café/7".as_bytes()));
        assert!(!pattern("/admin/**").matches_decoded(b"/administrator"));
        assert!(!pattern("/u/{id}").matches_decoded(b"/u/"));
    }

    #[test]
    fn covers_means_no_path_escapes() {
        assert!(pattern("/**").covers(&pattern("/a/{x}")));
        assert!(pattern("/a/**").covers(&pattern("/a")));
        assert!(pattern("/a/{x}").covers(&pattern("/a/b")));
        assert!(!pattern("/a/b").covers(&pattern("/a/{x}")));
        assert!(!pattern("/a").covers(&pattern("/a/**")));
        assert!(!pattern("/a/b/**").covers(&pattern("/a/**")));
    }

    // `/admin.json` (Rails), `/admin.` and `/admin%20` (Windows) bypassed a rule for `/admin/**`.
    #[test]
    fn with_suffixes_a_name_may_be_followed_by_a_dot_or_by_dots_and_spaces() {
        let admin = pattern("/admin/**").with_suffixes();
        for path in [
            "/admin",
            "/admin/",
            "/admin/x",
            "/admin.json",
            "/admin.",
            "/admin..",
            "/admin%20",
            "/admin.%20.",
            "/admin%20.",
            "/admin.json/x",
            "/admin./x",
            "/admin%2ejson",
        ] {
            let decoded: Vec<u8> = percent_decode_str(path).collect();
            assert!(admin.matches(path) && admin.matches_decoded(&decoded), "{path}");
            assert_eq!(
                pattern("/admin/**").matches(path),
                path == "/admin" || path.starts_with("/admin/"),
                "{path}"
            );
        }
        for path in [
            "/administrator",
            "/admin%20x",
            "/admin-x",
            "/admi.n",
            "/Admin.json",
            "/x/admin.json",
            "/",
        ] {
            let decoded: Vec<u8> = percent_decode_str(path).collect();
            assert!(!admin.matches(path) && !admin.matches_decoded(&decoded), "{path}");
        }
        let one = pattern("/u/{id}/edit").with_suffixes();
        for (path, is_meant) in [
            ("/u/7/edit.json", true),
            ("/u./7/edit%20", true),
            ("/u/7.json/edit", true),
            ("/u/7/edit.json/x", false),
            ("/u//edit.json", false),
            ("/u/7.json", false),
        ] {
            assert_eq!(
                (
                    one.matches(path),
                    one.matches_decoded(&percent_decode_str(path).collect::<Vec<_>>())
                ),
                (is_meant, is_meant),
                "{path}"
            );
        }
        // An empty segment is not a name: the rule for "/" does not apply to "/.env".
        for (text, path) in [("/", "/.env"), ("/", "/%20"), ("/x/", "/x/.env")] {
            assert!(!pattern(text).with_suffixes().matches(path), "{text} {path}");
        }
        assert!(pattern("/x/").with_suffixes().matches("/x.y/"));
    }

    #[test]
    fn covers_knows_suffixes() {
        let suffixed = |text: &str| pattern(text).with_suffixes();
        assert!(
            suffixed("/a").covers(&pattern("/a.json"))
                && suffixed("/a").covers(&suffixed("/a.json"))
                && suffixed("/a").covers(&suffixed("/a"))
        );
        assert!(
            suffixed("/a").covers(&pattern("/a%20"))
                && suffixed("/a/**").covers(&suffixed("/a.x/b"))
                && pattern("/{x}").covers(&suffixed("/a"))
        );
        assert!(
            !pattern("/a").covers(&suffixed("/a"))
                && !suffixed("/a.json").covers(&suffixed("/a"))
                && !suffixed("/a").covers(&pattern("/ab"))
        );
        // Only the narrower pattern matches `/a%20.json`.
        assert!(!suffixed("/a").covers(&suffixed("/a%20")));
        assert!(suffixed("/").covers(&suffixed("/")) && !suffixed("/").covers(&pattern("/.a")));
    }

    mod any {
        use super::*;
        use proptest::prelude::*;

        const NAMES: [&str; 9] = ["", "a", "b", "ab", "a.b", "a%20", "a.", "%61", "a%20.b"];
        const TAILS: [&str; 10] =
            ["", ".", "..", "%20", ".json", "%20.", "%20x", ".%20", "%2e", "b"];

        fn patterns() -> impl Strategy<Value = PathPattern> {
            let segment = prop_oneof![4 => prop::sample::select(&NAMES[..]), 1 => Just("{x}")];
            (prop::collection::vec(segment, 1..4), any::<bool>(), any::<bool>()).prop_filter_map(
                "no pattern",
                |(segments, below, suffixes)| {
                    let read = PathPattern::parse(&format!(
                        "/{}{}",
                        segments.join("/"),
                        if below { "/**" } else { "" }
                    ))
                    .ok()?;
                    Some(if suffixes { read.with_suffixes() } else { read })
                },
            )
        }

        fn paths() -> impl Strategy<Value = String> {
            let segment = (prop::sample::select(&NAMES[..]), prop::sample::select(&TAILS[..]))
                .prop_map(|(name, tail)| format!("{name}{tail}"));
            prop::collection::vec(segment, 1..5).prop_map(|it| format!("/{}", it.join("/")))
        }

        proptest! {
            #![proptest_config(ProptestConfig { cases: 20_000, max_global_rejects: 100_000, ..ProptestConfig::default() })]

            #[test]
            fn no_path_escapes_what_covers(wide in patterns(), narrow in patterns(), path in paths()) {
                if wide.covers(&narrow) {
                    let decoded: Vec<u8> = percent_decode_str(&path).collect();
                    prop_assert!(!narrow.matches(&path) || wide.matches(&path), "{wide:?} {narrow:?} {path}");
                    prop_assert!(!narrow.matches_decoded(&decoded) || wide.matches_decoded(&decoded), "{wide:?} {narrow:?} {path}");
                }
            }

            #[test]
            fn suffixes_only_add_and_the_decoded_reading_knows_what_the_written_one_does(pattern in patterns(), path in paths()) {
                let decoded: Vec<u8> = percent_decode_str(&path).collect();
                prop_assert!(!pattern.matches(&path) || pattern.matches_decoded(&decoded), "{pattern:?} {path}");
                let more = pattern.clone().with_suffixes();
                prop_assert!(!pattern.matches(&path) || more.matches(&path));
                prop_assert!(!pattern.matches_decoded(&decoded) || more.matches_decoded(&decoded));
                prop_assert!(more.covers(&pattern));
            }
        }
    }

    #[test]
    fn what_is_no_pattern_says_why() {
        assert_eq!(PathPattern::parse("admin"), Err(BadPattern::NoSlash));
        assert_eq!(PathPattern::parse("/a*"), Err(BadPattern::Wildcard));
        assert_eq!(PathPattern::parse("/a{b}"), Err(BadPattern::Brace));
        assert!(matches!(PathPattern::parse("/a/../b"), Err(BadPattern::NotPlain(_))));
    }
}
