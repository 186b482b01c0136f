//! The CSV format of people (RFC 4180): its columns, and cells that spreadsheets do not evaluate.

use super::error::Error;
use super::person::Person;
use csv::StringRecord;

/// Why a file cannot be imported at all.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The file is not a CSV file of people.
    #[error("{0}")]
    File(String),
    /// The directory cannot be read or changed.
    #[error(transparent)]
    Directory(#[from] Error),
}

/// Positions of the columns.
pub(super) struct CsvColumns {
    pub(super) username: usize,
    pub(super) name: Option<usize>,
    pub(super) email: Option<usize>,
    pub(super) role: Option<usize>,
}

impl CsvColumns {
    pub(super) fn of(head: &StringRecord) -> Result<Self, ImportError> {
        // Spreadsheets start a file with a byte order mark.
        let named = |name: &str| {
            head.iter().position(|it| it.trim_start_matches('\u{feff}').eq_ignore_ascii_case(name))
        };
        let known = ["username", "name", "email", "role", "organization", "state", "last_sign_in"];
        if let Some(other) = head.iter().find(|it| {
            !known.iter().any(|name| it.trim_start_matches('\u{feff}').eq_ignore_ascii_case(name))
        }) {
            return Err(ImportError::File(format!(
                "the first line has an unknown column {}; known columns are username, name, email and role",
                short(other)
            )));
        }
        let username = named("username")
            .ok_or_else(|| ImportError::File("the first line has no column username".to_owned()))?;
        Ok(Self { username, name: named("name"), email: named("email"), role: named("role") })
    }
}

/// Returns the first line of an export.
pub fn csv_head() -> Vec<u8> {
    lines([["username", "name", "email", "role", "organization", "state", "last_sign_in"]
        .map(str::to_owned)])
}

/// Returns the lines of an export for these people.
pub fn csv_lines(people: &[Person]) -> Vec<u8> {
    lines(people.iter().map(|it| cells(it).map(|it| guarded(&it))))
}

fn lines(all: impl IntoIterator<Item = [String; 7]>) -> Vec<u8> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    for it in all {
        // Writing to a Vec cannot fail, and all lines have the same number of cells.
        let _ = writer.write_record(it);
    }
    writer.into_inner().unwrap_or_default()
}

fn cells(it: &Person) -> [String; 7] {
    let state = if it.on { "on" } else { "off" };
    let last = it
        .last_sign_in
        .and_then(|it| u64::try_from(it).ok())
        .map(crate::base::calendar::utc)
        .unwrap_or_default();
    let text = |it: &Option<String>| it.clone().unwrap_or_default();
    [
        it.username.to_string(),
        text(&it.name),
        text(&it.email),
        it.role.clone(),
        it.code.to_string(),
        state.to_owned(),
        last,
    ]
}

/// Prefixes a cell that looks like a formula with an apostrophe, because spreadsheets would
/// evaluate it (OWASP, CSV injection).
fn guarded(cell: &str) -> String {
    if cell.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '\'']) {
        format!("'{cell}")
    } else {
        cell.to_owned()
    }
}

/// Removes the apostrophe, so that an export can be imported.
pub(super) fn unguarded(cell: &str) -> &str {
    match cell.strip_prefix('\'') {
        Some(rest) if rest.starts_with(['=', '+', '-', '@', '\'']) => rest,
        _ => cell,
    }
}

pub(super) fn short(text: &str) -> String {
    let cut: String = text.chars().take(40).collect();
    format!("{cut:?}")
}
