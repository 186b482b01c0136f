//! The proof that a token was verified.

use crate::base::identity::Identity;

/// A person whose ID token passed every check; outside unit tests, only the verification creates
/// one.
#[derive(Debug)]
pub struct VerifiedUser(Identity);

impl VerifiedUser {
    pub(in crate::entra) fn new(identity: Identity) -> Self {
        Self(identity)
    }

    /// Returns the person's identity.
    pub fn identity(&self) -> &Identity {
        &self.0
    }

    /// Converts the proof into the person's identity.
    pub fn into_identity(self) -> Identity {
        self.0
    }
}

#[cfg(test)]
impl VerifiedUser {
    /// Stands in for a verified token in unit tests of later steps.
    pub fn pretended(identity: Identity) -> Self {
        Self(identity)
    }
}
