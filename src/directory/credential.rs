//! Credentials of organizations: sealed at rest, never shown, and replaced without an interruption.
//!
//! A new credential of an organization that is on stays pending beside the current one. Sign-ins
//! try it first, and the first success makes it the current one: a wrong credential locks no one
//! out, and neither does an old one that has expired. Each sealed text is unique, so it identifies
//! the credential that it contains: the one that becomes current is exactly the one that worked, on
//! every replica.

use super::change::OrganizationChange;
use super::database::{SqlValue, Transaction};
use super::error::Error;
use super::organization::{
    ConnectionCredential, EntraConnection, NewCredential, Organization, OrganizationState,
};
use super::organization_credential::{CredentialKind, OrganizationCredential};
use super::store::Directory;
use crate::base::company_code::CompanyCode;
use crate::base::guid::Guid;
use crate::base::secret::Secret;

/// Maximum length of a refusal's reason, in bytes.
const MAX_REFUSAL_REASON_BYTES: usize = 40;

/// Where a new credential is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CredentialSlot {
    /// Beside the current one, until someone has signed in with it.
    Beside,
    /// In place of the current one, because none can stay in use.
    Instead,
}

impl Directory {
    /// Returns the connection of an organization's sign-in; `None` if it is not set up. Only for
    /// code that signs people in.
    ///
    /// # Errors
    /// `Unopened` if no secret opens the credential.
    pub async fn connection(
        &self,
        organization: &Organization,
    ) -> Result<Option<EntraConnection>, Error> {
        let (Some(tenant), Some(client_id)) = (organization.tenant, organization.client_id) else {
            return Ok(None);
        };
        if let Some(credential) = self.of_file.get(&organization.id) {
            return Ok(Some(EntraConnection {
                tenant,
                client_id,
                by: ConnectionCredential::OfFile(credential.clone()),
                new: None,
            }));
        }
        let sql = "SELECT credential, credential_next, credential_next_refused FROM organization WHERE id = $1";
        let Some(row) = self.database.row(sql, vec![organization.id.to_string().into()]).await?
        else {
            return Ok(None);
        };
        let Some(sealed) = row.maybe_text("credential")? else { return Ok(None) };
        let by = ConnectionCredential::Sealed(self.opened(organization, &sealed)?);
        // A pending credential that no secret opens is ignored: the current one works.
        let new = row
            .maybe_text("credential_next")?
            .and_then(|it| Some((self.opened(organization, &it).ok()?, it)));
        let refused = row.maybe_text("credential_next_refused")?;
        Ok(Some(EntraConnection {
            tenant,
            client_id,
            by,
            new: new.map(|(proof, sealed)| NewCredential { proof, sealed, refused }),
        }))
    }

