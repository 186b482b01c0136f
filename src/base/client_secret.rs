//! Reads the Value of a client secret, wherever it was written: people paste it with what stood
//! around it.

use super::guid::Guid;
use super::secret::Secret;

/// Texts that stand for a secret in examples and templates, in lower case. The first is that of
/// Entrada's own docs.
const PLACEHOLDERS: [&str; 14] = [
    "the-value-of-the-client-secret",
    "changeme",
    "change-me",
    "change_me",
    "replaceme",
    "replace-me",
    "replace_me",
    "todo",
    "placeholder",
    "your-client-secret",
    "your_client_secret",
    "yourclientsecret",
    "client-secret-value",
    "client_secret_value",
];

/// Quotes that people and word processors put around a text.
const QUOTES: [(char, char); 6] =
    [('"', '"'), ('\'', '\''), ('`', '`'), ('“', '”'), ('„', '“'), ('‘', '’')];

/// Why a text is not the Value of a client secret. No message contains the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadClientSecret {
    /// Nothing but white space.
    #[error("it is empty")]
    Empty,
    /// The Secret ID, which is displayed next to the Value.
    #[error("this is a Secret ID, not a secret")]
    SecretId,
    /// Matching quotes around it.
    #[error("there are quotes around it")]
    Quoted,
    /// `NAME=value`, as in a file of variables.
    #[error("a name and \"=\" stand before it")]
    Assignment,
    /// Asterisks or dots, as the admin center shows a secret later.
    #[error("it is masked with asterisks or dots")]
    Masked,
    /// More than one line.
    #[error("it has more than one line")]
    SeveralLines,
    /// A control character.
    #[error("it contains a control character")]
    ControlCharacter,
    /// A text that stands for a secret.
    #[error("this is a placeholder, not a secret")]
    Placeholder,
    /// Something else that is no Value.
    #[error("it is not the Value of a client secret")]
    Other,
}

impl BadClientSecret {
    /// Says what to do.
    pub fn hint(self) -> &'static str {
        match self {
            Self::SecretId | Self::Masked | Self::Placeholder => {
                "copy the Value, not the Secret ID; it is shown only once, so create a new secret if you no longer have it"
            }
            _ => "write only the Value, exactly as Entra showed it",
        }
    }
}

/// Reads a client secret from any source. A byte-order mark and white space around it are not part
/// of it.
///
/// # Errors
/// Why the text is not a Value.
pub fn read(text: &str) -> Result<Secret, BadClientSecret> {
    let text = text.trim_matches(|it: char| it.is_whitespace() || it == '\u{feff}');
    let is_quoted = |(open, close): &(char, char)| {
        text.chars().count() > 1 && text.starts_with(*open) && text.ends_with(*close)
    };
    if text.is_empty() {
        Err(BadClientSecret::Empty)
    } else if text.contains(['\n', '\r', '\u{2028}', '\u{2029}']) {
        Err(BadClientSecret::SeveralLines)
    } else if text.chars().any(char::is_control) {
        Err(BadClientSecret::ControlCharacter)
    } else if QUOTES.iter().any(is_quoted) {
        Err(BadClientSecret::Quoted)
    } else if is_assignment(text) {
        Err(BadClientSecret::Assignment)
    } else if Guid::parse(text.trim_matches(['{', '}', '(', ')'])).is_some() {
        Err(BadClientSecret::SecretId)
    } else if is_placeholder(text) {
        Err(BadClientSecret::Placeholder)
    } else if text.contains("***") || text.contains("•••") || text.contains("●●●") {
        Err(BadClientSecret::Masked)
    } else {
        Ok(Secret::new(text))
    }
}

/// Whether it is a variable's name, `=` and more text.
fn is_assignment(text: &str) -> bool {
    text.split_once('=').is_some_and(|(name, value)| {
        name.starts_with(|it: char| it.is_ascii_uppercase())
            && name.bytes().all(|it| it.is_ascii_uppercase() || it.is_ascii_digit() || it == b'_')
            && !value.is_empty()
    })
}

