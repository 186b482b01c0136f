//! The operator's configuration: one file per section, with the keys and the parsed values side by
//! side.
//!
//! Everything is read and checked before anything is rejected, so an operator sees every mistake at
//! once. Nothing here opens a socket or contacts Entra; the files of secrets are read.
//!
//! A key exists because the code reads it: `section.key("idle", "Maximum ...").duration(...)` defines
//! its name, its variable (`ENTRADA_SESSION_IDLE`), its documentation, its type, its default and its
//! bounds. The JSON Schema is generated from these lines. If a key is written more than
//! once, the variable `ENTRADA_*` takes precedence over the file, and the file over
//! `AZURE_TENANT_ID`, `AZURE_CLIENT_ID`, `AZURE_CLIENT_SECRET` and `AZURE_AUTHORITY_HOST`, which
//! platforms inject into everything that runs there. An empty variable counts as not set. Arrays of
//! tables and tables with free keys come from the file only.

mod address;
mod duration;
mod fit;
mod key_reader;
mod line_index;
mod nearest;
mod schema;
mod secret;
mod section;
mod source;
mod value_type;
mod whole;

pub mod access;
pub(crate) mod credential;
pub(crate) mod directory;
pub mod entra;
pub mod headers;
pub(crate) mod native;
pub(crate) mod pages;
pub mod problem;
pub mod server;
pub(crate) mod session;
pub(crate) mod telemetry;
pub(crate) mod upstream;

#[cfg(test)]
mod tests;

pub use source::ConfigKey;
pub use whole::Config;

use problem::{ConfigLocation, Problem, ReadOutcome};
use section::ConfigSection;
use source::ConfigSource;
use std::io::Read as _;
use std::path::Path;
use toml::de::DeTable;

/// A configuration, or all problems with it.
pub type Outcome = ReadOutcome<Config>;

/// Maximum size of the configuration file, in bytes.
pub const MAX_CONFIG_FILE_BYTES: usize = 1024 * 1024;

/// The file that is read if no path is given and it exists.
const DEFAULT_FILE: &str = "entrada.toml";

/// One of each array of tables and of the forms of `allow`, so that reading it asks for every key.
const EVERY_TABLE: &str =
    "[[upstream.route]]\n[[access.rule]]\nallow = {}\n[[organization]]\n[[native.client]]\n";

/// Reads a file and the environment. Without a path it reads `entrada.toml`, or only the
/// environment if that file does not exist.
pub fn load(path: Option<&Path>, environment: &[(String, String)]) -> Outcome {
    let file = path.unwrap_or(Path::new(DEFAULT_FILE));
    if path.is_none() && !file.exists() {
        return finish(None, None, environment);
    }
    match text_of(file) {
        Ok(text) => read(&file.display().to_string(), &text, environment),
        Err(problem) => ReadOutcome::refused(problem),
    }
}

/// Reads a text and the environment. `name` stands for the file in messages about the whole file.
pub fn read(name: &str, text: &str, environment: &[(String, String)]) -> Outcome {
    if text.len() > MAX_CONFIG_FILE_BYTES {
        return ReadOutcome::refused(whole_file(format!(
            "{name} is longer than {MAX_CONFIG_FILE_BYTES} bytes"
        )));
    }
    match DeTable::parse(text) {
        Ok(table) => finish(Some(text), Some(table.get_ref()), environment),
        Err(error) => ReadOutcome::refused(syntax(text, &error)),
    }
}

/// Every key that can be set, sorted by name.
pub fn keys() -> Vec<ConfigKey> {
    known_by(EVERY_TABLE).into_iter().filter(|it| !it.accepts.is_table()).collect()
}

/// The JSON Schema (draft 2020-12) of the configuration file.
pub fn json_schema() -> serde_json::Value {
    schema::of(&known_by(EVERY_TABLE))
}

/// The keys and tables that are read in a text, sorted by name.
fn known_by(text: &str) -> Vec<ConfigKey> {
    let Ok(table) = DeTable::parse(text) else { return Vec::new() };
    let written = ConfigSource::new(Some(text), &[]);
    ConfigSection::root(&written, Some(table.get_ref()), |root| whole::read(root, &written));
    written.into_keys()
}

fn finish(
    text: Option<&str>,
    table: Option<&DeTable<'_>>,
    environment: &[(String, String)],
) -> Outcome {
    let written = ConfigSource::new(text, environment);
    let config = ConfigSection::root(&written, table, |root| whole::read(root, &written));
    written.judge(config)
}

fn text_of(file: &Path) -> Result<String, Problem> {
    let refused = |why: &dyn std::fmt::Display| {
        whole_file(format!("{} cannot be read: {why}", file.display()))
    };
    let missing = || Problem {
        hint: Some("name another file with --config".to_owned()),
        ..whole_file(format!("there is no file {}", file.display()))
    };
    let mut bytes = Vec::new();
    let limit = u64::try_from(MAX_CONFIG_FILE_BYTES).unwrap_or(u64::MAX).saturating_add(1);
    std::fs::File::open(file).and_then(|it| it.take(limit).read_to_end(&mut bytes)).map_err(
        |it| match it.kind() {
            std::io::ErrorKind::NotFound => missing(),
            _ => refused(&it),
        },
    )?;
    String::from_utf8(bytes).map_err(|_| refused(&"it is not UTF-8"))
}

fn whole_file(what: String) -> Problem {
    Problem { key: problem::FILE_KEY.to_owned(), place: ConfigLocation::Whole, what, hint: None }
}

/// Describes a syntax error without the parser's excerpt, because the line may hold a secret.
fn syntax(text: &str, error: &toml::de::Error) -> Problem {
    let (line, column) =
        line_index::LineIndex::new(text).line_and_column(error.span().map_or(0, |it| it.start));
    let what = error.message().lines().collect::<Vec<_>>().join(", ");
    Problem {
        key: "TOML".to_owned(),
        place: ConfigLocation::Line { line, column },
        what,
        hint: None,
    }
}
