//! Test sign-ins: who the account would become, and whether the connection works.

use super::database::{DatabaseRow, SqlValue, Transaction};
use super::error::Error;
use super::first_sign_in::{AccountMatch, MembershipRefusal, PersonMatch, check_admissible};
use super::linking::{SigningAccount, WaitReason};
use super::organization::Organization;
use super::person::Person;
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

/// Who an account would become.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SignInPreview {
    /// The account would sign in as this person, matched in this way; the list has people who were
    /// added beforehand and look like a person who would be created.
    Person(PersonMatch, Box<Person>, Vec<Person>),
    /// The account would wait until an admin confirms that it belongs to this person.
    Waits(Box<Person>, WaitReason),
}

impl Directory {
    /// Returns who an account would become after a sign-in at an organization, even if the
    /// organization is off. The transaction is rolled back, so nothing changes.
    ///
    /// # Errors
    /// Why the person may not sign in.
    pub async fn preview(
        &self,
        user: &VerifiedUser,
        organization: &Organization,
    ) -> Result<SignInPreview, MembershipRefusal> {
        self.preview_identity(user.identity(), organization).await
    }

    pub(super) async fn preview_identity(
        &self,
        who: &Identity,
        organization: &Organization,
    ) -> Result<SignInPreview, MembershipRefusal> {
        let organization = self
            .organization_by_id(organization.id)
            .await?
            .ok_or(MembershipRefusal::OrganizationOff)?;
        check_admissible(who, &organization)?;
        let mut changes = self.database.begin_transaction().await?;
        let account = SigningAccount { who, typed: None };
        // The transaction is dropped without `commit`.
        let met = self.match_account(&mut changes, &account, &organization).await?;
        met.map(|it| match it {
            AccountMatch::Person(how, person, alike) => SignInPreview::Person(how, person, alike),
            AccountMatch::Waits(person, why) => SignInPreview::Waits(person, why),
        })
        .ok_or_else(|| Error::Conflict.into())
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

    /// Records a successful sign-in with the connection of this mark; `by` is the actor for the
    /// history.
    ///
    /// # Errors
    /// The database cannot be changed.
    pub async fn note_trial(
        &self,
        organization: &Organization,
        mark: &str,
        by: &str,
    ) -> Result<(), Error> {
        let mut changes = self.database.begin_transaction().await?;
        let values: Vec<SqlValue> =
            vec![organization.id.to_string().into(), self.clock.now().into(), mark.into()];
        changes
            .run("UPDATE organization SET tested = $2, tested_what = $3 WHERE id = $1", values)
            .await?;
        self.audit(&mut changes, by, Some(organization.id), None, "sign-in tested: it works")
            .await?;
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
