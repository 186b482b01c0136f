//! Rotation of refresh tokens: each is used once, and returns the next.
//!
//! A token that is used again ends the sign-in, because two parties have it (OAuth 2.1 section
//! 4.3.1). The only exception is the latest used token, within half a minute: the client may have
//! missed the response, and receives the same response again.

use super::client_sign_in::ClientSignIn;
use super::client_sign_ins::{
    AcceptedClientSignIn, RedeemError, SELECT_SIGN_IN, digest_of, id_of, time,
};
use super::database::DatabaseRow;
use super::error::Error;
use super::refresh::{self, PresentedToken};
use super::store::Directory;
use crate::base::guid::Guid;
use crate::base::secret::Secret;

/// Time in which the same response is repeated, in seconds.
const SAME_RESPONSE_SECONDS: u64 = 30;

/// Maximum number of attempts if another request uses the same token first.
const MAX_ROTATION_TRIES: u32 = 4;

/// Result of the check of a token.
enum TokenState {
    /// The latest token that was issued.
    Newest,
    /// It was the latest token until a moment ago; contains its successor.
    JustUsed(Secret),
}

impl Directory {
    /// Returns the sign-in that a refresh token belongs to, without using the token up. A token
    /// that was used before ends the sign-in.
    ///
    /// # Errors
    /// Why the token is rejected.
    pub async fn sign_in_of_token(
        &self,
        token: &Secret,
        client: &str,
        idle: u64,
    ) -> Result<ClientSignIn, RedeemError> {
        let shown = PresentedToken::read(token.expose()).ok_or(RedeemError::Unknown)?;
        let row = self.row_of_sign_in(shown.sign_in).await?.ok_or(RedeemError::Unknown)?;
        self.judge(&row, &shown, token, client, idle).await?;
        self.live(&row).await?.ok_or(RedeemError::SignInEnded)
    }

    /// Uses up a refresh token, and returns the next one. If several requests use the same token at
    /// the same time, one creates the next token and all receive it.
    ///
    /// # Errors
    /// Why the token is rejected.
    pub async fn rotate(
        &self,
        token: &Secret,
        client: &str,
        idle: u64,
    ) -> Result<AcceptedClientSignIn, RedeemError> {
        let shown = PresentedToken::read(token.expose()).ok_or(RedeemError::Unknown)?;
        for _ in 0..MAX_ROTATION_TRIES {
            let row = self.row_of_sign_in(shown.sign_in).await?.ok_or(RedeemError::Unknown)?;
            let worth = self.judge(&row, &shown, token, client, idle).await?;
            let client_sign_in = self.live(&row).await?.ok_or(RedeemError::SignInEnded)?;
            match worth {
                TokenState::JustUsed(refresh) => {
                    return Ok(AcceptedClientSignIn {
                        sign_in: client_sign_in,
                        refresh,
                        ended: Vec::new(),
                    });
                }
                TokenState::Newest => {
                    if let Some(refresh) = self.next(&row, &shown).await? {
                        return Ok(AcceptedClientSignIn {
                            sign_in: client_sign_in,
                            refresh,
                            ended: Vec::new(),
                        });
                    }
                }
            }
        }
        Err(Error::Conflict.into())
    }

    /// Ends the sign-in that a refresh token belongs to, and returns its ID; `None` if the token
    /// does not belong to this client.
    ///
    /// # Errors
    /// The database cannot be read or changed.
    pub async fn end_by_token(
        &self,
        token: &Secret,
        client: &str,
        why: &str,
    ) -> Result<Option<Guid>, Error> {
        let Some(shown) = PresentedToken::read(token.expose()) else { return Ok(None) };
        let Some(row) = self.row_of_sign_in(shown.sign_in).await? else { return Ok(None) };
        if row.text("client")? != client || !self.was_given_out(&row, &shown, token)? {
            return Ok(None);
        }
        self.end_sign_in(shown.sign_in, why).await?;
        Ok(Some(shown.sign_in))
    }

