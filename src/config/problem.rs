//! What is wrong with a configuration, where, and what to do about it.

use std::fmt::Write as _;

/// One thing that is wrong, or worth a look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The key: `entra.tenant`; `file` and `TOML` where it is about the whole file.
    pub key: String,
    /// Where it is written.
    pub place: ConfigLocation,
    /// What is wrong, in lower case without a full stop. Never a secret.
    pub what: String,
    /// What to do about it.
    pub hint: Option<String>,
}

/// Where something is written.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ConfigLocation {
    /// Nowhere: it is missing, or it is about the whole.
    Whole,
    /// In the file; both count from 1, columns in characters.
    Line {
        /// Line.
        line: usize,
        /// Column.
        column: usize,
    },
    /// In this variable of the environment.
    Variable(String),
}

/// Why a value cannot be used, before it is known which key has it. Never a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct InvalidValue {
    pub(super) what: String,
    pub(super) hint: Option<String>,
}

impl InvalidValue {
    pub(super) fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), hint: None }
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// What comes of reading: what is meant, or all that is wrong.
#[derive(Clone, Debug)]
pub struct ReadOutcome<T> {
    /// Nothing wherever there is a problem.
    pub config: Option<T>,
    /// In the order of the file, then those of the environment.
    pub problems: Vec<Problem>,
    /// Worth a look, but no obstacle.
    pub warnings: Vec<Problem>,
    /// Whether there was a file at all, or only the environment.
    pub from_file: bool,
}

impl<T> ReadOutcome<T> {
    /// Puts everything in order; where there is a problem, there is no configuration.
    pub(super) fn new(config: Option<T>, mut problems: Vec<Problem>, mut warnings: Vec<Problem>, from_file: bool) -> Self {
        problems.sort_by(|one, other| one.place.cmp(&other.place));
        warnings.sort_by(|one, other| one.place.cmp(&other.place));
        Self { config: config.filter(|_| problems.is_empty()), problems, warnings, from_file }
    }

    /// One problem, and nothing read.
    pub(super) fn refused(problem: Problem) -> Self {
        Self { config: None, problems: vec![problem], warnings: Vec::new(), from_file: true }
    }
}

/// The key of a problem of the file itself: it is the only one, since nothing could be read.
pub(super) const FILE_KEY: &str = "file";

/// All problems and then all warnings, for the terminal; empty where there are none. `name` is the file's.
pub fn print<T>(judged: &ReadOutcome<T>, name: &str) -> String {
    let mut out = String::new();
    if let [Problem { key, what, hint, .. }] = judged.problems.as_slice()
        && key == FILE_KEY
    {
        let hint = hint.as_ref().map(|it| format!("hint: {it}\n")).unwrap_or_default();
        return format!("error: {what}\n{hint}");
    }
    let place = if judged.from_file { name } else { "the environment" };
    let count = judged.problems.len();
    if count > 0 {
        // A String takes every write.
        let _ = writeln!(out, "error: {count} {} in {place}", if count == 1 { "problem" } else { "problems" });
        print_each(&mut out, &judged.problems, name);
    }
    let count = judged.warnings.len();
    if count > 0 {
        let _ = writeln!(out, "warning: {count} {} in {place}", if count == 1 { "warning" } else { "warnings" });
        print_each(&mut out, &judged.warnings, name);
    }
    out
}

fn print_each(out: &mut String, problems: &[Problem], name: &str) {
    let width = problems.iter().map(|it| it.key.chars().count()).max().unwrap_or_default();
    for Problem { key, place, what, hint } in problems {
        let _ = writeln!(out, "  {key:width$}  {what}");
        let _ = match place {
            ConfigLocation::Line { line, column } => writeln!(out, "  {:width$}  at {name}:{line}:{column}", ""),
            ConfigLocation::Variable(variable) => writeln!(out, "  {:width$}  in {variable}", ""),
            ConfigLocation::Whole => Ok(()),
        };
        if let Some(hint) = hint {
            let _ = writeln!(out, "  {:width$}  hint: {hint}", "");
        }
    }
}

/// What was written, in quotes, for a message: escaped, and cut where it is long.
pub(super) fn quote(text: &str) -> String {
    const MAX_SHOWN_CHARS: usize = 60;
    let mut short: String = text.chars().take(MAX_SHOWN_CHARS).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    format!("{short:?}")
}
