//! What organizations prove themselves by: sealed at rest, written and never shown, and replaced without a gap.
//!
//! A new secret of an organization that is on waits beside the one that works. Sign-ins try it first, and the first that it brings puts it in
//! the other's place: a wrong one locks nobody out, and an expired old one keeps nobody out. Each sealed text is made once, so it names the
//! secret it holds: what takes the other's place is the very one that worked, on every replica.

use super::change::OrganizationChange;
use super::database::{SqlValue, Transaction};
use super::error::Error;
use super::organization::{ConnectionCredential, EntraConnection, NewCredential, Organization, OrganizationState};
use super::organization_credential::{CredentialKind, OrganizationCredential};
use super::store::Directory;
use crate::base::company_code::CompanyCode;
use crate::base::guid::Guid;
use crate::base::secret::Secret;

/// The longest reason that is kept of a refusal, in bytes.
const MAX_REASON_BYTES: usize = 40;

/// Where a new credential goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CredentialSlot {
    /// Beside the one that works, until it has proven itself.
    Beside,
    /// There is none that could go on working.
    Instead,
}

impl Directory {
    /// By what its sign-in proves itself; nothing where it is not set up. Only for who signs people in.
    ///
    /// # Errors
    /// `Unopened` where no secret opens the credential.
    pub async fn connection(&self, organization: &Organization) -> Result<Option<EntraConnection>, Error> {
        let (Some(tenant), Some(client_id)) = (organization.tenant, organization.client_id) else { return Ok(None) };
        if let Some(credential) = self.of_file.get(&organization.id) {
            return Ok(Some(EntraConnection { tenant, client_id, by: ConnectionCredential::OfFile(credential.clone()), new: None }));
        }
        let sql = "SELECT credential, credential_next, credential_next_refused FROM organization WHERE id = $1";
        let Some(row) = self.database.row(sql, vec![organization.id.to_string().into()]).await? else { return Ok(None) };
        let Some(sealed) = row.maybe_text("credential")? else { return Ok(None) };
        let by = ConnectionCredential::Sealed(self.opened(organization, &sealed)?);
        // One that nothing opens is as good as none: the other works.
        let new = row.maybe_text("credential_next")?.and_then(|it| Some((self.opened(organization, &it).ok()?, it)));
        let refused = row.maybe_text("credential_next_refused")?;
        Ok(Some(EntraConnection { tenant, client_id, by, new: new.map(|(proof, sealed)| NewCredential { proof, sealed, refused }) }))
    }

    /// The organizations of which a credential is opened by no secret.
    ///
    /// # Errors
    /// Where the database cannot be asked.
    pub async fn unopened(&self) -> Result<Vec<CompanyCode>, Error> {
        let mut out = Vec::new();
        for it in self.organizations().await? {
            let sql = "SELECT credential, credential_next FROM organization WHERE id = $1";
            let row = self.database.row(sql, vec![it.id.to_string().into()]).await?;
            let sealed = row.map(|it| Ok::<_, Error>([it.maybe_text("credential")?, it.maybe_text("credential_next")?])).transpose()?;
            if sealed.into_iter().flatten().flatten().any(|sealed| self.opened(&it, &sealed).is_err()) {
                out.push(it.code);
            }
        }
        Ok(out)
    }

    /// A new credential has signed somebody in: it takes the other's place, if it still is the one that waits. Whether it did.
    ///
    /// # Errors
    /// Where the database cannot be asked.
    pub async fn confirm_credential(&self, organization: Guid, new: &NewCredential) -> Result<bool, Error> {
        let mut changes = self.database.begin_transaction().await?;
        let sql = "UPDATE organization SET credential = credential_next, credential_ends = credential_next_ends, credential_next = NULL, credential_next_since = NULL, \
                   credential_next_by = NULL, credential_next_ends = NULL, credential_next_refused = NULL WHERE id = $1 AND credential_next = $2";
        if changes.run(sql, vec![organization.to_string().into(), new.sealed.as_str().into()]).await? == 0 {
            return Ok(false);
        }
        self.audit(&mut changes, "sign-in", Some(organization), None, "credential proven: the new one signed somebody in and took the other's place").await?;
        changes.commit().await?;
        Ok(true)
    }

    /// Entra refused a new credential, which waits on; `reason` is a code of Entra's, for whoever set it.
    ///
    /// # Errors
    /// Where the database cannot be asked.
    pub async fn credential_is_refused(&self, organization: Guid, new: &NewCredential, reason: &str) -> Result<(), Error> {
        if new.refused.as_deref() == Some(reason) || reason.len() > MAX_REASON_BYTES {
            return Ok(());
        }
        let mut changes = self.database.begin_transaction().await?;
        let values = vec![organization.to_string().into(), new.sealed.as_str().into(), reason.into()];
        changes.run("UPDATE organization SET credential_next_refused = $3 WHERE id = $1 AND credential_next = $2", values).await?;
        changes.commit().await
    }

