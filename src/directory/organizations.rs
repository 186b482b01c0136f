//! Creates and changes organizations.

use super::change::{ChangeOrigin, NewOrganization, OrganizationChange};
use super::credential::CredentialSlot;
use super::database::{SqlValue, Transaction};
use super::error::{Error, plain};
use super::organization::{
    Organization, OrganizationSource, OrganizationState, SELECT_ORGANIZATION, first_sign_in_as_str,
    of_row,
};
use super::organization_credential::OrganizationCredential;
use super::store::Directory;
use super::trial::tested_now;
use crate::base::calendar::SECONDS_PER_DAY;
use crate::base::company_code::CompanyCode;
use crate::base::guid::Guid;

impl Directory {
    /// Creates an organization; `by` is the actor for the history.
    ///
    /// # Errors
    /// `CodeTaken`, `CodeIsUsername`, `DomainElsewhere`, `DomainInUse`, `NoRole`, `NotPlain`,
    /// `Incomplete`.
    pub async fn add_organization(
        &self,
        new: NewOrganization,
        by: &str,
    ) -> Result<Organization, Error> {
        let default_role =
            new.default_role.clone().unwrap_or_else(|| self.config.default_role.clone());
        self.role(&default_role)?;
        plain("name", Some(&new.name))?;
        let id = self.new_id();
        let sealed = new.proof.as_ref().map(|it| self.sealed(id, it)).transpose()?;
        let mut changes = self.database.begin_transaction().await?;
        let code = match new.code {
            Some(code) => code,
            None => self.free_code(&mut changes, &new.name).await?,
        };
        if new.on {
            is_complete(&code, new.tenant, new.client_id, sealed.is_some())?;
        }
        let now = self.clock.now();
        let values: Vec<SqlValue> = vec![
            id.to_string().into(),
            new.name.as_str().into(),
            new.tenant.map(|it| it.to_string()).into(),
            new.client_id.map(|it| it.to_string()).into(),
            sealed.into(),
            default_role.into(),
            new.first_sign_in.map(|it| first_sign_in_as_str(it).to_owned()).into(),
            i64::from(!new.no_guests).into(),
            if new.on { OrganizationState::On } else { OrganizationState::Draft }.as_str().into(),
            now.into(),
            by.into(),
            new.proof
                .as_ref()
                .and_then(OrganizationCredential::ends)
                .or(new.credential_ends)
                .map_or(SqlValue::Number(None), SqlValue::from),
        ];
        let sql = "INSERT INTO organization (id, name, provider, tenant, client_id, credential, default_role, first_sign_in, guests, state, source, created, \
                   changed, changed_by, credential_ends, tenant_by) VALUES ($1, $2, 'azure-ad', $3, $4, $5, $6, $7, $8, $9, 'database', $10, $10, $11, $12, $11)";
        changes.run(sql, values).await?;
        self.take_code(&mut changes, id, &code).await?;
        for domain in &new.domains {
            self.bind(&mut changes, id, domain).await?;
        }
        self.audit(&mut changes, by, Some(id), None, &format!("made with the code {code}")).await?;
        changes.commit().await?;
        self.organization(&code).await?.ok_or(Error::NoOrganization(code))
    }