    /// Returns the organizations with a credential that no secret opens.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn unopened(&self) -> Result<Vec<CompanyCode>, Error> {
        let mut out = Vec::new();
        for it in self.organizations().await? {
            let sql = "SELECT credential, credential_next FROM organization WHERE id = $1";
            let row = self.database.row(sql, vec![it.id.to_string().into()]).await?;
            let sealed = row
                .map(|it| {
                    Ok::<_, Error>([
                        it.maybe_text("credential")?,
                        it.maybe_text("credential_next")?,
                    ])
                })
                .transpose()?;
            if sealed
                .into_iter()
                .flatten()
                .flatten()
                .any(|sealed| self.opened(&it, &sealed).is_err())
            {
                out.push(it.code);
            }
        }
        Ok(out)
    }

    /// Makes a new credential the current one after a sign-in with it, if it is still the pending
    /// one. Returns whether it did.
    ///
    /// # Errors
    /// The database cannot be changed.
    pub async fn confirm_credential(
        &self,
        organization: Guid,
        new: &NewCredential,
    ) -> Result<bool, Error> {
        let mut changes = self.database.begin_transaction().await?;
        let sql = "UPDATE organization SET credential = credential_next, credential_ends = credential_next_ends, credential_next = NULL, credential_next_since = NULL, \
                   credential_next_by = NULL, credential_next_ends = NULL, credential_next_refused = NULL WHERE id = $1 AND credential_next = $2";
        if changes
            .run(sql, vec![organization.to_string().into(), new.sealed.as_str().into()])
            .await?
            == 0
        {
            return Ok(false);
        }
        self.audit(
            &mut changes,
            "sign-in",
            Some(organization),
            None,
            "credential proven: the new one replaced the previous one after a sign-in",
        )
        .await?;
        changes.commit().await?;
        Ok(true)
    }

    /// Records that Entra refused a new credential, which stays pending; `reason` is Entra's error
    /// code, for the person who set it.
    ///
    /// # Errors
    /// The database cannot be changed.
    pub async fn credential_is_refused(
        &self,
        organization: Guid,
        new: &NewCredential,
        reason: &str,
    ) -> Result<(), Error> {
        if new.refused.as_deref() == Some(reason) || reason.len() > MAX_REFUSAL_REASON_BYTES {
            return Ok(());
        }
        let mut changes = self.database.begin_transaction().await?;
        let values =
            vec![organization.to_string().into(), new.sealed.as_str().into(), reason.into()];
        changes.run("UPDATE organization SET credential_next_refused = $3 WHERE id = $1 AND credential_next = $2", values).await?;
        changes.commit().await
    }

    /// Whether an expiry date would refer to a client secret: the new credential, or otherwise the
    /// current one.
    pub(super) async fn is_client_secret(
        &self,
        changes: &mut Transaction,
        before: &Organization,
        new: Option<&OrganizationCredential>,
    ) -> Result<bool, Error> {
        if let Some(new) = new {
            return Ok(new.kind() == CredentialKind::ClientSecret);
        }
        let row = changes
            .row(
                "SELECT credential FROM organization WHERE id = $1",
                vec![before.id.to_string().into()],
            )
            .await?;
        let sealed = row.map(|it| it.maybe_text("credential")).transpose()?.flatten();
        // Assumes a client secret if nothing opens it, so that an operator can set the date.
        Ok(sealed.is_none_or(|it| {
            self.opened(before, &it).map_or(true, |it| it.kind() == CredentialKind::ClientSecret)
        }))
    }

    /// Returns where the new credential of this change is stored.
    pub(super) async fn place_of(
        &self,
        changes: &mut Transaction,
        before: &Organization,
        change: &OrganizationChange,
    ) -> Result<CredentialSlot, Error> {
        // A secret of another app registration does not work for this one.
        if before.state != OrganizationState::On || change.moves(before) {
            return Ok(CredentialSlot::Instead);
        }
        let row = changes
            .row(
                "SELECT credential FROM organization WHERE id = $1",
                vec![before.id.to_string().into()],
            )
            .await?;
        let sealed = row.map(|it| it.maybe_text("credential")).transpose()?.flatten();
        Ok(if sealed.is_some_and(|it| self.opened(before, &it).is_ok()) {
            CredentialSlot::Beside
        } else {
            CredentialSlot::Instead
        })
    }

    /// Stores a new credential, sealed; discards the previous pending one.
    pub(super) async fn put(
        &self,
        changes: &mut Transaction,
        organization: Guid,
        proof: &OrganizationCredential,
        ends: Option<u64>,
        place: CredentialSlot,
        by: &str,
    ) -> Result<(), Error> {
        let ends = proof.ends().or(ends).map_or(SqlValue::Number(None), SqlValue::from);
        let mut values: Vec<SqlValue> =
            vec![organization.to_string().into(), self.sealed(organization, proof)?.into(), ends];
        let sql = match place {
            CredentialSlot::Instead => {
                "UPDATE organization SET credential = $2, credential_ends = $3, credential_next = NULL, credential_next_since = NULL, credential_next_by = NULL, \
                 credential_next_ends = NULL, credential_next_refused = NULL WHERE id = $1"
            }
            CredentialSlot::Beside => {
                values.extend([self.clock.now().into(), by.into()]);
                "UPDATE organization SET credential_next = $2, credential_next_ends = $3, credential_next_since = $4, credential_next_by = $5, \
                 credential_next_refused = NULL WHERE id = $1"
            }
        };
        changes.run(sql, values).await.map(drop)
    }

    /// Discards the pending credential.
    pub(super) async fn withdraw(
        &self,
        changes: &mut Transaction,
        organization: Guid,
    ) -> Result<(), Error> {
        let sql = "UPDATE organization SET credential_next = NULL, credential_next_since = NULL, credential_next_by = NULL, \
                   credential_next_ends = NULL, credential_next_refused = NULL WHERE id = $1";
        changes.run(sql, vec![organization.to_string().into()]).await.map(drop)
    }

    /// Seals all credentials again with the first secret; returns the number of organizations.
    /// After that, the other secrets can be removed.
    ///
    /// # Errors
    /// `Unopened` if no secret opens one of them; nothing has changed then.
    pub async fn reseal(&self, by: &str) -> Result<usize, Error> {
        let all = self.organizations().await?;
        let mut changes = self.database.begin_transaction().await?;
        let mut count = 0;
        for it in &all {
            let sql = "SELECT credential, credential_next FROM organization WHERE id = $1 AND credential IS NOT NULL";
            let Some(row) = changes.row(sql, vec![it.id.to_string().into()]).await? else {
                continue;
            };
            let resealed = |sealed: Option<String>| {
                sealed.map(|sealed| self.sealed(it.id, &self.opened(it, &sealed)?)).transpose()
            };
            let values = vec![
                it.id.to_string().into(),
                resealed(row.maybe_text("credential")?)?.into(),
                resealed(row.maybe_text("credential_next")?)?.into(),
            ];
            changes
                .run(
                    "UPDATE organization SET credential = $2, credential_next = $3 WHERE id = $1",
                    values,
                )
                .await?;
            self.audit(&mut changes, by, Some(it.id), None, "credential sealed anew").await?;
            count += 1;
        }
        self.reseal_erasure_key(&mut changes).await?;
        changes.commit().await?;
        Ok(count)
    }

    pub(super) fn sealed(
        &self,
        organization: Guid,
        proof: &OrganizationCredential,
    ) -> Result<String, Error> {
        let written = proof.write();
        self.envelope
            .seal(&organization.to_string(), written.expose().as_bytes())
            .ok_or(Error::NotSealed)
    }

    fn opened(
        &self,
        organization: &Organization,
        sealed: &str,
    ) -> Result<OrganizationCredential, Error> {
        let opened = self
            .envelope
            .open(&organization.id.to_string(), sealed)
            .and_then(|it| String::from_utf8(it).ok());
        opened
            .and_then(|it| OrganizationCredential::read(Secret::new(it)))
            .ok_or_else(|| Error::Unopened(organization.code.clone()))
    }
}
