//! A sign-in on trial: who it would make somebody, and that the connection worked.

use super::database::{DatabaseRow, SqlValue, Transaction};
use super::error::Error;
use super::first_sign_in::{MembershipRefusal, PersonMatch, check_admissible};
use super::organization::Organization;
use super::person::Person;
use super::store::Directory;
use crate::base::guid::Guid;
use crate::base::identity::Identity;
use crate::entra::verified::VerifiedUser;
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// What a connection is, and which one was tested.
const SELECT_CONNECTION: &str = "SELECT tenant, client_id, credential, tested, tested_what FROM organization WHERE id = $1";

/// Who somebody would be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignInPreview {
    /// How they would come to be it.
    pub person_match: PersonMatch,
    /// The person as it would be.
    pub person: Person,
}

impl Directory {
    /// Who somebody would be who signs in at an organization, whether that is on or not. Nothing is changed: all of it is rolled back.
    ///
    /// # Errors
    /// Why this would be nobody who may come in.
    pub async fn preview(&self, user: &VerifiedUser, organization: &Organization) -> Result<SignInPreview, MembershipRefusal> {
        self.preview_identity(user.identity(), organization).await
    }

    pub(super) async fn preview_identity(&self, who: &Identity, organization: &Organization) -> Result<SignInPreview, MembershipRefusal> {
        let organization = self.organization_by_id(organization.id).await?.ok_or(MembershipRefusal::OrganizationOff)?;
        check_admissible(who, &organization)?;
        let mut changes = self.database.begin_transaction().await?;
        // Dropped without `commit`.
        let met = self.match_person(&mut changes, who, &organization).await?;
        met.map(|(how, person)| SignInPreview { person_match: how, person }).ok_or_else(|| Error::Twice.into())
    }

    /// A digest of what an organization's sign-in proves itself by now; nothing where it is not set up. It names the connection that a trial is of.
    ///
    /// # Errors
    /// Where the database cannot be asked.
    pub async fn connection_mark(&self, organization: &Organization) -> Result<Option<String>, Error> {
        let row = self.database.row(SELECT_CONNECTION, vec![organization.id.to_string().into()]).await?;
        row.map(|it| mark(&it)).transpose().map(Option::flatten)
    }

    /// Notes that a sign-in with the connection of this mark did well; `by` is who tried it, for the history.
    ///
    /// # Errors
    /// Where the database cannot be asked.
    pub async fn note_trial(&self, organization: &Organization, mark: &str, by: &str) -> Result<(), Error> {
        let mut changes = self.database.begin_transaction().await?;
        let values: Vec<SqlValue> = vec![organization.id.to_string().into(), self.clock.now().into(), mark.into()];
        changes.run("UPDATE organization SET tested = $2, tested_what = $3 WHERE id = $1", values).await?;
        self.audit(&mut changes, by, Some(organization.id), None, "sign-in tested: it works").await?;
        changes.commit().await
    }

    /// When a sign-in with the connection as it is now did well, seconds since 1970.
    ///
    /// # Errors
    /// Where the database cannot be asked.
    pub async fn tested(&self, organization: &Organization) -> Result<Option<i64>, Error> {
        let row = self.database.row(SELECT_CONNECTION, vec![organization.id.to_string().into()]).await?;
        row.map(|it| tested(&it)).transpose().map(Option::flatten)
    }
}

/// The same within changes, of the connection as they have made it.
pub(super) async fn tested_now(changes: &mut Transaction, organization: Guid) -> Result<Option<i64>, Error> {
    let row = changes.row(SELECT_CONNECTION, vec![organization.to_string().into()]).await?;
    row.map(|it| tested(&it)).transpose().map(Option::flatten)
}

fn tested(row: &DatabaseRow) -> Result<Option<i64>, Error> {
    let Some(mark) = mark(row)? else { return Ok(None) };
    if row.maybe_text("tested_what")? == Some(mark) { row.maybe_number("tested") } else { Ok(None) }
}

fn mark(row: &DatabaseRow) -> Result<Option<String>, Error> {
    // As it is sealed: each sealed text is made once, so it names the secret that it holds and tells nothing of it.
    let parts = (row.maybe_text("tenant")?, row.maybe_text("client_id")?, row.maybe_text("credential")?);
    let (Some(tenant), Some(client_id), Some(sealed)) = parts else { return Ok(None) };
    Ok(Some(URL_SAFE_NO_PAD.encode(digest(&SHA256, format!("{tenant} {client_id} {sealed}").as_bytes()))))
}
