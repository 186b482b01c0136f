//! Output on the terminal, and errors that end a run early.

use std::io::Write as _;

/// The reason that a measurement failed; the second line, if there is one, is a hint.
pub type BenchError = Box<dyn std::error::Error + Send + Sync>;

/// The result of each step.
pub type BenchOutcome<T> = Result<T, BenchError>;

/// Prints a line. A closed pipe does not stop the measurement.
pub fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// Prints part of a line immediately, to show progress.
pub fn hum(text: &str) {
    let mut out = std::io::stdout();
    let _ = out.write_all(text.as_bytes());
    let _ = out.flush();
}

/// Prints an error in the program's own format.
pub fn complain(failure: &BenchError) {
    let text = failure.to_string();
    let (what, hint) = text.split_once('\n').unwrap_or((&text, ""));
    let mut out = std::io::stderr();
    let _ = writeln!(out, "error: {what}");
    for line in hint.lines() {
        let _ = writeln!(out, "hint: {line}");
    }
}
