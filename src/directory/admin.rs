//! Rules for changes that an admin of an organization may make to its people.
//!
//! In `[directory] roles`, an earlier role is higher. Admins cannot give a role above their own,
//! change people with a higher role, or change or switch off themselves: otherwise the last person
//! with the highest role could leave the organization without one. The rules are checked in the
//! transaction that makes the change, against the state of the database at that time.

use super::change::{ChangeOrigin, OrganizationChange, SIGNED_OUT};
use super::credential::CredentialSlot;
use super::database::{DatabaseRow, SqlValue, Transaction};
use super::error::Error;
use super::organization::Organization;
use super::person::{Person, SELECT_PERSON, of_row};
use super::store::Directory;
use crate::base::guid::Guid;

/// Who makes a change, and the only organization that it can affect.
#[derive(Clone, Debug)]
pub struct AdminScope {
    /// The organization.
    pub organization: Guid,
    /// What gives them the right to it.
    pub origin: ChangeOrigin,
    /// The name that the history shows.
    pub by: String,
}

impl AdminScope {
    /// The operator, acting within one organization.
    pub fn operator(organization: Guid, by: impl Into<String>) -> Self {
        Self { organization, origin: ChangeOrigin::Operator, by: by.into() }
    }
}

/// A change to a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PersonAction {
    /// Gives a role manually: it stays regardless of Entra.
    Role(String),
    /// Lets the person sign in again, or switches them off.
    On(bool),
    /// Ends all of the person's sessions, in all processes.
    SignOut,
}

/// Why a change is refused.
#[derive(Debug, thiserror::Error)]
pub enum ActionError {
    /// The organization has no such person.
    #[error("there is no such person in this organization")]
    NoSuchPerson,
    /// The acting person no longer exists, is switched off, or has an unknown role.
    #[error("the caller is no longer allowed to do this")]
    NotYou,
    /// The person has a higher role.
    #[error("the person has a higher role")]
    Above,
    /// The role is higher than the acting person's.
    #[error("the role is higher than the caller's")]
    TooHigh,
    /// The change concerns the acting person's own role or state.
    #[error("people cannot change their own role or switch themselves off")]
    Yourself,
    /// The directory cannot be read or changed.
    #[error(transparent)]
    Directory(#[from] Error),
}

impl Directory {
    /// The roles that a person with this role may give, highest first. A visitor with the operator's
    /// link (`None`) gives none that opens the set-up page.
    pub fn roles_below(&self, role: Option<&str>) -> Vec<String> {
        let roles = &self.config.roles;
        match role {
            Some(role) => {
                let from = self.rank(role).unwrap_or(roles.len());
                roles.get(from..).unwrap_or_default().to_vec()
            }
            None => roles.iter().filter(|it| !self.may_set_up(it)).cloned().collect(),
        }
    }

    /// Changes a person; returns the person after the change.
    ///
    /// # Errors
    /// Why the change is refused; nothing has changed then.
    pub async fn apply_action(
        &self,
        acting: &AdminScope,
        person: Guid,
        act: &PersonAction,
    ) -> Result<Person, ActionError> {
        let mut changes = self.database.begin_transaction().await?;
        // If two people switch each other off at the same time, the second is checked after the
        // first, so that one of them stays.
        changes.lock(acting.organization).await?;
        let found = self
            .of_organization(&mut changes, acting.organization, person)
            .await?
            .ok_or(ActionError::NoSuchPerson)?;
        let highest = self.actor_rank(&mut changes, acting).await?;
        // Roles that open the set-up page come from the operator, an admin, or a link with a role.
        let opens = |role: &str| self.may_set_up(role);
        let given = if let PersonAction::Role(role) = act { opens(role) } else { false };
        if acting.origin == ChangeOrigin::Invited && (given || opens(&found.role)) {
            return Err(ActionError::NotYou);
        }
        if self.is_above(&found.role, highest) {
            return Err(ActionError::Above);
        }
        if acting.origin == ChangeOrigin::Admin(person) && *act != PersonAction::SignOut {
            return Err(ActionError::Yourself);
        }
        let what = self.change(&mut changes, &found, act, highest).await?;
        if matches!(act, PersonAction::SignOut | PersonAction::On(false)) {
            self.end_sign_ins_of_person(&mut changes, person, &what).await?;
        }
        self.audit(&mut changes, &acting.by, Some(found.organization), Some(person), &what).await?;
        let after = self
            .of_organization(&mut changes, acting.organization, person)
            .await?
            .ok_or(ActionError::NoSuchPerson)?;
        changes.commit().await?;
        Ok(after)
    }

