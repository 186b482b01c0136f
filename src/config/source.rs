//! The file and the environment, and everything found in them.

use super::line_index::LineIndex;
use super::nearest::nearest;
use super::problem::{ConfigLocation, InvalidValue, Problem, ReadOutcome, quote};
use super::value_type::ValueType;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

/// Maximum number of problems, and of warnings, that are reported: a garbage file could have any
/// number.
const MAX_REPORTED_PROBLEMS: usize = 100;

/// Prefix of every Entrada variable.
const VARIABLE_PREFIX: &str = "ENTRADA_";

/// Entrada variables that do not set a key.
const OTHER_VARIABLES: [&str; 1] = ["ENTRADA_CONFIG"];

/// A key that an operator can set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigKey {
    /// The full name: `server.limits.idle_timeout`; `access.rule.path` in an array of tables.
    pub name: String,
    /// The default, as written in TOML; `None` if there is none.
    pub default: Option<String>,
    /// The variable that sets it; `None` if only the file can.
    pub variable: Option<String>,
    /// Its documentation, in the plain part of Markdown. Empty for tables.
    pub about: &'static str,
    pub(super) accepts: ValueType,
    pub(super) is_needed: bool,
}

/// The place where a value is written.
#[derive(Clone, Debug)]
pub(super) enum ValueLocation {
    Nowhere,
    /// At this byte offset of the file.
    Offset(usize),
    Variable(String),
}

/// A key and the place of its value, for problems to point at.
#[derive(Clone, Debug)]
pub(super) struct LocatedKey {
    pub(super) key: String,
    pub(super) at: ValueLocation,
}

/// File, environment and findings. Findings are in a cell so that reading a key is one expression.
#[derive(Debug)]
pub(super) struct ConfigSource<'a> {
    lines: Option<LineIndex<'a>>,
    environment: &'a [(String, String)],
    findings: RefCell<Findings>,
}

#[derive(Debug, Default)]
struct Findings {
    problems: Vec<Problem>,
    warnings: Vec<Problem>,
    /// Keys by full name.
    keys: BTreeMap<String, ConfigKey>,
    variables: BTreeSet<String>,
    unknown: Vec<UnknownKey>,
}

#[derive(Debug)]
struct UnknownKey {
    section: String,
    name: String,
    is_table: bool,
    offset: usize,
}

impl<'a> ConfigSource<'a> {
    pub(super) fn new(text: Option<&'a str>, environment: &'a [(String, String)]) -> Self {
        Self { lines: text.map(LineIndex::new), environment, findings: RefCell::default() }
    }

