//! Test sign-ins: who the account would become, and whether the connection works.

use super::database::{DatabaseRow, SqlValue, Transaction};
use super::error::Error;
use super::first_sign_in::{AccountMatch, MembershipRefusal, PersonMatch, SignInPlan};
use super::linking::SigningAccount;
use super::organization::Organization;
use super::store::Directory;
use crate::base::guid::Guid;
use crate::base::identity::Identity;
use crate::entra::verified::VerifiedUser;
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// The current connection, and the one that was tested.
const SELECT_CONNECTION: &str =
    "SELECT tenant, client_id, credential, tested, tested_what FROM organization WHERE id = $1";

/// A test sign-in that succeeded at Entra.
#[derive(Clone, Copy, Debug)]
pub struct PassedTrial<'a> {
    /// The mark of the connection that was tested, if there was one.
    pub mark: Option<&'a str>,
    /// The actor, for the history.
    pub by: &'a str,
    /// The account that signed in.
    pub who: &'a Identity,
    /// The link with which the visit began, if any.
    pub invitation: Option<Guid>,
}

impl Directory {
    /// Returns who an account would become after a sign-in at an organization, even if the
    /// organization is off. Nothing changes.
    ///
    /// # Errors
    /// Why the person may not sign in.
    pub async fn preview(
        &self,
        user: &VerifiedUser,
        organization: &Organization,
    ) -> Result<AccountMatch, MembershipRefusal> {
        self.preview_identity(user.identity(), organization).await
    }

    pub(super) async fn preview_identity(
        &self,
        who: &Identity,
        organization: &Organization,
    ) -> Result<AccountMatch, MembershipRefusal> {
        let organization = &self
            .organization_by_id(organization.id)
            .await?
            .ok_or(MembershipRefusal::OrganizationOff)?;
        let account = SigningAccount { who, typed: None };
        let mut rows = self.database.begin_read().await?;
        let plan = self.sign_in_plan(&mut rows, &account, organization).await?;
        let (how, person, alike) = match plan {
            SignInPlan::Known(person) => (PersonMatch::Known, person, Vec::new()),
            SignInPlan::Link(person) => (PersonMatch::Linked, person, Vec::new()),
            SignInPlan::Wait(person, why) => return Ok(AccountMatch::Waits(person.into(), why)),
            SignInPlan::Create(alike) => {
                (PersonMatch::Made, self.person_to_make(&mut rows, who, organization).await?, alike)
            }
        };
        let person = self.renewed(&mut rows, person, who, organization).await?;
        Ok(AccountMatch::Person(how, person.into(), alike))
    }

    /// Returns a digest of the organization's current connection, which identifies the connection
    /// that a test uses; `None` if it is not set up.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn connection_mark(
        &self,
        organization: &Organization,
    ) -> Result<Option<String>, Error> {
        let row =
            self.database.row(SELECT_CONNECTION, vec![organization.id.to_string().into()]).await?;
        row.map(|it| mark(&it)).transpose().map(Option::flatten)
    }

    /// Records everything about a test sign-in in one transaction: that the connection works, that
    /// the token has the claims that link people, and the account for a link with a role.
    ///
    /// # Errors
    /// The database cannot be changed.
    pub async fn note_trial(
        &self,
        organization: &Organization,
        trial: &PassedTrial<'_>,
    ) -> Result<(), Error> {
        let shows_upn = trial.who.member_upn.is_some() && organization.upn_seen.is_none();
        if trial.mark.is_none() && !shows_upn {
            return Ok(());
        }
        let mut changes = self.database.begin_transaction().await?;
        if shows_upn {
            self.note_upn(&mut changes, organization.id).await?;
        }
        if let Some(mark) = trial.mark {
            let id = organization.id;
            let values: Vec<SqlValue> =
                vec![id.to_string().into(), self.clock.now().into(), mark.into()];
            let sql = "UPDATE organization SET tested = $2, tested_what = $3 WHERE id = $1";
            changes.run(sql, values).await?;
            let what = "sign-in tested: it works";
            self.audit(&mut changes, trial.by, Some(id), None, what).await?;
            if let Some(invitation) = trial.invitation {
                self.note_trial_account(&mut changes, invitation, trial.who, mark).await?;
            }
        }
        changes.commit().await
    }

    /// Returns the time of the last successful sign-in with the current connection, in seconds
    /// since 1970.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn tested(&self, organization: &Organization) -> Result<Option<i64>, Error> {
        let row =
            self.database.row(SELECT_CONNECTION, vec![organization.id.to_string().into()]).await?;
        row.map(|it| tested(&it)).transpose().map(Option::flatten)
    }
}

/// The same as `tested` within a transaction, for the connection after its changes.
pub(super) async fn tested_now(
    changes: &mut Transaction,
    organization: Guid,
) -> Result<Option<i64>, Error> {
    let row = changes.row(SELECT_CONNECTION, vec![organization.to_string().into()]).await?;
    row.map(|it| tested(&it)).transpose().map(Option::flatten)
}

/// Returns the digest of the current connection, if it was tested.
pub(super) async fn mark_now(
    changes: &mut Transaction,
    organization: Guid,
) -> Result<Option<String>, Error> {
    let row = changes.row(SELECT_CONNECTION, vec![organization.to_string().into()]).await?;
    let Some(row) = row else { return Ok(None) };
    if tested(&row)?.is_some() { mark(&row) } else { Ok(None) }
}

fn tested(row: &DatabaseRow) -> Result<Option<i64>, Error> {
    let Some(mark) = mark(row)? else { return Ok(None) };
    if row.maybe_text("tested_what")? == Some(mark) { row.maybe_number("tested") } else { Ok(None) }
}

fn mark(row: &DatabaseRow) -> Result<Option<String>, Error> {
    // Uses the sealed text: each is unique, so it identifies the secret that it contains without
    // revealing it.
    let parts =
        (row.maybe_text("tenant")?, row.maybe_text("client_id")?, row.maybe_text("credential")?);
    let (Some(tenant), Some(client_id), Some(sealed)) = parts else { return Ok(None) };
    Ok(Some(
        URL_SAFE_NO_PAD
            .encode(digest(&SHA256, format!("{tenant} {client_id} {sealed}").as_bytes())),
    ))
}
