//! The JSON Schema of the configuration is the one that the code has, and describes what it reads.

use super::{blocks, documents, root, text};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use std::process::{Command, Output};

const FILE: &str = "docs/reference/config.schema.json";

fn entrada(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_entrada")).args(arguments).env_clear().output().unwrap()
}

/// Every violation, with the place of the value. Knows the keywords that the schema uses, and
/// accepts no other.
fn violations(schema: &Value, value: &Value, place: &str) -> Vec<String> {
    let mut found = Vec::new();
    let fields = schema.as_object().unwrap();
    for (keyword, expected) in fields {
        let holds = match keyword.as_str() {
            "$schema" | "title" | "description" | "default" => true,
            "type" => match expected.as_str().unwrap() {
                "object" => value.is_object(),
                "array" => value.is_array(),
                "string" => value.is_string(),
                "boolean" => value.is_boolean(),
                "integer" => value.is_i64() || value.is_u64(),
                other => panic!("type {other}"),
            },
            "enum" => expected.as_array().unwrap().contains(value),
            "minimum" => value.as_i64().is_none_or(|it| it >= expected.as_i64().unwrap()),
            "maximum" => value.as_i64().is_none_or(|it| it <= expected.as_i64().unwrap()),
            "minLength" => value.as_str().is_none_or(|it| it.len() >= size(expected)),
            "minItems" => value.as_array().is_none_or(|it| it.len() >= size(expected)),
            "maxItems" => value.as_array().is_none_or(|it| it.len() <= size(expected)),
            "pattern" => {
                assert_eq!(expected, "^[0-9]+(d|h|m|s|ms)$");
                value.as_str().is_none_or(is_duration)
            }
            "required" => value.as_object().is_none_or(|it| {
                expected
                    .as_array()
                    .unwrap()
                    .iter()
                    .all(|name| it.contains_key(name.as_str().unwrap()))
            }),
            "anyOf" => expected
                .as_array()
                .unwrap()
                .iter()
                .any(|it| violations(it, value, place).is_empty()),
            "properties" | "additionalProperties" => {
                found.extend(of_properties(fields, value, place, keyword));
                true
            }
            "items" => {
                for (at, it) in value.as_array().into_iter().flatten().enumerate() {
                    found.extend(violations(expected, it, &format!("{place}[{at}]")));
                }
                true
            }
            other => panic!("the keyword {other} is not known here"),
        };
        if !holds {
            found.push(format!("{place}: {value} violates {keyword} = {expected}"));
        }
    }
    found
}

fn size(limit: &Value) -> usize {
    usize::try_from(limit.as_u64().unwrap()).unwrap()
}

fn is_duration(text: &str) -> bool {
    let unit = text.trim_start_matches(|it: char| it.is_ascii_digit());
    unit.len() < text.len() && ["d", "h", "m", "s", "ms"].contains(&unit)
}

fn of_properties(
    schema: &Map<String, Value>,
    value: &Value,
    place: &str,
    keyword: &str,
) -> Vec<String> {
    let known = schema.get("properties").and_then(Value::as_object);
    let mut found = Vec::new();
    for (name, inner) in value.as_object().into_iter().flatten() {
        let here = format!("{place}.{name}");
        match (known.and_then(|it| it.get(name)), keyword) {
            (Some(schema), "properties") => found.extend(violations(schema, inner, &here)),
            (None, "additionalProperties") => match &schema[keyword] {
                Value::Bool(false) => found.push(format!("{here} is not known")),
                other => found.extend(violations(other, inner, &here)),
            },
            _ => {}
        }
    }
    found
}

fn of_text(text: &str) -> Vec<String> {
    let value: Value = toml::from_str(text).unwrap_or_else(|it| panic!("{it}\n{text}"));
    violations(&entrada::config::json_schema(), &value, "")
}

/// The tables and values of a schema by full name; an array of tables and each form of a value count
/// under the name of their key.
fn walk(schema: &Value, name: &str, see: &mut impl FnMut(&str, &Value)) {
    see(name, schema);
    for (inner, schema) in schema["properties"].as_object().into_iter().flatten() {
        let full = if name.is_empty() { inner.clone() } else { format!("{name}.{inner}") };
        walk(schema, &full, see);
    }
    for form in
        [&schema["items"]].into_iter().chain(schema["anyOf"].as_array().into_iter().flatten())
    {
        if form["type"] == "object" {
            walk(form, name, see);
        }
    }
}

#[test]
fn the_published_schema_is_the_one_that_the_command_prints() {
    let printed = entrada(&["config", "schema"]);
    assert!(printed.status.success());
    let printed = String::from_utf8(printed.stdout).unwrap();
    assert!(
        printed == text(FILE),
        "{FILE} is not what the code reads: cargo run -- config schema > {FILE}"
    );
    let schema: Value = serde_json::from_str(&printed).unwrap();
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    let example = text("config.example.toml");
    let named = example.lines().next().unwrap().strip_prefix("#:schema ./").unwrap();
    assert!(root().join(named).is_file() && named == FILE, "{named}");
}