    /// Whether what a day would be of is a client secret: the new one, or else the one that is there.
    pub(super) async fn is_client_secret(&self, changes: &mut Transaction, before: &Organization, new: Option<&OrganizationCredential>) -> Result<bool, Error> {
        if let Some(new) = new {
            return Ok(new.kind() == CredentialKind::ClientSecret);
        }
        let row = changes.row("SELECT credential FROM organization WHERE id = $1", vec![before.id.to_string().into()]).await?;
        let sealed = row.map(|it| it.maybe_text("credential")).transpose()?.flatten();
        // One that nothing opens may be: the day is an operator's to write.
        Ok(sealed.is_none_or(|it| self.opened(before, &it).map_or(true, |it| it.kind() == CredentialKind::ClientSecret)))
    }

    /// Where a new credential of this change goes.
    pub(super) async fn place_of(&self, changes: &mut Transaction, before: &Organization, change: &OrganizationChange) -> Result<CredentialSlot, Error> {
        // The secret of another app registration is of no use to this one.
        if before.state != OrganizationState::On || change.moves(before) {
            return Ok(CredentialSlot::Instead);
        }
        let row = changes.row("SELECT credential FROM organization WHERE id = $1", vec![before.id.to_string().into()]).await?;
        let sealed = row.map(|it| it.maybe_text("credential")).transpose()?.flatten();
        Ok(if sealed.is_some_and(|it| self.opened(before, &it).is_ok()) { CredentialSlot::Beside } else { CredentialSlot::Instead })
    }

    /// Writes a new credential, sealed, where it goes; one that waited before is forgotten.
    pub(super) async fn put(
        &self,
        changes: &mut Transaction,
        organization: Guid,
        (proof, ends): (&OrganizationCredential, Option<u64>),
        place: CredentialSlot,
        by: &str,
    ) -> Result<(), Error> {
        let ends = proof.ends().or(ends).map_or(SqlValue::Number(None), SqlValue::from);
        let mut values: Vec<SqlValue> = vec![organization.to_string().into(), self.sealed(organization, proof)?.into(), ends];
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

    /// Forgets the one that waits.
    pub(super) async fn withdraw(&self, changes: &mut Transaction, organization: Guid) -> Result<(), Error> {
        let sql = "UPDATE organization SET credential_next = NULL, credential_next_since = NULL, credential_next_by = NULL, \
                   credential_next_ends = NULL, credential_next_refused = NULL WHERE id = $1";
        changes.run(sql, vec![organization.to_string().into()]).await.map(drop)
    }

    /// Seals every credential anew under the first secret; gives of how many organizations. After that the other secrets can be dropped.
    ///
    /// # Errors
    /// `Unopened` where no secret opens one: nothing is changed then.
    pub async fn reseal(&self, by: &str) -> Result<usize, Error> {
        let all = self.organizations().await?;
        let mut changes = self.database.begin_transaction().await?;
        let mut count = 0;
        for it in &all {
            let sql = "SELECT credential, credential_next FROM organization WHERE id = $1 AND credential IS NOT NULL";
            let Some(row) = changes.row(sql, vec![it.id.to_string().into()]).await? else { continue };
            let anew = |sealed: Option<String>| sealed.map(|sealed| self.sealed(it.id, &self.opened(it, &sealed)?)).transpose();
            let values = vec![it.id.to_string().into(), anew(row.maybe_text("credential")?)?.into(), anew(row.maybe_text("credential_next")?)?.into()];
            changes.run("UPDATE organization SET credential = $2, credential_next = $3 WHERE id = $1", values).await?;
            self.audit(&mut changes, by, Some(it.id), None, "credential sealed anew").await?;
            count += 1;
        }
        changes.commit().await?;
        Ok(count)
    }

    pub(super) fn sealed(&self, organization: Guid, proof: &OrganizationCredential) -> Result<String, Error> {
        let written = proof.write();
        self.envelope.seal(&organization.to_string(), written.expose().as_bytes()).ok_or(Error::NotSealed)
    }

    fn opened(&self, organization: &Organization, sealed: &str) -> Result<OrganizationCredential, Error> {
        let opened = self.envelope.open(&organization.id.to_string(), sealed).and_then(|it| String::from_utf8(it).ok());
        opened.and_then(|it| OrganizationCredential::read(Secret::new(it))).ok_or_else(|| Error::Unopened(organization.code.clone()))
    }
}
