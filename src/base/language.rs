//! The languages of Entrada's pages.

/// Maximum length of `Accept-Language` that is read, in bytes; a browser's is far below a hundred.
const MAX_ACCEPT_LANGUAGE_BYTES: usize = 512;

/// The language of a page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Language {
    /// The default.
    #[default]
    English,
    /// Standard German.
    German,
}

impl Language {
    /// All languages.
    pub const ALL: [Self; 2] = [Self::English, Self::German];

    /// Returns the available language that the browser prefers, according to its `Accept-Language`
    /// (RFC 9110 section 12.5.4).
    pub fn preferred(accepted: &str) -> Self {
        if accepted.len() > MAX_ACCEPT_LANGUAGE_BYTES {
            return Self::default();
        }
        let mut best = (0, Self::default());
        for it in accepted.split(',') {
            let (range, quality) = it.split_once(';').unwrap_or((it, "q=1"));
            let (quality, language) = (thousandths(quality), Self::of_range(range.trim()));
            // Of two languages with the same quality, the first counts.
            if let Some(language) = language.filter(|_| quality > best.0) {
                best = (quality, language);
            }
        }
        best.1
    }

    /// Language tag for HTML.
    pub fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::German => "de",
        }
    }

    /// `*` selects the default.
    fn of_range(range: &str) -> Option<Self> {
        let primary = range.split('-').next().unwrap_or_default();
        if primary == "*" {
            return Some(Self::default());
        }
        Self::ALL.into_iter().find(|it| it.tag().eq_ignore_ascii_case(primary))
    }
}

/// `q=0.8` is 800; an invalid quality counts as 0.
fn thousandths(quality: &str) -> u16 {
    let Some(value) =
        quality.trim().strip_prefix("q=").or_else(|| quality.trim().strip_prefix("Q="))
    else {
        return 0;
    };
    let (whole, rest) = value.split_once('.').unwrap_or((value, ""));
    match (whole, rest.len()) {
        ("1", _) => 1000,
        ("0", 1..=3) if rest.bytes().all(|it| it.is_ascii_digit()) => {
            format!("{rest:0<3}").parse().unwrap_or_default()
        }
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_language_that_is_wanted_most_of_those_that_there_are() {
        for (accepted, language) in [
            ("de", Language::German),
            ("de-AT,de;q=0.9,en;q=0.8", Language::German),
            ("en-US,en;q=0.9,de;q=0.8", Language::English),
            ("fr,de;q=0.5", Language::German),
            ("fr;q=1.0, DE ; q=0.75 , en;q=0.751", Language::English),
            ("de;q=0", Language::English),
            ("de;q=0.000, en;q=0.001", Language::English),
            ("de,en", Language::German),
            ("*,de;q=0.9", Language::English),
            ("", Language::English),
            ("fr", Language::English),
            ("den", Language::English),
            ("de;q=2, en;q=x", Language::English),
            ("de;level=1", Language::English),
        ] {
            assert_eq!(Language::preferred(accepted), language, "{accepted:?}");
        }
        assert_eq!(
            Language::preferred(&format!("de,{}", "fr,".repeat(MAX_ACCEPT_LANGUAGE_BYTES))),
            Language::English
        );
    }
}
