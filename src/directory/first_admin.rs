//! The first admin of an organization: the operator's link can carry a role, which its holder takes
//! with the account that passed the test.
//!
//! The link proves that the operator means its holder; the test proves that the holder has an
//! account of the tested tenant. Neither suffices alone, and neither does a link without a role, nor
//! one that led to another tenant than the one before.

use super::database::{DatabaseRow, SqlValue, Transaction};
use super::error::Error;
use super::first_sign_in::MembershipRefusal;
use super::invitation::{NO_TRIAL, VISIT_LIFETIME_SECONDS};
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

/// Whose the tested account is.
enum FirstAdminPlan {
    /// A person who has signed in before.
    Known(Person),
    /// A person who was added beforehand.
    Link(Person),
    /// A new person, with the one who was added beforehand and may be the same.
    Create(Option<Person>),
}

impl Directory {
    /// Refuses a role for a link if its holder could not take it.
    pub(super) async fn check_role_is_free(
        &self,
        rows: &mut Transaction,
        organization: &Organization,
        role: &str,
    ) -> Result<(), Error> {
        let code = || organization.code.clone();
        if organization.source != OrganizationSource::Database {
            Err(Error::InFile(code()))
        } else if organization.linking_paused.is_some() {
            Err(Error::LinkingPaused(code()))
        } else if self.has_linked_person(rows, organization.id, role).await? {
            Err(Error::RoleTaken(code(), role.to_owned()))
        } else {
            Ok(())
        }
    }

    async fn has_linked_person(
        &self,
        rows: &mut Transaction,
        organization: Guid,
        role: &str,
    ) -> Result<bool, Error> {
        let sql = "SELECT id FROM person WHERE organization = $1 AND role = $2 AND oid IS NOT NULL LIMIT 1";
        Ok(rows.row(sql, vec![organization.to_string().into(), role.into()]).await?.is_some())
    }

    /// Notes the account that passed a test of a visit, if its link has a role that is still to be
    /// taken; a guest is none.
    pub(super) async fn note_trial_account(
        &self,
        changes: &mut Transaction,
        invitation: Guid,
        who: &Identity,
        mark: &str,
    ) -> Result<(), Error> {
        let text = |it: &Option<Box<str>>| {
            SqlValue::Text(it.as_deref().filter(|_| !who.guest).map(str::to_owned))
        };
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
        let sql = "UPDATE invitation SET trial_tid = $2, trial_oid = $3, trial_upn = $4, trial_name = $5, trial_sign_in_name = $6, trial_mark = $7 \
                   WHERE id = $1 AND role IS NOT NULL AND role_used IS NULL AND ended IS NULL";
        changes.run(sql, values).await.map(drop)
    }

    /// Returns what the visitor with a link may take, if anything.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn first_admin_offer(
        &self,
        invitation: Guid,
    ) -> Result<Option<FirstAdminOffer>, Error> {
        let mut rows = self.database.begin_read().await?;
        let Some((offer, who, organization)) = self.offer(&mut rows, invitation).await? else {
            return Ok(None);
        };
        match self.first_admin_plan(&mut rows, &who, &organization).await {
            Ok(FirstAdminPlan::Known(person) | FirstAdminPlan::Link(person)) => {
                Ok(Some(offer).filter(|_| person.on))
            }
            Ok(FirstAdminPlan::Create(_)) => Ok(Some(offer)),
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
        let sql = "SELECT organization FROM invitation WHERE id = $1";
        if let Some(row) = changes.row(sql, vec![invitation.to_string().into()]).await? {
            changes.lock(guid(&row, "organization")?).await?;
        }
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
        let sql = format!(
            "UPDATE invitation SET role_used = $2, {NO_TRIAL} WHERE id = $1 AND role_used IS NULL"
        );
        if changes.run(sqlx::AssertSqlSafe(sql), values).await? == 0 {
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
        match self.first_admin_plan(changes, who, organization).await? {
            FirstAdminPlan::Known(person) => Ok(person),
            FirstAdminPlan::Link(person) => {
                let account = (who.tid, who.oid);
                Ok(self.link(changes, person, account, by, "as the first admin").await?)
            }
            FirstAdminPlan::Create(alike) => {
                let made = self.make(changes, who, organization).await?.ok_or(Error::Conflict)?;
                self.note_possible_merges(changes, &made, alike.as_slice()).await?;
                Ok(made)
            }
        }
    }

    /// Decides whose the tested account is; reads only.
    async fn first_admin_plan(
        &self,
        rows: &mut Transaction,
        who: &Identity,
        organization: &Organization,
    ) -> Result<FirstAdminPlan, FirstAdminError> {
        if let Some(person) = self.linked(rows, who, organization).await? {
            return Ok(FirstAdminPlan::Known(person));
        }
        let account = (who.tid, who.oid);
        if self.is_erased_and_refused(rows, organization.id, account).await? {
            return Err(MembershipRefusal::PersonOff.into());
        }
        let standing = self.request_standing(rows, organization.id, account).await?;
        if !standing.denied.is_empty() {
            return Err(MembershipRefusal::Denied.into());
        }
        let signing = SigningAccount { who, typed: None };
        let found = self.exact_matches(rows, &signing, organization).await?;
        match self.link_verdict(found, who, organization) {
            // The operator meant this person to have a role that opens the set-up page.
            LinkVerdict::Link(person) | LinkVerdict::Wait(person, WaitReason::Role) => {
                Ok(FirstAdminPlan::Link(person))
            }
            // The holder of the link gets the role, and the other person can be merged later.
            LinkVerdict::Wait(person, WaitReason::NoUpn | WaitReason::Address) if person.on => {
                Ok(FirstAdminPlan::Create(Some(person)))
            }
            LinkVerdict::Wait(_, why) => Err(MembershipRefusal::Waits(why).into()),
            LinkVerdict::NoMatch => Ok(FirstAdminPlan::Create(None)),
        }
    }

    /// Returns the offer of a link; reads only.
    async fn offer(
        &self,
        rows: &mut Transaction,
        invitation: Guid,
    ) -> Result<Option<(FirstAdminOffer, Identity, Organization)>, Error> {
        let since = self.clock.now().saturating_sub(VISIT_LIFETIME_SECONDS);
        let sql = "SELECT organization, role, trial_tid, trial_oid, trial_upn, trial_name, trial_sign_in_name, trial_mark FROM invitation \
                   WHERE id = $1 AND ended IS NULL AND used > $2 AND role IS NOT NULL AND role_used IS NULL AND trial_oid IS NOT NULL";
        let values = vec![invitation.to_string().into(), since.into()];
        let Some(row) = rows.row(sql, values).await? else { return Ok(None) };
        let id = guid(&row, "organization")?;
        let organization = self.current(rows, id).await?;
        let (role, who) = (row.text("role")?, identity(&row)?);
        let is_current = organization.tenant == Some(who.tid)
            && organization.source == OrganizationSource::Database
            && organization.linking_paused.is_none()
            && self.may_set_up(&role)
            && mark_now(rows, id).await? == row.maybe_text("trial_mark")?;
        if !is_current || self.has_linked_person(rows, id, &role).await? {
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
