//! The authorities in use: one for each tenant, however many registrations it has.

use super::authority::Authority;
use super::error::Error;
use super::host::AuthorityHost;
use super::skew::ClockSkew;
use crate::base::domains::TenantDomains;
use crate::base::guid::Guid;
use crate::config::entra::TenantConfig;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use tokio_util::sync::CancellationToken;

/// The authorities of one configuration. Another configuration can have another host and client, so
/// it has authorities of its own, which inherit the state of these.
#[derive(Debug)]
pub struct AuthorityRegistry {
    host: AuthorityHost,
    own: Arc<Authority>,
    /// The other tenants, for as long as a registration uses them: there are never more than
    /// registrations.
    others: Mutex<HashMap<Guid, Weak<Authority>>>,
    stop: CancellationToken,
}

impl AuthorityRegistry {
    /// Creates a registry with the authority of `[entra]`, which also resolves `domains`. Opens no
    /// connection.
    pub fn new(host: AuthorityHost, own: TenantConfig, domains: Arc<TenantDomains>) -> Self {
        let stop = CancellationToken::new();
        Self {
            own: Arc::new(Authority::new(host.clone(), own, domains, stop.child_token())),
            host,
            others: Mutex::default(),
            stop,
        }
    }

    /// The authority of `[entra]`.
    pub fn own(&self) -> Arc<Authority> {
        Arc::clone(&self.own)
    }

    /// Returns the authority of a tenant.
    pub fn of(&self, tenant: Guid) -> Arc<Authority> {
        if self.own.is_of(tenant) {
            return self.own();
        }
        let mut others = self.others.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = others.get(&tenant).and_then(Weak::upgrade) {
            return known;
        }
        others.retain(|_, it| it.strong_count() > 0);
        let (host, stop) = (self.host.clone(), self.stop.child_token());
        // Domains in rules are resolved once, by the authority of `[entra]`.
        let domains = Arc::default();
        let new = Arc::new(Authority::new(host, TenantConfig::Id(tenant), domains, stop));
        others.insert(tenant, Arc::downgrade(&new));
        new
    }

    /// Asks Entra for the tenant in which a domain is verified.
    ///
    /// # Errors
    /// `Refused` if Entra does not know the domain, or why it could not be asked.
    pub async fn tenant_of(&self, domain: String) -> Result<Guid, Error> {
        self.host.tenant_of(domain, &ClockSkew::new(self.host.clock.clone())).await
    }

    /// Stops all background refreshes, when another registry has taken over.
    pub fn stop(&self) {
        self.stop.cancel();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::Clock;
    use crate::wire::client::HttpClient;
    use std::time::Duration;

    fn registry() -> AuthorityRegistry {
        let host = AuthorityHost {
            address: "http://127.0.0.1:1".to_owned(),
            client: HttpClient::new(None, &[]).unwrap(),
            clock: Clock::system(),
            random: crate::seal::random::system(),
        };
        AuthorityRegistry::new(host, TenantConfig::Organizations, Arc::default())
    }

    fn tenant(number: u8) -> Guid {
        Guid::from_random([number; 16])
    }

    async fn ends(source: Weak<crate::entra::source::EntraSource>) {
        let ended = async {
            while source.strong_count() > 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), ended).await.expect("it is still refreshed");
    }

    #[tokio::test]
    async fn a_tenant_has_one_authority_which_leaves_with_its_last_registration() {
        let registry = registry();
        let (first, second) = (registry.of(tenant(1)), registry.of(tenant(1)));
        assert!(Arc::ptr_eq(&first, &second));
        assert!(!Arc::ptr_eq(&first, &registry.of(tenant(2))));
        assert!(!Arc::ptr_eq(&first, &registry.own()));
        first.keep_fresh();
        let source = Arc::downgrade(&first.source);
        drop(first);
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert!(source.strong_count() > 1, "the refresh ended too early");
        drop(second);
        ends(source).await;
        let _third = registry.of(tenant(3));
        assert_eq!(registry.others.lock().unwrap().len(), 1);
    }

    #[tokio::test]
    async fn a_registry_that_is_replaced_refreshes_nothing_any_longer() {
        let registry = registry();
        let authority = registry.of(tenant(1));
        authority.keep_fresh();
        registry.stop();
        registry.of(tenant(2)).keep_fresh();
        let ended = async {
            while Arc::strong_count(&authority.source) > 1 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), ended).await.expect("it is still refreshed");
    }
}