#[test]
fn config_without_a_subcommand_prints_help() {
    let output = entrada(&["config"]);
    assert_eq!(output.status.code(), Some(2));
    let help = String::from_utf8(output.stderr).unwrap();
    assert!(help.contains("schema") && help.contains("JSON Schema"), "{help}");
}

#[test]
fn the_example_and_every_configuration_in_the_documents_match_the_schema() {
    let example = text("config.example.toml");
    let is_toml = |it: &str| {
        it.starts_with('[') || it.split(" = ").next().is_some_and(|it| !it.contains(' '))
    };
    let whole: Vec<_> = example
        .lines()
        .map(|it| it.strip_prefix("# ").filter(|it| is_toml(it)).unwrap_or(it))
        .collect();
    assert_eq!(of_text(&example), Vec::<String>::new());
    assert_eq!(of_text(&whole.join("\n")), Vec::<String>::new());
    let mut read = 0;
    for document in documents() {
        for block in blocks(&document).iter().filter(|it| it.info == "toml") {
            let found = of_text(&block.text);
            assert!(found.is_empty(), "{}:{}: {found:?}", document.path.display(), block.line);
            read += 1;
        }
    }
    assert!(read >= 6, "only {read} configurations were found");
}

#[test]
fn the_schema_has_every_key_and_every_key_is_documented_alike() {
    let mut described = BTreeSet::new();
    walk(&entrada::config::json_schema(), "", &mut |name, schema| {
        if schema.get("description").is_some() {
            described.insert(name.to_owned());
        }
    });
    let keys = entrada::config::keys();
    assert_eq!(described, keys.iter().map(|it| it.name.clone()).collect());
    let page = text("docs/reference/configuration.md");
    let mut wrong = Vec::new();
    for key in &keys {
        let row = page.lines().find(|it| it.starts_with(&format!("| `{}` |", key.name))).unwrap();
        let meaning = row.trim_end_matches('|').rsplit(" | ").next().unwrap().trim();
        if without_links(meaning) != key.about {
            wrong
                .push(format!("{}: the code says {:?}, the page {meaning:?}", key.name, key.about));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// `[text](target)` becomes `text`.
fn without_links(markdown: &str) -> String {
    let mut out = String::new();
    let mut rest = markdown;
    while let Some((before, after)) = rest.split_once("](") {
        let (lead, shown) = before.rsplit_once('[').unwrap();
        out.push_str(lead);
        out.push_str(shown);
        rest = after.split_once(')').unwrap().1;
    }
    out + rest
}

/// A document with one value at a full name; arrays of tables get one entry.
fn document_with(name: &str, value: Value, arrays: &BTreeSet<String>) -> Value {
    let (parent, last) = name.rsplit_once('.').unwrap_or(("", name));
    let value = if arrays.contains(name) && value.is_object() { json!([value]) } else { value };
    let outer = json!({ last: value });
    if parent.is_empty() { outer } else { document_with(parent, outer, arrays) }
}

#[test]
fn a_wrong_key_and_a_wrong_type_do_not_match_the_schema() {
    let schema = entrada::config::json_schema();
    let (mut arrays, mut tables) = (BTreeSet::new(), BTreeSet::new());
    walk(&schema, "", &mut |name, schema| {
        if schema["type"] == "array" {
            arrays.insert(name.to_owned());
        }
        if schema["additionalProperties"] == false && !name.is_empty() {
            tables.insert(name.to_owned());
        }
    });
    assert!(arrays.len() >= 4 && tables.len() >= 16, "{arrays:?} {tables:?}");
    let mut wrong = Vec::new();
    let mut expect = |name: &str, value: Value| {
        // A required key that is missing would be a violation too.
        let found = violations(&schema, &document_with(name, value, &arrays), "");
        if found.iter().all(|it| it.contains("violates required")) {
            wrong.push(name.to_owned());
        }
    };
    for table in &tables {
        expect(&format!("{table}.no_such_key"), json!("text"));
    }
    for key in entrada::config::keys() {
        expect(&key.name, json!(1.5));
    }
    expect("no_such_section", json!({}));
    expect("server.limits.headers", json!(15));
    expect("session.idle", json!("1 hour"));
    expect("telemetry.log", json!("xml"));
    expect("headers.send", json!(["x-forwarded", "easy-auth"]));
    expect("upstream.route", json!([{ "path": "/api", "no_such_key": "" }]));
    assert!(wrong.is_empty(), "accepted: {wrong:?}");
    for (text, missing) in
        [("[[access.rule]]\npath = \"/x\"", "allow"), ("[[native.client]]\n", "redirect_uris")]
    {
        assert!(
            of_text(text).iter().any(|it| it.contains("required") && it.contains(missing)),
            "{text}"
        );
    }
}
