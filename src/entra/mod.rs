//! Everything specific to Microsoft: discovery, keys, the sign-in, and the content of tokens.
//!
//! Only this module creates a `VerifiedUser`, and only from a token that passed every check.

pub mod aadsts;
mod assertion;
pub mod authorize;
pub mod circuit;
pub mod error;
pub mod failure;
pub mod graph;
pub mod invalid;
pub mod keys;
pub mod memberships;
pub mod metadata;
mod oidc;
mod redeem;
pub mod refresh_failure;
pub mod registration_credentials;
mod rules;
mod skew;
mod source;
mod tenants;
#[cfg(test)]
mod tests;
pub mod token;
pub mod verified;

pub use self::error::Error;

use self::authorize::{NAMING_SCOPES, SIGN_IN_SCOPES, SignInHints, StartedSignIn};
use self::circuit::{CircuitBreaker, CircuitTicket};
use self::graph::GroupMembership;
use self::oidc::AppRegistration;
use self::redeem::TokenRequestSender;
use self::refresh_failure::RefreshFailure;
use self::registration_credentials::{CredentialUsed, RegistrationCredentials};
use self::rules::ExpectedToken;
use self::source::EntraSource;
use self::tenants::AdmittedTenants;
use self::verified::VerifiedUser;
use crate::base::clock::Clock;
use crate::base::credential::ClientCredential;
use crate::base::domains::TenantDomains;
use crate::base::identity::PersonGroups;
use crate::base::random::RandomSource;
use crate::base::return_to::LandingUrl;
use crate::base::secret::Secret;
use crate::base::string_list::StringList;
use crate::config;
use crate::config::entra::RecheckConfig;
use crate::wire::client::HttpClient;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// Sign-in with one app registration, for one tenant or for several.
#[derive(Debug)]
pub struct Entra {
    source: EntraSource,
    circuit: CircuitBreaker,
    proofs: RegistrationCredentials,
    recheck: RecheckConfig,
    client: HttpClient,
    clock: Clock,
    random: RandomSource,
    guests: bool,
    beside_others: bool,
    admitted: AdmittedTenants,
    are_many: bool,
    groups: config::entra::GroupsSource,
    own_graph: Option<String>,
    custom: Vec<String>,
    tenant: String,
    graph: &'static str,
}

/// The result of a refresh: a new refresh token, which must be stored before anything else, and an
/// ID token that is not verified yet.
#[derive(Debug)]
pub struct Refreshed {
    /// Replaces the previous refresh token; `None` if Entra issued no new one.
    pub grant: Option<Secret>,
    /// The credential that authenticated the app.
    pub by: CredentialUsed,
    id_token: Option<Secret>,
    ticket: CircuitTicket,
}

/// A completed sign-in.
#[derive(Debug)]
pub struct Redeemed {
    /// The person who signed in.
    pub user: VerifiedUser,
    /// Refresh token for later questions to Entra; `None` if it issued none.
    pub grant: Option<Secret>,
    /// The credential that authenticated the app.
    pub by: CredentialUsed,
}

/// A code that could not be redeemed.
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
pub struct NotRedeemed {
    /// The cause.
    pub error: Error,
    /// The credential that authenticated the app; if it has two, both may have been refused.
    pub by: CredentialUsed,
}

