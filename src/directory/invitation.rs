//! Links with which an operator lets someone set up an organization before anyone can sign in
//! there.
//!
//! A link can be used once, within a day, for one organization. A newer link ends it, and so does
//! switching the organization off. Only a digest of its token is stored. The visit that it starts
//! is bound to its row, so that ending the row ends the visit.

use super::database::{SqlValue, Transaction};
use super::error::Error;
use super::organization::Organization;
use super::store::Directory;
use crate::base::company_code::CompanyCode;
use crate::base::guid::Guid;
use crate::base::secret::Secret;
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// Lifetime of a link, in seconds.
pub const LINK_LIFETIME_SECONDS: u64 = 86_400;
/// Duration of the visit that a link starts, in seconds.
pub const VISIT_LIFETIME_SECONDS: u64 = 2 * 3600;
/// Maximum length of a token that is examined, in bytes.
pub const MAX_INVITATION_TOKEN_BYTES: usize = 64;

/// Forgets the account that passed a test with a link.
pub(super) const NO_TRIAL: &str = "trial_tid = NULL, trial_oid = NULL, trial_upn = NULL, trial_name = NULL, trial_sign_in_name = NULL, trial_mark = NULL";

/// A new link.
#[derive(Debug)]
pub struct NewInvitation {
    /// The organization that the link sets up.
    pub organization: Organization,
    /// The token in the link; it is shown once.
    pub token: Secret,
    /// Expiry of the link, in seconds since 1970.
    pub ends: u64,
}

/// A visit that started with a link.
#[derive(Debug)]
pub struct Invitation {
    /// The ID of the link, which identifies the visitor in the history.
    pub id: Guid,
    /// The organization that the visit sets up.
    pub organization: Organization,
}

/// Why a link starts no visit.
#[derive(Debug, thiserror::Error)]
pub enum InvitationError {
    /// There is no such link.
    #[error("there is no such link")]
    Unknown,
    /// The link was already used.
    #[error("the link was used already")]
    Used,
    /// The link has expired, or a newer link has replaced it.
    #[error("the link has ended")]
    Ended,
    /// The directory cannot be read or changed.
    #[error(transparent)]
    Directory(#[from] Error),
}

impl Directory {
    /// Creates a link to set up the organization, and ends the previous ones; `by` is the actor for
    /// the history.
    ///
    /// # Errors
    /// `NoOrganization`, or the database cannot be changed.
    pub async fn invite(&self, code: &CompanyCode, by: &str) -> Result<NewInvitation, Error> {
        self.invite_as(code, None, by).await
    }

    /// The same as `invite`. With a role, the holder of the link may take it, once, with the account
    /// that passed the test.
    ///
    /// # Errors
    /// `NoOrganization`, `NoSetUpRole`, or the database cannot be changed; with a role also
    /// `RoleTaken`, `LinkingPaused` or `InFile`: then the link would not give it.
    pub async fn invite_as(
        &self,
        code: &CompanyCode,
        role: Option<&str>,
        by: &str,
    ) -> Result<NewInvitation, Error> {
        if let Some(role) = role.filter(|it| self.role(it).is_err() || !self.may_set_up(it)) {
            return Err(Error::NoSetUpRole(role.to_owned()));
        }
        let organization =
            self.organization(code).await?.ok_or_else(|| Error::NoOrganization(code.clone()))?;
        let token = Secret::new(self.random.text::<32>());
        let (id, now) = (self.new_id(), self.clock.now());
        let ends = now.saturating_add(LINK_LIFETIME_SECONDS);
        let mut changes = self.database.begin_transaction().await?;
        // If two links are created at the same time, the second sees the first and ends it.
        let organization = self.locked(&mut changes, organization.id).await?;
        if let Some(role) = role {
            self.check_role_is_free(&mut changes, &organization, role).await?;
        }
        self.end_invitations(&mut changes, organization.id).await?;
        let values: Vec<SqlValue> = vec![
            id.to_string().into(),
            organization.id.to_string().into(),
            digest_of(token.expose()).into(),
            now.into(),
            by.into(),
            ends.into(),
            role.map(str::to_owned).into(),
        ];
        let sql = "INSERT INTO invitation (id, organization, token, made, made_by, ends, role) VALUES ($1, $2, $3, $4, $5, $6, $7)";
        changes.run(sql, values).await?;
        let first = role.map(|it| format!(", for the first {it}")).unwrap_or_default();
        let what = format!("link for the set-up page made{first}, invitation {id}");
        self.audit(&mut changes, by, Some(organization.id), None, &what).await?;
        changes.commit().await?;
        Ok(NewInvitation { organization, token, ends })
    }