    async fn row_of_sign_in(&self, id: Guid) -> Result<Option<DatabaseRow>, Error> {
        let sql = format!("{SELECT_SIGN_IN} WHERE id = $1 AND generation > 0");
        self.database.row(sqlx::AssertSqlSafe(sql), vec![id.to_string().into()]).await
    }

    /// Also works after the key of an old token was removed: the two newest are recognized with
    /// their digests.
    fn was_given_out(
        &self,
        row: &DatabaseRow,
        shown: &PresentedToken,
        token: &Secret,
    ) -> Result<bool, Error> {
        let digest = Some(digest_of(token.expose()));
        let known = row.maybe_text("token")? == digest || row.maybe_text("previous")? == digest;
        let passed = i64::from(shown.generation) <= row.number("generation")?;
        Ok(known || passed && shown.is_authentic(&self.seals, &row.text("salt")?))
    }

    async fn judge(
        &self,
        row: &DatabaseRow,
        shown: &PresentedToken,
        token: &Secret,
        client: &str,
        idle: u64,
    ) -> Result<TokenState, RedeemError> {
        if !self.was_given_out(row, shown, token)? {
            return Err(RedeemError::Unknown);
        }
        if row.text("client")? != client {
            return Err(RedeemError::OtherClient);
        }
        let now = self.clock.now();
        if row.maybe_number("ended")?.is_some() || now >= time(row, "ends")? {
            return Err(RedeemError::SignInEnded);
        }
        let (id, digest) = (id_of(row)?, Some(digest_of(token.expose())));
        if now >= time(row, "seen")?.saturating_add(idle) {
            self.end_sign_in(id, "nobody refreshed it for too long").await?;
            return Err(RedeemError::SignInEnded);
        }
        if row.maybe_text("token")? == digest {
            return Ok(TokenState::Newest);
        }
        let rotated =
            row.maybe_number("rotated")?.and_then(|it| u64::try_from(it).ok()).unwrap_or_default();
        if row.maybe_text("previous")? == digest
            && now <= rotated.saturating_add(SAME_RESPONSE_SECONDS)
        {
            return self
                .repeated_answer(row, id)?
                .map(TokenState::JustUsed)
                .ok_or(RedeemError::SignInEnded);
        }
        self.end_sign_in(id, "a refresh token was used twice").await?;
        Err(RedeemError::Reused(id))
    }

    /// Derives the newest token again, with the key that it was made with.
    fn repeated_answer(&self, row: &DatabaseRow, id: Guid) -> Result<Option<Secret>, Error> {
        let newest = row.maybe_text("token")?;
        let generation = u32::try_from(row.number("generation")?).unwrap_or_default();
        let salt = row.text("salt")?;
        Ok(refresh::all(&self.seals, id, generation, &salt)
            .find(|it| Some(digest_of(it.expose())) == newest))
    }

    /// Creates the next token; returns `None` if another request was first.
    async fn next(
        &self,
        row: &DatabaseRow,
        shown: &PresentedToken,
    ) -> Result<Option<Secret>, Error> {
        let (id, salt) = (shown.sign_in, row.text("salt")?);
        let generation = shown.generation.saturating_add(1);
        let next =
            refresh::all(&self.seals, id, generation, &salt).next().ok_or(Error::NotSealed)?;
        let values = vec![
            id.to_string().into(),
            i64::from(shown.generation).into(),
            i64::from(generation).into(),
            digest_of(next.expose()).into(),
            self.clock.now().into(),
        ];
        let sql = "UPDATE family SET generation = $3, previous = token, token = $4, rotated = $5, seen = $5 \
                   WHERE id = $1 AND generation = $2 AND ended IS NULL";
        let mut changes = self.database.begin_transaction().await?;
        let count = changes.run(sql, values).await?;
        changes.commit().await?;
        Ok((count == 1).then_some(next))
    }
}
