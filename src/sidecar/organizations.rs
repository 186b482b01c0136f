//! Sign-in with each organization's own Entra.
//!
//! An organization is loaded when it is first needed and stays loaded while people sign in. Its
//! credential is read at each sign-in, so that a changed secret takes effect immediately.

use crate::access::policy::Policy;
use crate::base::company_code::CompanyCode;
use crate::base::credential::ClientCredential;
use crate::base::guid::Guid;
use crate::base::identity::DirectoryMember;
use crate::config::directory::domain_of;
use crate::config::entra::{AllowedTenants, EntraConfig as Config, TenantConfig};
use crate::directory::organization::{
    ConnectionCredential, EntraConnection, Organization, UNREAD_REASON,
};
use crate::directory::organization_credential::OrganizationCredential;
use crate::directory::recent::FinishedSignIn;
use crate::directory::{self, Directory};
use crate::entra::authority_registry::AuthorityRegistry;
use crate::entra::registration_credentials::CredentialUsed;
use crate::entra::{self, EntraRegistration};
use crate::session::lease::LeaseKeeper;
use crate::session::record::Session;
use crate::session::store::SessionStore;
use moka::policy::EvictionPolicy;
use moka::sync::Cache;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;

/// Maximum number of loaded organizations; an evicted one is loaded again when it is needed.
const MAX_LOADED_ORGANIZATIONS: u64 = 2000;

/// Time after which an unused organization is unloaded.
const ORGANIZATION_IDLE_TIMEOUT: Duration = Duration::from_hours(24);

/// Maximum number of sign-ins that wait to be recorded.
const MAX_WAITING_WRITES: usize = 256;

/// Why an organization's Entra cannot be asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The directory cannot return the connection.
    #[error(transparent)]
    Directory(#[from] directory::Error),
    /// The organization no longer exists, or its set-up is not complete.
    #[error("the organization is not set up")]
    NotSetUp,
    /// It uses the operator's token, and none is configured.
    #[error("the organization uses [entra] federated_token, which is not set")]
    NoToken,
}

/// Why the tenant of a domain is unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnknownTenant {
    /// The text is not a domain.
    #[error("not a domain")]
    NoDomain,
    /// Entra does not know the domain.
    #[error("Entra has no tenant for the domain")]
    Unknown,
    /// Entra did not answer.
    #[error("Entra did not answer")]
    NoAnswer,
}

/// Settings that are the same for all organizations.
#[derive(Clone, Debug)]
pub struct OrganizationDefaults {
    /// `[entra]`: cloud, authority, recheck intervals.
    pub entra: Config,
    /// The tenants' authorities, shared with `[entra]`.
    pub authorities: Arc<AuthorityRegistry>,
    /// Claims that are kept as text.
    pub custom: Vec<String>,
}

/// The app registrations that people sign in with, and the access rules.
#[derive(Clone, Debug)]
pub struct RegistrationSet {
    /// The access rules.
    pub policy: Arc<Policy>,
    /// The registration from `[entra]`.
    pub entra: Arc<EntraRegistration>,
    /// Those of the organizations, if there are any.
    pub organizations: Option<Arc<OrganizationRegistry>>,
}

/// The organizations' sign-ins that are in use.
#[derive(Debug)]
pub struct OrganizationRegistry {
    directory: Directory,
    defaults: OrganizationDefaults,
    loaded: Cache<Guid, Arc<RegisteredOrganization>>,
    /// Permits for tasks that record a sign-in.
    writing: Semaphore,
}

/// A loaded organization.
#[derive(Debug)]
struct RegisteredOrganization {
    by: EntraConnection,
    entra: Arc<EntraRegistration>,
}

