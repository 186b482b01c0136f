//! `[access]`: who may.

use crate::base::pattern::Pattern;
use http::Method;

/// `[access]`, as meant. The first rule whose path and method match decides.
#[derive(Clone, Debug)]
pub struct Access {
    /// Where no rule names the path.
    pub default: Allow,
    /// In the order of the file.
    pub rules: Vec<Rule>,
}

/// `[[access.rule]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Which paths.
    pub path: Pattern,
    /// Which methods; empty is all. `GET` stands for `HEAD` too.
    pub methods: Vec<Method>,
    /// Who.
    pub allow: Allow,
    /// What a signed-out caller is told.
    pub signed_out: SignedOut,
    /// Line in the file, for `explain` and the log; 1-based.
    pub line: usize,
}

/// Who may.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Allow {
    /// Everybody, signed in or not.
    Anyone,
    /// Whoever is signed in.
    SignedIn,
    /// Nobody.
    Nobody,
    /// Whoever fits one of these tables.
    Tables(Vec<Table>),
}

/// Every list that is not empty must hold; any value of a list will do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    /// App roles, compared exactly.
    pub roles: Vec<String>,
    /// Object ids of groups (or names where Entra sends names).
    pub groups: Vec<String>,
    /// `oid`, or `preferred_username` (folded) with one tenant.
    pub users: Vec<String>,
    /// Tenant ids.
    pub tenants: Vec<String>,
}

/// `signed_out = "auto" | "401" | "redirect"`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SignedOut {
    /// By who asks: a browser that navigates is redirected, everything else gets 401.
    #[default]
    Auto,
    /// Never redirect.
    Unauthorized,
}
