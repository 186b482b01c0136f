//! A table of the configuration: finds values by key, and reports the keys that were never read.

use super::problem::InvalidValue;
use super::source::{ConfigKey, ConfigSource, LocatedKey, ValueLocation, join, variable_of};
use super::value_type::ValueType;
use std::cell::RefCell;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A table and its name. Each key becomes known when it is read, so the keys that can be set are
/// exactly those that are read.
#[derive(Debug)]
pub(super) struct ConfigSection<'a> {
    written: &'a ConfigSource<'a>,
    name: String,
    table: Option<&'a DeTable<'a>>,
    at: ValueLocation,
    /// Whether the environment can set its keys too; false in an array of tables.
    variables: bool,
    read_keys: RefCell<Vec<&'static str>>,
}

/// A parsed value and the place where it is written.
#[derive(Clone, Debug)]
pub(super) struct LocatedValue<T> {
    pub(super) value: T,
    pub(super) place: LocatedKey,
}

/// A value as it is written.
#[derive(Debug)]
pub(super) struct RawEntry<'a> {
    pub(super) raw: RawValue<'a>,
    pub(super) place: LocatedKey,
}

impl RawEntry<'_> {
    /// Whether it is an empty text, which counts as not written.
    pub(super) fn is_empty(&self) -> bool {
        matches!(self.raw, RawValue::File(DeValue::String(text)) if text.is_empty())
    }
}

/// The facts about a key that the line that reads it states.
#[derive(Debug)]
pub(super) struct KeyDescription {
    pub(super) default: Option<String>,
    pub(super) accepts: ValueType,
    pub(super) about: &'static str,
    pub(super) is_needed: bool,
}

impl KeyDescription {
    fn table(accepts: ValueType) -> Self {
        Self { default: None, accepts, about: "", is_needed: false }
    }
}

/// Values in the file have types; values in the environment are all text.
#[derive(Clone, Copy, Debug)]
pub(super) enum RawValue<'a> {
    File(&'a DeValue<'a>),
    Variable(&'a str),
}

impl<'a> ConfigSection<'a> {
    /// Reads the whole file; without a file, only the environment.
    pub(super) fn root<T>(
        written: &'a ConfigSource<'a>,
        table: Option<&'a DeTable<'a>>,
        read: impl FnOnce(&Self) -> T,
    ) -> T {
        let root = Self {
            written,
            name: String::new(),
            table,
            at: ValueLocation::Nowhere,
            variables: true,
            read_keys: RefCell::default(),
        };
        root.all(read)
    }

    /// Reads a table within this one: `[server.limits]`.
    pub(super) fn inner<T>(&self, name: &'static str, read: impl FnOnce(&Self) -> T) -> T {
        self.know(name, KeyDescription::table(ValueType::Table), false);
        let mut inner = self.below(name, None, ValueLocation::Nowhere);
        match self.written_value(name) {
            None => {}
            Some((DeValue::Table(table), at)) => (inner.table, inner.at) = (Some(table), at),
            Some((other, at)) => {
                self.add_problem(&self.located_key(name, at), unexpected("a table", other));
            }
        }
        inner.all(read)
    }

    /// Reads each table of an array: `[[access.rule]]`. More than `max_tables` are rejected.
    pub(super) fn each<T>(
        &self,
        name: &'static str,
        max_tables: usize,
        read: impl Fn(&Self) -> T,
    ) -> Vec<T> {
        self.know(name, KeyDescription::table(ValueType::Tables { max_tables }), false);
        let (tables, at) = match self.written_value(name) {
            None => return Vec::new(),
            Some((DeValue::Array(tables), at)) => (tables, at),
            Some((other, at)) => {
                self.add_problem(
                    &self.located_key(name, at),
                    unexpected(&format!("[[{}]]", join(&self.name, name)), other),
                );
                return Vec::new();
            }
        };
        if tables.len() > max_tables {
            self.add_problem(
                &self.located_key(name, at),
                InvalidValue::new(format!(
                    "{} entries are too many; the maximum is {max_tables}",
                    tables.len()
                )),
            );
        }
        let one = |it: &'a Spanned<DeValue<'a>>| self.table(name, it, &read);
        tables.iter().take(max_tables).filter_map(one).collect()
    }

    /// Reads a value that must be a table and that only the file can set.
    pub(super) fn table<T>(
        &self,
        name: &str,
        value: &'a Spanned<DeValue<'a>>,
        read: impl FnOnce(&Self) -> T,
    ) -> Option<T> {
        let at = ValueLocation::Offset(value.span().start);
        match value.get_ref() {
            DeValue::Table(table) => {
                let mut inner = self.below(name, Some(table), at);
                inner.variables = false;
                Some(inner.all(read))
            }
            other => {
                self.add_problem(&self.located_key(name, at), unexpected("a table", other));
                None
            }
        }
    }

    fn below(&self, name: &str, table: Option<&'a DeTable<'a>>, at: ValueLocation) -> Self {
        Self {
            written: self.written,
            name: join(&self.name, name),
            table,
            at,
            variables: self.variables,
            read_keys: RefCell::default(),
        }
    }

