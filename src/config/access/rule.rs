//! An access rule as it is parsed: paths, methods, people and the answer for signed-out callers.

use crate::base::domains::TenantName;
use crate::base::pattern::PathPattern;
use http::Method;
use std::sync::Arc;

/// One access rule, `[[access.rule]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessRule {
    /// The paths it covers.
    pub path: PathPattern,
    /// The methods it covers; empty means all. `GET` includes `HEAD`.
    pub methods: Vec<Method>,
    /// The people it allows.
    pub allow: Allow,
    /// The response for a signed-out caller.
    pub signed_out: SignedOutAnswer,
    /// Line in the file, from 1, for `explain` and the log.
    pub line: usize,
}

impl AccessRule {
    /// Whether the rule covers this method.
    pub fn covers_method(&self, method: &Method) -> bool {
        self.methods.is_empty()
            || self.methods.contains(method)
            || (*method == Method::HEAD && self.methods.contains(&Method::GET))
    }
}

/// The people that a rule allows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Allow {
    /// Everyone, signed in or not.
    Anyone,
    /// Everyone who is signed in.
    #[default]
    SignedIn,
    /// No one.
    Nobody,
    /// People who match at least one of these tables.
    Tables(Vec<AllowConditions>),
}

/// The conditions of one table. Every list that is not empty must match; one matching value per
/// list is enough.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AllowConditions {
    /// App roles, compared exactly.
    pub roles: Vec<String>,
    /// Object IDs of groups (or names, if Entra sends names).
    pub groups: Vec<String>,
    /// `oid`, or with a single tenant `preferred_username`, ignoring case.
    pub users: Vec<String>,
    /// Tenants; a domain stands for the tenant that owns it.
    pub tenants: Vec<TenantName>,
    /// Codes of organizations.
    pub organizations: Vec<String>,
    /// Roles of the directory.
    pub directory_roles: Vec<String>,
    /// Authentication contexts that must also be satisfied; empty means none.
    pub acrs: AuthContexts,
}

/// Authentication contexts of Conditional Access, `c1` to `c99`; any one of them is enough.
pub type AuthContexts = Arc<[String]>;

/// Whether a text is the ID of an authentication context (`acrs`): `c1` to `c99`.
pub fn is_context(text: &str) -> bool {
    match text.as_bytes() {
        [b'c', b'1'..=b'9'] => true,
        [b'c', b'1'..=b'9', last] => last.is_ascii_digit(),
        _ => false,
    }
}

/// The response for a signed-out caller, `signed_out = "auto" | "401"`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SignedOutAnswer {
    /// Depends on the caller: a browser that navigates is redirected, everything else gets 401.
    #[default]
    Auto,
    /// Never redirects; always 401.
    Unauthorized,
}
