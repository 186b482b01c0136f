//! What is printed, and why a run ends early.

use std::io::Write as _;

/// Why a measurement could not be made; the second line, where there is one, is a hint.
pub type BenchError = Box<dyn std::error::Error + Send + Sync>;

/// What every step returns.
pub type BenchOutcome<T> = Result<T, BenchError>;

/// Prints a line. A closed pipe is no reason to stop measuring.
pub fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// Prints a part of a line at once, to show that something goes on.
pub fn hum(text: &str) {
    let mut out = std::io::stdout();
    let _ = out.write_all(text.as_bytes());
    let _ = out.flush();
}

/// Prints a failure the way the program itself does.
pub fn complain(failure: &BenchError) {
    let text = failure.to_string();
    let (what, hint) = text.split_once('\n').unwrap_or((&text, ""));
    let mut out = std::io::stderr();
    let _ = writeln!(out, "error: {what}");
    for line in hint.lines() {
        let _ = writeln!(out, "hint: {line}");
    }
}
