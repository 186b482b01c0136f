//! Secrets: from a variable, from a file, or, with a warning, from the configuration itself.
//! Messages never contain their text.

use super::key_reader::KeyReader;
use super::problem::{InvalidValue, quote};
use super::section::{LocatedValue, RawValue, unexpected};
use super::source::{LocatedKey, ValueLocation};
use super::value_type::ValueType;
use crate::base::secret::Secret;
use std::io::Read as _;
use toml::de::{DeTable, DeValue};
use zeroize::Zeroizing;

/// Maximum size of a secret's file, in bytes.
const MAX_SECRET_FILE_BYTES: u64 = 64 * 1024;

const SECRET_FORMS: &str = "write { file = \"/run/secrets/name\" } or { env = \"NAME\" }";

impl<'a> KeyReader<'_, 'a> {
    /// Reads one secret.
    pub(super) fn secret(self) -> Option<LocatedValue<Secret>> {
        let Some(entry) = self.find(None, ValueType::Secret) else {
            self.miss();
            return None;
        };
        self.one_secret(entry.raw, entry.place)
    }

    /// Reads a list of secrets; the environment separates them with commas.
    pub(super) fn secrets(self) -> Vec<LocatedValue<Secret>> {
        let Some(entry) = self.find(None, ValueType::Secrets) else { return Vec::new() };
        match entry.raw {
            RawValue::File(DeValue::Array(values)) => {
                let one = |it: &'a toml::Spanned<DeValue<'a>>| {
                    self.one_secret(
                        RawValue::File(it.get_ref()),
                        self.section.located_key(self.name, ValueLocation::Offset(it.span().start)),
                    )
                };
                values.iter().filter_map(one).collect()
            }
            RawValue::Variable(text) => {
                let parts = text.split(',').map(str::trim).filter(|it| !it.is_empty());
                parts
                    .filter_map(|it| self.one_secret(RawValue::Variable(it), entry.place.clone()))
                    .collect()
            }
            raw @ RawValue::File(_) => self.one_secret(raw, entry.place).into_iter().collect(),
        }
    }

    fn one_secret(&self, raw: RawValue<'a>, place: LocatedKey) -> Option<LocatedValue<Secret>> {
        let secret = match raw {
            RawValue::Variable(text) => Ok(Secret::new(text)),
            RawValue::File(DeValue::String(text)) if text.is_empty() => {
                Err(InvalidValue::new("is empty").hint(SECRET_FORMS))
            }
            RawValue::File(DeValue::String(text)) => {
                self.section.warn(
                    &place,
                    InvalidValue::new("the file contains a secret")
                        .hint(format!("{SECRET_FORMS}, so that the file can be shared")),
                );
                Ok(Secret::new(text.as_ref()))
            }
            RawValue::File(DeValue::Table(table)) => self.of_table(table),
            RawValue::File(other) => Err(unexpected("a secret", other).hint(SECRET_FORMS)),
        };
        match secret {
            Ok(value) => Some(LocatedValue { value, place }),
            Err(invalid) => {
                self.section.add_problem(&place, invalid);
                None
            }
        }
    }

    fn of_table(&self, table: &DeTable<'_>) -> Result<Secret, InvalidValue> {
        let mut entries =
            table.iter().map(|(name, value)| (name.get_ref().as_ref(), value.get_ref()));
        match (entries.next(), entries.next()) {
            (Some(("env", DeValue::String(name))), None) => self.of_variable(name),
            (Some(("file", DeValue::String(path))), None) => of_file(path),
            _ => Err(InvalidValue::new("is not a valid secret").hint(SECRET_FORMS)),
        }
    }

    fn of_variable(&self, name: &str) -> Result<Secret, InvalidValue> {
        let is_name = !name.is_empty()
            && name.len() <= 100
            && name.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'_');
        if !is_name {
            // People may paste the secret itself here; it must not end up in a log.
            return Err(
                InvalidValue::new("env is not a variable name").hint("env is the name of the variable with the secret, like { env = \"AZURE_CLIENT_SECRET\" }")
            );
        }
        let missing = || {
            InvalidValue::new(format!("the variable {name} is not set, or is empty"))
                .hint(format!("export {name}=... before you start entrada"))
        };
        self.section.variable(name).map(Secret::new).ok_or_else(missing)
    }
}

/// Reads the file each time it is called; a newline at its end is not part of the secret.
fn of_file(path: &str) -> Result<Secret, InvalidValue> {
    let refused = |why: &dyn std::fmt::Display| {
        InvalidValue::new(format!("cannot read the secret file {}: {why}", quote(path)))
    };
    let about = std::fs::metadata(path).map_err(|it| refused(&it))?;
    // Pipes are rejected too: reading one would block, and it is empty at the next reload.
    if !about.is_file() {
        return Err(refused(&"it is not a file"));
    }
    if about.len() > MAX_SECRET_FILE_BYTES {
        return Err(refused(&format!("it is longer than {MAX_SECRET_FILE_BYTES} bytes")));
    }
    let mut text = Zeroizing::new(String::new());
    std::fs::File::open(path)
        .and_then(|it| it.take(MAX_SECRET_FILE_BYTES).read_to_string(&mut text))
        .map_err(|it| refused(&it))?;
    let secret = text.trim_end_matches(['\r', '\n']);
    if secret.is_empty() {
        Err(InvalidValue::new(format!("the secret file {} is empty", quote(path))))
    } else {
        Ok(Secret::new(secret))
    }
}