    /// Reads the section, then reports the keys that were not read.
    fn all<T>(self, read: impl FnOnce(&Self) -> T) -> T {
        let outcome = read(&self);
        let asked = self.read_keys.borrow();
        for (key, value) in self.table.into_iter().flatten() {
            if !asked.contains(&key.get_ref().as_ref()) {
                self.written.unknown(
                    &self.name,
                    key.get_ref(),
                    value.get_ref().is_table(),
                    key.span().start,
                );
            }
        }
        drop(asked);
        outcome
    }

    /// Looks up a key: our own variable first, then the file, then `alias`, a variable that other
    /// programs use too.
    ///
    /// The alias comes last because platforms inject `AZURE_*` unasked, for anything else that runs
    /// there.
    pub(super) fn find(
        &self,
        name: &'static str,
        alias: Option<&str>,
        description: KeyDescription,
    ) -> Option<RawEntry<'a>> {
        self.know(name, description, self.variables);
        self.look_up(name, alias)
    }

    /// Like `find`, for a key that is read elsewhere.
    pub(super) fn look_up(&self, name: &str, alias: Option<&str>) -> Option<RawEntry<'a>> {
        let ours = variable_of(&join(&self.name, name));
        let from = |variable: &str| {
            let raw = RawValue::Variable(self.written.variable(variable)?);
            Some(RawEntry {
                raw,
                place: self.located_key(name, ValueLocation::Variable(variable.to_owned())),
            })
        };
        let ours = if self.variables { from(&ours) } else { None };
        let file = || {
            self.written_value(name).map(|(value, at)| RawEntry {
                raw: RawValue::File(value),
                place: self.located_key(name, at),
            })
        };
        ours.or_else(file).or_else(|| from(alias?))
    }

    /// Looks up a key that only the file can set: a table, or a value with several forms.
    pub(super) fn find_written(
        &self,
        name: &'static str,
        description: KeyDescription,
    ) -> Option<&'a Spanned<DeValue<'a>>> {
        self.know(name, description, false);
        self.table.and_then(|it| it.get(name))
    }

    fn written_value(&self, name: &str) -> Option<(&'a DeValue<'a>, ValueLocation)> {
        let value = self.table?.get(name)?;
        Some((value.get_ref(), ValueLocation::Offset(value.span().start)))
    }

    fn know(&self, name: &'static str, description: KeyDescription, has_variable: bool) {
        self.mark_read(name);
        let name = join(&self.name, name);
        let variable = has_variable.then(|| variable_of(&name));
        let KeyDescription { default, accepts, about, is_needed } = description;
        self.written.know(ConfigKey { name, default, variable, about, accepts, is_needed });
    }

    fn mark_read(&self, name: &'static str) {
        self.read_keys.borrow_mut().push(name);
    }

    /// An environment variable that does not belong to a key.
    pub(super) fn variable(&self, name: &str) -> Option<&'a str> {
        self.written.variable(name)
    }

    /// The line where this table starts, from 1; 0 if it is not in the file.
    pub(super) fn line(&self) -> usize {
        if let ValueLocation::Offset(offset) = self.at { self.written.line(offset) } else { 0 }
    }

    /// A key of this table and the place where it is written.
    pub(super) fn located_key(&self, name: &str, at: ValueLocation) -> LocatedKey {
        LocatedKey { key: join(&self.name, name), at }
    }

    /// The place of a key's value, or, if it is not written, of its table.
    pub(super) fn locate(&self, name: &str) -> LocatedKey {
        let variable = Some(variable_of(&join(&self.name, name)))
            .filter(|it| self.variables && self.written.variable(it).is_some());
        let file = || self.written_value(name).map_or_else(|| self.at.clone(), |it| it.1);
        self.located_key(name, variable.map_or_else(file, ValueLocation::Variable))
    }

    /// The name and place of this table.
    pub(super) fn locate_table(&self) -> LocatedKey {
        LocatedKey { key: self.name.clone(), at: self.at.clone() }
    }

    /// Whether the key is written as an empty list.
    pub(super) fn is_empty_list(&self, name: &str) -> bool {
        matches!(self.written_value(name), Some((DeValue::Array(values), _)) if values.is_empty())
    }

    /// Describes where to set a key, for a hint.
    pub(super) fn place_of(&self, name: &str) -> String {
        let section = format!("[{}]", self.name);
        if self.variables {
            format!("{section}, or in {}", variable_of(&join(&self.name, name)))
        } else {
            format!("[{section}]")
        }
    }

    pub(super) fn add_problem(&self, place: &LocatedKey, invalid: InvalidValue) {
        self.written.add_problem(place, invalid);
    }

    pub(super) fn warn(&self, place: &LocatedKey, invalid: InvalidValue) {
        self.written.warn(place, invalid);
    }
}

/// A problem with a value of the wrong type. It does not contain the value, which may be a secret.
pub(super) fn unexpected(expected: &str, found: &DeValue<'_>) -> InvalidValue {
    InvalidValue::new(format!("expected {expected}, found {}", found.type_str()))
}
