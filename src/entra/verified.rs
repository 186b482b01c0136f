//! The proof that a token was verified.

use crate::base::identity::{Identity, PersonGroups};

/// A person whose ID token passed every check; outside unit tests, only the verification creates
/// one.
#[derive(Debug)]
pub struct VerifiedUser {
    identity: Identity,
    lists_groups: bool,
}

impl VerifiedUser {
    /// `lists_groups` says whether the token names the person's groups at all, even if none.
    pub(in crate::entra) fn new(identity: Identity, lists_groups: bool) -> Self {
        Self { identity, lists_groups }
    }

    /// For a refreshed token about a person who had groups: one that does not name groups does not
    /// say that there are none, so they count as unknown.
    #[must_use]
    pub fn unlisted_groups_are_unknown(mut self) -> Self {
        if !self.lists_groups {
            self.identity.groups = PersonGroups::Overage;
        }
        self
    }

    /// Returns the person's identity.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Converts the proof into the person's identity.
    pub fn into_identity(self) -> Identity {
        self.identity
    }
}

#[cfg(test)]
impl VerifiedUser {
    /// Stands in for a verified token in unit tests of later steps.
    pub fn pretended(identity: Identity) -> Self {
        Self { identity, lists_groups: true }
    }
}
