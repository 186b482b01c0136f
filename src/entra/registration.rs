//! Entra as one app registration sees it. What is the same for all registrations of a tenant is in
//! its `Authority`.

use super::authority::Authority;
use super::authorize::{NAMING_SCOPES, SIGN_IN_SCOPES};
use super::circuit::{CircuitBreaker, CircuitFailure, CircuitTicket, Circuits};
use super::error::Error;
use super::oidc::AppRegistration;
use super::redeem::TokenRequestSender;
use super::registration_credentials::RegistrationCredentials;
use super::registration_keys::RegistrationKeys;
use super::rules::{self, ExpectedToken};
use super::tenants::AdmittedTenants;
use super::verified::VerifiedUser;
use super::{aadsts, metadata, token};
use crate::base::credential::ClientCredential;
use crate::base::domains::TenantDomains;
use crate::base::identity::PersonGroups;
use crate::base::secret::Secret;
use crate::base::site::Site;
use crate::base::string_list::StringList;
use crate::config;
use crate::config::entra::RecheckConfig;
use std::sync::Arc;
use tokio::sync::OwnedSemaphorePermit;

/// Sign-in with one app registration, for one tenant or for several.
#[derive(Debug)]
pub struct EntraRegistration {
    pub(super) authority: Arc<Authority>,
    /// Whether Entra accepts this registration.
    circuit: CircuitBreaker,
    pub(super) proofs: RegistrationCredentials,
    keys: RegistrationKeys,
    recheck: RecheckConfig,
    guests: bool,
    beside_others: bool,
    admitted: AdmittedTenants,
    are_many: bool,
    groups: config::entra::GroupsSource,
    pub(super) own_graph: Option<String>,
    custom: Vec<String>,
    tenant: String,
    pub(super) graph: &'static str,
}

impl EntraRegistration {
    /// Sets up the sign-in from `[entra]`; opens no connection. `authority` is that of the
    /// configured tenant; `custom` lists the claims that are kept as text; `domains` lists the
    /// domains that stand for tenants.
    pub fn new(
        config: &config::entra::EntraConfig,
        authority: Arc<Authority>,
        domains: Arc<TenantDomains>,
        custom: Vec<String>,
    ) -> Self {
        let host = authority.host();
        Self {
            admitted: AdmittedTenants::new(config.allowed_tenants.clone(), domains),
            circuit: CircuitBreaker::new(host.clock.clone(), host.random.clone()),
            authority,
            are_many: config.tenant.is_many(),
            recheck: config.recheck,
            proofs: RegistrationCredentials::new(AppRegistration {
                client_id: config.client_id,
                credential: config.credential.clone(),
                scopes: SIGN_IN_SCOPES
                    .into_iter()
                    .map(str::to_owned)
                    .chain(config.scopes.iter().cloned())
                    .collect(),
            }),
            keys: RegistrationKeys::default(),
            guests: config.guests,
            beside_others: false,
            groups: config.groups,
            own_graph: config.graph.clone(),
            custom,
            tenant: config.tenant.segment(),
            graph: config.cloud.graph,
        }
    }

    /// Changes this instance for the tenant of one organization among others: an address that its
    /// tenant does not vouch for is dropped, as in a sign-in with several tenants.
    #[must_use]
    pub fn beside_others(self) -> Self {
        Self { beside_others: true, ..self }
    }

    /// Changes this instance to request only the identity of the account.
    #[must_use]
    pub fn naming_only(self) -> Self {
        Self { proofs: self.proofs.with_scopes(&NAMING_SCOPES), ..self }
    }

    /// Adds a new client secret to the current one. It stays pending until someone has signed in
    /// with it.
    #[must_use]
    pub fn with_waiting(self, credential: ClientCredential) -> Self {
        Self { proofs: self.proofs.with_waiting(credential), ..self }
    }

    /// Returns the tenant's metadata; fetches it if it is not known yet.
    ///
    /// # Errors
    /// Why Entra could not be asked, or that it knows no such tenant.
    pub async fn discovered(&self) -> Result<metadata::EntraMetadata, Error> {
        Ok(self.authority.source.snapshot().await?.metadata.clone())
    }

    /// Waits until a request about a session may be sent.
    ///
    /// # Errors
    /// `Paused` while requests to Entra are paused.
    pub(super) async fn enter(&self) -> Result<(CircuitTicket, OwnedSemaphorePermit), Error> {
        self.circuits().enter(&self.authority.permits).await
    }

