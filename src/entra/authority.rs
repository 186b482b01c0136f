//! An authority: one tenant at one authority host, shared by all app registrations of the tenant.

use super::circuit::CircuitBreaker;
use super::host::AuthorityHost;
use super::source::EntraSource;
use crate::base::domains::TenantDomains;
use crate::base::guid::Guid;
use crate::config::entra::TenantConfig;
use std::sync::{Arc, OnceLock};
use tokio::sync::Semaphore;
use tokio_util::sync::{CancellationToken, DropGuard};

/// Maximum number of concurrent refreshes.
pub(super) const MAX_CONCURRENT_REFRESHES: usize = 16;

/// What is known about one tenant's Entra: its documents, and whether it answers.
#[derive(Debug)]
pub struct Authority {
    /// The discovery document, the tenant's keys and the difference of the clocks.
    pub(super) source: Arc<EntraSource>,
    /// Whether Entra answers at all; each registration has another one for its own errors.
    pub(super) circuit: CircuitBreaker,
    /// Permits for requests about sessions.
    pub(super) permits: Arc<Semaphore>,
    stop: CancellationToken,
    /// Stops the refresh when the last registration is dropped.
    refresh: OnceLock<DropGuard>,
}

impl Authority {
    /// Creates an authority of which nothing is known yet. It also resolves `domains`, and is
    /// refreshed until `stop` at most.
    pub(super) fn new(
        host: AuthorityHost,
        tenant: TenantConfig,
        domains: Arc<TenantDomains>,
        stop: CancellationToken,
    ) -> Self {
        Self {
            circuit: CircuitBreaker::new(host.clock.clone(), host.random.clone()),
            permits: Arc::new(Semaphore::new(MAX_CONCURRENT_REFRESHES)),
            source: Arc::new(EntraSource::new(host, tenant, domains)),
            stop,
            refresh: OnceLock::new(),
        }
    }

    /// The host, and how it is reached.
    pub(super) fn host(&self) -> &AuthorityHost {
        self.source.host()
    }

    /// Starts to refresh the documents, once for all registrations, until the last of them is
    /// dropped.
    pub(super) fn keep_fresh(&self) {
        self.refresh.get_or_init(|| {
            // The task has no reference to the authority, which would then never be dropped.
            let (source, stop) = (Arc::clone(&self.source), self.stop.clone());
            tokio::spawn(async move { stop.run_until_cancelled(source.keep_fresh()).await });
            self.stop.clone().drop_guard()
        });
    }

    /// Whether this is the authority of that tenant. A domain is known by its tenant once it is
    /// resolved.
    pub(super) fn is_of(&self, tenant: Guid) -> bool {
        self.source.tenant() == TenantConfig::Id(tenant)
    }

    /// Takes over the state of another one for the same tenant; returns whether it is.
    pub(super) fn inherit(&self, old: &Self) -> bool {
        self.source.inherit(&old.source);
        let is_same_tenant = self.source.is_for(&old.source);
        if is_same_tenant {
            self.circuit.inherit(&old.circuit);
        }
        is_same_tenant
    }
}
