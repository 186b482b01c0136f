//! The challenges in the `WWW-Authenticate` headers of a response (RFC 9110 section 11.6.1).

use http::HeaderMap;
use http::header::WWW_AUTHENTICATE;

/// Maximum length of a line that is read, in bytes; real challenges are far shorter.
const MAX_CHALLENGE_BYTES: usize = 8 * 1024;

const BLANK_CHARS: [char; 2] = [' ', '\t'];
/// Characters that may separate two list entries.
const SEPARATOR_CHARS: [char; 3] = [' ', '\t', ','];

/// One challenge: a scheme and its parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge {
    scheme: String,
    parameters: Vec<(String, String)>,
}

impl Challenge {
    /// Whether the challenge has that scheme; case does not matter.
    pub fn is(&self, scheme: &str) -> bool {
        self.scheme.eq_ignore_ascii_case(scheme)
    }

    /// The value of a parameter; the case of its name does not matter. A repeated parameter is
    /// ambiguous and yields `None`.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        let mut found = self.parameters.iter().filter(|it| it.0.eq_ignore_ascii_case(name));
        found.next().filter(|_| found.next().is_none()).map(|it| it.1.as_str())
    }
}

/// All challenges of a response, in order. A line is read up to the point where it stops being a
/// list of challenges.
pub fn challenges(headers: &HeaderMap) -> Vec<Challenge> {
    let lines =
        headers.get_all(WWW_AUTHENTICATE).iter().filter(|it| it.len() <= MAX_CHALLENGE_BYTES);
    lines.filter_map(|it| it.to_str().ok()).flat_map(read).collect()
}

fn read(line: &str) -> Vec<Challenge> {
    let mut all: Vec<Challenge> = Vec::new();
    let mut rest = line.trim_start_matches(SEPARATOR_CHARS);
    while !rest.is_empty() {
        // A parameter belongs to the scheme before it; any other token starts a new scheme.
        rest = if let (Some((name, value, after)), Some(challenge)) =
            (parameter(rest), all.last_mut())
        {
            challenge.parameters.push((name.to_owned(), value));
            let after = after.trim_start_matches(BLANK_CHARS);
            if !after.is_empty() && !after.starts_with(',') {
                break;
            }
            after
        } else {
            let Some((scheme, after)) = token(rest).filter(|it| !it.1.starts_with('=')) else {
                break;
            };
            all.push(Challenge { scheme: scheme.to_owned(), parameters: Vec::new() });
            after_word(after.trim_start_matches(BLANK_CHARS))
        };
        rest = rest.trim_start_matches(SEPARATOR_CHARS);
    }
    all
}

/// Splits off a token (RFC 9110 section 5.6.2).
fn token(text: &str) -> Option<(&str, &str)> {
    let end = text
        .find(|it: char| !(it.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(it)))
        .unwrap_or(text.len());
    text.split_at_checked(end).filter(|it| !it.0.is_empty())
}

/// Splits off `name = value`, with a token or a quoted string as the value.
fn parameter(text: &str) -> Option<(&str, String, &str)> {
    let (name, rest) = token(text)?;
    let rest =
        rest.trim_start_matches(BLANK_CHARS).strip_prefix('=')?.trim_start_matches(BLANK_CHARS);
    let (value, rest) = if let Some(quoted) = rest.strip_prefix('"') {
        unquoted(quoted)?
    } else {
        // Unquoted Base64 is not a token, but has only one reading.
        let (value, rest) = word(rest)?;
        (Some(value).filter(|it| !it.is_empty() && !it.starts_with('='))?.to_owned(), rest)
    };
    Some((name, value, rest))
}

fn word(text: &str) -> Option<(&str, &str)> {
    text.split_at_checked(text.find(SEPARATOR_CHARS).unwrap_or(text.len()))
}

/// Reads up to the closing quote; a backslash keeps the next character as it is.
fn unquoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut signs = text.chars();
    loop {
        match signs.next()? {
            '"' => return Some((value, signs.as_str())),
            '\\' => value.push(signs.next()?),
            sign => value.push(sign),
        }
    }
}

/// The rest after the single word that some schemes have in place of parameters (`Negotiate`).
fn after_word(text: &str) -> &str {
    let alone = |rest: &str| {
        rest.trim_start_matches(BLANK_CHARS).is_empty()
            || rest.trim_start_matches(BLANK_CHARS).starts_with(',')
    };
    match word(text) {
        Some((_, rest)) if alone(rest) && parameter(text).is_none() => rest,
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_line(line: &str) -> String {
        let one = |challenge: &Challenge| {
            let parameters: Vec<_> = challenge
                .parameters
                .iter()
                .map(|(name, value)| format!("{name}={value}"))
                .collect();
            format!("{}[{}]", challenge.scheme, parameters.join("|"))
        };
        read(line).iter().map(one).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn challenges_are_separated_however_they_are_written() {
        for (line, read) in [
            (
                r#"Bearer realm="", error="insufficient_claims", claims="e30=""#,
                r"Bearer[realm=|error=insufficient_claims|claims=e30=]",
            ),
            (
                r"bearer error=insufficient_claims,claims=e30=",
                "bearer[error=insufficient_claims|claims=e30=]",
            ),
            (
                r#"Basic realm="a, Bearer error=\"x\"", Bearer error = "y""#,
                r#"Basic[realm=a, Bearer error="x"] Bearer[error=y]"#,
            ),
            (r#"Negotiate oYG2==, NTLM, Bearer error="y""#, "Negotiate[] NTLM[] Bearer[error=y]"),
            ("Negotiate", "Negotiate[]"),
            ("Negotiate abc==", "Negotiate[]"),
            (r#", ,Bearer  a="1" , , b="2""#, "Bearer[a=1|b=2]"),
            (r#"Bearer a="never closed"#, "Bearer[]"),
            (r#"Bearer a="1" b="2""#, "Bearer[a=1]"),
            ("", ""),
            ("=", ""),
        ] {
            assert_eq!(read_line(line), read, "{line}");
        }
    }

    #[test]
    fn a_parameter_that_stands_twice_is_none_and_case_does_not_count() {
        let all = read(r#"BEARER Error="x", claims="1", CLAIMS="2""#);
        let [one] = all.as_slice() else { panic!("{all:?}") };
        assert!(
            one.is("bearer")
                && one.parameter("error") == Some("x")
                && one.parameter("claims").is_none()
        );
        let mut headers = HeaderMap::new();
        headers.append(WWW_AUTHENTICATE, "Negotiate".parse().unwrap());
        headers.append(
            WWW_AUTHENTICATE,
            format!("Bearer a=\"{}\"", "x".repeat(MAX_CHALLENGE_BYTES)).parse().unwrap(),
        );
        headers.append(WWW_AUTHENTICATE, "Bearer b=1".parse().unwrap());
        assert_eq!(challenges(&headers).len(), 2);
    }
}