    /// Changes an organization; `by` is the actor for the history.
    ///
    /// # Errors
    /// `NoOrganization`, `InFile`, `DomainElsewhere`, `DomainInUse`, `NoRole`, `NotPlain`,
    /// `Incomplete`; for requesters other than the operator also `StaysWhileOn`,
    /// `NeedsHighestRole`, `NotTested` or `Conflict`.
    pub async fn change_organization(
        &self,
        code: &CompanyCode,
        mut change: OrganizationChange,
        by: &str,
    ) -> Result<Organization, Error> {
        if let Some(role) = &change.default_role {
            self.role(role)?;
        }
        plain("name", change.name.as_deref())?;
        let found = self.changeable(code).await?;
        let mut changes = self.database.begin_transaction().await?;
        let before = self.locked(&mut changes, found.id).await?;
        change.allowed(&before)?;
        let turned_off = change.turns_off(&before);
        if turned_off {
            change.state = Some(OrganizationState::Off);
        }
        if change.credential_ends.is_some()
            && !self.is_client_secret(&mut changes, &before, change.proof.as_ref()).await?
        {
            // A certificate contains its expiry, and a token from another issuer has none.
            change.credential_ends = None;
        }
        let place = self.place_of(&mut changes, &before, &change).await?;
        self.check_change(&mut changes, &before, &change, place).await?;
        let description = change.description(place == CredentialSlot::Beside);
        if description.is_empty() {
            return Ok(before);
        }
        let has_credential = before.has_credential || change.proof.is_some();
        let (tenant, client_id) =
            (change.tenant.or(before.tenant), change.client_id.or(before.client_id));
        if change.state.unwrap_or(before.state) == OrganizationState::On {
            is_complete(&before.code, tenant, client_id, has_credential)?;
        }
        self.overwrite(&mut changes, before.id, &change, by).await?;
        self.mark_tenant(&mut changes, &before, &change, by).await?;
        match &change.proof {
            Some(proof) => {
                self.put(&mut changes, before.id, proof, change.credential_ends, place, by).await?;
            }
            None if change.withdraw_new => self.withdraw(&mut changes, before.id).await?,
            None => {}
        }
        if let (None, Some(ends)) = (&change.proof, change.credential_ends) {
            changes
                .run(
                    "UPDATE organization SET credential_ends = $2 WHERE id = $1",
                    vec![before.id.to_string().into(), ends.into()],
                )
                .await?;
        }
        if change.state == Some(OrganizationState::Off) {
            if !turned_off {
                self.end_invitations(&mut changes, before.id).await?;
            }
            self.end_sign_ins_of_organization(&mut changes, before.id, &description).await?;
        }
        for domain in &change.bind {
            self.bind(&mut changes, before.id, domain).await?;
        }
        for domain in &change.unbind {
            let values = vec![before.id.to_string().into(), domain.as_str().into()];
            changes
                .run(
                    "DELETE FROM organization_domain WHERE organization = $1 AND domain = $2",
                    values,
                )
                .await?;
        }
        // Applies to the connection after this change.
        if change.state == Some(OrganizationState::On)
            && change.origin != ChangeOrigin::Operator
            && tested_now(&mut changes, before.id).await?.is_none()
        {
            return Err(Error::NotTested(before.code));
        }
        self.audit(&mut changes, by, Some(before.id), None, &description).await?;
        changes.commit().await?;
        self.organization_by_id(before.id).await?.ok_or(Error::NoOrganization(before.code))
    }

    /// Writes the columns of the row itself, except the credential.
    async fn overwrite(
        &self,
        changes: &mut Transaction,
        organization: Guid,
        change: &OrganizationChange,
        by: &str,
    ) -> Result<(), Error> {
        let values = vec![
            organization.to_string().into(),
            change.name.clone().into(),
            change.tenant.map(|it| it.to_string()).into(),
            change.client_id.map(|it| it.to_string()).into(),
            change.default_role.clone().into(),
            change.first_sign_in.map(|it| first_sign_in_as_str(it).to_owned()).into(),
            SqlValue::Number(change.guests.map(i64::from)),
            change.state.map(|it| it.as_str().to_owned()).into(),
            self.clock.now().into(),
            by.into(),
        ];
        let sql = "UPDATE organization SET name = COALESCE($2, name), tenant = COALESCE($3, tenant), client_id = COALESCE($4, client_id), \
                   default_role = COALESCE($5, default_role), first_sign_in = COALESCE($6, first_sign_in), guests = COALESCE($7, guests), state = COALESCE($8, state), \
                   changed = $9, changed_by = $10 WHERE id = $1";
        changes.run(sql, values).await.map(drop)
    }

