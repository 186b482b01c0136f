//! A sign-in: the address at Entra, the code that comes back, and the address to sign out.

use super::authorize::{self, SignInHints, SignInValues};
use super::error::Error;
use super::redeem;
use super::registration::EntraRegistration;
use super::registration_credentials::CredentialUsed;
use super::verified::VerifiedUser;
use crate::base::return_to::LandingUrl;
use crate::base::secret::Secret;

/// A completed sign-in.
#[derive(Debug)]
pub struct VerifiedSignIn {
    /// The person who signed in.
    pub user: VerifiedUser,
    /// Refresh token for later questions to Entra; `None` if it issued none.
    pub refresh_token: Option<Secret>,
    /// The credential that authenticated the app.
    pub by: CredentialUsed,
}

/// A code that could not be redeemed.
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
pub struct SignInFailure {
    /// The cause.
    pub error: Error,
    /// The credential that authenticated the app; if it has two, both may have been refused.
    pub by: CredentialUsed,
}

impl EntraRegistration {
    /// Starts a sign-in: returns the address at Entra. The browser returns to `redirect_uri` with
    /// `state`.
    ///
    /// # Errors
    /// Entra was never reached, and cannot be reached now.
    pub async fn begin(
        &self,
        redirect_uri: &str,
        hints: &SignInHints,
        values: SignInValues<'_>,
    ) -> Result<String, Error> {
        let snapshot = self.authority.source.snapshot().await?;
        let registration = self.proofs.current();
        authorize::start(registration, &snapshot.metadata, redirect_uri, hints, values)
    }

    /// Redeems the code from the callback at `redirect_uri`, and verifies the tokens. The circuit
    /// breakers never delay a sign-in, but learn its outcome.
    ///
    /// # Errors
    /// `Refused` if Entra refuses the code, `Token` if the ID token is rejected; the others mean
    /// that Entra could not be asked.
    pub async fn redeem(
        &self,
        redirect_uri: &str,
        code: &str,
        nonce: &str,
        verifier: &str,
    ) -> Result<VerifiedSignIn, SignInFailure> {
        let snapshot = self
            .authority
            .source
            .snapshot()
            .await
            .map_err(|error| SignInFailure { error, by: CredentialUsed::Current })?;
        let ticket = self.circuits().ticket();
        let sender = self.sender();
        let (by, answer) = self
            .proofs
            .new_one_first(|it| {
                redeem::redeem(it, &snapshot.metadata, &sender, redirect_uri, code, verifier)
            })
            .await;
        // Anyone can submit codes that Entra refuses, until it throttles them: that must not stop
        // the questions about other sessions.
        let brought = matches!(answer, Err(Error::Refused(_) | Error::Status { status: 429, .. }));
        let outcome = async {
            let tokens = if brought { answer } else { self.count_outcome(ticket, answer) }?;
            Ok((self.verified(tokens.id_token, Some(nonce)).await?, tokens.refresh_token))
        };
        match outcome.await {
            Ok((user, refresh_token)) => Ok(VerifiedSignIn { user, refresh_token, by }),
            Err(error) => Err(SignInFailure { error, by }),
        }
    }

    /// Returns the address where a browser signs out at Entra and then returns to `back` with
    /// `state`; `hint` is the person's `login_hint`. `None` if the endpoint is not known, and Entra
    /// cannot be asked for it now.
    pub async fn sign_out_url(
        &self,
        back: &LandingUrl,
        hint: Option<&str>,
        state: &str,
    ) -> Option<String> {
        let snapshot = self.authority.source.snapshot().await.ok()?;
        authorize::sign_out(self.proofs.current(), &snapshot.metadata, back, hint, state)
    }

    /// Returns the address at which Entra usually signs people out, without a way back.
    pub fn usual_sign_out_url(&self) -> String {
        self.authority.source.usual_sign_out_url()
    }
}
