//! A short posted form, read completely and within limits.

use bytes::Bytes;
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use std::time::Duration;
use zeroize::Zeroizing;

/// Maximum size of a form, in bytes.
const MAX_FORM_BYTES: usize = 16 * 1024;

/// Maximum number of fields: each name is compared with those before it, and thousands of short
/// ones would keep a core busy.
const MAX_FORM_FIELDS: usize = 64;

/// Maximum time to receive a form.
const FORM_TIMEOUT: Duration = Duration::from_secs(10);

/// The reason why a form could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The form has more than 16 KiB or 64 fields, takes longer than ten seconds, or is incomplete.
    #[error("the form is too long, too slow or incomplete")]
    Broken,
    /// A name appears twice, so the form is ambiguous.
    #[error("the form repeats a name")]
    DuplicateField,
}

/// The names and values of a form; they may include a secret.
#[derive(Default)]
pub struct FormFields(Vec<(String, Zeroizing<String>)>);

/// Reads the bytes of a posted form.
///
/// # Errors
/// Returns `Error::Broken` if the form is too long, too slow or incomplete.
pub async fn bytes(body: Incoming) -> Result<Bytes, Error> {
    let body = tokio::time::timeout(FORM_TIMEOUT, Limited::new(body, MAX_FORM_BYTES).collect())
        .await
        .map_err(|_| Error::Broken)?;
    Ok(body.map_err(|_| Error::Broken)?.to_bytes())
}

impl FormFields {
    /// Reads a posted form.
    ///
    /// # Errors
    /// Returns `Error::Broken` if the form is too long, too slow or incomplete, and `Error::DuplicateField`
    /// if a name appears twice.
    pub async fn read(body: Incoming) -> Result<Self, Error> {
        Self::parse(&bytes(body).await?)
    }

    /// Parses bytes that were read already.
    ///
    /// # Errors
    /// Returns `Error::DuplicateField` if a name appears twice, and `Error::Broken` if there are too many
    /// names.
    pub fn parse(body: &[u8]) -> Result<Self, Error> {
        let mut out: Vec<(String, Zeroizing<String>)> = Vec::new();
        for (name, value) in url::form_urlencoded::parse(body) {
            if out.iter().any(|it| it.0 == name) {
                return Err(Error::DuplicateField);
            }
            if out.len() == MAX_FORM_FIELDS {
                return Err(Error::Broken);
            }
            out.push((name.into_owned(), Zeroizing::new(value.into_owned())));
        }
        Ok(Self(out))
    }

    /// The value of a field as it was sent; `None` if it is empty (RFC 6749 section 3.2).
    pub fn sent(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|it| it.0 == name).map(|it| it.1.as_str()).filter(|it| !it.is_empty())
    }

    /// The value that a person typed into a field, without surrounding space; `None` if that is
    /// empty.
    pub fn typed(&self, name: &str) -> Option<&str> {
        self.sent(name).map(str::trim).filter(|it| !it.is_empty())
    }

    /// Like `typed`, but empty if nothing was typed.
    pub fn text(&self, name: &str) -> &str {
        self.typed(name).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_gives_what_was_sent_and_what_was_typed() {
        let form = FormFields::parse(b"a=+x+&b=&c=+&d=%C3%A4").unwrap();
        assert_eq!(
            (form.sent("a"), form.typed("a"), form.text("a")),
            (Some(" x "), Some("x"), "x")
        );
        assert_eq!(
            (form.sent("b"), form.sent("c"), form.typed("c"), form.text("c")),
            (None, Some(" "), None, "")
        );
        assert_eq!((form.text("d"), form.sent("e")), ("\u{e4}", None));
    }

    #[test]
    fn a_form_of_very_many_names_is_none() {
        let names =
            |count: usize| (0..count).map(|it| format!("n{it}=")).collect::<Vec<_>>().join("&");
        assert!(FormFields::parse(names(MAX_FORM_FIELDS).as_bytes()).is_ok());
        assert_eq!(
            FormFields::parse(names(MAX_FORM_FIELDS + 1).as_bytes()).err(),
            Some(Error::Broken)
        );
    }

    #[test]
    fn a_name_that_stands_twice_has_no_one_reading() {
        assert_eq!(FormFields::parse(b"a=1&b=2&%61=3").err(), Some(Error::DuplicateField));
    }
}
