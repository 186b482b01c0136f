//! Credentials of an app registration: one, or an old and a new one during a replacement.
//!
//! Entra checks the client before the code or refresh token (RFC 6749 sections 3.2.1 and 5.2): a
//! request that is refused as `invalid_client` has used up neither, and can be repeated with the
//! other credential.

use super::error::Error;
use super::failure::EntraRefusal;
use super::oidc::{AppRegistration, RedeemedTokens};
use crate::base::credential::ClientCredential;

/// Which of the two credentials redeemed a code or token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CredentialUsed {
    /// The one that is known to work; there is no other, or the other was not tried.
    Current,
    /// The new one: it works.
    New,
    /// The one that is known to work, after Entra refused the new one.
    CurrentAfterRefusal(Box<EntraRefusal>),
    /// The one that is known to work: the new one cannot be read, so nothing was sent with it.
    NewUnreadable,
}

/// The registration with each of its credentials.
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

    /// Returns the parts that are the same with both credentials.
    pub(super) fn current(&self) -> &AppRegistration {
        &self.proven
    }

    /// Whether both authenticate the same registration in the same way, apart from a new credential
    /// that is not confirmed.
    pub(super) fn is_same_client(&self, other: &Self) -> bool {
        let (own, other) = (&self.proven, &other.proven);
        own.client_id == other.client_id && own.credential.is(&other.credential)
    }

    /// For sign-ins: tries the new credential first. A wrong one costs one more request, but locks
    /// no one out.
    pub(super) async fn new_one_first<'a, F>(
        &'a self,
        redeem: impl Fn(&'a AppRegistration) -> F,
    ) -> (CredentialUsed, Result<RedeemedTokens, Error>)
    where
        F: Future<Output = Result<RedeemedTokens, Error>>,
    {
        let Some(waiting) = &self.pending else {
            return (CredentialUsed::Current, redeem(&self.proven).await);
        };
        match redeem(waiting).await {
            Err(Error::Refused(refusal)) if is_of_the_secret(&refusal) => {
                (CredentialUsed::CurrentAfterRefusal(refusal), redeem(&self.proven).await)
            }
            // Nothing was sent; a missing token file does not lock people out either.
            Err(Error::Credential(cause)) => {
                tracing::warn!(client_id = %self.proven.client_id, cause, "cannot try a new credential; the previous credential is still in use");
                (CredentialUsed::NewUnreadable, redeem(&self.proven).await)
            }
            answer => (CredentialUsed::New, answer),
        }
    }

    /// For background requests: uses the credential that is known to work, and the new one if that
    /// no longer works.
    pub(super) async fn proven_first<'a, F>(
        &'a self,
        redeem: impl Fn(&'a AppRegistration) -> F,
    ) -> (CredentialUsed, Result<RedeemedTokens, Error>)
    where
        F: Future<Output = Result<RedeemedTokens, Error>>,
    {
        let answer = redeem(&self.proven).await;
        match (&answer, &self.pending) {
            (Err(Error::Refused(refusal)), Some(waiting)) if is_of_the_secret(refusal) => {
                (CredentialUsed::New, redeem(waiting).await)
            }
            (Err(Error::Credential(_)), Some(waiting)) => {
                (CredentialUsed::New, redeem(waiting).await)
            }
            _ => (CredentialUsed::Current, answer),
        }
    }
}

/// Wrong (AADSTS7000215), expired (AADSTS7000222) and the like.
fn is_of_the_secret(refusal: &EntraRefusal) -> bool {
    refusal.error == "invalid_client"
}
