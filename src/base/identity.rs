//! Who a person is, in the words of Entra.

use super::guid::Guid;
use super::string_list::StringList;
use std::sync::Arc;

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
    /// At home in another tenant or directory (B2B).
    pub guest: bool,
    /// Display name.
    pub name: Option<Box<str>>,
    /// Sign-in name as shown to people; may change, decides nothing.
    pub preferred_username: Option<Box<str>>,
    /// E-mail address, where the person has one; with several tenants only where it is verified.
    pub email: Option<Box<str>>,
    /// Whether Entra says that the address' domain is the tenant's own (`xms_edov`).
    pub email_verified: bool,
    /// App roles.
    pub roles: StringList,
    /// Group memberships.
    pub groups: PersonGroups,
    /// Entra's session id, for front-channel logout; never sent to the app.
    pub entra_sid: Option<Box<str>>,
    /// Entra's opaque `login_hint`, for `logout_hint`.
    pub login_hint: Option<Box<str>>,
    /// Authentication contexts that the person has satisfied (`acrs`).
    pub acrs: StringList,
    /// When the person proved who they are, seconds since 1970.
    pub auth_time: u64,
    /// Whether the token said so by its claim `auth_time`; otherwise the time is that of the token, which is no proof.
    pub has_auth_time: bool,
    /// Claims that `[headers] custom` names, as text.
    pub custom: Box<[(String, String)]>,
    /// Who it is to the directory, where there is one: no word of Entra's, and never read from a token.
    pub member: Option<Arc<DirectoryMember>>,
}

/// Somebody of an organization, as the directory knows them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirectoryMember {
    /// The person, by our own id: it stays when the person is linked anew.
    pub person: Guid,
    /// One of `[directory] roles`.
    pub role: Box<str>,
    /// The organization, by our own id.
    pub organization: Guid,
    /// The organization's code.
    pub code: Box<str>,
}

/// The groups of a person, as far as known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PersonGroups {
    /// Object ids, all of them.
    Known(StringList),
    /// More than a token holds: Entra sent a pointer instead (`_claim_names`, `hasgroups`).
    Overage,
}

impl PersonGroups {
    /// The ids, where they are known.
    pub fn ids(&self) -> Option<&StringList> {
        match self {
            Self::Known(ids) => Some(ids),
            Self::Overage => None,
        }
    }
}
