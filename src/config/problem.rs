//! A problem in a configuration: the cause, the place and a hint.

use std::fmt::Write as _;

/// One problem or warning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The key: `entra.tenant`; `file` and `TOML` if the problem concerns the whole file.
    pub key: String,
    /// The place where it is written.
    pub place: ConfigLocation,
    /// The message, in lower case without a full stop. Never contains a secret.
    pub what: String,
    /// A hint on how to fix it.
    pub hint: Option<String>,
}

/// The place where something is written.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ConfigLocation {
    /// No place: it is missing, or the problem concerns the whole configuration.
    Whole,
    /// A place in the file; both numbers count from 1, columns in characters.
    Line {
        /// Line number.
        line: usize,
        /// Column number.
        column: usize,
    },
    /// This environment variable.
    Variable(String),
}

/// The reason why a value cannot be used, before its key is known. Never contains a secret.
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

/// The result of reading: the configuration, or all problems with it.
#[derive(Clone, Debug)]
pub struct ReadOutcome<T> {
    /// The configuration; `None` if there is any problem.
    pub config: Option<T>,
    /// Problems in the order of the file, then those of the environment.
    pub problems: Vec<Problem>,
    /// Warnings, which do not prevent the start.
    pub warnings: Vec<Problem>,
    /// Whether there was a file, or only the environment.
    pub from_file: bool,
}

impl<T> ReadOutcome<T> {
    /// Sorts problems and warnings by place; if there is a problem, there is no configuration.
    pub(super) fn new(
        config: Option<T>,
        mut problems: Vec<Problem>,
        mut warnings: Vec<Problem>,
        from_file: bool,
    ) -> Self {
        problems.sort_by(|one, other| one.place.cmp(&other.place));
        warnings.sort_by(|one, other| one.place.cmp(&other.place));
        Self { config: config.filter(|_| problems.is_empty()), problems, warnings, from_file }
    }

    /// A result with one problem and no configuration.
    pub(super) fn refused(problem: Problem) -> Self {
        Self { config: None, problems: vec![problem], warnings: Vec::new(), from_file: true }
    }
}

/// The key of a problem with the file itself. It is the only problem then, because nothing could be
/// read.
pub(super) const FILE_KEY: &str = "file";

/// Formats all problems and then all warnings for the terminal; empty if there are none. `name` is
/// the name of the file.
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
        // Writing to a `String` cannot fail.
        let _ = writeln!(
            out,
            "error: {count} {} in {place}",
            if count == 1 { "problem" } else { "problems" }
        );
        print_each(&mut out, &judged.problems, name);
    }
    let count = judged.warnings.len();
    if count > 0 {
        let _ = writeln!(
            out,
            "warning: {count} {} in {place}",
            if count == 1 { "warning" } else { "warnings" }
        );
        print_each(&mut out, &judged.warnings, name);
    }
    out
}

fn print_each(out: &mut String, problems: &[Problem], name: &str) {
    let width = problems.iter().map(|it| it.key.chars().count()).max().unwrap_or_default();
    for Problem { key, place, what, hint } in problems {
        let _ = writeln!(out, "  {key:width$}  {what}");
        let _ = match place {
            ConfigLocation::Line { line, column } => {
                writeln!(out, "  {:width$}  at {name}:{line}:{column}", "")
            }
            ConfigLocation::Variable(variable) => writeln!(out, "  {:width$}  in {variable}", ""),
            ConfigLocation::Whole => Ok(()),
        };
        if let Some(hint) = hint {
            let _ = writeln!(out, "  {:width$}  hint: {hint}", "");
        }
    }
}

/// Quotes a written value for a message: escaped, and shortened if it is long.
pub(super) fn quote(text: &str) -> String {
    const MAX_SHOWN_CHARS: usize = 60;
    let mut short: String = text.chars().take(MAX_SHOWN_CHARS).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    format!("{short:?}")
}