    /// Returns a variable that is set. An empty one counts as not set, because compose files omit a
    /// value that way.
    pub(super) fn variable(&self, name: &str) -> Option<&'a str> {
        let (_, value) = self.environment.iter().find(|it| it.0 == name)?;
        self.findings.borrow_mut().variables.insert(name.to_owned());
        Some(value.trim()).filter(|it| !it.is_empty())
    }

    /// The line of a byte offset in the file, from 1; 0 if there is no file.
    pub(super) fn line(&self, offset: usize) -> usize {
        self.lines.as_ref().map_or(0, |it| it.line(offset))
    }

    /// Records a key that can be set. It is called at each reading, and in an array once per table.
    pub(super) fn know(&self, key: ConfigKey) {
        let is_needed = key.is_needed;
        let mut findings = self.findings.borrow_mut();
        findings.keys.entry(key.name.clone()).or_insert(key).is_needed |= is_needed;
    }

    /// Records a key in the file that was not read. The suggestion is made at the end, when all
    /// keys are known.
    pub(super) fn unknown(&self, section: &str, name: &str, is_table: bool, offset: usize) {
        let mut findings = self.findings.borrow_mut();
        if findings.unknown.len() < MAX_REPORTED_PROBLEMS {
            findings.unknown.push(UnknownKey {
                section: section.to_owned(),
                name: name.to_owned(),
                is_table,
                offset,
            });
        }
    }

    pub(super) fn add_problem(&self, place: &LocatedKey, invalid: InvalidValue) {
        let problem = self.problem(place, invalid);
        let mut findings = self.findings.borrow_mut();
        if findings.problems.len() < MAX_REPORTED_PROBLEMS {
            findings.problems.push(problem);
        }
    }

    pub(super) fn warn(&self, place: &LocatedKey, invalid: InvalidValue) {
        let warning = self.problem(place, invalid);
        let mut findings = self.findings.borrow_mut();
        if findings.warnings.len() < MAX_REPORTED_PROBLEMS {
            findings.warnings.push(warning);
        }
    }

    fn problem(&self, place: &LocatedKey, InvalidValue { what, hint }: InvalidValue) -> Problem {
        let location = match (&place.at, &self.lines) {
            (ValueLocation::Offset(offset), Some(lines)) => {
                let (line, column) = lines.line_and_column(*offset);
                ConfigLocation::Line { line, column }
            }
            (ValueLocation::Variable(name), _) => ConfigLocation::Variable(name.clone()),
            _ => ConfigLocation::Whole,
        };
        Problem { key: place.key.clone(), place: location, what, hint }
    }

    /// All keys and tables that were read, sorted by name.
    pub(super) fn into_keys(self) -> Vec<ConfigKey> {
        self.findings.into_inner().keys.into_values().collect()
    }

    /// Reports the keys that were not read, and ends the reading.
    pub(super) fn judge<T>(self, config: Option<T>) -> ReadOutcome<T> {
        let unknown = std::mem::take(&mut self.findings.borrow_mut().unknown);
        for it in unknown {
            let invalid = unknown_key(&self.findings.borrow().keys, &it);
            let place = LocatedKey {
                key: join(&it.section, &plain(&it.name)),
                at: ValueLocation::Offset(it.offset),
            };
            self.add_problem(&place, invalid);
        }
        self.warn_of_variables();
        let Findings { problems, warnings, .. } = self.findings.into_inner();
        ReadOutcome::new(config, problems, warnings, self.lines.is_some())
    }

    /// Warns about unknown variables. They are not problems, because orchestrators inject variables
    /// under a service's name.
    fn warn_of_variables(&self) {
        let ours = self
            .environment
            .iter()
            .map(|it| it.0.as_str())
            .filter(|it| it.starts_with(VARIABLE_PREFIX) && !OTHER_VARIABLES.contains(it));
        for name in ours {
            let findings = self.findings.borrow();
            if findings.variables.contains(name) {
                continue;
            }
            let known = findings
                .keys
                .values()
                .filter_map(|it| it.variable.as_deref()?.strip_prefix(VARIABLE_PREFIX));
            let meant = nearest(name.strip_prefix(VARIABLE_PREFIX).unwrap_or_default(), known)
                .map(|it| format!("did you mean {VARIABLE_PREFIX}{it}?"));
            drop(findings);
            let place = LocatedKey {
                key: "environment".to_owned(),
                at: ValueLocation::Variable(name.to_owned()),
            };
            self.warn(
                &place,
                InvalidValue {
                    what: "this variable does not belong to a key".to_owned(),
                    hint: meant,
                },
            );
        }
    }
}

/// The variable that sets a key.
pub(super) fn variable_of(key: &str) -> String {
    format!("{VARIABLE_PREFIX}{}", key.replace('.', "_").to_uppercase())
}

/// The full name of a key in a section.
pub(super) fn join(section: &str, name: &str) -> String {
    if section.is_empty() { name.to_owned() } else { format!("{section}.{name}") }
}

/// A key in a form that is safe in a message.
pub(super) fn plain(name: &str) -> String {
    let bare = name.bytes().all(|it| it.is_ascii_alphanumeric() || matches!(it, b'-' | b'_'));
    if bare && !name.is_empty() && name.len() <= 60 { name.to_owned() } else { quote(name) }
}

fn unknown_key(keys: &BTreeMap<String, ConfigKey>, unknown: &UnknownKey) -> InvalidValue {
    let parts = |it: &'_ str| {
        it.rsplit_once('.').map_or((String::new(), it.to_owned()), |(section, name)| {
            (section.to_owned(), name.to_owned())
        })
    };
    let all: Vec<_> = keys.keys().map(|it| parts(it)).collect();
    let here: Vec<_> =
        all.iter().filter(|it| it.0 == unknown.section).map(|it| it.1.as_str()).collect();
    let invalid = InvalidValue::new(if unknown.is_table {
        "is not a known section"
    } else {
        "is not a known key"
    });
    if let Some(meant) = nearest(&unknown.name, here.iter().copied()) {
        return invalid.hint(format!("did you mean {}?", join(&unknown.section, meant)));
    }
    if let Some((section, name)) = all.iter().find(|it| it.1 == unknown.name && !it.0.is_empty()) {
        return invalid.hint(format!("{name} belongs under [{section}]"));
    }
    invalid.hint(format!("valid here: {}", here.join(", ")))
}
