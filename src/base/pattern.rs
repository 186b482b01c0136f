//! The path of an access rule or a route.

use std::fmt;

/// A path pattern: `/x`, `/x/**` or `/x/{id}/y`; matched case-sensitively, segment by segment.
///
/// `/x/**` covers `/x`, `/x/` and all below. `{name}` is exactly one segment that is not empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    text: String,
    /// The path as far as it is literal, from its first slash: most paths that are not meant differ there.
    begins: String,
    segments: Vec<Segment>,
    below: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Segment {
    Literal(String),
    Any,
}

/// Why a pattern is not one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadPattern {
    /// It does not begin with `/`.
    #[error("a path begins with \"/\"")]
    NoSlash,
    /// `*` elsewhere than as `/**` at the end.
    #[error("\"*\" is understood only as \"/**\" at the end")]
    Star,
    /// A brace that does not enclose a whole segment.
    #[error("\"{{name}}\" stands for one whole segment")]
    Brace,
    /// The literal part is not a plain path: no request that is let in can have it.
    #[error("no request can have this path: {0}")]
    NotPlain(super::target::Ambiguous),
}

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// `BadPattern` says what is not understood.
    pub fn parse(text: &str) -> Result<Self, BadPattern> {
        let (body, below) = match text.strip_suffix("/**") {
            Some(body) => (body, true),
            None => (text, false),
        };
        if !text.starts_with('/') {
            return Err(BadPattern::NoSlash);
        }
        if body.contains('*') {
            return Err(BadPattern::Star);
        }
        let segments = body.split('/').skip(1).map(segment).collect::<Result<Vec<_>, _>>()?;
        let plain = body.replace(['{', '}'], "");
        let plain = if plain.is_empty() { "/" } else { &plain };
        let strictness = super::target::Strictness::Lenient;
        super::target::Target::parse(&http::Method::GET, plain, strictness).map_err(BadPattern::NotPlain)?;
        let begins = segments.iter().map_while(Segment::literal).flat_map(|it| ["/", it]).collect();
        Ok(Self { text: text.to_owned(), begins, segments, below })
    }

    /// `/**`: every path.
    pub fn everything() -> Self {
        Self { text: "/**".to_owned(), begins: String::new(), segments: Vec::new(), below: true }
    }

    /// Whether `path` is meant.
    pub fn matches(&self, path: &str) -> bool {
        let Some(rest) = path.strip_prefix(self.begins.as_str()).filter(|_| path.starts_with('/')) else { return false };
        if !rest.is_empty() && !rest.starts_with('/') {
            return false;
        }
        let mut rest = rest.split('/').skip(1);
        for segment in self.segments.iter().skip_while(|it| it.literal().is_some()) {
            match (segment, rest.next()) {
                (Segment::Literal(ours), Some(theirs)) if ours == theirs => {}
                (Segment::Any, Some(theirs)) if !theirs.is_empty() => {}
                _ => return false,
            }
        }
        self.below || rest.next().is_none()
    }

    /// Whether a path is meant that was decoded (`Target::other_reading`).
    pub fn matches_decoded(&self, path: &[u8]) -> bool {
        let Some(path) = path.strip_prefix(b"/") else { return false };
        let mut rest = path.split(|it| *it == b'/');
        for segment in &self.segments {
            match (segment, rest.next()) {
                (Segment::Literal(ours), Some(theirs)) if percent_encoding::percent_decode_str(ours).eq(theirs.iter().copied()) => {}
                (Segment::Any, Some(theirs)) if !theirs.is_empty() => {}
                _ => return false,
            }
        }
        self.below || rest.next().is_none()
    }

    /// Whether every path that `other` means is meant by this one too.
    pub fn covers(&self, other: &Self) -> bool {
        if self.segments.len() > other.segments.len() || (!self.below && (other.below || self.segments.len() != other.segments.len())) {
            return false;
        }
        self.segments.iter().zip(&other.segments).all(|(ours, theirs)| match (ours, theirs) {
            (Segment::Any, Segment::Literal(text)) => !text.is_empty(),
            (Segment::Any, Segment::Any) => true,
            (Segment::Literal(ours), Segment::Literal(theirs)) => ours == theirs,
            (Segment::Literal(_), Segment::Any) => false,
        })
    }
}

impl Segment {
    fn literal(&self) -> Option<&str> {
        match self {
            Self::Literal(text) => Some(text),
            Self::Any => None,
        }
    }
}

fn segment(text: &str) -> Result<Segment, BadPattern> {
    let inner = text.strip_prefix('{').and_then(|it| it.strip_suffix('}'));
    match inner {
        Some(name) if !name.is_empty() && !name.contains(['{', '}']) => Ok(Segment::Any),
        Some(_) => Err(BadPattern::Brace),
        None if text.contains(['{', '}']) => Err(BadPattern::Brace),
        None => Ok(Segment::Literal(text.to_owned())),
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> Pattern {
        Pattern::parse(text).unwrap()
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

    #[test]
    fn what_is_no_pattern_says_why() {
        assert_eq!(Pattern::parse("admin"), Err(BadPattern::NoSlash));
        assert_eq!(Pattern::parse("/a*"), Err(BadPattern::Star));
        assert_eq!(Pattern::parse("/a{b}"), Err(BadPattern::Brace));
        assert!(matches!(Pattern::parse("/a/../b"), Err(BadPattern::NotPlain(_))));
    }
}
