//! Which of many tenants may come.

use super::invalid::Invalid;
use crate::base::domains::Domains;
use crate::base::guid::Guid;
use crate::config::entra::Allowed;
use std::sync::Arc;

/// `allowed_tenants`, and what its domains stand for.
#[derive(Debug)]
pub struct Admitted {
    allowed: Allowed,
    domains: Arc<Domains>,
}

impl Admitted {
    /// A domain lets nobody in before it is resolved.
    pub fn new(allowed: Allowed, domains: Arc<Domains>) -> Self {
        Self { allowed, domains }
    }

    /// Refuses whoever is of another tenant. Personal accounts are let in only by name: `"*"` speaks of organizations.
    ///
    /// # Errors
    /// `Stranger` or `Personal`.
    pub fn judge(&self, tid: Guid) -> Result<(), Invalid> {
        let named = self.allowed.tenants.iter().any(|it| self.domains.is_meant(it, tid));
        match (named, tid == Guid::PERSONAL) {
            (true, _) => Ok(()),
            (false, true) => Err(Invalid::Personal),
            (false, false) if self.allowed.any => Ok(()),
            (false, false) => Err(Invalid::Stranger(tid)),
        }
    }
}