fn is_placeholder(text: &str) -> bool {
    let is_dots = text.chars().all(|it| matches!(it, '.' | '…'));
    let is_crosses = text.len() >= 3 && text.bytes().all(|it| matches!(it, b'x' | b'X'));
    let is_bracketed = [("<", ">"), ("${", "}"), ("{{", "}}")]
        .iter()
        .any(|(open, close)| text.starts_with(open) && text.ends_with(close));
    is_dots || is_crosses || is_bracketed || PLACEHOLDERS.contains(&text.to_lowercase().as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALUE: &str = "abc8Q~x._-Value=of(a)secret's\"end";

    #[test]
    fn what_stands_around_a_secret_goes() {
        for text in [
            VALUE.to_owned(),
            format!("{VALUE}\n"),
            format!("\u{feff}{VALUE}\r\n"),
            format!(" \t{VALUE}\u{a0}\u{feff} \n\n"),
        ] {
            assert_eq!(read(&text).unwrap().expose(), VALUE, "{text:?}");
        }
        for odd in ["a=b", "Abc=d", "ABC=", "\"", "a\"b", "{x}", "x", "X", "**", "8Q~*x*", "=A"] {
            assert_eq!(read(odd).unwrap().expose(), odd);
        }
    }

    #[test]
    fn what_is_no_secret_is_refused_with_the_reason() {
        let guid = "0f0f0f0f-0000-4000-8000-000000000001";
        for (text, expected) in [
            ("", BadClientSecret::Empty),
            (" \u{feff}\r\n", BadClientSecret::Empty),
            ("\"abc8Q~x\"", BadClientSecret::Quoted),
            ("'abc8Q~x'\n", BadClientSecret::Quoted),
            ("`abc8Q~x`", BadClientSecret::Quoted),
            ("“abc8Q~x”", BadClientSecret::Quoted),
            ("„abc8Q~x“", BadClientSecret::Quoted),
            ("AZURE_CLIENT_SECRET=abc8Q~x", BadClientSecret::Assignment),
            ("S=x", BadClientSecret::Assignment),
            ("A1_B=\"abc8Q~x\"", BadClientSecret::Assignment),
            (guid, BadClientSecret::SecretId),
            ("{0F0F0F0F-0000-4000-8000-000000000001}", BadClientSecret::SecretId),
            ("(0f0f0f0f-0000-4000-8000-000000000001)", BadClientSecret::SecretId),
            ("***", BadClientSecret::Masked),
            ("abc******************", BadClientSecret::Masked),
            ("••••••••", BadClientSecret::Masked),
            ("one\ntwo", BadClientSecret::SeveralLines),
            ("one\r\ntwo\r\n", BadClientSecret::SeveralLines),
            ("abc\u{0}8Q~x", BadClientSecret::ControlCharacter),
            ("abc\u{7f}8Q~x", BadClientSecret::ControlCharacter),
            ("abc\t8Q~x", BadClientSecret::ControlCharacter),
            ("...", BadClientSecret::Placeholder),
            ("…", BadClientSecret::Placeholder),
            ("changeme", BadClientSecret::Placeholder),
            ("ChangeMe", BadClientSecret::Placeholder),
            ("XXXX", BadClientSecret::Placeholder),
            ("<client secret>", BadClientSecret::Placeholder),
            ("${CLIENT_SECRET}", BadClientSecret::Placeholder),
            ("{{ secret }}", BadClientSecret::Placeholder),
            ("the-Value-of-the-client-secret", BadClientSecret::Placeholder),
        ] {
            let refused = read(text).unwrap_err();
            assert_eq!(refused, expected, "{text:?}");
            let said = format!("{refused} {}", refused.hint());
            assert!(text.len() < 5 || !said.contains(text.trim()), "{said}");
        }
    }
}
