//! Who a person is, in the words of Entra.

use super::guid::Guid;

/// The facts of a person (or an app) that everything after sign-in speaks of.
///
/// The key is `oid` + `tid`, never an address or a name (nOAuth). That the facts are true is not said by
/// this type but by `entra::VerifiedUser`, which alone wraps one that came out of a verified token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Object id of the person in the tenant.
    pub oid: Guid,
    /// The tenant.
    pub tid: Guid,
    /// Display name.
    pub name: Option<String>,
    /// Sign-in name as shown to people; may change, decides nothing.
    pub preferred_username: Option<String>,
    /// E-mail address, where the person has one.
    pub email: Option<String>,
    /// Whether Entra says that the address' domain is the tenant's own (`xms_edov`).
    pub email_verified: bool,
    /// App roles.
    pub roles: Vec<String>,
    /// Group memberships.
    pub groups: Groups,
    /// Entra's session id, for front-channel logout; never sent to the app.
    pub entra_sid: Option<String>,
    /// Entra's opaque `login_hint`, for `logout_hint`.
    pub login_hint: Option<String>,
    /// When the person proved who they are, seconds since 1970.
    pub auth_time: u64,
    /// Claims that `[headers] custom` names, as text.
    pub custom: Vec<(String, String)>,
}

/// The groups of a person, as far as known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Groups {
    /// Object ids, all of them.
    Known(Vec<String>),
    /// More than a token holds: Entra sent a pointer instead (`_claim_names`, `hasgroups`).
    Overage,
}

impl Groups {
    /// The ids, or none where they are not known.
    pub fn ids(&self) -> &[String] {
        match self {
            Self::Known(ids) => ids,
            Self::Overage => &[],
        }
    }
}
