//! Typed values: text, lists, numbers, durations, closed choices, files.
//!
//! Each reader reports an invalid value and continues with the default, so that the next key is
//! read too.

use super::duration;
use super::nearest::nearest;
use super::problem::{InvalidValue, quote};
use super::section::{ConfigSection, KeyDescription, LocatedValue, RawEntry, RawValue, unexpected};
use super::source::ValueLocation;
use super::value_type::{ListEntry, ValueType};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;
use toml::Spanned;
use toml::de::DeValue;

/// A key that is about to be read.
#[derive(Debug)]
pub(super) struct KeyReader<'s, 'a> {
    pub(super) section: &'s ConfigSection<'a>,
    pub(super) name: &'static str,
    about: &'static str,
    alias: Option<&'static str>,
    needed: bool,
}

impl<'a> ConfigSection<'a> {
    /// Starts reading a key; the next call selects its type. `about` is its documentation, for the
    /// JSON Schema and docs/reference/configuration.md.
    pub(super) fn key(&self, name: &'static str, about: &'static str) -> KeyReader<'_, 'a> {
        KeyReader { section: self, name, about, alias: None, needed: false }
    }

    /// Whether a key has a value other than an empty text. The key does not count as read.
    pub(super) fn is_written(&self, name: &str) -> bool {
        self.look_up(name, None).is_some_and(|it| !it.is_empty())
    }
}

