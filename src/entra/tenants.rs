//! Which tenants are admitted if several can sign in.

use super::invalid::InvalidToken;
use crate::base::domains::TenantDomains;
use crate::base::guid::Guid;
use crate::config::entra::AllowedTenants;
use std::sync::Arc;

/// `allowed_tenants`, with the tenants that its domains stand for.
#[derive(Debug)]
pub struct AdmittedTenants {
    allowed: AllowedTenants,
    domains: Arc<TenantDomains>,
}

impl AdmittedTenants {
    /// Creates the list. A domain admits no one until it is resolved.
    pub fn new(allowed: AllowedTenants, domains: Arc<TenantDomains>) -> Self {
        Self { allowed, domains }
    }

    /// Rejects people from other tenants. Personal accounts are admitted only if their tenant is
    /// listed: `"*"` means organizations.
    ///
    /// # Errors
    /// `Stranger` or `Personal`.
    pub fn judge(&self, tid: Guid) -> Result<(), InvalidToken> {
        let named = self.allowed.tenants.iter().any(|it| self.domains.matches_tenant(it, tid));
        match (named, tid == Guid::PERSONAL) {
            (true, _) => Ok(()),
            (false, true) => Err(InvalidToken::Personal),
            (false, false) if self.allowed.any => Ok(()),
            (false, false) => Err(InvalidToken::Stranger(tid)),
        }
    }
}
