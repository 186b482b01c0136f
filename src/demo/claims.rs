//! The person in an assertion, read from its claims.

use serde_json::{Map, Value};

/// A person as an assertion names them; only the verification decides whether it is true.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct AssertedPerson {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) user: String,
    pub(super) email: String,
    pub(super) tenant: String,
    /// The company code, if the sign-in in front supports companies; then the next two fields are
    /// present as well.
    pub(super) organization: String,
    /// The person's role in the company.
    pub(super) role: String,
    /// The ID for an app to store.
    pub(super) person: String,
    pub(super) roles: Vec<String>,
    pub(super) groups: Vec<String>,
    pub(super) is_truncated: bool,
    /// Authentication contexts that the sign-in satisfied.
    pub(super) contexts: Vec<String>,
    pub(super) is_guest: bool,
}

impl AssertedPerson {
    /// Reads the claims; absent ones are empty.
    pub(super) fn read(claims: &Map<String, Value>) -> Self {
        let text =
            |name: &str| claims.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let list = |name: &str| {
            let all = claims.get(name).and_then(Value::as_array).into_iter().flatten();
            all.filter_map(Value::as_str).map(str::to_owned).collect()
        };
        Self {
            id: text("oid"),
            name: text("name"),
            user: text("preferred_username"),
            email: text("email"),
            tenant: text("tid"),
            organization: text("organization"),
            role: text("role"),
            person: text("person"),
            roles: list("roles"),
            groups: list("groups"),
            contexts: list("acrs"),
            is_guest: claims.get("guest") == Some(&Value::Bool(true)),
            is_truncated: claims.get("groups_truncated") == Some(&Value::Bool(true)),
        }
    }

    /// Returns the name for a greeting: the name, or else the user name, or else the ID.
    pub(super) fn called(&self) -> &str {
        [&self.name, &self.user, &self.id]
            .into_iter()
            .find(|it| !it.is_empty())
            .map_or("unnamed person", String::as_str)
    }
}
