//! Ends sign-ins on native clients: one, or all of a person, an organization or an account.

use super::client_sign_ins::{SELECT_SIGN_IN, guid, id_of};
use super::database::{DatabaseRow, Transaction};
use super::error::Error;
use super::store::Directory;
use crate::base::guid::Guid;

impl Directory {
    /// Ends a sign-in with all its tokens; `why` is for the history.
    ///
    /// # Errors
    /// The database cannot be read or changed.
    pub async fn end_sign_in(&self, id: Guid, why: &str) -> Result<(), Error> {
        let mut changes = self.database.begin_transaction().await?;
        let row = changes
            .row(
                sqlx::AssertSqlSafe(format!("{SELECT_SIGN_IN} WHERE id = $1")),
                vec![id.to_string().into()],
            )
            .await?;
        if let Some(row) = row {
            self.end(&mut changes, &row, why).await?;
        }
        changes.commit().await
    }

    /// Ends all of a person's sign-ins on clients, as part of a change that writes the history
    /// entry itself.
    pub(super) async fn end_sign_ins_of_person(
        &self,
        changes: &mut Transaction,
        person: Guid,
        why: &str,
    ) -> Result<(), Error> {
        let values = vec![person.to_string().into(), self.clock.now().into(), why.into()];
        changes.run("UPDATE family SET ended = $2, why = $3, entra_grant = NULL WHERE person = $1 AND ended IS NULL", values).await.map(drop)
    }

    /// Ends all sign-ins on clients for the people of an organization, as part of a change that
    /// writes the history entry itself.
    pub(super) async fn end_sign_ins_of_organization(
        &self,
        changes: &mut Transaction,
        organization: Guid,
        why: &str,
    ) -> Result<(), Error> {
        let values = vec![organization.to_string().into(), self.clock.now().into(), why.into()];
        changes.run("UPDATE family SET ended = $2, why = $3, entra_grant = NULL WHERE organization = $1 AND ended IS NULL", values).await.map(drop)
    }

    /// Ends all sign-ins on clients for the account with that object ID, in all organizations;
    /// without a tenant, in all tenants.
    ///
    /// # Errors
    /// The database cannot be read or changed.
    pub async fn end_sign_ins_of_account(
        &self,
        oid: Guid,
        tid: Option<Guid>,
        why: &str,
    ) -> Result<(), Error> {
        let mut changes = self.database.begin_transaction().await?;
        let sql = "SELECT id, organization FROM person WHERE oid = $1 AND tid = COALESCE($2, tid)";
        for row in changes
            .rows(sql, vec![oid.to_string().into(), tid.map(|it| it.to_string()).into()])
            .await?
        {
            let (person, organization) = (id_of(&row)?, guid(&row, "organization")?);
            self.end_sign_ins_of_person(&mut changes, person, why).await?;
            self.audit(&mut changes, "operator", Some(organization), Some(person), why).await?;
        }
        changes.commit().await
    }

    /// Ends one sign-in within a transaction. The history entry informs the other processes.
    pub(super) async fn end(
        &self,
        changes: &mut Transaction,
        row: &DatabaseRow,
        why: &str,
    ) -> Result<(), Error> {
        let (id, client) = (id_of(row)?, row.text("client")?);
        let values = vec![id.to_string().into(), self.clock.now().into(), why.into()];
        if changes.run("UPDATE family SET ended = $2, why = $3, entra_grant = NULL WHERE id = $1 AND ended IS NULL", values).await? == 0 {
            return Ok(());
        }
        let (person, organization) = (guid(row, "person")?, guid(row, "organization")?);
        self.audit(
            changes,
            "native client",
            Some(organization),
            Some(person),
            &format!("sign-in on {client} ended: {why}"),
        )
        .await
    }
}
