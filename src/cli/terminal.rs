//! Output: `error:` lines, followed by `hint:` lines.

use std::fmt::{self, Display};
use std::io::Write as _;
use std::process::ExitCode;

/// Why a command fails.
#[derive(Debug)]
pub(super) struct CommandError {
    what: String,
    hints: Vec<String>,
    already_reported: bool,
}

impl CommandError {
    /// In lower case, without a full stop.
    pub(super) fn new(what: impl Display) -> Self {
        Self { what: what.to_string(), hints: Vec::new(), already_reported: false }
    }

    /// Everything was printed already.
    pub(super) fn already_reported() -> Self {
        Self { what: String::new(), hints: Vec::new(), already_reported: true }
    }

    /// What can be done about it.
    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }
}

impl Display for CommandError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "error: {}", self.what)?;
        self.hints.iter().try_for_each(|it| write!(out, "\nhint: {it}"))
    }
}

/// Prints the error and returns its exit code.
pub(super) fn fail(failure: &CommandError) -> ExitCode {
    if !failure.already_reported {
        print_to_stderr(&failure.to_string());
    }
    ExitCode::FAILURE
}

/// A line on standard output. Ignores a closed pipe.
pub(super) fn print_line(text: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{text}");
}

/// A line on standard error.
pub(super) fn print_to_stderr(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}
