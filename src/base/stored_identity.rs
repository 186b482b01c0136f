//! The stored form of an identity.

use super::guid::Guid;
use super::identity::{CutLists, Identity, PersonGroups};
use super::string_list::StringList;
use serde::{Deserialize, Serialize};

/// `Identity` in the form in which it is stored; without the person's entry in the directory, which
/// is read from there.
#[derive(Debug, Deserialize, Serialize)]
pub struct StoredIdentity {
    oid: String,
    tid: String,
    guest: bool,
    name: Option<Box<str>>,
    preferred_username: Option<Box<str>>,
    email: Option<Box<str>>,
    email_verified: bool,
    roles: Vec<String>,
    /// `None`: more groups than a token or the store can hold.
    groups: Option<Vec<String>>,
    entra_sid: Option<Box<str>>,
    login_hint: Option<Box<str>>,
    acrs: Vec<String>,
    auth_time: u64,
    #[serde(default)]
    has_auth_time: bool,
    custom: Vec<(String, String)>,
}

impl StoredIdentity {
    /// Returns the stored form of an identity.
    pub fn of(who: &Identity) -> Self {
        let all = |it: &StringList| it.iter().map(str::to_owned).collect();
        Self {
            oid: who.oid.to_string(),
            tid: who.tid.to_string(),
            guest: who.guest,
            name: who.name.clone(),
            preferred_username: who.preferred_username.clone(),
            email: who.email.clone(),
            email_verified: who.email_verified,
            roles: all(&who.roles),
            groups: who.groups.ids().map(all),
            entra_sid: who.entra_sid.clone(),
            login_hint: who.login_hint.clone(),
            acrs: all(&who.acrs),
            auth_time: who.auth_time,
            has_auth_time: who.has_auth_time,
            custom: who.custom.to_vec(),
        }
    }

    /// Leaves out the groups, which are read from Graph later.
    #[must_use]
    pub fn without_groups(self) -> Self {
        Self { groups: None, ..self }
    }

    /// Returns the identity; `None` if an ID is not valid.
    pub fn into_identity(self) -> Option<Identity> {
        Some(Identity {
            oid: Guid::parse(&self.oid)?,
            tid: Guid::parse(&self.tid)?,
            guest: self.guest,
            name: self.name,
            preferred_username: self.preferred_username,
            member_upn: None,
            email: self.email,
            email_verified: self.email_verified,
            roles: self.roles.into_iter().collect(),
            groups: self
                .groups
                .map_or(PersonGroups::Overage, |it| PersonGroups::Known(it.into_iter().collect())),
            cut: CutLists::default(),
            entra_sid: self.entra_sid,
            login_hint: self.login_hint,
            acrs: self.acrs.into_iter().collect(),
            auth_time: self.auth_time,
            has_auth_time: self.has_auth_time,
            custom: self.custom.into(),
            member: None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::identity::DirectoryMember;
    use std::sync::Arc;

    fn identity() -> Identity {
        let (oid, tid) = (Guid::from_random([1; 16]), Guid::from_random([2; 16]));
        Identity {
            guest: true,
            name: Some("Maya Lindqvist".into()),
            preferred_username: Some("maya@contoso.com".into()),
            email: Some("maya.l@contoso.com".into()),
            email_verified: true,
            roles: ["Fleet.Admin"].into_iter().collect(),
            groups: PersonGroups::Known(["one", "two"].into_iter().collect()),
            entra_sid: Some("sid".into()),
            login_hint: Some("hint".into()),
            acrs: ["c1"].into_iter().collect(),
            auth_time: 1_000_000,
            has_auth_time: true,
            custom: [("employeeid".to_owned(), "7".to_owned())].into(),
            member: None,
            ..Identity::new(oid, tid)
        }
    }

    fn restored(stored: &StoredIdentity) -> Identity {
        let text = serde_json::to_string(stored).unwrap();
        serde_json::from_str::<StoredIdentity>(&text).unwrap().into_identity().unwrap()
    }

    #[test]
    fn an_identity_is_restored_without_its_entry_in_the_directory() {
        let who = identity();
        let member = DirectoryMember {
            person: who.oid,
            role: "worker".into(),
            organization: who.tid,
            code: "contoso".into(),
        };
        let member = Identity { member: Some(Arc::new(member)), ..who.clone() };
        assert_eq!(restored(&StoredIdentity::of(&member)), who);
        let overage = Identity { groups: PersonGroups::Overage, ..who.clone() };
        assert_eq!(restored(&StoredIdentity::of(&overage)), overage);
        assert_eq!(restored(&StoredIdentity::of(&who).without_groups()), overage);
    }

    #[test]
    fn a_form_without_a_valid_object_id_is_no_identity() {
        let mut stored = serde_json::to_value(StoredIdentity::of(&identity())).unwrap();
        stored["oid"] = "maya".into();
        let stored: StoredIdentity = serde_json::from_value(stored).unwrap();
        assert!(stored.into_identity().is_none());
    }
}
