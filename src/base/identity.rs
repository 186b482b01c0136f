//! The identity of a person, in Entra's terms.

use super::guid::Guid;
use super::string_list::StringList;
use std::sync::Arc;

/// The facts about a person (or an app) that everything after sign-in uses.
///
/// The key is `oid` + `tid`, never an address or a name (nOAuth). This type does not guarantee that
/// the facts are true; `entra::verified::VerifiedUser` does, because it only wraps an identity from
/// a verified token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Object ID of the person in the tenant.
    pub oid: Guid,
    /// Tenant ID.
    pub tid: Guid,
    /// Whether the person's home is another tenant or directory (B2B guest).
    pub guest: bool,
    /// Display name.
    pub name: Option<Box<str>>,
    /// Sign-in name for display. It may change and is not part of the key.
    pub preferred_username: Option<Box<str>>,
    /// User principal name, only if the token proves that the person is a member of the tenant and
    /// no agent. Unlike `preferred_username`, it is unique in the tenant and not chosen by the
    /// person. It is read at a sign-in and not stored.
    pub member_upn: Option<Box<str>>,
    /// E-mail address, if the person has one; with several tenants, only if it is verified.
    pub email: Option<Box<str>>,
    /// Whether Entra confirms that the address's domain belongs to the tenant (`xms_edov`).
    pub email_verified: bool,
    /// App roles from Entra (claim `roles`).
    pub roles: StringList,
    /// Group memberships.
    pub groups: PersonGroups,
    /// Which of these lists lack entries because the session's store had no room for them.
    pub cut: CutLists,
    /// Entra's session ID, for front-channel logout; never sent to the app.
    pub entra_sid: Option<Box<str>>,
    /// Entra's opaque `login_hint`, for `logout_hint`.
    pub login_hint: Option<Box<str>>,
    /// Authentication contexts that the person has satisfied (`acrs`).
    pub acrs: StringList,
    /// Time of authentication, in seconds since 1970.
    pub auth_time: u64,
    /// Whether the token had the claim `auth_time`. Otherwise `auth_time` is the time of the token,
    /// which proves nothing.
    pub has_auth_time: bool,
    /// Claims named in `[headers] custom`, as text.
    pub custom: Box<[(String, String)]>,
    /// The person's entry in the directory, if there is one. It does not come from Entra and is
    /// never read from a token.
    pub member: Option<Arc<DirectoryMember>>,
}

impl Identity {
    /// Creates an identity with its key only: no names, no roles and no groups.
    pub fn new(oid: Guid, tid: Guid) -> Self {
        Self {
            oid,
            tid,
            guest: false,
            name: None,
            preferred_username: None,
            member_upn: None,
            email: None,
            email_verified: false,
            roles: StringList::default(),
            groups: PersonGroups::Known(StringList::default()),
            cut: CutLists::default(),
            entra_sid: None,
            login_hint: None,
            acrs: StringList::default(),
            auth_time: 0,
            has_auth_time: false,
            custom: Box::default(),
            member: None,
        }
    }
}

/// Lists from which a session store left out entries that no access rule named.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CutLists {
    /// Groups are missing.
    pub groups: bool,
    /// Roles are missing.
    pub roles: bool,
}

/// A member of an organization, as the directory knows them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirectoryMember {
    /// Entrada's own ID of the person; it stays the same when the person is linked again.
    pub person: Guid,
    /// One of `[directory] roles`.
    pub role: Box<str>,
    /// Entrada's own ID of the organization.
    pub organization: Guid,
    /// The organization's code.
    pub code: Box<str>,
}

/// A person's groups, as far as known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PersonGroups {
    /// All groups of the person, as object IDs.
    Known(StringList),
    /// More groups than a token holds: Entra sent a pointer instead (`_claim_names`, `hasgroups`).
    Overage,
}

impl PersonGroups {
    /// The group IDs, if known.
    pub fn ids(&self) -> Option<&StringList> {
        match self {
            Self::Known(ids) => Some(ids),
            Self::Overage => None,
        }
    }
}
