//! Everything that is Microsoft's: discovery, keys, the sign-in, and what a token says.
//!
//! A `VerifiedUser` is made here only, and only of a token that passed every check.

pub mod aadsts;
pub mod authorize;
pub mod error;
pub mod failure;
pub mod invalid;
pub mod keys;
pub mod metadata;
mod oidc;
mod redeem;
mod rules;
mod skew;
mod source;
mod tenants;
#[cfg(test)]
mod tests;
pub mod token;
pub mod verified;

pub use self::error::Error;
pub use self::metadata::graph_base;

use self::authorize::{Begun, Hints};
use self::oidc::{Registration, Tokens};
use self::redeem::Sender;
use self::rules::Expected;
use self::source::Source;
use self::tenants::Admitted;
use self::verified::VerifiedUser;
use crate::base::clock::Clock;
use crate::base::domains::Domains;
use crate::base::random::Random;
use crate::base::return_to::Landing;
use crate::base::secret::Secret;
use crate::config;
use crate::config::entra::Credential;
use crate::wire::client::Client;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// Sign-in with one app registration, at one tenant or at many.
#[derive(Debug)]
pub struct Entra {
    source: Source,
    registration: Registration,
    client: Client,
    clock: Clock,
    random: Random,
    guests: bool,
    admitted: Admitted,
    custom: Vec<String>,
    tenant: String,
    graph: &'static str,
}

/// A sign-in that is done.
#[derive(Debug)]
pub struct Redeemed {
    /// Who it is.
    pub user: VerifiedUser,
    /// By what Entra is asked again; none where it gave no refresh token.
    pub grant: Option<Secret>,
}

impl Entra {
    /// Sign-in as `[entra]` says; opens no connection. `custom` are the claims that are kept as text; `domains` are
    /// those that stand for tenants.
    pub fn new(
        config: &config::entra::Entra,
        redirect_uri: String,
        domains: Arc<Domains>,
        clock: Clock,
        random: Random,
        client: Client,
        custom: Vec<String>,
    ) -> Self {
        let Credential::Secret(secret) = config.credential.clone();
        Self {
            admitted: Admitted::new(config.allowed_tenants.clone(), Arc::clone(&domains)),
            source: Source::new(config.authority.clone(), config.tenant.clone(), domains, client.clone(), clock.clone(), random.clone()),
            registration: Registration { client_id: config.client_id, secret, redirect_uri, scopes: config.scopes.clone() },
            client,
            clock,
            random,
            guests: config.guests,
            custom,
            tenant: config.tenant.segment(),
            graph: config.cloud.graph,
        }
    }

    /// Begins a sign-in: PKCE, a nonce, and the address at Entra. `state` comes back with the browser.
    ///
    /// # Errors
    /// Where Entra was never reached, and is not now.
    pub async fn begin(&self, hints: &Hints, state: &str) -> Result<Begun, Error> {
        let snapshot = self.source.snapshot().await?;
        authorize::begin(&self.registration, &snapshot.metadata, &self.random, hints, state)
    }

    /// Redeems the code that came back, and verifies what it brings.
    ///
    /// # Errors
    /// `Refused` by Entra, `Token` by us; the others say that Entra could not be asked.
    pub async fn redeem(&self, code: &str, nonce: &str, verifier: &str) -> Result<Redeemed, Error> {
        let snapshot = self.source.snapshot().await?;
        let tokens = redeem::redeem(&self.registration, &snapshot.metadata, &self.sender(), code, verifier).await?;
        self.verified(tokens, Some(nonce)).await
    }

    /// Redeems a refresh token, and verifies what it brings as at sign-in; only a nonce it has none.
    ///
    /// # Errors
    /// `Refused` by Entra, `Token` by us; the others say that Entra could not be asked.
    pub async fn refresh(&self, grant: &Secret) -> Result<Redeemed, Error> {
        let snapshot = self.source.snapshot().await?;
        let tokens = redeem::refresh(&self.registration, &snapshot.metadata, &self.sender(), grant).await?;
        self.verified(tokens, None).await
    }

    fn sender(&self) -> Sender {
        Sender::new(self.client.clone(), self.source.skew.clone())
    }

    async fn verified(&self, tokens: Tokens, nonce: Option<&str>) -> Result<Redeemed, Error> {
        let unverified = token::parse(tokens.id_token.expose().as_bytes())?;
        let (snapshot, key) = self.source.key(unverified.kid()).await?;
        let claims = unverified.verify(&key)?;
        let expected = Expected {
            metadata: &snapshot.metadata,
            admitted: &self.admitted,
            client_id: self.registration.client_id,
            nonce,
            guests: self.guests,
            now: self.clock.now(),
            custom: &self.custom,
        };
        Ok(Redeemed { user: VerifiedUser::new(rules::judge(&claims, &key, &expected)?), grant: tokens.refresh_token })
    }

    /// Where a browser signs out at Entra, to come back to `back`; `hint` is the `login_hint` of the person. `None` while that place is not known.
    pub fn sign_out_url(&self, back: &Landing, hint: Option<&str>) -> Option<String> {
        authorize::sign_out(&self.registration, &self.source.known()?.metadata, back, hint)
    }

    /// The authority under all of its names, as origins: whose pages may frame what tells of a sign-out.
    pub fn origins(&self) -> Vec<String> {
        let known = self.source.known();
        metadata::origins(self.source.authority(), known.as_ref().and_then(|it| it.metadata.end_session.as_deref()))
    }

    /// What an admin has to know to find this app; `origin` is its public address.
    pub fn names(&self, origin: String) -> aadsts::Names {
        aadsts::Names {
            client_id: self.registration.client_id.to_string(),
            tenant: self.tenant.clone(),
            redirect_uri: self.registration.redirect_uri.clone(),
            graph: self.graph,
            origin,
        }
    }

    /// By how many seconds this machine's clock is ahead of Entra's, by the `Date` of its last answer.
    pub fn clock_ahead(&self) -> Option<i64> {
        self.source.skew.ahead()
    }

    /// Takes over what another one knows of the same tenant.
    pub fn inherit(&self, old: &Self) {
        self.source.inherit(&old.source);
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
