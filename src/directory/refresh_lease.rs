//! The right to ask Entra about a sign-in on a native client, and what Entra's answers change in
//! its row.

use super::client_sign_ins::SELECT_SIGN_IN;
use super::database::SqlValue;
use super::error::Error;
use super::store::Directory;
use crate::base::guid::Guid;
use crate::base::identity::Identity;
use crate::base::secret::Secret;

/// Seconds for which a process holds the right to ask Entra before another process may acquire it.
const REFRESH_LEASE_SECONDS: u64 = 60;

/// State of a sign-in immediately before a question to Entra.
#[derive(Debug)]
pub enum RefreshLease {
    /// This process may ask, with this refresh token.
    Held(Option<Secret>),
    /// Another process is asking Entra.
    Elsewhere,
    /// The sign-in has ended.
    Ended,
}

impl Directory {
    /// Acquires the right to ask Entra about a sign-in, so that no two processes use the same
    /// refresh token.
    ///
    /// # Errors
    /// The database cannot be read or changed.
    pub async fn lease_refresh(&self, id: Guid) -> Result<RefreshLease, Error> {
        let now = self.clock.now();
        let mut changes = self.database.begin_transaction().await?;
        let values = vec![
            id.to_string().into(),
            now.into(),
            now.saturating_add(REFRESH_LEASE_SECONDS).into(),
        ];
        let turn = changes.run("UPDATE family SET asking = $3 WHERE id = $1 AND asking <= $2 AND ended IS NULL AND ends > $2", values).await? == 1;
        let sql = format!("{SELECT_SIGN_IN} WHERE id = $1 AND ended IS NULL AND ends > $2");
        let row =
            changes.row(sqlx::AssertSqlSafe(sql), vec![id.to_string().into(), now.into()]).await?;
        changes.commit().await?;
        let Some(row) = row else { return Ok(RefreshLease::Ended) };
        if !turn {
            return Ok(RefreshLease::Elsewhere);
        }
        let refresh_token =
            row.maybe_text("entra_grant")?.and_then(|it| self.seals.open_refresh_token(id, &it));
        Ok(RefreshLease::Held(refresh_token))
    }

    /// Stores the refresh token from Entra that replaces the previous one.
    ///
    /// # Errors
    /// The database cannot be changed.
    pub async fn store_refresh_token(&self, id: Guid, refresh_token: &Secret) -> Result<(), Error> {
        let values =
            vec![id.to_string().into(), self.seals.seal_refresh_token(id, refresh_token)?.into()];
        self.change_sign_in(
            "UPDATE family SET entra_grant = $2 WHERE id = $1 AND ended IS NULL",
            values,
        )
        .await
    }

    /// Records that Entra has confirmed the person's access, with the current identity.
    ///
    /// # Errors
    /// The database cannot be changed.
    pub async fn refresh_succeeded(&self, id: Guid, who: &Identity) -> Result<(), Error> {
        let values = vec![
            id.to_string().into(),
            self.seals.seal_identity(id, who)?.into(),
            self.clock.now().into(),
        ];
        self.change_sign_in(
            "UPDATE family SET identity = $2, answered = $3 WHERE id = $1 AND ended IS NULL",
            values,
        )
        .await
    }

    /// Releases the right to ask Entra.
    ///
    /// # Errors
    /// The database cannot be changed.
    pub async fn release_refresh(&self, id: Guid) -> Result<(), Error> {
        self.change_sign_in(
            "UPDATE family SET asking = 0 WHERE id = $1",
            vec![id.to_string().into()],
        )
        .await
    }

    async fn change_sign_in(&self, sql: &'static str, values: Vec<SqlValue>) -> Result<(), Error> {
        let mut changes = self.database.begin_transaction().await?;
        changes.run(sql, values).await?;
        changes.commit().await
    }
}