    /// Notes who set the tenant. A set-up link that leads to another tenant than the one before,
    /// except its own while nothing was on, pauses linking without an approval: the new tenant can
    /// give its accounts any name.
    async fn mark_tenant(
        &self,
        changes: &mut Transaction,
        before: &Organization,
        change: &OrganizationChange,
        by: &str,
    ) -> Result<(), Error> {
        let id = || before.id.to_string();
        if change.resume_linking {
            let sql = "UPDATE organization SET linking_paused = NULL WHERE id = $1";
            changes.run(sql, vec![id().into()]).await?;
        }
        if change.moves(before) {
            // What was seen is of another app registration.
            let sql = "UPDATE organization SET upn_seen = NULL WHERE id = $1";
            changes.run(sql, vec![id().into()]).await?;
        }
        let Some(tenant) = change.tenant.filter(|it| before.tenant != Some(*it)) else {
            return Ok(());
        };
        self.drop_tenant_domains(changes, before.id, by).await?;
        let sql = "SELECT tenant_by FROM organization WHERE id = $1";
        let row = changes.row(sql, vec![id().into()]).await?;
        let own = row.map(|it| it.maybe_text("tenant_by")).transpose()?.flatten();
        let is_own = before.state == OrganizationState::Draft && own.as_deref() == Some(by);
        let replaces = before.tenant.is_some_and(|it| it != tenant)
            && change.origin == ChangeOrigin::Invited
            && !is_own;
        let now = if replaces { Some(self.clock.now()) } else { None };
        let values =
            vec![id().into(), by.into(), now.map_or(SqlValue::Number(None), SqlValue::from)];
        let sql = "UPDATE organization SET tenant_by = $2, linking_paused = COALESCE($3, linking_paused) WHERE id = $1";
        changes.run(sql, values).await?;
        if replaces {
            let what =
                "people are linked with an approval only: a set-up link led to another tenant";
            self.audit(changes, by, Some(before.id), None, what).await?;
        }
        Ok(())
    }

    /// Locks an organization's row until the transaction ends, and returns its current state, which
    /// stays valid until the change is written.
    pub(super) async fn locked(
        &self,
        changes: &mut Transaction,
        organization: Guid,
    ) -> Result<Organization, Error> {
        changes.lock(organization).await?;
        self.current(changes, organization).await
    }

    /// Returns an organization as it is in a transaction.
    pub(super) async fn current(
        &self,
        rows: &mut Transaction,
        organization: Guid,
    ) -> Result<Organization, Error> {
        let sql = format!("{SELECT_ORGANIZATION} WHERE o.id = $1");
        let row = rows.row(sqlx::AssertSqlSafe(sql), vec![organization.to_string().into()]).await?;
        let found = row.map(|it| of_row(&it)).transpose()?;
        found.map(|it| self.as_configured(it)).ok_or(Error::Conflict)
    }

    /// Changes the code of an organization; the previous code stays valid for `days` more.
    ///
    /// # Errors
    /// `NoOrganization`, `InFile`, `CodeTaken`, `CodeIsUsername`.
    pub async fn change_code(
        &self,
        code: &CompanyCode,
        new: &CompanyCode,
        days: u64,
        by: &str,
    ) -> Result<Organization, Error> {
        let before = self.changeable(code).await?;
        if before.code == *new {
            return Ok(before);
        }
        let mut changes = self.database.begin_transaction().await?;
        let ends = self.clock.now().saturating_add(days.saturating_mul(SECONDS_PER_DAY));
        let values = vec![before.id.to_string().into(), ends.into()];
        changes
            .run(
                "UPDATE organization_code SET ends = $2 WHERE organization = $1 AND ends IS NULL",
                values,
            )
            .await?;
        // An organization can return to one of its former codes.
        let values = vec![before.id.to_string().into(), new.as_str().into()];
        changes.run("DELETE FROM organization_code WHERE organization = $1 AND code = $2 AND ends IS NOT NULL", values).await?;
        self.take_code(&mut changes, before.id, new).await?;
        let values = vec![before.id.to_string().into(), self.clock.now().into(), by.into()];
        changes
            .run("UPDATE organization SET changed = $2, changed_by = $3 WHERE id = $1", values)
            .await?;
        self.audit(
            &mut changes,
            by,
            Some(before.id),
            None,
            &format!("code {} became {new}", before.code),
        )
        .await?;
        changes.commit().await?;
        self.organization(new).await?.ok_or_else(|| Error::NoOrganization(new.clone()))
    }

    /// Returns an organization that is stored in the database.
    pub(super) async fn changeable(&self, code: &CompanyCode) -> Result<Organization, Error> {
        let found =
            self.organization(code).await?.ok_or_else(|| Error::NoOrganization(code.clone()))?;
        if found.source == OrganizationSource::File {
            Err(Error::InFile(found.code))
        } else {
            Ok(found)
        }
    }
}

/// Checks that the tenant, the client ID and the credential are set.
fn is_complete(
    code: &CompanyCode,
    tenant: Option<Guid>,
    client_id: Option<Guid>,
    has_credential: bool,
) -> Result<(), Error> {
    let missing = match (tenant, client_id) {
        (None, _) => "a tenant ID",
        (_, None) => "a client ID",
        _ if !has_credential => "a credential",
        _ => return Ok(()),
    };
    Err(Error::Incomplete(code.clone(), missing))
}
