//! Finds out whether a domain belongs to an organization: in Entra, or by a TXT record.
//!
//! Entra names one tenant for each domain, without DNS in a tenant that people of a company opened
//! for themselves (an unmanaged tenant): a mailbox at the domain suffices there. No app of another
//! tenant can be added to an unmanaged tenant, so a test sign-in with the registration of `[entra]`
//! rules one out, and Entra's answer alone proves the domain. A registration of the tenant's own
//! rules nothing out: then the TXT record is required too. Whatever proves a domain, Entra must not
//! know it in another tenant.

use crate::base::clock::Clock;
use crate::base::email_domain::{BadEmailDomain, EmailDomain};
use crate::base::guid::Guid;
use crate::base::random::RandomSource;
use crate::config::Config;
use crate::directory::admin::AdminScope;
use crate::directory::domain::DomainStanding;
use crate::directory::domain_claim::{DomainCheck, DomainError, DomainProof, record_name};
use crate::directory::{self, Directory};
use crate::entra;
use crate::entra::authority_registry::AuthorityRegistry;
use crate::entra::host::AuthorityHost;
use crate::wire::client::{BadHttpClient, HttpClient};
use crate::wire::dns::TxtResolver;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::sync::Semaphore;

/// AADSTS codes of a domain that is in no tenant.
const UNKNOWN_TENANT_CODES: [u32; 2] = [90002, 900_023];
/// Maximum number of concurrent look-ups.
const MAX_CONCURRENT_LOOKUPS: usize = 8;

/// Proves domains of organizations.
#[derive(Clone, Debug)]
pub struct DomainProver {
    authorities: Arc<AuthorityRegistry>,
    /// Client ID of the registration in `[entra]`.
    own_client: Guid,
    dns: TxtResolver,
    lookups: Arc<Semaphore>,
}

/// What is known about a domain after a look-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DomainOutcome {
    /// The domain is the organization's.
    Known(DomainStanding),
    /// It is claimed, and not proven yet.
    Waits(DomainWait),
}

/// Why a claimed domain is not proven yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DomainWait {
    /// It is in the organization's tenant, and a member must test the sign-in.
    Test,
    /// There is no TXT record.
    NoRecord,
    /// There are TXT records, with other texts.
    OtherRecord,
    /// DNS did not answer, so it is not known whether there is a record.
    NoAnswer,
}

/// Why a domain is not looked up, or is not the organization's.
#[derive(Debug, thiserror::Error)]
pub enum DomainRefusal {
    /// Nobody can claim it.
    #[error(transparent)]
    Bad(#[from] BadEmailDomain),
    /// Entra knows the domain in another tenant.
    #[error("Entra knows the domain in another tenant")]
    OtherTenant,
    /// Entra did not say in which tenant the domain is.
    #[error("Entra did not say in which tenant the domain is")]
    NoAnswer,
    /// The directory refuses it.
    #[error(transparent)]
    Claim(#[from] DomainError),
}

impl From<directory::Error> for DomainRefusal {
    fn from(error: directory::Error) -> Self {
        Self::Claim(error.into())
    }
}

impl DomainWait {
    /// Returns the word that pages and the API use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Test => "test",
            Self::NoRecord => "no_record",
            Self::OtherRecord => "other_record",
            Self::NoAnswer => "no_answer",
        }
    }
}

impl DomainProver {
    /// Creates a prover; opens no connection. `own_client` is the client ID of `[entra]`, and `dns`
    /// the name server, if it is not the system's.
    pub fn new(
        authorities: Arc<AuthorityRegistry>,
        own_client: Guid,
        dns: Option<SocketAddr>,
    ) -> Self {
        Self {
            authorities,
            own_client,
            dns: TxtResolver::new(dns),
            lookups: Arc::new(Semaphore::new(MAX_CONCURRENT_LOOKUPS)),
        }
    }

    /// Creates a prover for a command, which runs without the other components.
    ///
    /// # Errors
    /// Entra cannot be asked with this configuration.
    pub fn of_config(
        config: &Config,
        environment: &[(String, String)],
        clock: Clock,
        random: RandomSource,
    ) -> Result<Self, BadHttpClient> {
        let client = HttpClient::new(config.entra.ca_file.as_deref(), environment)?;
        let host = AuthorityHost { address: config.entra.authority.clone(), client, clock, random };
        let tenant = config.entra.tenant.clone();
        let authorities = Arc::new(AuthorityRegistry::new(host, tenant, Arc::default()));
        let dns = config.directory.as_ref().and_then(|it| it.dns_server);
        Ok(Self::new(authorities, config.entra.client_id, dns))
    }

