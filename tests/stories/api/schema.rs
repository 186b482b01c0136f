//! Holds requests and answers against `docs/reference/openapi.json`: as much of JSON Schema as it uses, and nothing is passed over.

use serde_json::Value;

/// The document.
pub struct OpenApiDocument(Value);

impl OpenApiDocument {
    pub fn read() -> Self {
        let text = std::fs::read_to_string(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/docs/reference/openapi.json"
        ))
        .unwrap();
        Self(serde_json::from_str(&text).unwrap())
    }

    /// The path of the document that a path is of.
    pub fn path_of(&self, path: &str) -> String {
        let path = path.split('?').next().unwrap();
        let fits = |pattern: &&String| {
            let (wanted, found): (Vec<_>, Vec<_>) =
                (pattern.split('/').collect(), path.split('/').collect());
            wanted.len() == found.len()
                && wanted.iter().zip(found).all(|it| it.0.starts_with('{') || *it.0 == it.1)
        };
        self.0["paths"]
            .as_object()
            .unwrap()
            .keys()
            .find(fits)
            .unwrap_or_else(|| panic!("{path} is not in the document"))
            .clone()
    }

    fn operation(&self, method: &str, path: &str) -> &Value {
        let found = &self.0["paths"][self.path_of(path)][method.to_lowercase()];
        assert!(found.is_object(), "{method} {path} is not in the document");
        found
    }

    /// Why a body may not be sent there; nothing where it may.
    pub fn judge_request(
        &self,
        method: &str,
        path: &str,
        kind: &str,
        body: &Value,
    ) -> Option<String> {
        let schema = &self.operation(method, path)["requestBody"]["content"][kind]["schema"];
        if schema.is_null() {
            Some(format!("{kind} is not sent there"))
        } else {
            self.judge(schema, body, "body")
        }
    }

    /// Fails unless the document says that such an answer may come.
    pub fn holds_answer(&self, method: &str, path: &str, status: u16, kind: &str, body: &Value) {
        let responses = &self.operation(method, path)["responses"];
        let named = &responses[status.to_string()];
        let response = if named.is_null() && status >= 400 { &responses["default"] } else { named };
        let schema = &response["content"][kind.split(';').next().unwrap()]["schema"];
        assert!(!schema.is_null(), "{method} {path}: {status} of {kind} is not in the document");
        if let Some(why) = self.judge(schema, body, "answer") {
            panic!("{method} {path}: {why}: {body}");
        }
    }

    fn judge(&self, schema: &Value, value: &Value, at: &str) -> Option<String> {
        let wrong = |what: &str| Some(format!("{at} {what}"));
        for (keyword, wanted) in schema.as_object().unwrap() {
            let found =
                match keyword.as_str() {
                    "$ref" => self.judge(
                        self.0.pointer(wanted.as_str().unwrap().trim_start_matches('#')).unwrap(),
                        value,
                        at,
                    ),
                    "oneOf" => {
                        let count = wanted
                            .as_array()
                            .unwrap()
                            .iter()
                            .filter(|it| self.judge(it, value, at).is_none())
                            .count();
                        if count == 1 { None } else { wrong("is not one of them") }
                    }
                    "type" => {
                        let is = |it: &Value| kind_of(value) == it.as_str().unwrap();
                        if wanted.as_array().map_or_else(|| is(wanted), |all| all.iter().any(is)) {
                            None
                        } else {
                            wrong(&format!("is no {wanted}"))
                        }
                    }
                    "enum" => {
                        if wanted.as_array().unwrap().contains(value) {
                            None
                        } else {
                            wrong(&format!("is none of {wanted}"))
                        }
                    }
                    "required" => {
                        let missing = wanted.as_array().unwrap().iter().find(|it| {
                            value.is_object() && value.get(it.as_str().unwrap()).is_none()
                        });
                        missing.and_then(|it| wrong(&format!("has no {it}")))
                    }
                    "properties" => wanted.as_object().unwrap().iter().find_map(|(name, inner)| {
                        self.judge(inner, value.get(name)?, &format!("{at}.{name}"))
                    }),
                    "additionalProperties" => {
                        assert_eq!(wanted, &Value::Bool(false));
                        let known = |name: &String| schema["properties"].get(name).is_some();
                        value
                            .as_object()
                            .and_then(|it| it.keys().find(|it| !known(it)))
                            .and_then(|it| wrong(&format!("has {it}")))
                    }
                    "items" => value.as_array().and_then(|all| {
                        all.iter()
                            .enumerate()
                            .find_map(|(n, it)| self.judge(wanted, it, &format!("{at}[{n}]")))
                    }),
                    "minLength" => {
                        if value.as_str().is_some_and(|it| {
                            (it.chars().count() as u64) < wanted.as_u64().unwrap()
                        }) {
                            wrong("is too short")
                        } else {
                            None
                        }
                    }
                    "maxLength" => {
                        if value
                            .as_str()
                            .is_some_and(|it| it.chars().count() as u64 > wanted.as_u64().unwrap())
                        {
                            wrong("is too long")
                        } else {
                            None
                        }
                    }
                    "minimum" => {
                        if value.as_i64().is_some_and(|it| it < wanted.as_i64().unwrap()) {
                            wrong("is too small")
                        } else {
                            None
                        }
                    }
                    "maximum" => {
                        if value.as_i64().is_some_and(|it| it > wanted.as_i64().unwrap()) {
                            wrong("is too large")
                        } else {
                            None
                        }
                    }
                    "pattern" => {
                        assert!(
                            wanted.as_str().unwrap().contains("[0-9a-f]{12}"),
                            "only the pattern of an id is known here"
                        );
                        let is_id = |it: &str| {
                            entrada::base::guid::Guid::parse(it)
                                .is_some_and(|guid| guid.to_string() == it)
                        };
                        if value.as_str().is_some_and(|it| !is_id(it)) {
                            wrong("is no id")
                        } else {
                            None
                        }
                    }
                    "description" | "default" | "writeOnly" => None,
                    other => panic!("{other} is not known here"),
                };
            if found.is_some() {
                return found;
            }
        }
        None
    }
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}