impl<'a> KeyReader<'_, 'a> {
    /// Adds a variable that other programs use too. It counts only if neither the file nor our own
    /// variable sets the key.
    pub(super) fn or_variable(mut self, name: &'static str) -> Self {
        self.alias = Some(name);
        self
    }

    /// Makes a missing key a problem.
    pub(super) fn needed(self) -> Self {
        self.needed_if(true)
    }

    /// Makes a missing key a problem if `condition` is true.
    pub(super) fn needed_if(mut self, condition: bool) -> Self {
        self.needed = condition;
        self
    }

    /// Reads a text that is not empty; an empty text counts as not written.
    pub(super) fn text(self) -> Option<LocatedValue<String>> {
        self.parse(|text| Ok(text.to_owned()))
    }

    /// Reads a text and parses it.
    pub(super) fn parse<T>(
        self,
        read: impl Fn(&str) -> Result<T, InvalidValue>,
    ) -> Option<LocatedValue<T>> {
        self.parse_as(ValueType::Text, read)
    }

    /// Reads one of a closed set of words; there is no default.
    pub(super) fn optional_choice<T: Copy>(self, words: &[(&'static str, T)]) -> Option<T> {
        self.parse_as(ValueType::word_of(words), |text| choose(text, words)).map(|it| it.value)
    }

    /// Reads a duration that has no default; `read` parses it and checks `range`.
    pub(super) fn optional_duration(
        self,
        range: RangeInclusive<Duration>,
        read: impl Fn(&str) -> Result<Duration, InvalidValue>,
    ) -> Option<LocatedValue<Duration>> {
        self.parse_as(ValueType::Duration(range), read)
    }

    fn parse_as<T>(
        self,
        accepts: ValueType,
        read: impl Fn(&str) -> Result<T, InvalidValue>,
    ) -> Option<LocatedValue<T>> {
        let Some(entry) = self.find(None, accepts) else {
            self.miss();
            return None;
        };
        let text = self.as_text(&entry)?;
        if text.is_empty() {
            self.miss();
            return None;
        }
        self.judge(text, entry, read)
    }

    /// Reads a text and parses it, with a default text if the key is not written.
    pub(super) fn parse_or<T>(
        self,
        default: &'static str,
        read: impl Fn(&str) -> Result<T, InvalidValue>,
    ) -> Option<LocatedValue<T>> {
        self.parse_as_or(ValueType::Text, default, read)
    }

    fn parse_as_or<T>(
        self,
        accepts: ValueType,
        default: &'static str,
        read: impl Fn(&str) -> Result<T, InvalidValue>,
    ) -> Option<LocatedValue<T>> {
        match self.find(Some(format!("{default:?}")), accepts) {
            Some(entry) => {
                let text = self.as_text(&entry)?;
                self.judge(text, entry, read)
            }
            None => Some(LocatedValue {
                value: read(default).ok()?,
                place: self.section.locate(self.name),
            }),
        }
    }

    /// Reads a list of texts. A single text needs no brackets, and the environment separates texts
    /// with commas.
    pub(super) fn list<T>(
        self,
        default: &[&'static str],
        read: impl Fn(&str) -> Result<T, InvalidValue>,
    ) -> Vec<LocatedValue<T>> {
        self.each(ListEntry::Text, default, read).into_iter().flatten().collect()
    }

    /// Like `list`, of a closed set of words.
    pub(super) fn choices<T: Copy>(
        self,
        default: &[&'static str],
        words: &[(&'static str, T)],
    ) -> Vec<LocatedValue<T>> {
        let entry = ListEntry::Word(words.iter().map(|it| it.0).collect());
        self.each(entry, default, |text| choose(text, words)).into_iter().flatten().collect()
    }

    /// Like `list`, but empty if one entry is invalid: for lists whose meaning changes when an
    /// entry is missing.
    pub(super) fn whole_list<T>(
        self,
        default: &[&'static str],
        read: impl Fn(&str) -> Result<T, InvalidValue>,
    ) -> Option<Vec<LocatedValue<T>>> {
        self.each(ListEntry::Text, default, read).into_iter().collect()
    }

    fn each<T>(
        &self,
        entry: ListEntry,
        default: &[&'static str],
        read: impl Fn(&str) -> Result<T, InvalidValue>,
    ) -> Vec<Option<LocatedValue<T>>> {
        // A list that is needed has no default.
        let spelled = (!self.needed).then(|| format!("{default:?}"));
        let Some(entry) = self.find(spelled, ValueType::List(entry)) else {
            self.miss();
            let one = |text: &&str| {
                Some(LocatedValue {
                    value: read(text).ok()?,
                    place: self.section.locate(self.name),
                })
            };
            return default.iter().map(one).collect();
        };
        let place = |at| self.section.located_key(self.name, at);
        let entries: Vec<_> = match entry.raw {
            RawValue::Variable(text) => {
                let parts = text.split(',').map(str::trim).filter(|it| !it.is_empty());
                parts
                    .map(|it| RawEntry { raw: RawValue::Variable(it), place: entry.place.clone() })
                    .collect()
            }
            RawValue::File(DeValue::Array(values)) => values
                .iter()
                .map(|it| RawEntry {
                    raw: RawValue::File(it.get_ref()),
                    place: place(ValueLocation::Offset(it.span().start)),
                })
                .collect(),
            RawValue::File(_) => vec![entry],
        };
        entries.into_iter().map(|it| self.judge(self.as_text(&it)?, it, &read)).collect()
    }

    /// Reads `true` or `false`.
    pub(super) fn flag(self, default: bool) -> bool {
        let Some(entry) = self.find(Some(default.to_string()), ValueType::Flag) else {
            return default;
        };
        let invalid = match entry.raw {
            RawValue::File(DeValue::Boolean(value)) => return *value,
            RawValue::Variable("true") => return true,
            RawValue::Variable("false") => return false,
            RawValue::File(other) => unexpected("true or false", other),
            RawValue::Variable(text) => {
                InvalidValue::new(format!("{} is neither true nor false", quote(text)))
            }
        };
        self.section.add_problem(&entry.place, invalid);
        default
    }

    /// Reads a whole number within a range.
    pub(super) fn number(self, default: u64, range: RangeInclusive<u64>) -> u64 {
        let accepts = ValueType::Number(range.clone());
        let Some(entry) = self.find(Some(default.to_string()), accepts) else { return default };
        let number = match entry.raw {
            RawValue::File(DeValue::Integer(it)) => {
                u64::from_str_radix(it.as_str(), it.radix()).ok()
            }
            RawValue::Variable(text) => text.parse().ok(),
            RawValue::File(other) => {
                self.section.add_problem(&entry.place, unexpected("a whole number", other));
                return default;
            }
        };
        if let Some(number) = number.filter(|it| range.contains(it)) {
            return number;
        }
        let invalid = InvalidValue::new("is out of range").hint(format!(
            "choose a whole number from {} to {}",
            range.start(),
            range.end()
        ));
        self.section.add_problem(&entry.place, invalid);
        default
    }

    /// Reads a duration within a range.
    pub(super) fn duration(self, default: Duration, range: RangeInclusive<Duration>) -> Duration {
        let (spelled, accepts) =
            (format!("\"{}\"", duration::spell(default)), ValueType::Duration(range.clone()));
        let Some(entry) = self.find(Some(spelled), accepts) else { return default };
        if let RawValue::File(number @ DeValue::Integer(_)) = entry.raw {
            self.section.add_problem(
                &entry.place,
                unexpected("a duration", number)
                    .hint("write a number and a unit in quotes, like \"30s\""),
            );
            return default;
        }
        self.as_text(&entry)
            .and_then(|text| self.judge(text, entry, |text| duration::parse_within(text, &range)))
            .map_or(default, |it| it.value)
    }

    /// Reads one of a closed set of words; the first is the default.
    pub(super) fn choice<T: Copy + Default>(self, words: &[(&'static str, T)]) -> T {
        let first = words.first().map(|it| it.0).unwrap_or_default();
        self.parse_as_or(ValueType::word_of(words), first, |text| choose(text, words))
            .map(|it| it.value)
            .unwrap_or_default()
    }

    /// Reads the path of a file that exists and can be read.
    pub(super) fn file(self) -> Option<PathBuf> {
        let readable = |text: &str| {
            let path = PathBuf::from(text);
            let refused = |why: &dyn std::fmt::Display| {
                InvalidValue::new(format!("{} cannot be read: {why}", quote(text)))
            };
            match std::fs::metadata(&path) {
                Ok(it) if !it.is_file() => Err(refused(&"it is not a file")),
                Ok(_) => std::fs::File::open(&path).map(|_| path).map_err(|it| refused(&it)),
                Err(error) => Err(refused(&error)),
            }
        };
        self.parse(readable).map(|it| it.value)
    }

    /// Reads the path of a directory that exists.
    pub(super) fn directory(self) -> Option<PathBuf> {
        let there = |text: &str| {
            let path = PathBuf::from(text);
            if path.is_dir() {
                Ok(path)
            } else {
                Err(InvalidValue::new(format!("{} is not a directory", quote(text))))
            }
        };
        self.parse(there).map(|it| it.value)
    }

    /// Returns a value that only the file can set: a table, or a value with several forms.
    pub(super) fn of_file(self, accepts: ValueType) -> Option<&'a Spanned<DeValue<'a>>> {
        self.section.find_written(self.name, self.described(None, accepts))
    }

    /// Like `of_file`, but a missing key is a problem with this hint.
    pub(super) fn required_of_file(
        self,
        accepts: ValueType,
        hint: &str,
    ) -> Option<&'a Spanned<DeValue<'a>>> {
        let (section, name) = (self.section, self.name);
        let value = Self { needed: true, ..self }.of_file(accepts);
        if value.is_none() {
            let invalid = InvalidValue::new("is missing").hint(hint);
            section.add_problem(&section.locate(name), invalid);
        }
        value
    }

    /// Whether the key is present, even with an empty text.
    pub(super) fn is_present(&self, accepts: ValueType) -> bool {
        self.find(None, accepts).is_some()
    }

    /// Whether the key has a value other than an empty text.
    pub(super) fn is_written(&self) -> bool {
        self.section.look_up(self.name, self.alias).is_some_and(|it| !it.is_empty())
    }

    pub(super) fn find(&self, default: Option<String>, accepts: ValueType) -> Option<RawEntry<'a>> {
        self.section.find(self.name, self.alias, self.described(default, accepts))
    }

    fn described(&self, default: Option<String>, accepts: ValueType) -> KeyDescription {
        KeyDescription { default, accepts, about: self.about, is_needed: self.needed }
    }

    pub(super) fn as_text(&self, entry: &RawEntry<'a>) -> Option<&'a str> {
        match entry.raw {
            RawValue::Variable(text) => Some(text),
            RawValue::File(DeValue::String(text)) => Some(text),
            RawValue::File(other) => {
                self.section.add_problem(&entry.place, unexpected("text in quotes", other));
                None
            }
        }
    }

    fn judge<T>(
        &self,
        text: &str,
        entry: RawEntry<'a>,
        read: impl Fn(&str) -> Result<T, InvalidValue>,
    ) -> Option<LocatedValue<T>> {
        match read(text) {
            Ok(value) => Some(LocatedValue { value, place: entry.place }),
            Err(invalid) => {
                self.section.add_problem(&entry.place, invalid);
                None
            }
        }
    }

    /// Reports a missing key, if it is needed.
    pub(super) fn miss(&self) {
        if self.needed {
            let alias = self.alias.map(|it| format!(" or {it}")).unwrap_or_default();
            let hint = format!("set {} in {}{alias}", self.name, self.section.place_of(self.name));
            self.section.add_problem(
                &self.section.locate(self.name),
                InvalidValue::new("is missing").hint(hint),
            );
        }
    }
}

/// Parses one of a closed set of words.
pub(super) fn choose<T: Copy>(text: &str, words: &[(&'static str, T)]) -> Result<T, InvalidValue> {
    let known = || words.iter().map(|it| it.0);
    let invalid = || {
        let invalid = InvalidValue::new(format!("{} is not a valid value", quote(text)));
        match nearest(text, known()) {
            Some(meant) => invalid.hint(format!("did you mean \"{meant}\"?")),
            None => invalid.hint(format!(
                "write {}",
                known().map(|it| format!("\"{it}\"")).collect::<Vec<_>>().join(" or ")
            )),
        }
    };
    words.iter().find(|it| it.0 == text).map(|it| it.1).ok_or_else(invalid)
}
