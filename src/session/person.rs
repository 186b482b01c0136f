//! Selects the person whose sessions an operator ends.

use crate::base::guid::Guid;

/// Maximum length of a sign-in name, in bytes: Entra allows 113 characters
/// (`learn:/userprincipalname`).
const MAX_SIGN_IN_NAME_BYTES: usize = 512;

/// Identifies a person with the object ID in the tenant, never with a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PersonKey {
    /// Object ID.
    pub oid: Guid,
    /// Tenant ID.
    pub tid: Guid,
}

/// An operator's selection: an object ID, or a sign-in name if it matches only one person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PersonSelector {
    /// The object ID or the sign-in name.
    pub user: PersonName,
    /// The tenant, if specified.
    pub tenant: Option<Guid>,
}

/// Identifier of a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PersonName {
    /// The object ID.
    Object(Guid),
    /// The latest sign-in name from Entra; ASCII letters are case-insensitive.
    Name(Box<str>),
}

/// Why a selection is invalid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadPersonSelector {
    /// Neither an object ID nor a sign-in name.
    #[error("user is neither an object ID nor a sign-in name like maya@contoso.com")]
    User,
    /// The tenant is not a GUID.
    #[error("tenant is not a tenant ID (a GUID)")]
    Tenant,
}

/// The selection matches several people, so no sessions were ended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{} people match", .0.len())]
pub struct AmbiguousPerson(pub Vec<PersonKey>);

/// Result of ending sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EndedSessions {
    /// The person; `None` if no one with that name is signed in.
    pub person: Option<PersonKey>,
    /// Number of sessions that ended.
    pub sessions: usize,
}

impl PersonSelector {
    /// Returns the object ID, and the tenant if specified; `None` for a name.
    pub fn account(&self) -> Option<(Guid, Option<Guid>)> {
        match self.user {
            PersonName::Object(oid) => Some((oid, self.tenant)),
            PersonName::Name(_) => None,
        }
    }

    /// Parses an operator's selection.
    ///
    /// # Errors
    /// `BadPersonSelector` says which of the two values is invalid.
    pub fn parse(user: &str, tenant: Option<&str>) -> Result<Self, BadPersonSelector> {
        let tenant =
            tenant.map(|it| Guid::parse(it).ok_or(BadPersonSelector::Tenant)).transpose()?;
        let name = || {
            (user.len() <= MAX_SIGN_IN_NAME_BYTES
                && user.contains('@')
                && !user.chars().any(|it| it.is_control() || it.is_whitespace()))
            .then(|| PersonName::Name(user.into()))
        };
        let user = Guid::parse(user)
            .map(PersonName::Object)
            .or_else(name)
            .ok_or(BadPersonSelector::User)?;
        Ok(Self { user, tenant })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_id_differs_from_a_sign_in_name_and_anything_else_is_refused() {
        let oid = "00aa00aa-bb11-cc22-dd33-44ee44ee0001";
        assert_eq!(
            PersonSelector::parse(oid, None).unwrap().user,
            PersonName::Object(Guid::parse(oid).unwrap())
        );
        assert_eq!(
            PersonSelector::parse("maya@contoso.com", Some(oid)).unwrap(),
            PersonSelector {
                user: PersonName::Name("maya@contoso.com".into()),
                tenant: Guid::parse(oid)
            }
        );
        for user in [
            "",
            "maya",
            "*",
            "ma ya@contoso.com",
            "maya@contoso.com\n",
            &format!("{}@x", "a".repeat(MAX_SIGN_IN_NAME_BYTES)),
        ] {
            assert_eq!(PersonSelector::parse(user, None), Err(BadPersonSelector::User), "{user:?}");
        }
        assert_eq!(PersonSelector::parse(oid, Some("contoso.com")), Err(BadPersonSelector::Tenant));
    }

    #[test]
    fn only_an_object_id_selects_an_account() {
        let (oid, tenant) =
            ("00aa00aa-bb11-cc22-dd33-44ee44ee0001", "aaaabbbb-0000-cccc-1111-dddd2222eeee");
        let id = |text| Guid::parse(text).unwrap();
        for (user, tid, account) in [
            (oid, None, Some((id(oid), None))),
            (oid, Some(tenant), Some((id(oid), Some(id(tenant))))),
            ("maya@contoso.com", None, None),
            ("maya@contoso.com", Some(tenant), None),
        ] {
            let selector = PersonSelector::parse(user, tid).unwrap();
            assert_eq!(selector.account(), account, "{user} {tid:?}");
        }
    }
}
