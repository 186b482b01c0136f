//! What an assertion says, read out of its claims.

use serde_json::{Map, Value};

/// A person as an assertion names them; whether that is true is for the verification to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct AssertedPerson {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) user: String,
    pub(super) email: String,
    pub(super) tenant: String,
    /// The company's code, where the sign-in in front knows companies; then the next two are there as well.
    pub(super) organization: String,
    /// What the person is in that company.
    pub(super) role: String,
    /// The id that an app keeps.
    pub(super) person: String,
    pub(super) roles: Vec<String>,
    pub(super) groups: Vec<String>,
    pub(super) is_truncated: bool,
    /// Authentication contexts that were proven.
    pub(super) contexts: Vec<String>,
    pub(super) is_guest: bool,
}

impl AssertedPerson {
    /// Out of the claims; what is absent is empty.
    pub(super) fn read(claims: &Map<String, Value>) -> Self {
        let text = |name: &str| claims.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
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

    /// How to greet: by name, else by user name, else by id.
    pub(super) fn called(&self) -> &str {
        [&self.name, &self.user, &self.id].into_iter().find(|it| !it.is_empty()).map_or("unnamed person", String::as_str)
    }
}
