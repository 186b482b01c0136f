//! The texts of pages: one file for each language, with one table for each template and the texts
//! of notices.

use super::phrases::NoticePhrases;
use crate::base::language::Language;
use minijinja::value::{Kwargs, Value};
use minijinja::{Error, ErrorKind};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Texts keyed by name, keyed by template.
pub(super) type WordTables = BTreeMap<String, BTreeMap<String, String>>;

/// The file of one language.
#[derive(Debug, Default, Deserialize)]
pub(super) struct WordFile {
    pub(super) phrases: NoticePhrases,
    #[serde(flatten)]
    pub(super) tables: WordTables,
}

/// The texts in each language.
#[derive(Clone, Debug)]
pub(super) struct WordCatalog {
    english: Arc<LanguageWords>,
    german: Arc<LanguageWords>,
}

#[derive(Debug)]
struct LanguageWords {
    tables: BTreeMap<String, Value>,
    phrases: NoticePhrases,
}

impl WordCatalog {
    /// Returns the built-in texts. A file that cannot be read is named in `warnings`; a test
    /// ensures that this does not happen.
    pub(super) fn built_in(warnings: &mut Vec<String>) -> Self {
        let mut values = |language| {
            let WordFile { phrases, tables } = read(language).unwrap_or_else(|it| {
                warnings.push(format!("the built-in words, {}: {it}", Language::tag(language)));
                WordFile::default()
            });
            Arc::new(LanguageWords {
                tables: tables
                    .into_iter()
                    .map(|(name, words)| (name, Value::from(words)))
                    .collect(),
                phrases,
            })
        };
        Self { english: values(Language::English), german: values(Language::German) }
    }

    /// Returns the texts of notices.
    pub(super) fn phrases(&self, language: Language) -> &NoticePhrases {
        &self.written(language).phrases
    }

    /// Returns the texts of a template and their language: English if this language has no table
    /// for the template.
    pub(super) fn of(&self, template: &str, language: Language) -> (Value, Language) {
        let name = template.trim_end_matches(".html");
        match (self.written(language).tables.get(name), self.english.tables.get(name)) {
            (Some(words), _) => (words.clone(), language),
            (None, Some(words)) => (words.clone(), Language::English),
            (None, None) => (Value::from(BTreeMap::<String, String>::new()), Language::English),
        }
    }

    fn written(&self, language: Language) -> &LanguageWords {
        match language {
            Language::English => &self.english,
            Language::German => &self.german,
        }
    }
}

/// Reads the texts of a language.
pub(super) fn read(language: Language) -> Result<WordFile, toml::de::Error> {
    toml::from_str(source(language))
}

fn source(language: Language) -> &'static str {
    match language {
        Language::English => include_str!("words/en.toml"),
        Language::German => include_str!("words/de.toml"),
    }
}

/// The filter `fill`: replaces names in braces with values. The result is plain text and is escaped
/// like any other.
pub(super) fn fill(text: &str, values: Kwargs) -> Result<String, Error> {
    let mut out = text.to_owned();
    for name in values.args() {
        let place = format!("{{{name}}}");
        if !text.contains(&place) {
            return Err(Error::new(
                ErrorKind::InvalidOperation,
                format!("the words have no place for {name}"),
            ));
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

    /// Returns the names in braces in a text, in order.
    fn places(text: &str) -> Vec<&str> {
        let mut all: Vec<_> =
            text.split('{').skip(1).filter_map(|it| it.split_once('}')).map(|it| it.0).collect();
        all.sort_unstable();
        all
    }

    /// Returns all texts with their path, across tables and lists.
    fn texts(at: String, value: &toml::Value) -> Vec<(String, String)> {
        match value {
            toml::Value::Table(it) => {
                it.iter().flat_map(|(name, value)| texts(format!("{at}.{name}"), value)).collect()
            }
            toml::Value::Array(it) => it
                .iter()
                .enumerate()
                .flat_map(|(n, value)| texts(format!("{at}.{n}"), value))
                .collect(),
            toml::Value::String(text) => vec![(at, text.clone())],
            other => panic!("{at} is no text: {other}"),
        }
    }

    #[test]
    fn both_languages_say_the_same_things() {
        let all = |language| texts(String::new(), &toml::from_str(source(language)).unwrap());
        let (english, german) = (all(Language::English), all(Language::German));
        let names = |it: &[(String, String)]| it.iter().map(|it| it.0.clone()).collect::<Vec<_>>();
        assert_eq!(names(&english), names(&german));
        for ((name, text), (_, other)) in english.iter().zip(&german) {
            assert_eq!(places(text), places(other), "{name}");
            assert!(!text.trim().is_empty() && !other.trim().is_empty(), "{name}");
            // A sentence left untranslated; a name such as "Tenant ID" may be the same.
            assert!(text != other || !text.ends_with('.'), "{name}: {text}");
        }
    }

    #[test]
    fn each_table_is_of_a_template_that_says_every_word_of_it_and_no_other() {
        for (table, words) in read(Language::English).unwrap().tables {
            let source = &whole(&format!("{table}.html"));
            for key in words.keys() {
                // Some keys are chosen with a value: `words[wrong.tenant]`. The samples show that
                // each of those exists.
                assert!(
                    is_said(source, key) || source.contains("words["),
                    "{table}.{key} is not said"
                );
            }
            for said in source.split("words.").skip(1) {
                let key =
                    said.split(|it: char| !it.is_ascii_alphanumeric() && it != '_').next().unwrap();
                assert!(
                    words.contains_key(key),
                    "{table}.html says words.{key}, which is not there"
                );
            }
        }
    }

    /// Returns a template together with the ones that it extends and includes.
    fn whole(name: &str) -> String {
        let (_, source) = TEMPLATES
            .iter()
            .find(|it| it.0 == name)
            .unwrap_or_else(|| panic!("there is no template {name}"));
        let others =
            ["{% extends \"", "{% include \""].into_iter().flat_map(|it| source.split(it).skip(1));
        others.fold((*source).to_owned(), |out, it| out + &whole(it.split('"').next().unwrap()))
    }

    fn is_said(source: &str, key: &str) -> bool {
        source.split("words.").skip(1).any(|it| {
            it.split(|it: char| !it.is_ascii_alphanumeric() && it != '_').next() == Some(key)
        })
    }
}
