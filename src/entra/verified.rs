//! The proof that a token was verified.

use crate::base::identity::Identity;

/// A person whose ID token passed every check; there is no other way to make one.
#[derive(Debug)]
pub struct VerifiedUser(Identity);

impl VerifiedUser {
    pub(in crate::entra) fn new(identity: Identity) -> Self {
        Self(identity)
    }

    /// Who it is.
    pub fn identity(&self) -> &Identity {
        &self.0
    }

    /// Who it is, to keep.
    pub fn into_identity(self) -> Identity {
        self.0
    }
}

#[cfg(test)]
impl VerifiedUser {
    /// Stands in for a token where unit tests look at what comes after one.
    pub fn pretended(identity: Identity) -> Self {
        Self(identity)
    }
}
