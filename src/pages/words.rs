//! The words of pages, from one catalog for each language.

use minijinja::value::{Kwargs, Value};
use minijinja::{Error, ErrorKind};
use std::collections::BTreeMap;

/// The words of every template, by its name without `.html`, ready to be shown.
#[derive(Clone, Debug, Default)]
pub(super) struct Catalog(BTreeMap<String, Value>);

impl Catalog {
    /// Reads a catalog; the error is for a test to see.
    pub(super) fn read(text: &str) -> Result<Self, toml::de::Error> {
        let tables: BTreeMap<String, BTreeMap<String, String>> = toml::from_str(text)?;
        Ok(Self(tables.into_iter().map(|(name, words)| (name, Value::from_pairs(words))).collect()))
    }

    /// The words of a template.
    pub(super) fn of(&self, template: &str) -> Value {
        self.0.get(template.trim_end_matches(".html")).cloned().unwrap_or_default()
    }
}

/// Puts values into a text: `{{ words.by|fill(by=it.by) }}`.
pub(super) fn fill(text: String, values: Kwargs) -> Result<Value, Error> {
    let mut out = text;
    for name in values.args() {
        let value: Value = values.get(name)?;
        let place = format!("{{{name}}}");
        if !out.contains(&place) {
            return Err(Error::new(ErrorKind::InvalidOperation, format!("the text has no {place}")));
        }
        out = out.replace(&place, &value.to_string());
    }
    values.assert_all_used()?;
    Ok(out.into())
}
