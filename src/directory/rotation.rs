//! A refresh token is used once, and brings the next.
//!
//! One that comes again ends the sign-in: two have it (OAuth 2.1 section 4.3.1). Only the last one, within half a minute, is taken for a client
//! that did not hear the answer, and hears the same again.

use super::database::Row;
use super::error::Error;
use super::families::{Granted, Refused, SELECT, digest_of, id_of, time};
use super::family::Family;
use super::refresh::{self, Shown};
use super::store::Directory;
use crate::base::guid::Guid;
use crate::base::secret::Secret;

/// For how long the same answer is given again, in seconds.
const AGAIN: u64 = 30;

/// How often it is looked at anew when somebody else used the same token first.
const TRIES: u32 = 4;

/// What a token that is shown is worth.
enum Worth {
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
    pub async fn family_of_token(&self, token: &Secret, client: &str, idle: u64) -> Result<Family, Refused> {
        let shown = Shown::read(token.expose()).ok_or(Refused::Unknown)?;
        let row = self.row_of_family(shown.family).await?.ok_or(Refused::Unknown)?;
        self.judge(&row, &shown, token, client, idle).await?;
        self.live(&row).await?.ok_or(Refused::Over)
    }

    /// Uses a refresh token up, and gives the next. Of many who use the same at once, one makes the next and all hear it.
    ///
    /// # Errors
    /// Why it brings nothing.
    pub async fn rotate(&self, token: &Secret, client: &str, idle: u64) -> Result<Granted, Refused> {
        let shown = Shown::read(token.expose()).ok_or(Refused::Unknown)?;
        for _ in 0..TRIES {
            let row = self.row_of_family(shown.family).await?.ok_or(Refused::Unknown)?;
            let worth = self.judge(&row, &shown, token, client, idle).await?;
            let family = self.live(&row).await?.ok_or(Refused::Over)?;
            match worth {
                Worth::JustUsed(refresh) => return Ok(Granted { family, refresh, ended: Vec::new() }),
                Worth::Newest => {
                    if let Some(refresh) = self.next(&row, &shown).await? {
                        return Ok(Granted { family, refresh, ended: Vec::new() });
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
        let Some(shown) = Shown::read(token.expose()) else { return Ok(None) };
        let Some(row) = self.row_of_family(shown.family).await? else { return Ok(None) };
        if row.text("client")? != client || !self.was_given_out(&row, &shown, token)? {
            return Ok(None);
        }
        self.end_family(shown.family, why).await?;
        Ok(Some(shown.family))
    }

    async fn row_of_family(&self, id: Guid) -> Result<Option<Row>, Error> {
        let sql = format!("{SELECT} WHERE id = $1 AND generation > 0");
        self.database.row(sqlx::AssertSqlSafe(sql), vec![id.to_string().into()]).await
    }

    /// Also where the key of an old one is gone: the newest two are known by their digests.
    fn was_given_out(&self, row: &Row, shown: &Shown, token: &Secret) -> Result<bool, Error> {
        let digest = Some(digest_of(token.expose()));
        let known = row.maybe_text("token")? == digest || row.maybe_text("previous")? == digest;
        let passed = i64::from(shown.generation) <= row.number("generation")?;
        Ok(known || passed && shown.is_ours(&self.seals, &row.text("salt")?))
    }

    async fn judge(&self, row: &Row, shown: &Shown, token: &Secret, client: &str, idle: u64) -> Result<Worth, Refused> {
        if !self.was_given_out(row, shown, token)? {
            return Err(Refused::Unknown);
        }
        if row.text("client")? != client {
            return Err(Refused::OtherClient);
        }
        let now = self.clock.now();
        if row.maybe_number("ended")?.is_some() || now >= time(row, "ends")? {
            return Err(Refused::Over);
        }
        let (id, digest) = (id_of(row)?, Some(digest_of(token.expose())));
        if now >= time(row, "seen")?.saturating_add(idle) {
            self.end_family(id, "nobody refreshed it for too long").await?;
            return Err(Refused::Over);
        }
        if row.maybe_text("token")? == digest {
            return Ok(Worth::Newest);
        }
        let rotated = row.maybe_number("rotated")?.and_then(|it| u64::try_from(it).ok()).unwrap_or_default();
        if row.maybe_text("previous")? == digest && now <= rotated.saturating_add(AGAIN) {
            return self.told_again(row, id)?.map(Worth::JustUsed).ok_or(Refused::Over);
        }
        self.end_family(id, "a refresh token was used twice").await?;
        Err(Refused::Reused(id))
    }

    /// The newest token once more, by whichever key it was made.
    fn told_again(&self, row: &Row, id: Guid) -> Result<Option<Secret>, Error> {
        let newest = row.maybe_text("token")?;
        let generation = u32::try_from(row.number("generation")?).unwrap_or_default();
        let salt = row.text("salt")?;
        Ok(refresh::all(&self.seals, id, generation, &salt).find(|it| Some(digest_of(it.expose())) == newest))
    }

    /// Makes the next token; nothing where somebody else was first.
    async fn next(&self, row: &Row, shown: &Shown) -> Result<Option<Secret>, Error> {
        let (id, salt) = (shown.family, row.text("salt")?);
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
        let mut changes = self.database.begin().await?;
        let count = changes.run(sql, values).await?;
        changes.commit().await?;
        Ok((count == 1).then_some(next))
    }
}
