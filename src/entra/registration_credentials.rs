//! What an app registration proves itself by: one client secret, or an old and a new one while the new one takes its place.
//!
//! Entra looks at the client before it looks at what is to be redeemed (RFC 6749 sections 3.2.1 and 5.2): whoever is refused as
//! `invalid_client` has spent neither code nor refresh token, and the same can be redeemed by the other secret.

use super::error::Error;
use super::failure::EntraRefusal;
use super::oidc::{AppRegistration, RedeemedTokens};
use crate::base::credential::ClientCredential;

/// By which of two secrets something was redeemed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CredentialUsed {
    /// The one that is known to work; there is no other, or the other was not asked for.
    Current,
    /// The new one: it works.
    New,
    /// The one that is known to work, after Entra refused the new one.
    CurrentAfterRefusal(Box<EntraRefusal>),
    /// The one that is known to work: what the new one is read from is not there, so nothing was sent by it.
    NewUnreadable,
}

/// The registration by each of its secrets.
#[derive(Debug)]
pub(super) struct RegistrationCredentials {
    proven: AppRegistration,
    pending: Option<AppRegistration>,
}

impl RegistrationCredentials {
    pub(super) fn new(proven: AppRegistration) -> Self {
        Self { proven, pending: None }
    }

    pub(super) fn with_waiting(self, credential: ClientCredential) -> Self {
        Self { pending: Some(AppRegistration { credential, ..self.proven.clone() }), ..self }
    }

    pub(super) fn with_scopes(self, scopes: &[&str]) -> Self {
        let scopes: Vec<String> = scopes.iter().map(|it| (*it).to_owned()).collect();
        let asks = |it: AppRegistration| AppRegistration { scopes: scopes.clone(), ..it };
        Self { proven: asks(self.proven), pending: self.pending.map(asks) }
    }

    /// What is the same by either secret.
    pub(super) fn current(&self) -> &AppRegistration {
        &self.proven
    }

    /// For a sign-in: the new secret proves itself, and a wrong one costs a question more and keeps nobody out.
    pub(super) async fn new_one_first<'a, F>(&'a self, redeem: impl Fn(&'a AppRegistration) -> F) -> (CredentialUsed, Result<RedeemedTokens, Error>)
    where
        F: Future<Output = Result<RedeemedTokens, Error>>,
    {
        let Some(waiting) = &self.pending else { return (CredentialUsed::Current, redeem(&self.proven).await) };
        match redeem(waiting).await {
            Err(Error::Refused(refusal)) if is_of_the_secret(&refusal) => (CredentialUsed::CurrentAfterRefusal(refusal), redeem(&self.proven).await),
            // Nothing was sent: a token's file that is not there keeps nobody out either.
            Err(Error::Credential(cause)) => {
                tracing::warn!(client_id = %self.proven.client_id, cause, "cannot try a new credential; the previous credential is still in use");
                (CredentialUsed::NewUnreadable, redeem(&self.proven).await)
            }
            answer => (CredentialUsed::New, answer),
        }
    }

    /// For a question in the background: by what is known to work, and by the new secret where that does not work any more.
    pub(super) async fn proven_first<'a, F>(&'a self, redeem: impl Fn(&'a AppRegistration) -> F) -> (CredentialUsed, Result<RedeemedTokens, Error>)
    where
        F: Future<Output = Result<RedeemedTokens, Error>>,
    {
        let answer = redeem(&self.proven).await;
        match (&answer, &self.pending) {
            (Err(Error::Refused(refusal)), Some(waiting)) if is_of_the_secret(refusal) => (CredentialUsed::New, redeem(waiting).await),
            (Err(Error::Credential(_)), Some(waiting)) => (CredentialUsed::New, redeem(waiting).await),
            _ => (CredentialUsed::Current, answer),
        }
    }
}

/// Wrong (AADSTS7000215), expired (AADSTS7000222) and the like.
fn is_of_the_secret(refusal: &EntraRefusal) -> bool {
    refusal.error == "invalid_client"
}