    /// Uses up a link: if it is used twice at the same time, only one use succeeds.
    ///
    /// # Errors
    /// Why the link starts no visit.
    pub async fn accept(&self, token: &Secret) -> Result<Invitation, InvitationError> {
        if token.expose().len() > MAX_INVITATION_TOKEN_BYTES {
            return Err(InvitationError::Unknown);
        }
        let (digest, now) = (digest_of(token.expose()), self.clock.now());
        // Reads first, so that guesses do not block writers.
        self.database
            .row("SELECT id FROM invitation WHERE token = $1", vec![digest.as_str().into()])
            .await?
            .ok_or(InvitationError::Unknown)?;
        let mut changes = self.database.begin_transaction().await?;
        let sql = "UPDATE invitation SET used = $2 WHERE token = $1 AND used IS NULL AND ended IS NULL AND ends > $2";
        let count = changes.run(sql, vec![digest.as_str().into(), now.into()]).await?;
        let row = changes
            .row(
                "SELECT id, organization, used FROM invitation WHERE token = $1",
                vec![digest.into()],
            )
            .await?;
        let row = row.ok_or(InvitationError::Unknown)?;
        if count == 0 {
            return Err(if row.maybe_number("used")?.is_some() {
                InvitationError::Used
            } else {
                InvitationError::Ended
            });
        }
        let (id, organization) = (guid(&row.text("id")?)?, guid(&row.text("organization")?)?);
        self.audit(
            &mut changes,
            &format!("invitation {id}"),
            Some(organization),
            None,
            "link for the set-up page used",
        )
        .await?;
        changes.commit().await?;
        let organization =
            self.organization_by_id(organization).await?.ok_or(InvitationError::Ended)?;
        Ok(Invitation { id, organization })
    }

    /// Returns the visit that a link started, while it lasts.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn invitation(&self, id: Guid) -> Result<Option<Invitation>, Error> {
        let since = self.clock.now().saturating_sub(VISIT_LIFETIME_SECONDS);
        let sql =
            "SELECT organization FROM invitation WHERE id = $1 AND ended IS NULL AND used > $2";
        let Some(row) = self.database.row(sql, vec![id.to_string().into(), since.into()]).await?
        else {
            return Ok(None);
        };
        let organization = self.organization_by_id(guid(&row.text("organization")?)?).await?;
        Ok(organization.map(|organization| Invitation { id, organization }))
    }

    /// Ends the visit that a link started.
    ///
    /// # Errors
    /// The database cannot be changed.
    pub async fn leave(&self, id: Guid) -> Result<(), Error> {
        let mut changes = self.database.begin_transaction().await?;
        let values = vec![id.to_string().into(), self.clock.now().into()];
        let sql =
            format!("UPDATE invitation SET ended = $2, {NO_TRIAL} WHERE id = $1 AND ended IS NULL");
        changes.run(sqlx::AssertSqlSafe(sql), values).await?;
        changes.commit().await
    }

    /// Ends all links of an organization, and the visits that they started.
    pub(super) async fn end_invitations(
        &self,
        changes: &mut Transaction,
        organization: Guid,
    ) -> Result<(), Error> {
        let values = vec![organization.to_string().into(), self.clock.now().into()];
        let sql = format!(
            "UPDATE invitation SET ended = $2, {NO_TRIAL} WHERE organization = $1 AND ended IS NULL"
        );
        changes.run(sqlx::AssertSqlSafe(sql), values).await.map(drop)
    }
}

fn guid(text: &str) -> Result<Guid, Error> {
    Guid::parse(text).ok_or_else(|| Error::Database("contains an invalid invitation".to_owned()))
}

fn digest_of(token: &str) -> String {
    URL_SAFE_NO_PAD.encode(digest(&SHA256, token.as_bytes()))
}