    /// Claims a domain, which is proven at once if Entra's answer suffices.
    ///
    /// # Errors
    /// Why the domain cannot be claimed; nothing has changed then.
    pub async fn claim(
        &self,
        directory: &Directory,
        acting: &AdminScope,
        typed: &str,
    ) -> Result<DomainOutcome, DomainRefusal> {
        let domain = EmailDomain::parse(typed)?;
        let check = directory.begin_domain_check(acting, &domain).await?;
        if let Some(known) = check.known {
            return Ok(DomainOutcome::Known(known));
        }
        let in_tenant = self.is_in_tenant(&domain, check.tenant).await?;
        directory.claim_domain(acting, &domain).await?;
        if in_tenant && self.tenant_suffices(&check) {
            return self.by_tenant(directory, acting, &domain, &check).await;
        }
        Ok(DomainOutcome::Waits(DomainWait::NoRecord))
    }

    /// Looks for the proof of a domain that was claimed.
    ///
    /// # Errors
    /// Why the domain is not looked up, or is not the organization's.
    pub async fn check(
        &self,
        directory: &Directory,
        acting: &AdminScope,
        typed: &str,
    ) -> Result<DomainOutcome, DomainRefusal> {
        let domain = EmailDomain::parse(typed)?;
        let check = directory.begin_domain_check(acting, &domain).await?;
        if let Some(known) = check.known {
            return Ok(DomainOutcome::Known(known));
        }
        let record = check.record.clone().ok_or(DomainError::NotClaimed)?;
        let in_tenant = self.is_in_tenant(&domain, check.tenant).await?;
        if in_tenant && self.tenant_suffices(&check) && check.is_tested {
            return self.by_tenant(directory, acting, &domain, &check).await;
        }
        let name = record_name(domain.as_str());
        let found = {
            let _permit = self.lookups.acquire().await;
            self.dns.texts(&name).await
        };
        let wait = match found {
            Ok(all) if all.iter().any(|it| it.trim() == record) => {
                let proof = DomainProof::Dns { tenant: check.tenant, record };
                directory.prove_domain(acting, &domain, &proof).await?;
                return Ok(DomainOutcome::Known(DomainStanding::Dns));
            }
            Ok(all) if all.is_empty() && in_tenant && self.tenant_suffices(&check) => {
                DomainWait::Test
            }
            Ok(all) if all.is_empty() => DomainWait::NoRecord,
            Ok(_) => DomainWait::OtherRecord,
            Err(cause) => {
                tracing::warn!(%domain, %cause, "cannot look up the TXT record of a domain");
                DomainWait::NoAnswer
            }
        };
        Ok(DomainOutcome::Waits(wait))
    }

    async fn by_tenant(
        &self,
        directory: &Directory,
        acting: &AdminScope,
        domain: &EmailDomain,
        check: &DomainCheck,
    ) -> Result<DomainOutcome, DomainRefusal> {
        if !check.is_tested {
            return Ok(DomainOutcome::Waits(DomainWait::Test));
        }
        directory.prove_domain(acting, domain, &DomainProof::Tenant(check.tenant)).await?;
        Ok(DomainOutcome::Known(DomainStanding::Tenant))
    }

    /// Whether the organization's registration rules out an unmanaged tenant.
    fn tenant_suffices(&self, check: &DomainCheck) -> bool {
        check.client_id == Some(self.own_client)
    }

    /// Asks Entra for the tenant of a domain: whether it is this one, or none.
    async fn is_in_tenant(
        &self,
        domain: &EmailDomain,
        tenant: Guid,
    ) -> Result<bool, DomainRefusal> {
        let _permit = self.lookups.acquire().await;
        match self.authorities.tenant_of(domain.to_string()).await {
            Ok(found) if found == tenant => Ok(true),
            Ok(_) => Err(DomainRefusal::OtherTenant),
            Err(entra::Error::Refused(it))
                if it.code.is_some_and(|it| UNKNOWN_TENANT_CODES.contains(&it)) =>
            {
                Ok(false)
            }
            Err(cause) => {
                tracing::warn!(%domain, cause = cause.diagnosis(), "cannot look up the tenant of a domain");
                Err(DomainRefusal::NoAnswer)
            }
        }
    }
}
