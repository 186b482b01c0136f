//! The company code, which employees may type to reach their company's sign-in.

use super::typed;
use std::fmt;

/// 4 to 32 characters: `a-z`, `0-9` and inner hyphens. Lower case, because codes are read aloud and
/// printed on paper.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CompanyCode(Box<str>);

/// Maximum length of a code, in bytes.
const MAX_CODE_BYTES: usize = 32;

/// Minimum length of a code, in bytes.
const MIN_CODE_BYTES: usize = 4;

impl CompanyCode {
    /// Parses a typed code; case and what `typed` folds are ignored.
    pub fn parse(text: &str) -> Option<Self> {
        let text = typed::fold(text)?;
        let plain = text.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'-')
            && !text.starts_with('-')
            && !text.ends_with('-');
        (plain && (MIN_CODE_BYTES..=MAX_CODE_BYTES).contains(&text.len()))
            .then(|| Self(text.to_ascii_lowercase().into()))
    }

    /// Derives a readable code from a company's name, with `number` as a suffix unless it is zero.
    pub fn of_name(name: &str, number: u32) -> Option<Self> {
        let words = name
            .split(|it: char| !it.is_ascii_alphanumeric())
            .filter(|it| !it.is_empty())
            .collect::<Vec<_>>()
            .join("-");
        let tail = if number == 0 { String::new() } else { format!("-{number}") };
        let short = words
            .get(..words.len().min(MAX_CODE_BYTES.saturating_sub(tail.len())))?
            .trim_end_matches('-');
        let padded = if short.len() + tail.len() < MIN_CODE_BYTES {
            format!("company-{short}")
        } else {
            short.to_owned()
        };
        Self::parse(&format!("{}{tail}", padded.trim_end_matches('-')))
    }

    /// The code in lower case.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for CompanyCode {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_and_space_do_not_count_and_every_other_sign_does() {
        for text in [
            "  Contoso-24 ",
            "contoso–24",
            "CONTOSO\u{2011}24.",
            "ｃｏｎｔｏｓｏ－２４",
            "con\u{200b}toso-24,",
        ] {
            assert_eq!(CompanyCode::parse(text).unwrap().as_str(), "contoso-24", "{text}");
        }
        for text in [
            "",
            "abc",
            "-contoso",
            "contoso-",
            "con toso",
            "con!toso",
            "contóso",
            "cοntoso",
            "a234567890123456789012345678901234",
        ] {
            assert_eq!(CompanyCode::parse(text), None, "{text}");
        }
    }

    /// Stored codes need no migration, whatever is folded.
    #[test]
    fn the_stored_form_of_a_code_is_folded() {
        proptest::proptest!(|(text in "[a-z0-9][a-z0-9-]{2,30}[a-z0-9]")| {
            let code = CompanyCode::parse(&text).unwrap();
            proptest::prop_assert_eq!(code.as_str(), text);
        });
    }

    #[test]
    fn a_name_makes_a_readable_code() {
        for (name, number, code) in [
            ("Contoso Freight Ltd.", 0, "contoso-freight-ltd"),
            ("Contoso", 2, "contoso-2"),
            ("AB", 0, "company-ab"),
            ("Müller & Söhne", 0, "m-ller-s-hne"),
            ("東京", 0, "company"),
            ("An exceedingly long name of a company", 12, "an-exceedingly-long-name-of-a-12"),
        ] {
            assert_eq!(CompanyCode::of_name(name, number).unwrap().as_str(), code, "{name}");
        }
    }
}
