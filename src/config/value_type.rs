//! The values that a key accepts, as the line that reads it states them.

use std::ops::RangeInclusive;
use std::time::Duration;

/// The values that a key accepts in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ValueType {
    /// A table of further keys.
    Table,
    /// An array of tables, with at most `max_tables` entries.
    Tables {
        max_tables: usize,
    },
    /// One of these words, a table of further keys, or a list of such tables.
    WordOrTables(Vec<&'static str>),
    /// A table with free keys, whose values are texts.
    TextByKey,
    Text,
    /// One of these words.
    Word(Vec<&'static str>),
    /// A list, or a single entry without brackets.
    List(ListEntry),
    /// `true` or `false`.
    Flag,
    /// A whole number.
    Number(RangeInclusive<u64>),
    Duration(RangeInclusive<Duration>),
    Secret,
    /// A list of secrets, or a single one.
    Secrets,
}

/// The entries of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ListEntry {
    Text,
    /// One of these words.
    Word(Vec<&'static str>),
}

impl ValueType {
    /// The type of a closed set of words.
    pub(super) fn word_of<T>(words: &[(&'static str, T)]) -> Self {
        Self::Word(words.iter().map(|it| it.0).collect())
    }

    /// Whether it is only a place for further keys.
    pub(super) fn is_table(&self) -> bool {
        matches!(self, Self::Table | Self::Tables { .. })
    }
}
