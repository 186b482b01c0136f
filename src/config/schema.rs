//! The JSON Schema of the configuration file (draft 2020-12), built from the keys that were read.
//!
//! It describes one value at a time. `entrada check` also checks texts, such as addresses, and
//! whether values are consistent with each other. A key that the environment can set is never
//! required in the file.

use super::duration;
use super::source::ConfigKey;
use super::value_type::{ListEntry, ValueType};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Builds the schema from all keys and tables.
pub(super) fn of(keys: &[ConfigKey]) -> Value {
    let mut schema = table("", keys);
    if let Value::Object(schema) = &mut schema {
        schema.insert("$schema".into(), "https://json-schema.org/draft/2020-12/schema".into());
        schema.insert("title".into(), "Configuration of Entrada".into());
    }
    schema
}

fn table(name: &str, keys: &[ConfigKey]) -> Value {
    let inner = |key: &'_ ConfigKey| {
        let (section, last) = key.name.rsplit_once('.').unwrap_or(("", &key.name));
        (section == name).then(|| last.to_owned())
    };
    let mut properties = Map::new();
    let mut required = Vec::new();
    for key in keys {
        let Some(name) = inner(key) else { continue };
        if key.is_needed && key.variable.is_none() {
            required.push(name.clone());
        }
        properties.insert(name, property(key, keys));
    }
    let mut schema = json!({
        "type": "object",
        "properties": properties,
        "additionalProperties": false,
    });
    if let (Value::Object(schema), false) = (&mut schema, required.is_empty()) {
        schema.insert("required".into(), required.into());
    }
    schema
}

fn property(key: &ConfigKey, keys: &[ConfigKey]) -> Value {
    let mut schema = values(key, keys);
    let Value::Object(fields) = &mut schema else { return schema };
    let description = description(key);
    if !description.is_empty() {
        fields.insert("description".into(), description.into());
    }
    if let Some(default) = key.default.as_deref().and_then(json_of) {
        fields.insert("default".into(), default);
    }
    schema
}

fn description(key: &ConfigKey) -> String {
    let mut sentences = vec![key.about.to_owned()];
    if let ValueType::Duration(range) = &key.accepts {
        let (min, max) = (duration::spell(*range.start()), duration::spell(*range.end()));
        sentences.push(format!("From `{min}` to `{max}`"));
    }
    sentences.extend(key.variable.as_ref().map(|it| format!("Environment: `{it}`")));
    sentences.retain(|it| !it.is_empty());
    sentences.join(". ")
}

/// The default as JSON; it is written in TOML.
fn json_of(default: &str) -> Option<Value> {
    let mut table: BTreeMap<String, Value> = toml::from_str(&format!("it = {default}")).ok()?;
    table.remove("it")
}

fn values(key: &ConfigKey, keys: &[ConfigKey]) -> Value {
    let inner = || table(&key.name, keys);
    match &key.accepts {
        ValueType::Table => inner(),
        ValueType::Tables { max_tables } => {
            json!({ "type": "array", "items": inner(), "maxItems": max_tables })
        }
        ValueType::WordOrTables(words) => json!({ "anyOf": [
            { "enum": words },
            inner(),
            { "type": "array", "items": inner(), "minItems": 1 },
        ] }),
        ValueType::TextByKey => {
            json!({ "type": "object", "additionalProperties": { "type": "string" } })
        }
        ValueType::Text => json!({ "type": "string" }),
        ValueType::Word(words) => json!({ "enum": words }),
        ValueType::List(ListEntry::Text) => one_or_more(json!({ "type": "string" })),
        ValueType::List(ListEntry::Word(words)) => one_or_more(json!({ "enum": words })),
        ValueType::Flag => json!({ "type": "boolean" }),
        ValueType::Number(range) => {
            json!({ "type": "integer", "minimum": range.start(), "maximum": range.end() })
        }
        ValueType::Duration(_) => json!({ "type": "string", "pattern": duration::pattern() }),
        ValueType::Secret => secret(),
        ValueType::Secrets => one_or_more(secret()),
    }
}

/// A list, or one entry without brackets.
fn one_or_more(entry: Value) -> Value {
    json!({ "anyOf": [entry.clone(), { "type": "array", "items": entry }] })
}

fn secret() -> Value {
    let named = |name: &str| {
        json!({
            "type": "object",
            "properties": { name: { "type": "string", "minLength": 1 } },
            "required": [name],
            "additionalProperties": false,
        })
    };
    json!({ "anyOf": [named("env"), named("file"), { "type": "string", "minLength": 1 }] })
}
