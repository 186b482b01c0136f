//! `entrada check`, and the reading that every command begins with.

use super::terminal::{Failure, complain, say};
use crate::config::{self, Config, Outcome};
use std::path::Path;

/// `entrada check`.
pub(super) fn run(path: Option<&Path>) -> Result<(), Failure> {
    let outcome = config::load(path, &environment());
    tell(&outcome, path);
    let name = if outcome.from_file { name(path) } else { "the environment".to_owned() };
    outcome.config.map(|_| say(&format!("{name} is fine"))).ok_or_else(Failure::told)
}

/// Reads the configuration; all problems and warnings are printed.
pub(super) fn read(path: Option<&Path>, environment: &[(String, String)]) -> Result<Config, Failure> {
    let outcome = config::load(path, environment);
    tell(&outcome, path);
    outcome.config.ok_or_else(Failure::told)
}

/// Reads the configuration; problems are printed, and warnings only beside them: for what runs every few seconds.
pub(super) fn read_quietly(path: Option<&Path>) -> Result<Config, Failure> {
    let outcome = config::load(path, &environment());
    if outcome.config.is_none() {
        tell(&outcome, path);
    }
    outcome.config.ok_or_else(Failure::told)
}

fn tell(outcome: &Outcome, path: Option<&Path>) {
    let text = config::problem::print(outcome, &name(path));
    if !text.is_empty() {
        complain(text.trim_end());
    }
    if outcome.config.is_none() && !outcome.from_file {
        complain("hint: there is no entrada.toml here; write one, or name another file with --config");
    }
}

/// The process' environment, as far as it is text.
pub(super) fn environment() -> Vec<(String, String)> {
    std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?))).collect()
}

/// What the file is called in messages.
pub(super) fn name(path: Option<&Path>) -> String {
    path.map_or_else(|| "entrada.toml".to_owned(), |it| it.display().to_string())
}
