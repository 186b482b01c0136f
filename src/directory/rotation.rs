//! A refresh token is used once, and brings the next.
//!
//! One that comes again ends the sign-in: two have it (OAuth 2.1 section 4.3.1). Only the last one, within half a minute, is taken for a client
//! that did not hear the answer, and hears the same again.

use super::client_sign_in::ClientSignIn;
use super::client_sign_ins::{RedeemError, RedeemedSignIn, SELECT_SIGN_IN, digest_of, id_of, time};
use super::database::DatabaseRow;
use super::error::Error;
use super::refresh::{self, PresentedToken};
use super::store::Directory;
use crate::base::guid::Guid;
use crate::base::secret::Secret;

/// For how long the same answer is given again, in seconds.
const REPEAT_SECONDS: u64 = 30;

/// How often it is looked at anew when somebody else used the same token first.
const MAX_TRIES: u32 = 4;

/// What a token that is shown is worth.
enum TokenState {
    /// It is the last one that was given out.
    Newest,
    /// It was the last one a moment ago; this is what came of it.
    JustUsed(Secret),
}

impl Directory {
    /// The sign-in that a refresh token is good for; the token is not used up. One that was used before ends it.
    ///
    /// # Errors
    /// Why it is good for nothing.
    pub async fn sign_in_of_token(&self, token: &Secret, client: &str, idle: u64) -> Result<ClientSignIn, RedeemError> {
        let shown = PresentedToken::read(token.expose()).ok_or(RedeemError::Unknown)?;
        let row = self.row_of_sign_in(shown.sign_in).await?.ok_or(RedeemError::Unknown)?;
        self.judge(&row, &shown, token, client, idle).await?;
        self.live(&row).await?.ok_or(RedeemError::Over)
    }

    /// Uses a refresh token up, and gives the next. Of many who use the same at once, one makes the next and all hear it.
    ///
    /// # Errors
    /// Why it brings nothing.
    pub async fn rotate(&self, token: &Secret, client: &str, idle: u64) -> Result<RedeemedSignIn, RedeemError> {
        let shown = PresentedToken::read(token.expose()).ok_or(RedeemError::Unknown)?;
        for _ in 0..MAX_TRIES {
            let row = self.row_of_sign_in(shown.sign_in).await?.ok_or(RedeemError::Unknown)?;
            let worth = self.judge(&row, &shown, token, client, idle).await?;
            let client_sign_in = self.live(&row).await?.ok_or(RedeemError::Over)?;
            match worth {
                TokenState::JustUsed(refresh) => return Ok(RedeemedSignIn { sign_in: client_sign_in, refresh, ended: Vec::new() }),
                TokenState::Newest => {
                    if let Some(refresh) = self.next(&row, &shown).await? {
                        return Ok(RedeemedSignIn { sign_in: client_sign_in, refresh, ended: Vec::new() });
                    }
                }
            }
        }
        Err(Error::Twice.into())
    }

    /// Ends the sign-in that a refresh token belongs to, and says which; nothing where it is none of this client's.
    ///
    /// # Errors
    /// Where the database cannot be asked.
    pub async fn end_by_token(&self, token: &Secret, client: &str, why: &str) -> Result<Option<Guid>, Error> {
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

    /// Also where the key of an old one is gone: the newest two are known by their digests.
    fn was_given_out(&self, row: &DatabaseRow, shown: &PresentedToken, token: &Secret) -> Result<bool, Error> {
        let digest = Some(digest_of(token.expose()));
        let known = row.maybe_text("token")? == digest || row.maybe_text("previous")? == digest;
        let passed = i64::from(shown.generation) <= row.number("generation")?;
        Ok(known || passed && shown.is_authentic(&self.seals, &row.text("salt")?))
    }

    async fn judge(&self, row: &DatabaseRow, shown: &PresentedToken, token: &Secret, client: &str, idle: u64) -> Result<TokenState, RedeemError> {
        if !self.was_given_out(row, shown, token)? {
            return Err(RedeemError::Unknown);
        }
        if row.text("client")? != client {
            return Err(RedeemError::OtherClient);
        }
        let now = self.clock.now();
        if row.maybe_number("ended")?.is_some() || now >= time(row, "ends")? {
            return Err(RedeemError::Over);
        }
        let (id, digest) = (id_of(row)?, Some(digest_of(token.expose())));
        if now >= time(row, "seen")?.saturating_add(idle) {
            self.end_sign_in(id, "nobody refreshed it for too long").await?;
            return Err(RedeemError::Over);
        }
        if row.maybe_text("token")? == digest {
            return Ok(TokenState::Newest);
        }
        let rotated = row.maybe_number("rotated")?.and_then(|it| u64::try_from(it).ok()).unwrap_or_default();
        if row.maybe_text("previous")? == digest && now <= rotated.saturating_add(REPEAT_SECONDS) {
            return self.repeated_answer(row, id)?.map(TokenState::JustUsed).ok_or(RedeemError::Over);
        }
        self.end_sign_in(id, "a refresh token was used twice").await?;
        Err(RedeemError::Reused(id))
    }

    /// The newest token once more, by whichever key it was made.
    fn repeated_answer(&self, row: &DatabaseRow, id: Guid) -> Result<Option<Secret>, Error> {
        let newest = row.maybe_text("token")?;
        let generation = u32::try_from(row.number("generation")?).unwrap_or_default();
        let salt = row.text("salt")?;
        Ok(refresh::all(&self.seals, id, generation, &salt).find(|it| Some(digest_of(it.expose())) == newest))
    }

    /// Makes the next token; nothing where somebody else was first.
    async fn next(&self, row: &DatabaseRow, shown: &PresentedToken) -> Result<Option<Secret>, Error> {
        let (id, salt) = (shown.sign_in, row.text("salt")?);
        let generation = shown.generation.saturating_add(1);
        let next = refresh::all(&self.seals, id, generation, &salt).next().ok_or(Error::NotSealed)?;
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