impl RegistrationSet {
    /// Returns the place that keeps the lease of a session.
    pub fn lease_keeper<'a>(
        &'a self,
        session: &Session,
        store: &'a SessionStore,
    ) -> LeaseKeeper<'a> {
        LeaseKeeper::of(session, store, self.organizations.as_ref().map(|it| it.directory()))
    }

    /// Returns the registration that a signed-in person belongs to.
    ///
    /// # Errors
    /// Why it is not known.
    pub async fn of(
        &self,
        member: Option<&DirectoryMember>,
    ) -> Result<Arc<EntraRegistration>, Error> {
        let Some(member) = member else { return Ok(Arc::clone(&self.entra)) };
        let organizations = self.organizations.as_ref().ok_or(Error::NotSetUp)?;
        let organization = organizations
            .directory
            .organization_by_id(member.organization)
            .await?
            .ok_or(Error::NotSetUp)?;
        organizations.entra(&organization).await
    }

    /// The same as `of`, but only if the organization is loaded.
    pub fn known(&self, member: Option<&DirectoryMember>) -> Option<Arc<EntraRegistration>> {
        let Some(member) = member else { return Some(Arc::clone(&self.entra)) };
        self.organizations
            .as_ref()?
            .loaded
            .get(&member.organization)
            .map(|it| Arc::clone(&it.entra))
    }

    /// Remaining pause of requests about a signed-in person, in seconds. Another organization can
    /// be in another tenant, whose outage does not matter here.
    pub fn backoff_seconds(&self, member: Option<&DirectoryMember>) -> u64 {
        self.known(member).map_or(0, |it| it.backoff_seconds())
    }
}

impl OrganizationRegistry {
    /// Creates an empty registry; opens no connection.
    pub fn new(directory: Directory, defaults: OrganizationDefaults) -> Self {
        Self {
            directory,
            defaults,
            loaded: Cache::builder()
                .max_capacity(MAX_LOADED_ORGANIZATIONS)
                .eviction_policy(EvictionPolicy::lru())
                .time_to_idle(ORGANIZATION_IDLE_TIMEOUT)
                .build(),
            writing: Semaphore::new(MAX_WAITING_WRITES),
        }
    }

    /// Returns the directory of organizations and their people.
    pub fn directory(&self) -> &Directory {
        &self.directory
    }

    /// Whether the operator's token is configured for organizations that trust its issuer.
    pub fn has_federated_token(&self) -> bool {
        self.defaults.entra.federated_token.is_some()
    }

    /// Returns an organization's sign-in with its current connection.
    ///
    /// # Errors
    /// Why Entra cannot be asked.
    pub async fn entra(
        &self,
        organization: &Organization,
    ) -> Result<Arc<EntraRegistration>, Error> {
        let by = self.directory.connection(organization).await?.ok_or(Error::NotSetUp)?;
        if let Some(known) = self.loaded.get(&organization.id).filter(|it| it.is_by(&by)) {
            return Ok(Arc::clone(&known.entra));
        }
        let before = self.loaded.get(&organization.id);
        self.register(organization.id, by, before.as_ref().map(|it| &*it.entra))
    }

    /// Logs the organizations at which no one can sign in because no secret opens their credential.
    /// The others are served.
    pub async fn warn_of_unopened(&self) {
        match self.directory.unopened().await {
            Ok(codes) if codes.is_empty() => {}
            Ok(codes) => {
                let codes: Vec<_> = codes.iter().map(CompanyCode::as_str).collect();
                tracing::error!(
                    organizations = codes.join(" "),
                    "no secret in [session] secrets opens these organizations' credentials, so sign-ins with them fail; \
                     restore the secret that sealed them, or set the credentials again"
                );
            }
            Err(cause) => {
                tracing::error!(%cause, "cannot check whether all organizations' credentials can be opened");
            }
        }
    }

    /// Handles the outcome of a redemption at an organization: a new credential that worked becomes
    /// the current one, and the refusal of a new credential is recorded. No request waits for this;
    /// if the database does not answer, the next sign-in has the same outcome.
    pub async fn credential_used(
        &self,
        organization: Guid,
        entra: &Arc<EntraRegistration>,
        by: &CredentialUsed,
    ) {
        let (CredentialUsed::New
        | CredentialUsed::CurrentAfterRefusal(_)
        | CredentialUsed::NewUnreadable) = by
        else {
            return;
        };
        // If the connection has changed in the meantime, the next sign-in handles it.
        let Some(known) = self.loaded.get(&organization).filter(|it| Arc::ptr_eq(&it.entra, entra))
        else {
            return;
        };
        let Some(new) = &known.by.new else { return };
        let noted = match by {
            CredentialUsed::Current => Ok(()),
            CredentialUsed::NewUnreadable => self.directory.credential_is_refused(organization, new, UNREAD_REASON).await,
            CredentialUsed::New => self.directory.confirm_credential(organization, new).await.map(|took_place| {
                if took_place {
                    tracing::info!(%organization, "new credential proven; it replaces the previous one");
                }
            }),
            CredentialUsed::CurrentAfterRefusal(cause) => {
                tracing::error!(%organization, %cause, "Entra rejects the new credential; the previous credential is still in use");
                let reason = cause.code.map_or_else(|| cause.error.clone(), |it| format!("AADSTS{it}"));
                self.directory.credential_is_refused(organization, new, &reason).await
            }
        };
        if let Err(cause) = noted {
            tracing::error!(%organization, %cause, "cannot store the result for a new credential");
        }
    }

