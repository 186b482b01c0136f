//! Everything that is Microsoft's: discovery, keys, the sign-in, and what a token says.
//!
//! A `VerifiedUser` is made here only, and only of a token that passed every check.

pub mod aadsts;
pub mod authorize;
pub mod circuit;
pub mod error;
pub mod failure;
pub mod invalid;
pub mod keys;
pub mod means;
pub mod metadata;
mod oidc;
mod redeem;
mod rules;
mod source;
#[cfg(test)]
mod tests;
pub mod token;
pub mod verified;

pub use self::error::Error;

use self::authorize::{Begun, Hints};
use self::circuit::{Circuit, Pass};
use self::means::Means;
use self::oidc::Registration;
use self::rules::Expected;
use self::source::Source;
use self::verified::VerifiedUser;
use crate::base::clock::Clock;
use crate::base::random::Random;
use crate::base::secret::Secret;
use crate::config;
use crate::config::entra::{Credential, Recheck};
use crate::wire::client::Client;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// Sign-in at one tenant with one app registration.
#[derive(Debug)]
pub struct Entra {
    source: Source,
    circuit: Circuit,
    registration: Registration,
    recheck: Recheck,
    client: Client,
    clock: Clock,
    random: Random,
    guests: bool,
    custom: Vec<String>,
}

/// What a refresh token brought: a new one, to be kept before anything else, and what Entra says of the person, not verified yet.
#[derive(Debug)]
pub struct Refreshed {
    /// Takes the old one's place; none where Entra gave no new one.
    pub grant: Option<Secret>,
    id_token: Option<Secret>,
    pass: Pass,
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
    /// Sign-in as `[entra]` says; opens no connection. `custom` are the claims that are kept as text.
    pub fn new(config: &config::entra::Entra, redirect_uri: String, clock: Clock, random: Random, client: Client, custom: Vec<String>) -> Self {
        let Credential::Secret(secret) = config.credential.clone();
        Self {
            source: Source::new(config.authority.clone(), config.tenant.clone(), client.clone(), clock.clone(), random.clone()),
            circuit: Circuit::new(clock.clone(), random.clone()),
            recheck: config.recheck,
            registration: Registration { client_id: config.client_id, secret, redirect_uri, scopes: config.scopes.clone() },
            client,
            clock,
            random,
            guests: config.guests,
            custom,
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

    /// Redeems the code that came back, and verifies what it brings. People who sign in are never held back; how it went is told to the circuit.
    ///
    /// # Errors
    /// `Refused` by Entra, `Token` by us; the others say that Entra could not be asked.
    pub async fn redeem(&self, code: &str, nonce: &str, verifier: &str) -> Result<Redeemed, Error> {
        let snapshot = self.source.snapshot().await?;
        let pass = self.circuit.pass();
        let answer = redeem::redeem(&self.registration, &snapshot.metadata, &self.client, code, verifier).await;
        // Anybody can bring a code that Entra refuses: that must not keep us from asking about others.
        let tokens = if matches!(answer, Err(Error::Refused(_))) { answer } else { self.told(pass, answer) }?;
        let user = self.verified(tokens.id_token, Some(nonce)).await?;
        Ok(Redeemed { user, grant: tokens.refresh_token })
    }

    /// Redeems a refresh token, unless Entra is left alone at the moment. What it brings is verified by `verify`, once the new one is kept.
    ///
    /// # Errors
    /// `Refused` by Entra; the others say that Entra could not be asked.
    pub async fn refresh(&self, grant: &Secret) -> Result<Refreshed, Error> {
        let snapshot = self.source.snapshot().await?;
        let (pass, _place) = self.circuit.enter().await?;
        match redeem::refresh(&self.registration, &snapshot.metadata, &self.client, grant).await {
            // How it went is told once it is verified: an answer that is of no use is as good as none.
            Ok(tokens) => Ok(Refreshed { grant: tokens.refresh_token, id_token: tokens.id_token, pass }),
            Err(cause) => self.told(pass, Err(cause)),
        }
    }

    /// Verifies what a refresh brought as at sign-in; only a nonce it has none.
    ///
    /// # Errors
    /// `Token`, where it breaks a rule; the others say that it could not be verified.
    pub async fn verify(&self, refreshed: Refreshed) -> Result<VerifiedUser, Error> {
        let verified = self.verified(refreshed.id_token, None).await;
        self.told(refreshed.pass, verified)
    }

    /// Tells the circuit how a request went.
    fn told<T>(&self, pass: Pass, answer: Result<T, Error>) -> Result<T, Error> {
        match answer.as_ref().map_err(|it| (it, means::of(it))) {
            Err((cause, Means::Later { retry_after, ours })) => self.circuit.failed(pass, retry_after, ours, cause),
            Ok(_) | Err(_) => self.circuit.answered(),
        }
        answer
    }

    async fn verified(&self, id_token: Option<Secret>, nonce: Option<&str>) -> Result<VerifiedUser, Error> {
        let id_token = id_token.ok_or(Error::Answer)?;
        let unverified = token::parse(id_token.expose().as_bytes())?;
        let (snapshot, key) = self.source.key(unverified.kid()).await?;
        let claims = unverified.verify(&key)?;
        let expected = Expected {
            metadata: &snapshot.metadata,
            client_id: self.registration.client_id,
            nonce,
            guests: self.guests,
            now: self.clock.now(),
            custom: &self.custom,
        };
        Ok(VerifiedUser::new(rules::judge(&claims, &key, &expected)?))
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
        self.circuit.rests()
    }

    /// Where a browser signs out at Entra, to come back to `back`; `hint` is the `login_hint` of the person. `None` while that place is not known.
    pub fn sign_out_url(&self, back: &str, hint: Option<&str>) -> Option<String> {
        authorize::sign_out(&self.registration, &self.source.known()?.metadata, back, hint)
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