    /// Returns the rank of the one who acts; 0 is the highest.
    pub(super) async fn actor_rank(
        &self,
        changes: &mut Transaction,
        acting: &AdminScope,
    ) -> Result<usize, ActionError> {
        let ChangeOrigin::Admin(id) = acting.origin else { return Ok(0) };
        let myself = self
            .of_organization(changes, acting.organization, id)
            .await?
            .filter(|it| it.on)
            .ok_or(ActionError::NotYou)?;
        self.rank(&myself.role).ok_or(ActionError::NotYou)
    }

    /// Checks that the one who acts may decide who these people are: approvals, merges and
    /// deletions. Visitors with a set-up link may not, and nobody decides about themselves.
    pub(super) async fn may_decide(
        &self,
        changes: &mut Transaction,
        acting: &AdminScope,
        people: &[&Person],
    ) -> Result<(), ActionError> {
        let own = match acting.origin {
            ChangeOrigin::Invited => return Err(ActionError::NotYou),
            ChangeOrigin::Operator => None,
            ChangeOrigin::Admin(id) => Some(id),
        };
        let highest = self.actor_rank(changes, acting).await?;
        // The page is open to these roles only, and a role may have changed since it was shown.
        let is_admin =
            |rank: usize| self.config.roles.get(rank).is_some_and(|it| self.may_set_up(it));
        if own.is_some() && !is_admin(highest) {
            return Err(ActionError::NotYou);
        }
        if people.iter().any(|it| Some(it.id) == own) {
            return Err(ActionError::Yourself);
        }
        if people.iter().any(|it| self.is_above(&it.role, highest)) {
            return Err(ActionError::Above);
        }
        Ok(())
    }

    /// Makes the change; returns its description for the history.
    async fn change(
        &self,
        changes: &mut Transaction,
        found: &Person,
        act: &PersonAction,
        highest: usize,
    ) -> Result<String, ActionError> {
        // Changes the person only as read above: a person who was promoted in the meantime is left
        // alone.
        let seen: Vec<SqlValue> = vec![found.id.to_string().into(), found.role.as_str().into()];
        let (sql, value, what) = match act {
            PersonAction::Role(role) => {
                if self.rank(role).ok_or_else(|| Error::NoRole(role.clone()))? < highest {
                    return Err(ActionError::TooHigh);
                }
                let sql =
                    "UPDATE person SET role = $3, role_source = 'hand' WHERE id = $1 AND role = $2";
                (
                    sql,
                    role.as_str(),
                    format!("{}: role {} became {role}", found.username, found.role),
                )
            }
            PersonAction::On(on) => {
                let state = if *on { "on" } else { "off" };
                (
                    "UPDATE person SET state = $3 WHERE id = $1 AND role = $2",
                    state,
                    format!("{}: state {state}", found.username),
                )
            }
            PersonAction::SignOut => return Ok(SIGNED_OUT.to_owned()),
        };
        if changes.run(sql, seen.into_iter().chain([value.into()]).collect()).await? == 0 {
            return Err(Error::Conflict.into());
        }
        Ok(what)
    }

    /// Whether a person has the highest role among the people of the organization who are switched
    /// on.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn has_highest_role(&self, organization: Guid, person: Guid) -> Result<bool, Error> {
        let Some(myself) =
            self.person_by_id(person).await?.filter(|it| it.on && it.organization == organization)
        else {
            return Ok(false);
        };
        let sql = "SELECT DISTINCT role FROM person WHERE organization = $1 AND state = 'on'";
        let rows = self.database.rows(sql, vec![organization.to_string().into()]).await?;
        self.is_highest(&myself.role, &rows)
    }

