//! The roles of the directory, and the app roles that stand for them.

use super::super::problem::{InvalidValue, quote};
use super::super::section::{ConfigSection, LocatedValue, unexpected};
use super::super::source::{LocatedKey, ValueLocation, plain};
use super::super::value_type::ValueType;
use toml::de::DeValue;

pub(super) fn role(text: &str) -> Result<String, InvalidValue> {
    let plain =
        text.bytes().all(|it| it.is_ascii_alphanumeric() || matches!(it, b'-' | b'_' | b'.'));
    let refused = || {
        InvalidValue::new(format!("{} is not a role", quote(text)))
            .hint("write up to 40 letters, digits, hyphens, dots and underscores")
    };
    if plain && (1..=40).contains(&text.len()) { Ok(text.to_owned()) } else { Err(refused()) }
}

/// Reports a role that is not one of `roles`.
pub(super) fn is_one(
    section: &ConfigSection<'_>,
    role: &str,
    roles: &[String],
    place: &LocatedKey,
) {
    if !roles.iter().any(|it| it == role) {
        let known = roles.iter().map(|it| quote(it)).collect::<Vec<_>>().join(" or ");
        let invalid = InvalidValue::new(format!("{} is not one of [directory] roles", quote(role)));
        section.add_problem(place, invalid.hint(format!("write {known}, or add it to roles")));
    }
}

/// Reads `role_map = { "Fleet.Admin" = "admin" }`.
pub(super) fn role_map(section: &ConfigSection<'_>) -> Vec<LocatedValue<(String, String)>> {
    const ROLES_HINT: &str = "write { \"Fleet.Admin\" = \"admin\" }";
    let Some(value) = section
        .key(
            "role_map",
            "App roles in Entra, and the directory role that each sets at every sign-in",
        )
        .of_file(ValueType::TextByKey)
    else {
        return Vec::new();
    };
    let DeValue::Table(table) = value.get_ref() else {
        section.add_problem(
            &section.locate("role_map"),
            unexpected("a table", value.get_ref()).hint(ROLES_HINT),
        );
        return Vec::new();
    };
    let one = |(name, value): (&toml::Spanned<_>, &toml::Spanned<DeValue<'_>>)| {
        let name_text: &std::borrow::Cow<'_, str> = name.get_ref();
        let place = LocatedKey {
            key: format!("directory.role_map.{}", plain(name_text)),
            at: ValueLocation::Offset(value.span().start),
        };
        let read = match value.get_ref() {
            DeValue::String(text) => role(text),
            other => Err(unexpected("a role", other).hint(ROLES_HINT)),
        };
        read.map_err(|it| section.add_problem(&place, it))
            .ok()
            .map(|it| LocatedValue { value: (name_text.as_ref().to_owned(), it), place })
    };
    table.iter().filter_map(one).collect()
}
