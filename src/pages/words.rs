//! The words of pages: one file for each language, one table in it for each template.

use crate::base::language::Language;
use minijinja::value::{Kwargs, Value};
use minijinja::{Error, ErrorKind};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Words by name, by template.
pub(super) type Tables = BTreeMap<String, BTreeMap<String, String>>;

/// What is written, in each language.
#[derive(Clone, Debug)]
pub(super) struct Words {
    english: Arc<BTreeMap<String, Value>>,
    german: Arc<BTreeMap<String, Value>>,
}

impl Words {
    /// What is built in. A file that cannot be read would be named in `warnings`; a test keeps that from happening.
    pub(super) fn built_in(warnings: &mut Vec<String>) -> Self {
        let mut values = |language| {
            let tables = read(language).unwrap_or_else(|it| {
                warnings.push(format!("the built-in words, {}: {it}", Language::tag(language)));
                Tables::new()
            });
            Arc::new(tables.into_iter().map(|(name, words)| (name, Value::from(words))).collect())
        };
        Self { english: values(Language::English), german: values(Language::German) }
    }

    /// The words of a template and the language they are in: what has no table is English.
    pub(super) fn of(&self, template: &str, language: Language) -> (Value, Language) {
        let tables = match language {
            Language::English => &self.english,
            Language::German => &self.german,
        };
        let name = template.trim_end_matches(".html");
        match (tables.get(name), self.english.get(name)) {
            (Some(words), _) => (words.clone(), language),
            (None, Some(words)) => (words.clone(), Language::English),
            (None, None) => (Value::from(BTreeMap::<String, String>::new()), Language::English),
        }
    }
}

/// The tables of a language.
pub(super) fn read(language: Language) -> Result<Tables, toml::de::Error> {
    toml::from_str(match language {
        Language::English => include_str!("words/en.toml"),
        Language::German => include_str!("words/de.toml"),
    })
}

/// The filter `fill`: puts values where their names stand in braces. What comes out is plain text, and is escaped like any other.
pub(super) fn fill(text: &str, values: Kwargs) -> Result<String, Error> {
    let mut out = text.to_owned();
    for name in values.args() {
        let place = format!("{{{name}}}");
        if !text.contains(&place) {
            return Err(Error::new(ErrorKind::InvalidOperation, format!("the words have no place for {name}")));
        }
        let value: Value = values.get(name)?;
        out = out.replace(&place, &value.to_string());
    }
    values.assert_all_used()?;
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::super::set::TEMPLATES;
    use super::*;

    /// The names in braces of a text, in their order.
    fn places(text: &str) -> Vec<&str> {
        let mut all: Vec<_> = text.split('{').skip(1).filter_map(|it| it.split_once('}')).map(|it| it.0).collect();
        all.sort_unstable();
        all
    }

    #[test]
    fn both_languages_say_the_same_things() {
        let (english, german) = (read(Language::English).unwrap(), read(Language::German).unwrap());
        let names = |it: &Tables| it.iter().flat_map(|(table, words)| words.keys().map(move |key| format!("{table}.{key}"))).collect::<Vec<_>>();
        assert_eq!(names(&english), names(&german));
        for (table, words) in &english {
            for (key, text) in words {
                assert_eq!(places(text), places(&german[table][key]), "{table}.{key}");
                assert!(!text.trim().is_empty() && !german[table][key].trim().is_empty(), "{table}.{key}");
            }
        }
    }

    #[test]
    fn each_table_is_of_a_template_that_says_every_word_of_it_and_no_other() {
        for (table, words) in read(Language::English).unwrap() {
            let (_, source) = TEMPLATES.iter().find(|it| it.0 == format!("{table}.html")).unwrap_or_else(|| panic!("{table} has no template"));
            for key in words.keys() {
                // Some are chosen by a value: `words[wrong.tenant]`. That each of those is there, the samples show.
                assert!(is_said(source, key) || source.contains("words["), "{table}.{key} is not said");
            }
            for said in source.split("words.").skip(1) {
                let key = said.split(|it: char| !it.is_ascii_alphanumeric() && it != '_').next().unwrap();
                assert!(words.contains_key(key), "{table}.html says words.{key}, which is not there");
            }
        }
    }

    fn is_said(source: &str, key: &str) -> bool {
        source.split("words.").skip(1).any(|it| it.split(|it: char| !it.is_ascii_alphanumeric() && it != '_').next() == Some(key))
    }
}
