//! Which of many tenants may come.

use super::invalid::InvalidToken;
use crate::base::domains::TenantDomains;
use crate::base::guid::Guid;
use crate::config::entra::AllowedTenants;
use std::sync::Arc;

/// `allowed_tenants`, and what its domains stand for.
#[derive(Debug)]
pub struct AdmittedTenants {
    allowed: AllowedTenants,
    domains: Arc<TenantDomains>,
}

impl AdmittedTenants {
    /// A domain lets nobody in before it is resolved.
    pub fn new(allowed: AllowedTenants, domains: Arc<TenantDomains>) -> Self {
        Self { allowed, domains }
    }

    /// Refuses whoever is of another tenant. Personal accounts are let in only by name: `"*"` speaks of organizations.
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