    /// The authority's circuit breaker and this registration's.
    pub(super) fn circuits(&self) -> Circuits<'_> {
        Circuits { authority: &self.authority.circuit, registration: &self.circuit }
    }

    /// Reports the outcome of a request to the circuit breakers.
    pub(super) fn count_outcome<T>(
        &self,
        ticket: CircuitTicket,
        answer: Result<T, Error>,
    ) -> Result<T, Error> {
        match answer.as_ref().map_err(|it| CircuitFailure::of(it, self.are_many)) {
            Ok(_) => self.circuits().answered(),
            Err(Some(failure)) => self.circuits().failed(ticket, &failure),
            Err(None) => self.circuits().refused(),
        }
        answer
    }

    pub(super) fn sender(&self) -> TokenRequestSender {
        TokenRequestSender::new(self.authority.host().clone(), self.authority.source.skew.clone())
    }

    pub(super) async fn verified(
        &self,
        id_token: Option<Secret>,
        nonce: Option<&str>,
    ) -> Result<VerifiedUser, Error> {
        let id_token = id_token.ok_or(Error::Answer)?;
        let unverified = token::parse(id_token.expose().as_bytes())?;
        let (source, client_id) = (&self.authority.source, self.proofs.current().client_id);
        let snapshot = source.snapshot().await?;
        // The key can be this registration's own: below, `aud` must be its client ID.
        let key = self.keys.key(source, client_id, unverified.kid()).await?;
        let claims = unverified.verify(&key)?;
        let expected = ExpectedToken {
            metadata: &snapshot.metadata,
            admitted: &self.admitted,
            client_id,
            nonce,
            guests: self.guests,
            beside_others: self.beside_others,
            now: self.authority.host().clock.now(),
            custom: &self.custom,
        };
        let mut identity = rules::judge(&claims, &key, &expected)?;
        let mut lists_groups = true;
        match self.groups {
            config::entra::GroupsSource::Token => lists_groups = rules::lists_groups(&claims),
            // Handled as if there were too many groups for the token, so that they come from Graph.
            config::entra::GroupsSource::Graph => identity.groups = PersonGroups::Overage,
            config::entra::GroupsSource::Off => {
                identity.groups = PersonGroups::Known(StringList::default());
            }
        }
        Ok(VerifiedUser::new(identity, lists_groups))
    }

    /// Interval between questions to Entra about a live session, in seconds since its last answer.
    pub fn every(&self) -> u64 {
        self.recheck.every.as_secs()
    }

    /// How long sessions continue while Entra does not answer, in additional seconds.
    pub fn grace(&self) -> u64 {
        self.recheck.grace.as_secs()
    }

    /// Remaining pause of requests to Entra after failures, in seconds; 0 if there is none.
    pub fn backoff_seconds(&self) -> u64 {
        self.circuits().pause_seconds()
    }

    /// Returns all origins of the authority, including aliases: their pages may frame the page that
    /// reports a sign-out.
    pub fn origins(&self) -> Vec<String> {
        let known = self.authority.source.known();
        metadata::origins(
            &self.authority.host().address,
            known.as_ref().and_then(|it| it.metadata.end_session.as_deref()),
        )
    }

    /// Returns the names with which an admin finds this app, whose public address is `site`.
    pub fn names(&self, site: &Site) -> aadsts::RemedyNames {
        aadsts::RemedyNames {
            client_id: self.proofs.current().client_id.to_string(),
            tenant: self.tenant.clone(),
            redirect_uri: site.redirect_uri(),
            graph: self.graph,
            origin: site.origin(),
        }
    }

    /// Expiry of the app's credential, in seconds since 1970, if the credential contains it.
    pub fn credential_ends(&self) -> Option<u64> {
        self.proofs.current().credential.ends()
    }

    /// Seconds that this machine's clock is ahead of Entra's, according to the `Date` of its last
    /// response.
    pub fn clock_ahead(&self) -> Option<i64> {
        self.authority.source.skew.ahead()
    }

    /// Takes over the state of another instance for the same tenant. What Entra said about another
    /// registration, or about this one with another credential, does not count.
    pub fn inherit(&self, old: &Self) {
        let is_shared = Arc::ptr_eq(&self.authority, &old.authority);
        let is_same_tenant = is_shared || self.authority.inherit(&old.authority);
        if is_same_tenant && self.proofs.is_same_client(&old.proofs) {
            self.circuit.inherit(&old.circuit);
        }
        if is_same_tenant && self.proofs.current().client_id == old.proofs.current().client_id {
            self.keys.inherit(&old.keys);
        }
    }

    /// Refreshes the discovery document and the keys for as long as a registration of the tenant is
    /// in use.
    pub fn keep_fresh(&self) {
        self.authority.keep_fresh();
    }

    /// Whether Entra answered at least once since the start.
    pub fn was_reached(&self) -> bool {
        self.authority.source.known().is_some()
    }

    /// Whether Entra was reached at least once; a later outage does not change that.
    ///
    /// # Errors
    /// Why it was not reached, in words for the operator.
    pub fn ready(&self) -> Result<(), String> {
        match (self.authority.source.known(), self.authority.source.failure()) {
            (Some(_), _) => Ok(()),
            (None, Some(cause)) => Err(format!("Entra was not reached yet: {}", cause.diagnosis())),
            (None, None) => Err("Entra was not reached yet".to_owned()),
        }
    }
}
