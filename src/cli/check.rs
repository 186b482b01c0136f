//! `entrada check`, and the reading that every command begins with.

use super::terminal::{CommandError, print_line, print_to_stderr};
use crate::base::calendar::days_if_expiring;
use crate::base::clock::Clock;
use crate::base::credential::ClientCredential;
use crate::config::{self, Config, Outcome};
use std::path::Path;

/// `entrada check`.
pub(super) fn run(path: Option<&Path>) -> Result<(), CommandError> {
    let outcome = config::load(path, &environment());
    report(&outcome, path);
    let name = if outcome.from_file { name(path) } else { "the environment".to_owned() };
    let config = outcome.config.ok_or_else(CommandError::already_reported)?;
    for warning in ending(&config, Clock::system().now()) {
        print_to_stderr(&warning);
    }
    if let Some(limit) = config.session.store.cannot() {
        print_to_stderr(&format!("note: {limit}"));
    }
    print_line(&format!("{name} is valid"));
    Ok(())
}

/// Warns about certificates that expire within a month: the file is valid, but sign-ins will soon
/// fail.
fn ending(config: &Config, now: u64) -> Vec<String> {
    let organizations = config
        .directory
        .iter()
        .flat_map(|it| &it.organizations)
        .map(|it| (format!("[[organization]] {}", it.code), &it.credential));
    let all = [("[entra]".to_owned(), &config.entra.credential)].into_iter().chain(organizations);
    let days = |it: &ClientCredential| {
        it.ends().and_then(|it| i64::try_from(it).ok()).and_then(|it| days_if_expiring(it, now))
    };
    all.filter_map(|(whose, it)| days(it).map(|days| (whose, days)))
        .map(|(whose, days)| match days {
            ..0 => format!("warning: the certificate of {whose} has expired"),
            _ => format!("warning: the certificate of {whose} expires in {days} days"),
        })
        .collect()
}

/// Reads the configuration; all problems and warnings are printed.
pub(super) fn read(
    path: Option<&Path>,
    environment: &[(String, String)],
) -> Result<Config, CommandError> {
    let outcome = config::load(path, environment);
    report(&outcome, path);
    outcome.config.ok_or_else(CommandError::already_reported)
}

/// Reads the configuration; prints warnings only together with problems, for commands that run
/// often.
pub(super) fn read_quietly(path: Option<&Path>) -> Result<Config, CommandError> {
    let outcome = config::load(path, &environment());
    if outcome.config.is_none() {
        report(&outcome, path);
    }
    outcome.config.ok_or_else(CommandError::already_reported)
}

fn report(outcome: &Outcome, path: Option<&Path>) {
    let text = config::problem::print(outcome, &name(path));
    if !text.is_empty() {
        print_to_stderr(text.trim_end());
    }
    if outcome.config.is_none() && !outcome.from_file {
        print_to_stderr(
            "hint: there is no entrada.toml here; create one, or name another file with --config",
        );
    }
}

/// The process' environment, as far as it is text.
pub(super) fn environment() -> Vec<(String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

/// What the file is called in messages.
pub(super) fn name(path: Option<&Path>) -> String {
    path.map_or_else(|| "entrada.toml".to_owned(), |it| it.display().to_string())
}
