//! The first admin of an organization: the operator's link can carry a role, which its holder takes
//! with the account that passed the test.
//!
//! The link proves that the operator means its holder; the test proves that the holder has an
//! account of the tested tenant. Neither suffices alone, and neither does a link without a role, nor
//! one that led to another tenant than the one before.

use super::database::{DatabaseRow, SqlValue, Transaction};
use super::error::Error;
use super::first_sign_in::MembershipRefusal;
use super::invitation::VISIT_LIFETIME_SECONDS;
use super::linking::{LinkVerdict, SigningAccount, WaitReason};
use super::organization::{Organization, OrganizationSource};
use super::person::Person;
use super::store::Directory;
use super::trial::mark_now;
use crate::base::guid::Guid;
use crate::base::identity::Identity;

/// The account that may become an admin, and the role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FirstAdminOffer {
    /// The role.
    pub role: String,
    /// Tenant and object ID of the account that passed the test.
    pub account: (Guid, Guid),
    /// The account's display name.
    pub name: Option<String>,
    /// The account's user principal name or sign-in name.
    pub upn: Option<String>,
}

/// Why the role is not given.
#[derive(Debug, thiserror::Error)]
pub enum FirstAdminError {
    /// The link has no role, or was used; the test is of another connection; somebody has the role.
    #[error("the offer does not exist any more")]
    NoOffer,
    /// The account is switched off, or is not unambiguous.
    #[error(transparent)]
    Refused(#[from] MembershipRefusal),
    /// The directory cannot be read or changed.
    #[error(transparent)]
    Directory(#[from] Error),
}

impl Directory {
    /// Notes the account that passed a test of a visit with a link; a guest is none.
    ///
    /// # Errors
    /// The database cannot be changed.
    pub async fn note_trial_account(
        &self,
        invitation: Guid,
        who: &Identity,
        mark: &str,
    ) -> Result<(), Error> {
        let mut changes = self.database.begin_transaction().await?;
        let text = |it: &Option<Box<str>>| SqlValue::Text(it.as_deref().map(str::to_owned));
        let member = !who.guest;
        let values: Vec<SqlValue> = vec![
            invitation.to_string().into(),
            member.then(|| who.tid.to_string()).into(),
            member.then(|| who.oid.to_string()).into(),
            text(&who.member_upn),
            text(&who.name),
            text(&who.preferred_username),
            mark.into(),
        ];
        let sql = "UPDATE invitation SET trial_tid = $2, trial_oid = $3, trial_upn = $4, trial_name = $5, trial_sign_in_name = $6, trial_mark = $7 WHERE id = $1";
        changes.run(sql, values).await?;
        changes.commit().await
    }

    /// Returns what the visitor with a link may take, if anything.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn first_admin_offer(
        &self,
        invitation: Guid,
    ) -> Result<Option<FirstAdminOffer>, Error> {
        // The transaction is dropped without `commit`.
        let mut changes = self.database.begin_transaction().await?;
        let Some((offer, who, organization)) = self.offer(&mut changes, invitation).await? else {
            return Ok(None);
        };
        match self.first_admin(&mut changes, &who, &organization, "offer").await {
            Ok(person) => Ok(Some(offer).filter(|_| person.on)),
            Err(FirstAdminError::Directory(error)) => Err(error),
            Err(_) => Ok(None),
        }
    }

    /// Gives the role of a link to the account that passed the test; returns the person. `oid` is
    /// the account as it was shown.
    ///
    /// # Errors
    /// Why nobody becomes an admin; nothing has changed then.
    pub async fn become_first_admin(
        &self,
        invitation: Guid,
        oid: Guid,
    ) -> Result<Person, FirstAdminError> {
        let mut changes = self.database.begin_transaction().await?;
        let Some((offer, who, organization)) = self.offer(&mut changes, invitation).await? else {
            return Err(FirstAdminError::NoOffer);
        };
        if offer.account.1 != oid {
            return Err(FirstAdminError::NoOffer);
        }
        let by = format!("invitation {invitation}");
        let person = self.first_admin(&mut changes, &who, &organization, &by).await?;
        let values = vec![person.id.to_string().into(), offer.role.as_str().into()];
        let sql =
            "UPDATE person SET role = $2, role_source = 'hand' WHERE id = $1 AND state = 'on'";
        if changes.run(sql, values).await? == 0 {
            return Err(MembershipRefusal::PersonOff.into());
        }
        let values = vec![invitation.to_string().into(), self.clock.now().into()];
        let sql = "UPDATE invitation SET role_used = $2 WHERE id = $1 AND role_used IS NULL";
        if changes.run(sql, values).await? == 0 {
            return Err(FirstAdminError::NoOffer);
        }
        self.close_requests(&mut changes, person.id, offer.account).await?;
        let what = format!(
            "{}: role {} became {}, with the set-up link and the tested account {oid}",
            person.username, person.role, offer.role
        );
        self.audit(&mut changes, &by, Some(organization.id), Some(person.id), &what).await?;
        changes.commit().await?;
        Ok(Person { role: offer.role, ..person })
    }

    /// Returns the person of the tested account: known, added beforehand, or created now.
    async fn first_admin(
        &self,
        changes: &mut Transaction,
        who: &Identity,
        organization: &Organization,
        by: &str,
    ) -> Result<Person, FirstAdminError> {
        if let Some(person) = self.linked(changes, who, organization).await? {
            return Ok(person);
        }
        let account = (who.tid, who.oid);
        if self.is_erased_and_refused(changes, organization.id, account).await? {
            return Err(MembershipRefusal::PersonOff.into());
        }
        let standing = self.request_standing(changes, organization.id, account).await?;
        if !standing.denied.is_empty() {
            return Err(MembershipRefusal::Denied.into());
        }
        let signing = SigningAccount { who, typed: None };
        let found = self.exact_matches(changes, &signing, organization).await?;
        match self.link_verdict(found, who, organization) {
            // The operator meant this person to have a role that opens the set-up page.
            LinkVerdict::Link(person) | LinkVerdict::Wait(person, WaitReason::Role) => {
                Ok(self.link(changes, person, account, by, "as the first admin").await?)
            }
            // The holder of the link gets the role, and the other person can be merged later.
            LinkVerdict::Wait(person, WaitReason::NoUpn | WaitReason::Address) if person.on => {
                let made = self.make(changes, who, organization).await?.ok_or(Error::Conflict)?;
                self.note_possible_merges(changes, &made, &[person]).await?;
                Ok(made)
            }
            LinkVerdict::Wait(_, why) => Err(MembershipRefusal::Waits(why).into()),
            LinkVerdict::NoMatch => {
                self.make(changes, who, organization).await?.ok_or_else(|| Error::Conflict.into())
            }
        }
    }

    async fn offer(
        &self,
        changes: &mut Transaction,
        invitation: Guid,
    ) -> Result<Option<(FirstAdminOffer, Identity, Organization)>, Error> {
        let since = self.clock.now().saturating_sub(VISIT_LIFETIME_SECONDS);
        let sql = "SELECT organization, role, trial_tid, trial_oid, trial_upn, trial_name, trial_sign_in_name, trial_mark FROM invitation \
                   WHERE id = $1 AND ended IS NULL AND used > $2 AND role IS NOT NULL AND role_used IS NULL AND trial_oid IS NOT NULL";
        let values = vec![invitation.to_string().into(), since.into()];
        let Some(row) = changes.row(sql, values).await? else { return Ok(None) };
        let id = guid(&row, "organization")?;
        let organization = self.locked(changes, id).await?;
        let (role, who) = (row.text("role")?, identity(&row)?);
        let is_current = organization.tenant == Some(who.tid)
            && organization.source == OrganizationSource::Database
            && organization.linking_paused.is_none()
            && self.may_set_up(&role)
            && mark_now(changes, id).await? == row.maybe_text("trial_mark")?;
        let sql = "SELECT id FROM person WHERE organization = $1 AND role = $2 AND oid IS NOT NULL LIMIT 1";
        let values = vec![id.to_string().into(), role.as_str().into()];
        if !is_current || changes.row(sql, values).await?.is_some() {
            return Ok(None);
        }
        let offer = FirstAdminOffer {
            role,
            account: (who.tid, who.oid),
            name: who.name.as_deref().map(str::to_owned),
            upn: who.member_upn.as_deref().or(who.preferred_username.as_deref()).map(str::to_owned),
        };
        Ok(Some((offer, who, organization)))
    }
}

fn identity(row: &DatabaseRow) -> Result<Identity, Error> {
    let text = |column: &str| Ok::<_, Error>(row.maybe_text(column)?.map(String::into_boxed_str));
    Ok(Identity {
        name: text("trial_name")?,
        preferred_username: text("trial_sign_in_name")?,
        member_upn: text("trial_upn")?,
        ..Identity::new(guid(row, "trial_oid")?, guid(row, "trial_tid")?)
    })
}

fn guid(row: &DatabaseRow, column: &str) -> Result<Guid, Error> {
    Guid::parse(&row.text(column)?)
        .ok_or_else(|| Error::Database("contains an invalid invitation".to_owned()))
}