    /// Refuses a change to an organization with which an admin could lock out people with a higher
    /// role: it requires the highest role that anyone has there. A pending credential can be
    /// withdrawn or replaced only by the person who set it, or by someone with the same or a higher
    /// role, because the current credential may have expired.
    pub(super) async fn check_change(
        &self,
        changes: &mut Transaction,
        before: &Organization,
        change: &OrganizationChange,
        place: CredentialSlot,
    ) -> Result<(), Error> {
        let ChangeOrigin::Admin(person) = change.origin else { return Ok(()) };
        let refused = || Error::NeedsHighestRole(before.code.clone());
        let myself = self
            .of_organization(changes, before.id, person)
            .await?
            .filter(|it| it.on)
            .ok_or_else(refused)?;
        let setter = before
            .pending_credential
            .as_ref()
            .filter(|_| change.withdraw_new || change.proof.is_some())
            .map(|it| it.by.as_str());
        let of_another = match setter.map(|it| it.strip_prefix("person ").and_then(Guid::parse)) {
            None => false,
            Some(Some(id)) if id == person => false,
            Some(Some(id)) => {
                let other = self.of_organization(changes, before.id, id).await?;
                other
                    .and_then(|it| self.rank(&it.role))
                    .is_some_and(|it| self.rank(&myself.role).is_none_or(|own| it < own))
            }
            // Set by the operator or through a link.
            Some(None) => true,
        };
        if !of_another && !change.can_lock_out(place == CredentialSlot::Instead) {
            return Ok(());
        }
        self.check_highest(changes, before, &myself).await
    }

    /// Refuses everyone but an admin of the organization with the highest role that anyone has
    /// there.
    pub(super) async fn check_highest_admin(
        &self,
        changes: &mut Transaction,
        organization: &Organization,
        origin: ChangeOrigin,
    ) -> Result<(), Error> {
        let refused = || Error::NeedsHighestRole(organization.code.clone());
        let ChangeOrigin::Admin(person) = origin else { return Err(refused()) };
        let myself = self
            .of_organization(changes, organization.id, person)
            .await?
            .filter(|it| it.on && self.may_set_up(&it.role))
            .ok_or_else(refused)?;
        self.check_highest(changes, organization, &myself).await
    }

    async fn check_highest(
        &self,
        changes: &mut Transaction,
        organization: &Organization,
        myself: &Person,
    ) -> Result<(), Error> {
        let sql = "SELECT DISTINCT role FROM person WHERE organization = $1 AND state = 'on'";
        let rows = changes.rows(sql, vec![organization.id.to_string().into()]).await?;
        if self.is_highest(&myself.role, &rows)? {
            Ok(())
        } else {
            Err(Error::NeedsHighestRole(organization.code.clone()))
        }
    }

    fn is_highest(&self, role: &str, all: &[DatabaseRow]) -> Result<bool, Error> {
        let Some(own) = self.rank(role) else { return Ok(false) };
        for row in all {
            if self.rank(&row.text("role")?).is_some_and(|it| it < own) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    pub(super) async fn of_organization(
        &self,
        changes: &mut Transaction,
        organization: Guid,
        person: Guid,
    ) -> Result<Option<Person>, Error> {
        let sql = format!("{SELECT_PERSON} WHERE p.id = $1 AND p.organization = $2");
        let values = vec![person.to_string().into(), organization.to_string().into()];
        changes.row(sqlx::AssertSqlSafe(sql), values).await?.map(|it| of_row(&it)).transpose()
    }

    /// Whether a role is higher than a rank.
    pub(super) fn is_above(&self, role: &str, rank: usize) -> bool {
        self.rank(role).is_some_and(|it| it < rank)
    }

    /// Returns the position of a role; 0 is the highest.
    pub(super) fn rank(&self, role: &str) -> Option<usize> {
        self.config.roles.iter().position(|it| it == role)
    }
}
