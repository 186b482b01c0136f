//! `entrada check`, and the reading that every command begins with.

use super::terminal::{Failure, complain, say};
use crate::config::{self, Config};
use std::path::Path;

/// `entrada check`.
pub(super) fn run(path: Option<&Path>) -> Result<(), Failure> {
    read(path, &environment())?;
    say(&format!("{} is fine", name(path)));
    Ok(())
}

/// Reads the configuration; all problems and warnings are printed.
pub(super) fn read(path: Option<&Path>, environment: &[(String, String)]) -> Result<Config, Failure> {
    let outcome = config::load(path, environment);
    let text = config::problem::print(&outcome, &name(path));
    if !text.is_empty() {
        complain(text.trim_end());
    }
    outcome.config.ok_or_else(Failure::told)
}

/// The process' environment, as far as it is text.
pub(super) fn environment() -> Vec<(String, String)> {
    std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?))).collect()
}

fn name(path: Option<&Path>) -> String {
    path.map_or_else(|| "entrada.toml".to_owned(), |it| it.display().to_string())
}
