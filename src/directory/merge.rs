//! Merges two people of one organization who are the same person: one was added beforehand, and
//! the other was created at the first sign-in.

use super::admin::{ActionError, AdminScope};
use super::database::{SqlValue, Transaction};
use super::error::Error;
use super::person::{Person, SELECT_PERSON, of_row};
use super::store::Directory;
use crate::base::guid::Guid;

/// Maximum number of possible merges in a list.
const MAX_LISTED_MERGES: u32 = 200;

/// A person who was created at the first sign-in and looks like one who was added beforehand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PossibleMerge {
    /// Added beforehand, and never linked.
    pub added: Person,
    /// Created at the first sign-in.
    pub created: Person,
}

impl Directory {
    /// Merges two people: `keep` keeps username, role and ID, and takes over the account of `other`,
    /// who is deleted and whose sessions end. A person stays switched off if either is.
    ///
    /// # Errors
    /// Why the merge is refused; nothing has changed then.
    pub async fn merge_people(
        &self,
        acting: &AdminScope,
        keep: Guid,
        other: Guid,
    ) -> Result<Person, ActionError> {
        let mut changes = self.database.begin_transaction().await?;
        changes.lock(acting.organization).await?;
        let one = self.of_organization(&mut changes, acting.organization, keep).await?;
        let two = self.of_organization(&mut changes, acting.organization, other).await?;
        let (Some(keep), Some(other)) = (one, two) else { return Err(ActionError::NoSuchPerson) };
        // Both: the account of one gets the role of the other.
        self.may_decide(&mut changes, acting, &[&keep, &other]).await?;
        if keep.id == other.id {
            return Err(Error::NotMergeable(keep.username, other.username).into());
        }
        if keep.linked.is_some() && other.linked.is_some() {
            return Err(Error::BothLinked(keep.username, other.username).into());
        }
        let what = format!("{}: merged with {}", keep.username, other.username);
        self.end_sign_ins_of_person(&mut changes, other.id, &what).await?;
        self.end_sign_ins_of_person(&mut changes, keep.id, &what).await?;
        self.move_rows(&mut changes, &keep, &other).await?;
        self.take_over(&mut changes, &keep, &other).await?;
        let organization = Some(keep.organization);
        self.audit(&mut changes, &acting.by, organization, Some(keep.id), &what).await?;
        // Ends the sessions of the person who is gone, in all processes.
        let gone = "merged into another person";
        self.audit(&mut changes, &acting.by, organization, Some(other.id), gone).await?;
        let after = self
            .of_organization(&mut changes, acting.organization, keep.id)
            .await?
            .ok_or(ActionError::NoSuchPerson)?;
        changes.commit().await?;
        Ok(after)
    }

    /// Moves or deletes the rows that belong to the person who goes.
    async fn move_rows(
        &self,
        changes: &mut Transaction,
        keep: &Person,
        other: &Person,
    ) -> Result<(), Error> {
        // A later deletion of the one who stays would not find these names.
        self.blank_history(changes, "person = $1", &other.id).await?;
        let both = || vec![keep.id.to_string().into(), other.id.to_string().into()];
        changes.run("UPDATE sign_in SET person = $1 WHERE person = $2", both()).await?;
        let id = || vec![other.id.to_string().into()];
        for sql in [
            "DELETE FROM family WHERE person = $1",
            "DELETE FROM link_request WHERE person = $1",
            "DELETE FROM possible_merge WHERE person = $1 OR created_person = $1",
        ] {
            changes.run(sql, id()).await?;
        }
        let gone = changes.run("DELETE FROM person WHERE id = $1", id()).await?;
        if gone == 1 { Ok(()) } else { Err(Error::Conflict) }
    }

    async fn take_over(
        &self,
        changes: &mut Transaction,
        keep: &Person,
        other: &Person,
    ) -> Result<(), Error> {
        let account = keep.linked.or(other.linked);
        let values: Vec<SqlValue> = vec![
            keep.id.to_string().into(),
            account.map(|it| it.0.to_string()).into(),
            account.map(|it| it.1.to_string()).into(),
            other.name.clone().into(),
            other.email.clone().into(),
            SqlValue::Number(keep.last_sign_in.max(other.last_sign_in)),
            if keep.on && other.on { "on" } else { "off" }.into(),
        ];
        let sql = "UPDATE person SET tid = $2, oid = $3, name = COALESCE(name, $4), email = COALESCE(email, $5), last_sign_in = $6, state = $7 WHERE id = $1";
        changes.run(sql, values).await?;
        match account {
            Some(account) => self.close_requests(changes, keep.id, account).await,
            None => Ok(()),
        }
    }

    /// Returns the people of an organization who were created at the first sign-in and look like
    /// one who was added beforehand, oldest first.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn possible_merges(&self, organization: Guid) -> Result<Vec<PossibleMerge>, Error> {
        let sql = format!(
            "SELECT person, created_person FROM possible_merge WHERE organization = $1 ORDER BY at, person, created_person LIMIT {MAX_LISTED_MERGES}"
        );
        let rows = self
            .database
            .rows(sqlx::AssertSqlSafe(sql), vec![organization.to_string().into()])
            .await?;
        let one = format!("{SELECT_PERSON} WHERE p.id = $1");
        let mut all = Vec::new();
        for row in rows {
            let mut people = Vec::new();
            for column in ["person", "created_person"] {
                let sql = sqlx::AssertSqlSafe(one.clone());
                let found = self.database.row(sql, vec![row.text(column)?.into()]).await?;
                people.extend(found.map(|it| of_row(&it)).transpose()?);
            }
            // Somebody else's account was linked since.
            if let Ok([added, created]) = <[Person; 2]>::try_from(people)
                && added.linked.is_none()
            {
                all.push(PossibleMerge { added, created });
            }
        }
        Ok(all)
    }

    /// Dismisses a possible merge: the two are different people.
    ///
    /// # Errors
    /// Why the decision is refused.
    pub async fn dismiss_merge(
        &self,
        acting: &AdminScope,
        added: Guid,
        created: Guid,
    ) -> Result<(), ActionError> {
        let mut changes = self.database.begin_transaction().await?;
        changes.lock(acting.organization).await?;
        let found = self
            .of_organization(&mut changes, acting.organization, added)
            .await?
            .ok_or(ActionError::NoSuchPerson)?;
        self.may_decide(&mut changes, acting, &[]).await?;
        let values = vec![added.to_string().into(), created.to_string().into()];
        let sql = "DELETE FROM possible_merge WHERE person = $1 AND created_person = $2";
        if changes.run(sql, values).await? > 0 {
            let what = format!("{}: another person than one who looks alike", found.username);
            self.audit(&mut changes, &acting.by, Some(found.organization), Some(added), &what)
                .await?;
        }
        Ok(changes.commit().await?)
    }
}