impl Entra {
    /// Sets up the sign-in from `[entra]`; opens no connection. `custom` lists the claims that are
    /// kept as text; `domains` lists the domains that stand for tenants.
    pub fn new(
        config: &config::entra::EntraConfig,
        redirect_uri: String,
        domains: Arc<TenantDomains>,
        clock: Clock,
        random: RandomSource,
        client: HttpClient,
        custom: Vec<String>,
    ) -> Self {
        Self {
            admitted: AdmittedTenants::new(config.allowed_tenants.clone(), Arc::clone(&domains)),
            source: EntraSource::new(
                config.authority.clone(),
                config.tenant.clone(),
                domains,
                client.clone(),
                clock.clone(),
                random.clone(),
            ),
            circuit: CircuitBreaker::new(clock.clone(), random.clone()),
            are_many: config.tenant.is_many(),
            recheck: config.recheck,
            proofs: RegistrationCredentials::new(AppRegistration {
                client_id: config.client_id,
                credential: config.credential.clone(),
                redirect_uri,
                scopes: SIGN_IN_SCOPES
                    .into_iter()
                    .map(str::to_owned)
                    .chain(config.scopes.iter().cloned())
                    .collect(),
            }),
            client,
            clock,
            random,
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
        Ok(self.source.snapshot().await?.metadata.clone())
    }

    /// Starts a sign-in: PKCE, a nonce, and the address at Entra. The browser returns with `state`.
    ///
    /// # Errors
    /// Entra was never reached, and cannot be reached now.
    pub async fn begin(&self, hints: &SignInHints, state: &str) -> Result<StartedSignIn, Error> {
        let snapshot = self.source.snapshot().await?;
        authorize::start(self.proofs.current(), &snapshot.metadata, &self.random, hints, state)
    }

    /// Redeems the code from the callback, and verifies the tokens. The circuit breaker never
    /// delays a sign-in, but learns its outcome.
    ///
    /// # Errors
    /// `Refused` if Entra refuses the code, `Token` if the ID token is rejected; the others mean
    /// that Entra could not be asked.
    pub async fn redeem(
        &self,
        code: &str,
        nonce: &str,
        verifier: &str,
    ) -> Result<Redeemed, NotRedeemed> {
        let snapshot = self
            .source
            .snapshot()
            .await
            .map_err(|error| NotRedeemed { error, by: CredentialUsed::Current })?;
        let ticket = self.circuit.ticket();
        let sender = self.sender();
        let (by, answer) = self
            .proofs
            .new_one_first(|it| redeem::redeem(it, &snapshot.metadata, &sender, code, verifier))
            .await;
        // Anyone can submit codes that Entra refuses, until it throttles them: that must not stop
        // the questions about other sessions.
        let brought = matches!(answer, Err(Error::Refused(_) | Error::Status { status: 429, .. }));
        let outcome = async {
            let tokens = if brought { answer } else { self.told(ticket, answer) }?;
            Ok((self.verified(tokens.id_token, Some(nonce)).await?, tokens.refresh_token))
        };
        match outcome.await {
            Ok((user, grant)) => Ok(Redeemed { user, grant, by }),
            Err(error) => Err(NotRedeemed { error, by }),
        }
    }

    /// Redeems a refresh token, unless requests to Entra are paused. `verify` verifies the result
    /// after the caller has stored the new refresh token.
    ///
    /// # Errors
    /// `Refused` if Entra refuses the token; the others mean that Entra could not be asked.
    pub async fn refresh(&self, grant: &Secret) -> Result<Refreshed, Error> {
        let snapshot = self.source.snapshot().await?;
        let (ticket, _place) = self.circuit.enter().await?;
        let sender = self.sender();
        match self
            .proofs
            .proven_first(|it| redeem::refresh(it, &snapshot.metadata, &sender, grant))
            .await
        {
            // The circuit breaker learns the outcome after the verification: an unusable response
            // counts as none.
            (by, Ok(tokens)) => {
                Ok(Refreshed { grant: tokens.refresh_token, by, id_token: tokens.id_token, ticket })
            }
            (_, Err(cause)) => self.told(ticket, Err(cause)),
        }
    }

    /// Verifies the result of a refresh like that of a sign-in, except for the nonce, which it does
    /// not have.
    ///
    /// # Errors
    /// `Token` if it breaks a rule; the others mean that it could not be verified.
    pub async fn verify(&self, refreshed: Refreshed) -> Result<VerifiedUser, Error> {
        let verified = self.verified(refreshed.id_token, None).await;
        self.told(refreshed.ticket, verified)
    }

    /// Reports the outcome of a request to the circuit breaker.
    fn told<T>(&self, ticket: CircuitTicket, answer: Result<T, Error>) -> Result<T, Error> {
        match answer.as_ref().map_err(|it| (it, refresh_failure::of(it))) {
            Err((cause, RefreshFailure::Later { retry_after, ours }))
                if refresh_failure::is_of_all(cause, self.are_many) =>
            {
                self.circuit.failed(ticket, retry_after, ours, cause)
            }
            Ok(_) | Err(_) => self.circuit.answered(),
        }
        answer
    }

    fn sender(&self) -> TokenRequestSender {
        TokenRequestSender::new(
            self.client.clone(),
            self.source.skew.clone(),
            self.clock.clone(),
            self.random.clone(),
        )
    }

    /// Redeems a refresh token for access to Graph, unless requests to Entra are paused. The result
    /// contains the new refresh token, which must be stored before anything else.
    ///
    /// # Errors
    /// Why there is no token for Graph.
    pub async fn graph_pass(&self, grant: &Secret) -> Result<graph::GraphToken, graph::Error> {
        self.redeemed_for_graph(grant).await.map_err(graph::Error::Token)
    }

    async fn redeemed_for_graph(&self, grant: &Secret) -> Result<graph::GraphToken, Error> {
        let snapshot = self.source.snapshot().await?;
        let (ticket, _place) = self.circuit.enter().await?;
        let base = metadata::graph_base(self.own_graph.as_deref(), self.graph, &snapshot.metadata);
        let scope = format!("{base}/{}", graph::GRAPH_PERMISSION);
        let sender = self.sender();
        let (_, answer) = self
            .proofs
            .proven_first(|it| {
                redeem::for_graph(it, &snapshot.metadata, &sender, grant, scope.clone())
            })
            .await;
        let tokens = match answer {
            // A refusal for Graph says only that Entra answers, and nothing about sessions; this
            // request may have been the probe that others wait for.
            Err(Error::Refused(refusal)) if !refusal.is_of_the_app() => {
                self.circuit.answered();
                Err(Error::Refused(refusal))
            }
            answer => self.told(ticket, answer),
        }?;
        Ok(graph::GraphToken::new(tokens, base))
    }

    /// Reads all groups of the person that the token was issued for from Graph.
    ///
    /// # Errors
    /// Why Graph did not return the groups. An incomplete list is never returned.
    pub async fn membership(
        &self,
        pass: graph::GraphToken,
    ) -> Result<GroupMembership, graph::Error> {
        let whose = self.verified(pass.id_token, None).await.map_err(graph::Error::Token)?;
        let ids = graph::groups(&self.client, &pass.base, &pass.access).await?;
        Ok(GroupMembership::new(whose.identity(), ids))
    }

    async fn verified(
        &self,
        id_token: Option<Secret>,
        nonce: Option<&str>,
    ) -> Result<VerifiedUser, Error> {
        let id_token = id_token.ok_or(Error::Answer)?;
        let unverified = token::parse(id_token.expose().as_bytes())?;
        let (snapshot, key) = self.source.key(unverified.kid()).await?;
        let claims = unverified.verify(&key)?;
        let expected = ExpectedToken {
            metadata: &snapshot.metadata,
            admitted: &self.admitted,
            client_id: self.proofs.current().client_id,
            nonce,
            guests: self.guests,
            beside_others: self.beside_others,
            now: self.clock.now(),
            custom: &self.custom,
        };
        let mut identity = rules::judge(&claims, &key, &expected)?;
        match self.groups {
            config::entra::GroupsSource::Token => {}
            // Handled as if there were too many groups for the token, so that they come from Graph.
            config::entra::GroupsSource::Graph => identity.groups = PersonGroups::Overage,
            config::entra::GroupsSource::Off => {
                identity.groups = PersonGroups::Known(StringList::default())
            }
        }
        Ok(VerifiedUser::new(identity))
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
        self.circuit.pause_seconds()
    }

    /// Returns the address where a browser signs out at Entra and then returns to `back`; `hint` is
    /// the person's `login_hint`. `None` while the endpoint is not known.
    pub fn sign_out_url(&self, back: &LandingUrl, hint: Option<&str>) -> Option<String> {
        authorize::sign_out(self.proofs.current(), &self.source.known()?.metadata, back, hint)
    }

    /// Returns all origins of the authority, including aliases: their pages may frame the page that
    /// reports a sign-out.
    pub fn origins(&self) -> Vec<String> {
        let known = self.source.known();
        metadata::origins(
            self.source.authority(),
            known.as_ref().and_then(|it| it.metadata.end_session.as_deref()),
        )
    }

    /// Returns the names with which an admin finds this app; `origin` is its public address.
    pub fn names(&self, origin: String) -> aadsts::RemedyNames {
        aadsts::RemedyNames {
            client_id: self.proofs.current().client_id.to_string(),
            tenant: self.tenant.clone(),
            redirect_uri: self.proofs.current().redirect_uri.clone(),
            graph: self.graph,
            origin,
        }
    }

    /// Expiry of the app's credential, in seconds since 1970, if the credential contains it.
    pub fn credential_ends(&self) -> Option<u64> {
        self.proofs.current().credential.ends()
    }

    /// Seconds that this machine's clock is ahead of Entra's, according to the `Date` of its last
    /// response.
    pub fn clock_ahead(&self) -> Option<i64> {
        self.source.skew.ahead()
    }

    /// Takes over the state of another instance for the same tenant.
    pub fn inherit(&self, old: &Self) {
        self.source.inherit(&old.source);
        if self.source.is_for(&old.source) {
            self.circuit.inherit(&old.circuit);
        }
    }

    /// Refreshes the discovery document and the keys until `stop`.
    pub async fn keep_fresh(self: Arc<Self>, stop: CancellationToken) {
        stop.run_until_cancelled(self.source.keep_fresh()).await;
    }

    /// Whether Entra was reached at least once; a later outage does not change that.
    ///
    /// # Errors
    /// Why it was not reached, in words for the operator.
    pub fn ready(&self) -> Result<(), String> {
        match (self.source.known(), self.source.failure()) {
            (Some(_), _) => Ok(()),
            (None, Some(cause)) => Err(format!("Entra was not reached yet: {cause}")),
            (None, None) => Err("Entra was not reached yet".to_owned()),
        }
    }
}
