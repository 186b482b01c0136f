//! Later questions about a person who is signed in: whether the session may continue, and which
//! groups the person is in.

use super::circuit::CircuitTicket;
use super::error::Error;
use super::graph::{self, GroupMembership};
use super::registration::EntraRegistration;
use super::registration_credentials::CredentialUsed;
use super::verified::VerifiedUser;
use super::{metadata, redeem};
use crate::base::secret::Secret;

/// The result of a refresh: a new refresh token, which must be stored before anything else, and an
/// ID token that is not verified yet.
#[derive(Debug)]
pub struct RefreshedSignIn {
    /// Replaces the previous refresh token; `None` if Entra issued no new one.
    pub refresh_token: Option<Secret>,
    /// The credential that authenticated the app.
    pub by: CredentialUsed,
    id_token: Option<Secret>,
    ticket: CircuitTicket,
}

impl EntraRegistration {
    /// Redeems a refresh token, unless requests to Entra are paused. `verify` verifies the result
    /// after the caller has stored the new refresh token.
    ///
    /// # Errors
    /// `Refused` if Entra refuses the token; the others mean that Entra could not be asked.
    pub async fn refresh(&self, refresh_token: &Secret) -> Result<RefreshedSignIn, Error> {
        let snapshot = self.authority.source.snapshot().await?;
        let (ticket, _place) = self.enter().await?;
        let sender = self.sender();
        match self
            .proofs
            .proven_first(|it| redeem::refresh(it, &snapshot.metadata, &sender, refresh_token))
            .await
        {
            // The circuit breakers learn the outcome after the verification: an unusable response
            // counts as none.
            (by, Ok(tokens)) => Ok(RefreshedSignIn {
                refresh_token: tokens.refresh_token,
                by,
                id_token: tokens.id_token,
                ticket,
            }),
            (_, Err(cause)) => self.count_outcome(ticket, Err(cause)),
        }
    }

    /// Verifies the result of a refresh like that of a sign-in, except for the nonce, which it does
    /// not have.
    ///
    /// # Errors
    /// `Token` if it breaks a rule; the others mean that it could not be verified.
    pub async fn verify(&self, refreshed: RefreshedSignIn) -> Result<VerifiedUser, Error> {
        let verified = self.verified(refreshed.id_token, None).await;
        self.count_outcome(refreshed.ticket, verified)
    }

    /// Redeems a refresh token for access to Graph, unless requests to Entra are paused. The result
    /// contains the new refresh token, which must be stored before anything else.
    ///
    /// # Errors
    /// Why there is no token for Graph.
    pub async fn graph_pass(
        &self,
        refresh_token: &Secret,
    ) -> Result<graph::GraphToken, graph::Error> {
        self.redeemed_for_graph(refresh_token).await.map_err(graph::Error::Token)
    }

    async fn redeemed_for_graph(&self, refresh_token: &Secret) -> Result<graph::GraphToken, Error> {
        let snapshot = self.authority.source.snapshot().await?;
        let (ticket, _place) = self.enter().await?;
        let base = metadata::graph_base(self.own_graph.as_deref(), self.graph, &snapshot.metadata);
        let scope = format!("{base}/{}", graph::GRAPH_PERMISSION);
        let sender = self.sender();
        let (_, answer) = self
            .proofs
            .proven_first(|it| {
                redeem::for_graph(it, &snapshot.metadata, &sender, refresh_token, scope.clone())
            })
            .await;
        let tokens = match answer {
            // A refusal for Graph says only that Entra answers, and nothing about sessions; this
            // request may have been the probe that others wait for.
            Err(Error::Refused(refusal)) if !refusal.is_of_the_app() => {
                self.circuits().refused();
                Err(Error::Refused(refusal))
            }
            answer => self.count_outcome(ticket, answer),
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
        let ids = graph::groups(&self.authority.host().client, &pass.base, &pass.access).await?;
        Ok(GroupMembership::new(whose.identity(), ids))
    }
}
