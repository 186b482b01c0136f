//! Merges two people of one organization who are the same person: one was added beforehand, and
//! the other was created at the first sign-in.

use super::admin::{ActionError, AdminScope};
use super::database::{SqlValue, Transaction};
use super::error::Error;
use super::link_request::mark_of;
use super::person::Person;
use super::store::Directory;
use crate::base::guid::Guid;
use std::collections::BTreeSet;

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

impl PossibleMerge {
    /// Identifies the two people as they were shown: a merge of others is refused.
    pub fn mark(&self) -> String {
        mark_of_people(&self.added, &self.created)
    }
}

fn mark_of_people(keep: &Person, other: &Person) -> String {
    let one = |it: &Person| {
        let email = it.email.as_deref().unwrap_or_default();
        format!("{} {} {} {email} {} {:?}", it.id, it.username, it.role, it.on, it.linked)
    };
    mark_of(&format!("{} and {}", one(keep), one(other)))
}

impl Directory {
    /// Merges two people: `keep` keeps username, role and ID, and takes over the account of `other`,
    /// who is deleted and whose sessions end. A person stays switched off if either is. `seen` is
    /// the mark of the possible merge as it was shown, if it was.
    ///
    /// # Errors
    /// Why the merge is refused; nothing has changed then.
    pub async fn merge_people(
        &self,
        acting: &AdminScope,
        keep: Guid,
        other: Guid,
        seen: Option<&str>,
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
        if seen.is_some_and(|it| it != mark_of_people(&keep, &other)) {
            return Err(Error::Conflict.into());
        }
        let what = format!("{}: merged with {}", keep.username, other.username);
        self.end_sign_ins_of_person(&mut changes, other.id, &what).await?;
        self.end_sign_ins_of_person(&mut changes, keep.id, &what).await?;
        self.keep_refusals(&mut changes, &keep, &other).await?;
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

    /// Remembers the accounts that were refused because of one of the two, and that the rows of the
    /// merged person do not refuse any more.
    async fn keep_refusals(
        &self,
        changes: &mut Transaction,
        keep: &Person,
        other: &Person,
    ) -> Result<(), Error> {
        let account = keep.linked.or(other.linked);
        let mut refused = BTreeSet::new();
        if account.is_some() {
            // A denial counts only as long as the person has no link.
            for person in [keep, other].into_iter().filter(|it| it.linked.is_none()) {
                refused.extend(self.denied_accounts(changes, person.id).await?);
            }
        }
        if !(keep.on && other.on) {
            // So does a former account, of which one remains.
            let remains = if account.is_none() { keep.former.or(other.former) } else { None };
            let former = [keep.former, other.former].into_iter().flatten();
            refused.extend(former.filter(|it| Some(*it) != remains));
        }
        for it in refused.into_iter().filter(|it| Some(*it) != account) {
            if !self.is_account_linked(changes, keep.organization, it).await? {
                self.remember_erased(changes, keep.organization, it, true).await?;
            }
        }
        Ok(())
    }

    /// Moves or deletes the rows that belong to the person who goes.
    async fn move_rows(
        &self,
        changes: &mut Transaction,
        keep: &Person,
        other: &Person,
    ) -> Result<(), Error> {
        // A later deletion of the one who stays would not find these names.
        self.blank_history_of(changes, other.id).await?;
        let both = || vec![keep.id.to_string().into(), other.id.to_string().into()];
        for sql in [
            "UPDATE sign_in SET person = $1 WHERE person = $2",
            // Accounts that wait ask again, for the person as merged.
            "UPDATE link_request SET person = $1 WHERE person = $2 AND state <> 'waiting'",
        ] {
            changes.run(sql, both()).await?;
        }
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
        let former = keep.former.or(other.former);
        let text = |it: Option<Guid>| SqlValue::Text(it.map(|it| it.to_string()));
        let values: Vec<SqlValue> = vec![
            keep.id.to_string().into(),
            text(account.map(|it| it.0)),
            text(account.map(|it| it.1)),
            other.name.clone().into(),
            other.email.clone().into(),
            SqlValue::Number(keep.last_sign_in.max(other.last_sign_in)),
            if keep.on && other.on { "on" } else { "off" }.into(),
            text(former.map(|it| it.0)),
            text(former.map(|it| it.1)),
        ];
        let sql = "UPDATE person SET tid = $2, oid = $3, name = COALESCE(name, $4), email = COALESCE(email, $5), last_sign_in = $6, state = $7, \
                   former_tid = $8, former_oid = $9 WHERE id = $1";
        changes.run(sql, values).await?;
        match account {
            Some(account) => {
                self.close_possible_merges(changes, keep.id).await?;
                self.close_requests(changes, keep.id, account).await
            }
            None => Ok(()),
        }
    }

    /// Deletes the possible merges with a person who was added beforehand and is linked now.
    pub(super) async fn close_possible_merges(
        &self,
        changes: &mut Transaction,
        person: Guid,
    ) -> Result<(), Error> {
        let sql = "DELETE FROM possible_merge WHERE person = $1";
        changes.run(sql, vec![person.to_string().into()]).await.map(drop)
    }

    /// Returns the people of an organization who were created at the first sign-in and look like
    /// one who was added beforehand, oldest first.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn possible_merges(&self, organization: Guid) -> Result<Vec<PossibleMerge>, Error> {
        let sql = format!(
            "SELECT m.person, m.created_person FROM possible_merge m JOIN person p ON p.id = m.person \
             WHERE m.organization = $1 AND p.oid IS NULL ORDER BY m.at, m.person, m.created_person LIMIT {MAX_LISTED_MERGES}"
        );
        let values = vec![organization.to_string().into()];
        let rows = self.database.rows(sqlx::AssertSqlSafe(sql), values).await?;
        let (mut pairs, mut ids) = (Vec::new(), Vec::new());
        for row in rows {
            let pair = (guid(&row.text("person")?)?, guid(&row.text("created_person")?)?);
            ids.extend([pair.0, pair.1]);
            pairs.push(pair);
        }
        let people = self.people_by_id(&ids).await?;
        let mut all = Vec::with_capacity(pairs.len());
        for (added, created) in pairs {
            if let (Some(added), Some(created)) = (people.get(&added), people.get(&created)) {
                all.push(PossibleMerge { added: added.clone(), created: created.clone() });
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

fn guid(text: &str) -> Result<Guid, Error> {
    Guid::parse(text)
        .ok_or_else(|| Error::Database("contains an invalid possible merge".to_owned()))
}