    /// Records a sign-in for the organization's admin. If the database is too slow, some sign-ins
    /// are not recorded, because no request waits for it.
    pub async fn record_sign_in(&self, it: &FinishedSignIn) {
        let Ok(_place) = self.writing.try_acquire() else { return };
        if let Err(cause) = self.directory.record_sign_in(it).await {
            tracing::warn!(%cause, "cannot store a sign-in for the organization's admin");
        }
    }

    /// Returns the tenant in which a domain is verified, according to Entra's discovery document.
    ///
    /// # Errors
    /// Why the tenant is unknown.
    pub async fn tenant_of(&self, domain: &str) -> Result<Guid, UnknownTenant> {
        let domain = domain_of(domain).ok_or(UnknownTenant::NoDomain)?;
        match self.defaults.authorities.tenant_of(domain).await {
            Ok(it) => Ok(it),
            Err(entra::Error::Refused(_)) => Err(UnknownTenant::Unknown),
            Err(_) => Err(UnknownTenant::NoAnswer),
        }
    }

    /// Whether Entra has a tenant with this ID, according to its discovery document; `None` if it
    /// did not say.
    pub async fn is_tenant(&self, id: Guid) -> Option<bool> {
        match self.defaults.authorities.tenant_of(id.to_string()).await {
            Ok(found) => Some(found == id),
            Err(entra::Error::Refused(_)) => Some(false),
            Err(_) => None,
        }
    }

    /// Takes over the state of another registry, so that a reload during an outage loses nothing.
    pub fn inherit(&self, old: &Self) {
        for (id, it) in &old.loaded {
            // If it can no longer be created, the next sign-in reports why.
            let _ = self.register(*id, it.by.clone(), Some(&it.entra));
        }
    }

    /// Returns the credential to send to Entra; the operator's token is in the file from `[entra]`.
    fn credential(&self, proof: &OrganizationCredential) -> Result<ClientCredential, Error> {
        let operators =
            || self.defaults.entra.federated_token.clone().map(ClientCredential::Federated);
        proof.own().or_else(operators).ok_or(Error::NoToken)
    }

    fn register(
        &self,
        id: Guid,
        by: EntraConnection,
        before: Option<&EntraRegistration>,
    ) -> Result<Arc<EntraRegistration>, Error> {
        let config = Config {
            tenant: TenantConfig::Id(by.tenant),
            client_id: by.client_id,
            credential: match &by.by {
                ConnectionCredential::Sealed(proof) => self.credential(proof)?,
                ConnectionCredential::OfFile(credential) => credential.clone(),
            },
            allowed_tenants: AllowedTenants::default(),
            ..self.defaults.entra.clone()
        };
        let OrganizationDefaults { authorities, custom, .. } = &self.defaults;
        let authority = authorities.of(by.tenant);
        let entra = EntraRegistration::new(&config, authority, Arc::default(), custom.clone())
            .beside_others();
        let entra = match &by.new {
            Some(new) => match self.credential(&new.proof) {
                Ok(credential) => entra.with_waiting(credential),
                // The current credential works.
                Err(cause) => {
                    tracing::error!(organization = %id, %cause, "cannot try a new credential");
                    entra
                }
            },
            None => entra,
        };
        if let Some(before) = before {
            entra.inherit(before);
        }
        entra.keep_fresh();
        let entra = Arc::new(entra);
        let registered = RegisteredOrganization { by, entra: Arc::clone(&entra) };
        self.loaded.insert(id, Arc::new(registered));
        Ok(entra)
    }
}

impl RegisteredOrganization {
    fn is_by(&self, other: &EntraConnection) -> bool {
        let EntraConnection { tenant, client_id, by, new } = &self.by;
        let same_new = match (new, &other.new) {
            (Some(new), Some(other)) => new.is(other),
            (new, other) => new.is_none() && other.is_none(),
        };
        same_new && (tenant, client_id) == (&other.tenant, &other.client_id) && by.is(&other.by)
    }
}
