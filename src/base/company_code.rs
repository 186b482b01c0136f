//! The company code: what a company's people may type to be sent to their own sign-in.

use std::fmt;

/// 4 to 32 of `a-z`, `0-9` and inner hyphens, in lower case: it is read aloud and printed on sheets.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CompanyCode(Box<str>);

/// The longest code, in bytes.
const MAX_CODE_BYTES: usize = 32;

/// The shortest code, in bytes.
const MIN_CODE_BYTES: usize = 4;

impl CompanyCode {
    /// Reads what somebody typed: spaces around it go, and case does not count.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let plain = text.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'-') && !text.starts_with('-') && !text.ends_with('-');
        (plain && (MIN_CODE_BYTES..=MAX_CODE_BYTES).contains(&text.len())).then(|| Self(text.to_ascii_lowercase().into()))
    }

    /// A readable one from a company's name, told apart by `number` where that is not zero.
    pub fn of_name(name: &str, number: u32) -> Option<Self> {
        let words = name.split(|it: char| !it.is_ascii_alphanumeric()).filter(|it| !it.is_empty()).collect::<Vec<_>>().join("-");
        let tail = if number == 0 { String::new() } else { format!("-{number}") };
        let short = words.get(..words.len().min(MAX_CODE_BYTES.saturating_sub(tail.len())))?.trim_end_matches('-');
        let padded = if short.len() + tail.len() < MIN_CODE_BYTES { format!("company-{short}") } else { short.to_owned() };
        Self::parse(&format!("{}{tail}", padded.trim_end_matches('-')))
    }

    /// As it is written.
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
        assert_eq!(CompanyCode::parse("  Contoso-24 ").unwrap().as_str(), "contoso-24");
        for text in ["", "abc", "-contoso", "contoso-", "con toso", "contoso!", "contóso", "cοntoso", "a234567890123456789012345678901234"] {
            assert_eq!(CompanyCode::parse(text), None, "{text}");
        }
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
