//! Whose sessions are ended, in the words of an operator.

use crate::base::guid::Guid;

/// Longest sign-in name, in bytes: Entra allows 113 characters (`learn:/userprincipalname`).
const MAX_NAME_BYTES: usize = 512;

/// One person: the key is the object id in the tenant, never a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PersonKey {
    /// Object id.
    pub oid: Guid,
    /// The tenant.
    pub tid: Guid,
}

/// Whom an operator means: an object id, or a sign-in name where that means one person only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PersonSelector {
    /// The object id or the name.
    pub user: PersonName,
    /// The tenant, where it is said.
    pub tenant: Option<Guid>,
}

/// How a person is named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PersonName {
    /// By object id.
    Object(Guid),
    /// By the sign-in name that Entra last told; the case of ASCII letters does not matter.
    Name(Box<str>),
}

/// Why nobody can be meant by that.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadPersonSelector {
    /// Neither an object id nor a sign-in name.
    #[error("user is neither an object ID nor a sign-in name like maya@contoso.com")]
    User,
    /// The tenant is no GUID.
    #[error("tenant is not a tenant ID (a GUID)")]
    Tenant,
}

/// Several people are meant: nobody's sessions were ended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{} people match", .0.len())]
pub struct AmbiguousPerson(pub Vec<PersonKey>);

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EndedSessions {
    /// Who it was; none where nobody of that name is signed in.
    pub person: Option<PersonKey>,
    /// How many sessions ended.
    pub sessions: usize,
}

impl PersonSelector {
    /// The object id, and the tenant where it was written; nothing where a name was.
    pub fn account(&self) -> Option<(Guid, Option<Guid>)> {
        match self.user {
            PersonName::Object(oid) => Some((oid, self.tenant)),
            PersonName::Name(_) => None,
        }
    }

    /// Reads what an operator wrote.
    ///
    /// # Errors
    /// `BadPersonSelector` says which of the two is not understood.
    pub fn parse(user: &str, tenant: Option<&str>) -> Result<Self, BadPersonSelector> {
        let tenant = tenant.map(|it| Guid::parse(it).ok_or(BadPersonSelector::Tenant)).transpose()?;
        let name = || {
            (user.len() <= MAX_NAME_BYTES && user.contains('@') && !user.chars().any(|it| it.is_control() || it.is_whitespace()))
                .then(|| PersonName::Name(user.into()))
        };
        let user = Guid::parse(user).map(PersonName::Object).or_else(name).ok_or(BadPersonSelector::User)?;
        Ok(Self { user, tenant })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_id_and_a_sign_in_name_are_told_apart_and_anything_else_is_nobody() {
        let oid = "00aa00aa-bb11-cc22-dd33-44ee44ee0001";
        assert_eq!(PersonSelector::parse(oid, None).unwrap().user, PersonName::Object(Guid::parse(oid).unwrap()));
        assert_eq!(
            PersonSelector::parse("maya@contoso.com", Some(oid)).unwrap(),
            PersonSelector { user: PersonName::Name("maya@contoso.com".into()), tenant: Guid::parse(oid) }
        );
        for user in ["", "maya", "*", "ma ya@contoso.com", "maya@contoso.com\n", &format!("{}@x", "a".repeat(MAX_NAME_BYTES))] {
            assert_eq!(PersonSelector::parse(user, None), Err(BadPersonSelector::User), "{user:?}");
        }
        assert_eq!(PersonSelector::parse(oid, Some("contoso.com")), Err(BadPersonSelector::Tenant));
    }
}
