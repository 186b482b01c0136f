//! The username that people type: one canonical form, without characters that look like others.

use super::typed;
use std::fmt;
use unicode_normalization::UnicodeNormalization as _;

/// A username in its canonical form: NFKC, lower case, Latin.
///
/// Letters of other scripts are rejected because a Cyrillic `а` looks like the Latin one (UTS 39),
/// and so are characters that are invisible or change the direction of writing. Entra's own sign-in
/// names contain only ASCII letters, digits and `'.-_!#^~`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Username(Box<str>);

/// Maximum length of the canonical form, in bytes; Entra's sign-in names have at most 113
/// characters.
const MAX_USERNAME_BYTES: usize = 128;

/// Characters allowed besides letters and digits.
const ALLOWED_SIGNS: &str = "._-+@'#!^~";

/// Latin letters that look like others: `ı`, and three that are so rare that they look like a font
/// error.
const LOOKALIKE_LETTERS: [char; 4] = ['ı', 'ĸ', 'ŀ', 'ŉ'];

impl Username {
    /// Parses a typed username; case and what `typed` folds are ignored.
    pub fn parse(text: &str) -> Option<Self> {
        let folded: String =
            typed::fold(text)?.chars().flat_map(char::to_lowercase).nfkc().collect();
        Self::of_stored(&folded)
    }

    /// Reads a stored username as it is. One of an earlier version that would collide with another
    /// is left in its earlier form, which may end with punctuation.
    pub fn of_stored(folded: &str) -> Option<Self> {
        let fits = (1..=MAX_USERNAME_BYTES).contains(&folded.len()) && folded.chars().all(is_plain);
        let begins = folded.chars().next().is_some_and(char::is_alphanumeric);
        (fits && begins).then(|| Self(folded.into()))
    }

    /// Reads the username of an existing person: as it is, if it can be stored like that.
    pub fn of_existing(text: &str) -> Option<Self> {
        Self::of_stored(text).or_else(|| Self::parse(text))
    }

    /// The username in its canonical form.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The part after the last `@`, if there is one.
    pub fn domain(&self) -> Option<&str> {
        domain_of(&self.0)
    }

    /// Whether it looks like an e-mail address, even one without a domain.
    pub fn is_address(&self) -> bool {
        self.0.contains('@')
    }

    /// The part before the last `@`, or the whole username if there is none.
    pub fn local(&self) -> &str {
        self.0.rsplit_once('@').map_or(&self.0, |it| it.0)
    }
}

/// The part after the last `@` of an address; `None` if it is empty.
pub fn domain_of(address: &str) -> Option<&str> {
    address.rsplit_once('@').map(|it| it.1).filter(|it| !it.is_empty())
}

fn is_plain(it: char) -> bool {
    // Latin-1 and Latin Extended-A, which also contain `×` and `÷`.
    let is_latin = ('\u{df}'..='\u{17e}').contains(&it)
        && it.is_alphabetic()
        && !LOOKALIKE_LETTERS.contains(&it);
    it.is_ascii_lowercase() || it.is_ascii_digit() || ALLOWED_SIGNS.contains(it) || is_latin
}

impl fmt::Display for Username {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_name_has_one_spelling() {
        for (typed, folded) in [
            (" Maya ", "maya"),
            ("MAYA@Contoso.Example", "maya@contoso.example"),
            ("ＭＡＹＡ", "maya"),
            ("Jürgen", "jürgen"),
            ("Ju\u{308}rgen", "jürgen"),
            ("STRAẞE", "straße"),
            ("ﬁona", "fiona"),
            ("o'neil+1", "o'neil+1"),
            ("O’Neil+1", "o'neil+1"),
            ("ma\u{200b}ya", "maya"),
            ("ma\u{200f}ya", "maya"),
            ("ma\u{ad}ya", "maya"),
            ("\u{feff}Maya,", "maya"),
            ("Anna–Maria@contoso.example", "anna-maria@contoso.example"),
            ("maya.", "maya"),
            ("maya!", "maya"),
            ("Maya@Contoso.Example.", "maya@contoso.example"),
            ("maya＠contoso.example", "maya@contoso.example"),
        ] {
            assert_eq!(Username::parse(typed).unwrap().as_str(), folded, "{typed}");
        }
    }

    #[test]
    fn what_looks_like_another_name_is_none() {
        for text in [
            "",
            " ",
            "m\u{430}ya",
            "mαya",
            "ma\u{202e}ya",
            "maya@con–toso.example",
            "maya@contoso’s.example",
            "מאיה",
            "ma ya",
            "ma\tya",
            "ma\nya",
            "mıke",
            "=maya",
            "+maya",
            "-maya",
            "@maya",
            "m÷",
            "may\u{301}a\u{302}\u{303}",
            "\u{1d552}\u{301}\u{331}",
            "maya\0",
            "İstanbul",
            "<maya>",
            "maya\"",
        ] {
            assert_eq!(Username::parse(text), None, "{text:?}");
        }
        assert!(
            Username::parse(&"a".repeat(129)).is_none()
                && Username::parse(&"\u{fdfa}".repeat(10_000)).is_none()
        );
    }

    #[test]
    fn folding_again_changes_nothing() {
        proptest::proptest!(|(text in "\\PC{0,40}")| {
            if let Some(once) = Username::parse(&text) {
                proptest::prop_assert_eq!(Username::parse(once.as_str()), Some(once));
            }
        });
    }

    #[test]
    fn a_stored_name_is_read_as_it_is() {
        for text in ["maya", "maya.", "maya!", "maya@contoso.example."] {
            assert_eq!(Username::of_stored(text).unwrap().as_str(), text);
        }
        for text in ["Maya", "ma ya", "", "m\u{430}ya", "ｍaya"] {
            assert_eq!(Username::of_stored(text), None, "{text}");
        }
    }

    #[test]
    fn an_address_has_a_domain() {
        let maya = Username::parse("maya@contoso.example").unwrap();
        assert_eq!((maya.domain(), maya.local()), (Some("contoso.example"), "maya"));
        assert_eq!(
            (
                Username::parse("maya").unwrap().domain(),
                Username::parse("maya").unwrap().is_address()
            ),
            (None, false)
        );
        assert!(maya.is_address() && Username::parse("maya@").unwrap().is_address());
    }
}
