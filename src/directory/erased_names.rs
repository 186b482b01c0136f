//! Removes the names of a person who is deleted from rows that are not the person's own: recent
//! sign-ins, requests of accounts, and tests with a set-up link.

use super::database::{DatabaseRow, SqlValue, Transaction};
use super::error::Error;
use super::invitation::NO_TRIAL;
use super::linking::account_values;
use super::person::Person;
use super::store::Directory;
use crate::base::guid::Guid;
use std::collections::BTreeSet;

/// The names of a person who is deleted, in lower case.
#[derive(Debug)]
pub(super) struct ErasedNames {
    /// The username, and the addresses of the person and of the person's accounts.
    own: BTreeSet<String>,
    /// The addresses of accounts that asked to sign in as the person: they may be the person's.
    asking: BTreeSet<String>,
    /// The linked account, and the one before.
    accounts: Vec<(Guid, Guid)>,
}

impl ErasedNames {
    fn is_own(&self, name: Option<String>) -> bool {
        name.is_some_and(|it| self.own.contains(&it.to_lowercase()))
    }

    fn is_asking(&self, name: Option<String>) -> bool {
        name.is_some_and(|it| self.asking.contains(&it.to_lowercase()))
    }
}

impl Directory {
    /// Returns the names of a person, before the rows that contain them are deleted.
    pub(super) async fn names_of(
        &self,
        rows: &mut Transaction,
        person: &Person,
    ) -> Result<ErasedNames, Error> {
        let mut accounts: Vec<_> = person.linked.into_iter().collect();
        if let Some(former) = person.former
            && !self.is_account_linked(rows, person.organization, former).await?
        {
            accounts.push(former);
        }
        let mut own = BTreeSet::from([person.username.to_string()]);
        own.extend(person.email.clone());
        let select = "SELECT upn, email, sign_in_name FROM link_request WHERE";
        for account in &accounts {
            let sql = format!("{select} organization = $1 AND tid = $2 AND oid = $3");
            let values = account_values(person.organization, *account);
            own.extend(names(&rows.rows(sqlx::AssertSqlSafe(sql), values).await?)?);
        }
        let sql = format!("{select} person = $1");
        let found = rows.rows(sqlx::AssertSqlSafe(sql), vec![person.id.to_string().into()]).await?;
        Ok(ErasedNames { own, asking: names(&found)?, accounts })
    }

    /// Removes the names from all rows of the organization.
    pub(super) async fn blank_names(
        &self,
        changes: &mut Transaction,
        organization: Guid,
        names: &ErasedNames,
    ) -> Result<(), Error> {
        let id = || vec![organization.to_string().into()];
        let sql =
            "SELECT id, name, person FROM sign_in WHERE organization = $1 AND name IS NOT NULL";
        for row in changes.rows(sql, id()).await? {
            let (name, has_no_person) =
                (row.maybe_text("name")?, row.maybe_text("person")?.is_none());
            if names.is_own(name.clone()) || (has_no_person && names.is_asking(name)) {
                let sql = "UPDATE sign_in SET name = NULL WHERE id = $1";
                changes.run(sql, vec![row.text("id")?.into()]).await?;
            }
        }
        for account in &names.accounts {
            let sql = "DELETE FROM link_request WHERE organization = $1 AND tid = $2 AND oid = $3";
            changes.run(sql, account_values(organization, *account)).await?;
        }
        for name in &names.own {
            let values: Vec<SqlValue> = vec![organization.to_string().into(), name.as_str().into()];
            let sql = "UPDATE link_request SET name = NULL, upn = NULL, email = NULL, typed = NULL, sign_in_name = NULL WHERE organization = $1 AND \
                       (LOWER(upn) = $2 OR LOWER(email) = $2 OR LOWER(sign_in_name) = $2 OR typed = $2)";
            changes.run(sql, values).await?;
        }
        let sql = "SELECT id, trial_tid, trial_oid, trial_upn, trial_sign_in_name FROM invitation WHERE organization = $1 AND trial_oid IS NOT NULL";
        for row in changes.rows(sql, id()).await? {
            let (tid, oid) = (row.text("trial_tid")?, row.text("trial_oid")?);
            let is_account =
                names.accounts.iter().any(|it| it.0.to_string() == tid && it.1.to_string() == oid);
            if is_account
                || names.is_own(row.maybe_text("trial_upn")?)
                || names.is_own(row.maybe_text("trial_sign_in_name")?)
            {
                let sql = format!("UPDATE invitation SET {NO_TRIAL} WHERE id = $1");
                changes.run(sqlx::AssertSqlSafe(sql), vec![row.text("id")?.into()]).await?;
            }
        }
        Ok(())
    }
}

fn names(rows: &[DatabaseRow]) -> Result<BTreeSet<String>, Error> {
    let mut out = BTreeSet::new();
    for row in rows {
        for column in ["upn", "email", "sign_in_name"] {
            out.extend(row.maybe_text(column)?.map(|it| it.to_lowercase()));
        }
    }
    Ok(out)
}
