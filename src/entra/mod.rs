//! Everything that is Microsoft's: discovery, keys, the sign-in, and what a token says.
//!
//! A `VerifiedUser` is made here only, and only of a token that passed every check.

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

/// Sign-in with one app registration, at one tenant or at many.
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

/// What a refresh token brought: a new one, to be kept before anything else, and what Entra says of the person, not verified yet.
#[derive(Debug)]
pub struct Refreshed {
    /// Takes the old one's place; none where Entra gave no new one.
    pub grant: Option<Secret>,
    /// What the app proved itself by.
    pub by: CredentialUsed,
    id_token: Option<Secret>,
    ticket: CircuitTicket,
}

/// A sign-in that is done.
#[derive(Debug)]
pub struct Redeemed {
    /// Who it is.
    pub user: VerifiedUser,
    /// By what Entra is asked again; none where it gave no refresh token.
    pub grant: Option<Secret>,
    /// What the app proved itself by.
    pub by: CredentialUsed,
}

/// A code that brought nobody.
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
pub struct NotRedeemed {
    /// Why.
    pub error: Error,
    /// What the app proved itself by: where it has two credentials, both may have been refused.
    pub by: CredentialUsed,
}

impl Entra {
    /// Sign-in as `[entra]` says; opens no connection. `custom` are the claims that are kept as text; `domains` are
    /// those that stand for tenants.
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
            source: EntraSource::new(config.authority.clone(), config.tenant.clone(), domains, client.clone(), clock.clone(), random.clone()),
            circuit: CircuitBreaker::new(clock.clone(), random.clone()),
            are_many: config.tenant.is_many(),
            recheck: config.recheck,
            proofs: RegistrationCredentials::new(AppRegistration {
                client_id: config.client_id,
                credential: config.credential.clone(),
                redirect_uri,
                scopes: SIGN_IN_SCOPES.into_iter().map(str::to_owned).chain(config.scopes.iter().cloned()).collect(),
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

    /// The same, for the tenant of one organization among others: an address that its tenant does not vouch for is forgotten, as where many
    /// tenants may come.
    #[must_use]
    pub fn beside_others(self) -> Self {
        Self { beside_others: true, ..self }
    }

    /// The same, which asks for no more than whose account it is.
    #[must_use]
    pub fn naming_only(self) -> Self {
        Self { proofs: self.proofs.with_scopes(&NAMING_SCOPES), ..self }
    }

    /// The same with a new client secret that waits until it has signed somebody in, beside the one that is there.
    #[must_use]
    pub fn with_waiting(self, credential: ClientCredential) -> Self {
        Self { proofs: self.proofs.with_waiting(credential), ..self }
    }

    /// What Entra tells of the tenant; asks where nothing is known.
    ///
    /// # Errors
    /// Why Entra could not be asked, or that it knows no such tenant.
    pub async fn discovered(&self) -> Result<metadata::EntraMetadata, Error> {
        Ok(self.source.snapshot().await?.metadata.clone())
    }

    /// Begins a sign-in: PKCE, a nonce, and the address at Entra. `state` comes back with the browser.
    ///
    /// # Errors
    /// Where Entra was never reached, and is not now.
    pub async fn begin(&self, hints: &SignInHints, state: &str) -> Result<StartedSignIn, Error> {
        let snapshot = self.source.snapshot().await?;
        authorize::start(self.proofs.current(), &snapshot.metadata, &self.random, hints, state)
    }

    /// Redeems the code that came back, and verifies what it brings. People who sign in are never held back; how it went is told to the circuit.
    ///
    /// # Errors
    /// `Refused` by Entra, `Token` by us; the others say that Entra could not be asked.
    pub async fn redeem(&self, code: &str, nonce: &str, verifier: &str) -> Result<Redeemed, NotRedeemed> {
        let snapshot = self.source.snapshot().await.map_err(|error| NotRedeemed { error, by: CredentialUsed::Current })?;
        let ticket = self.circuit.ticket();
        let sender = self.sender();
        let (by, answer) = self.proofs.new_one_first(|it| redeem::redeem(it, &snapshot.metadata, &sender, code, verifier)).await;
        // Anybody can bring codes that Entra refuses, until it has had enough of them: that must not keep us from asking about others.
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

    /// Redeems a refresh token, unless Entra is left alone at the moment. What it brings is verified by `verify`, once the new one is kept.
    ///
    /// # Errors
    /// `Refused` by Entra; the others say that Entra could not be asked.
    pub async fn refresh(&self, grant: &Secret) -> Result<Refreshed, Error> {
        let snapshot = self.source.snapshot().await?;
        let (ticket, _place) = self.circuit.enter().await?;
        let sender = self.sender();
        match self.proofs.proven_first(|it| redeem::refresh(it, &snapshot.metadata, &sender, grant)).await {
            // How it went is told once it is verified: an answer that is of no use is as good as none.
            (by, Ok(tokens)) => Ok(Refreshed { grant: tokens.refresh_token, by, id_token: tokens.id_token, ticket }),
            (_, Err(cause)) => self.told(ticket, Err(cause)),
        }
    }

    /// Verifies what a refresh brought as at sign-in; only a nonce it has none.
    ///
    /// # Errors
    /// `Token`, where it breaks a rule; the others say that it could not be verified.
    pub async fn verify(&self, refreshed: Refreshed) -> Result<VerifiedUser, Error> {
        let verified = self.verified(refreshed.id_token, None).await;
        self.told(refreshed.ticket, verified)
    }

    /// Tells the circuit how a request went.
    fn told<T>(&self, ticket: CircuitTicket, answer: Result<T, Error>) -> Result<T, Error> {
        match answer.as_ref().map_err(|it| (it, refresh_failure::of(it))) {
            Err((cause, RefreshFailure::Later { retry_after, ours })) if refresh_failure::is_of_all(cause, self.are_many) => {
                self.circuit.failed(ticket, retry_after, ours, cause)
            }
            Ok(_) | Err(_) => self.circuit.answered(),
        }
        answer
    }

    fn sender(&self) -> TokenRequestSender {
        TokenRequestSender::new(self.client.clone(), self.source.skew.clone(), self.clock.clone(), self.random.clone())
    }

    /// Redeems a refresh token for what opens Graph, unless Entra is left alone at the moment. The pass holds the new refresh token, which is to
    /// be kept before anything else.
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
        let (_, answer) = self.proofs.proven_first(|it| redeem::for_graph(it, &snapshot.metadata, &sender, grant, scope.clone())).await;
        let tokens = match answer {
            // What Entra refuses for Graph says of sessions only that it answers: this may have been the probe that others wait for.
            Err(Error::Refused(refusal)) if !refusal.is_of_the_app() => {
                self.circuit.answered();
                Err(Error::Refused(refusal))
            }
            answer => self.told(ticket, answer),
        }?;
        Ok(graph::GraphToken::new(tokens, base))
    }

    /// All groups of the person whom a pass was given for, as Graph tells them.
    ///
    /// # Errors
    /// Why they are not told; some of them are never given for all.
    pub async fn membership(&self, pass: graph::GraphToken) -> Result<GroupMembership, graph::Error> {
        let whose = self.verified(pass.id_token, None).await.map_err(graph::Error::Token)?;
        let ids = graph::groups(&self.client, &pass.base, &pass.access).await?;
        Ok(GroupMembership::new(whose.identity(), ids))
    }

    async fn verified(&self, id_token: Option<Secret>, nonce: Option<&str>) -> Result<VerifiedUser, Error> {
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
            // As if there were too many for the token: Graph tells them.
            config::entra::GroupsSource::Graph => identity.groups = PersonGroups::Overage,
            config::entra::GroupsSource::Off => identity.groups = PersonGroups::Known(StringList::default()),
        }
        Ok(VerifiedUser::new(identity))
    }

    /// After how many seconds since its last answer Entra is asked about a live session again.
    pub fn every(&self) -> u64 {
        self.recheck.every.as_secs()
    }

    /// How many seconds longer a session is served while Entra is silent.
    pub fn grace(&self) -> u64 {
        self.recheck.grace.as_secs()
    }

    /// Seconds for which Entra is left alone, since it does not answer; 0 where it is not.
    pub fn rests(&self) -> u64 {
        self.circuit.pause_ms()
    }

    /// Where a browser signs out at Entra, to come back to `back`; `hint` is the `login_hint` of the person. `None` while that place is not known.
    pub fn sign_out_url(&self, back: &LandingUrl, hint: Option<&str>) -> Option<String> {
        authorize::sign_out(self.proofs.current(), &self.source.known()?.metadata, back, hint)
    }

    /// The authority under all of its names, as origins: whose pages may frame what tells of a sign-out.
    pub fn origins(&self) -> Vec<String> {
        let known = self.source.known();
        metadata::origins(self.source.authority(), known.as_ref().and_then(|it| it.metadata.end_session.as_deref()))
    }

    /// What an admin has to know to find this app; `origin` is its public address.
    pub fn names(&self, origin: String) -> aadsts::RemedyNames {
        aadsts::RemedyNames {
            client_id: self.proofs.current().client_id.to_string(),
            tenant: self.tenant.clone(),
            redirect_uri: self.proofs.current().redirect_uri.clone(),
            graph: self.graph,
            origin,
        }
    }

    /// When what the app proves itself by ends, seconds since 1970, where that stands in it.
    pub fn credential_ends(&self) -> Option<u64> {
        self.proofs.current().credential.ends()
    }

    /// By how many seconds this machine's clock is ahead of Entra's, by the `Date` of its last answer.
    pub fn clock_ahead(&self) -> Option<i64> {
        self.source.skew.ahead()
    }

    /// Takes over what another one knows of the same tenant.
    pub fn inherit(&self, old: &Self) {
        self.source.inherit(&old.source);
        if self.source.is_for(&old.source) {
            self.circuit.inherit(&old.circuit);
        }
    }

    /// Keeps discovery and keys fresh until `stop`.
    pub async fn keep_fresh(self: Arc<Self>, stop: CancellationToken) {
        stop.run_until_cancelled(self.source.keep_fresh()).await;
    }

    /// Whether Entra was reached once; a later outage changes nothing.
    ///
    /// # Errors
    /// Why it was not, in words for the operator.
    pub fn ready(&self) -> Result<(), String> {
        match (self.source.known(), self.source.failure()) {
            (Some(_), _) => Ok(()),
            (None, Some(cause)) => Err(format!("Entra was not reached yet: {cause}")),
            (None, None) => Err("Entra was not reached yet".to_owned()),
        }
    }
}
