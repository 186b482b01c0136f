//! Changes to people since the start.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use super::people::EmulatedPerson;

/// The change to an optional claim.
#[derive(Clone, Default)]
enum ClaimOverride<T> {
    /// The claim stays as it is.
    #[default]
    Unchanged,
    /// The claim has this value, or is left out.
    To(Option<T>),
}

impl<T> ClaimOverride<T> {
    fn applied(self, before: Option<T>) -> Option<T> {
        match self {
            Self::Unchanged => before,
            Self::To(after) => after,
        }
    }
}

/// The changes to one person.
#[derive(Clone, Default)]
pub(super) struct PersonOverride {
    roles: Option<Vec<String>>,
    groups: Option<Vec<String>>,
    user_name: Option<String>,
    upn: ClaimOverride<String>,
    acct: ClaimOverride<u8>,
    /// The home tenant of a person who becomes external.
    home_tenant: Option<String>,
    agent: bool,
    /// The mail address, and whether Entra reports its domain as the tenant's own.
    email: Option<(String, bool)>,
    /// Whether the account is disabled (AADSTS50057).
    pub(super) disabled: bool,
    /// How often all grants have been revoked; a grant from an earlier round is void (AADSTS50173).
    pub(super) revoked: u64,
    /// The code with which each refresh is refused.
    pub(super) refused: Option<u32>,
}

/// The changes to all people, keyed by object ID.
#[derive(Default)]
pub(super) struct PersonOverrides(Mutex<HashMap<String, PersonOverride>>);

impl PersonOverrides {
    /// Returns the changes to this person.
    pub(super) fn of(&self, oid: &str) -> PersonOverride {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(oid).cloned().unwrap_or_default()
    }

    /// Returns the person with the changes applied.
    pub(super) fn applied(&self, person: &EmulatedPerson) -> EmulatedPerson {
        let changed = self.of(&person.oid);
        let PersonOverride { roles, groups, user_name, email, .. } = changed;
        let mut person = person.clone();
        person.upn = changed.upn.applied(person.upn);
        person.acct = changed.acct.applied(person.acct);
        person.home_tenant = changed.home_tenant.or(person.home_tenant);
        person.agent |= changed.agent;
        person.roles = roles.unwrap_or(person.roles);
        person.groups = groups.unwrap_or(person.groups);
        person.user_name = user_name.unwrap_or(person.user_name);
        if let Some((email, verified)) = email {
            (person.email, person.email_verified) = (Some(email), verified);
        }
        person
    }

    fn change(&self, oid: &str, change: impl FnOnce(&mut PersonOverride)) {
        change(
            self.0
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .entry(oid.to_owned())
                .or_default(),
        );
    }

    pub(super) fn revoke(&self, oid: &str) {
        self.change(oid, |it| it.revoked += 1);
    }

    pub(super) fn disable(&self, oid: &str, disabled: bool) {
        self.change(oid, |it| it.disabled = disabled);
    }

    pub(super) fn roles(&self, oid: &str, roles: Vec<String>) {
        self.change(oid, |it| it.roles = Some(roles));
    }

    pub(super) fn groups(&self, oid: &str, groups: Vec<String>) {
        self.change(oid, |it| it.groups = Some(groups));
    }

    pub(super) fn user_name(&self, oid: &str, user_name: &str) {
        self.change(oid, |it| it.user_name = Some(user_name.to_owned()));
    }

    pub(super) fn upn(&self, oid: &str, upn: Option<&str>) {
        self.change(oid, |it| it.upn = ClaimOverride::To(upn.map(str::to_owned)));
    }

    pub(super) fn acct(&self, oid: &str, acct: Option<u8>) {
        self.change(oid, |it| it.acct = ClaimOverride::To(acct));
    }

    pub(super) fn external(&self, oid: &str, home_tenant: &str) {
        self.change(oid, |it| it.home_tenant = Some(home_tenant.to_owned()));
    }

    pub(super) fn agent(&self, oid: &str) {
        self.change(oid, |it| it.agent = true);
    }

    pub(super) fn email(&self, oid: &str, email: &str, verified: bool) {
        self.change(oid, |it| it.email = Some((email.to_owned(), verified)));
    }

    pub(super) fn refuse(&self, oid: &str, code: Option<u32>) {
        self.change(oid, |it| it.refused = code);
    }
}
