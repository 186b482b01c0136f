//! Brings stored usernames and e-mail addresses into the form that lookups use.
//!
//! When what is folded changes (`typed::FOLD_VERSION`), a name that an earlier version stored could
//! no longer be found. Each is rewritten once. Where the new form would be somebody else's, both stay
//! as they are and are listed: only people can tell which of the two is meant. Stored company codes
//! never change, because nothing that a code contains is folded.

use super::database::Transaction;
use super::error::Error;
use super::store::Directory;
use super::unfolded_form::{UnfoldedForm, UnfoldedReason};
use crate::base::guid::Guid;
use crate::base::typed;
use crate::base::username::Username;
use std::collections::HashMap;

/// Number of people that are read at a time.
const ROWS_PER_READ: usize = 1000;

/// Maximum number of lines in the log about names that stay as they are.
const MAX_LOGGED_FORMS: usize = 20;

/// The column of a form.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum FormColumn {
    Username,
    Email,
}

/// A form that is to be rewritten.
struct FormChange {
    person: Guid,
    organization: Guid,
    column: FormColumn,
    stored: String,
    folded: String,
}

impl FormChange {
    /// What has to be unique: a username everywhere, an address among an organization's people.
    fn place(&self) -> (FormColumn, Option<Guid>, &str) {
        let within = (self.column == FormColumn::Email).then_some(self.organization);
        (self.column, within, &self.folded)
    }
}

impl Directory {
    /// Returns the names that stay in an earlier form, as of the start of this process.
    pub fn unfolded_forms(&self) -> &[UnfoldedForm] {
        &self.unfolded
    }

    /// Rewrites the stored forms of an earlier version, in one transaction. Returns and logs those
    /// that stay.
    pub(super) async fn fold_stored_forms(&self) -> Result<Vec<UnfoldedForm>, Error> {
        let current = i64::from(typed::FOLD_VERSION);
        let sql = "SELECT version FROM stored_forms WHERE version = $1 AND unfolded = 0";
        if self.database.row(sql, vec![current.into()]).await?.is_some() {
            return Ok(Vec::new());
        }
        let mut changes = self.database.begin_transaction().await?;
        let sql = "INSERT INTO stored_forms (id, version, unfolded) VALUES ('the forms', 0, 0) ON CONFLICT DO NOTHING";
        changes.run(sql, Vec::new()).await?;
        // Other processes that start now wait here.
        changes.run("UPDATE stored_forms SET version = $1", vec![current.into()]).await?;
        let wanted = changed_forms(&mut changes).await?;
        let mut sharing: HashMap<_, usize> = HashMap::new();
        for it in &wanted {
            *sharing.entry(it.place()).or_default() += 1;
        }
        let mut stays = Vec::new();
        for it in &wanted {
            let is_shared = sharing.get(&it.place()).is_some_and(|count| *count > 1);
            match self.refused(&mut changes, it, is_shared).await? {
                None => self.rewrite(&mut changes, it).await?,
                Some(why) => stays.push(described(&mut changes, it, why).await?),
            }
        }
        let count = i64::try_from(stays.len()).unwrap_or(i64::MAX);
        changes.run("UPDATE stored_forms SET unfolded = $1", vec![count.into()]).await?;
        changes.commit().await?;
        for it in stays.iter().take(MAX_LOGGED_FORMS) {
            tracing::warn!("{it}");
        }
        if wanted.len() > stays.len() || !stays.is_empty() {
            let rewritten = wanted.len() - stays.len();
            tracing::info!(
                rewritten,
                unchanged = count,
                "folded the stored usernames and addresses"
            );
        }
        Ok(stays)
    }

    /// Returns why a form cannot be rewritten.
    async fn refused(
        &self,
        changes: &mut Transaction,
        it: &FormChange,
        is_shared: bool,
    ) -> Result<Option<UnfoldedReason>, Error> {
        let (person, organization) = (it.person.to_string(), it.organization.to_string());
        let folded = it.folded.as_str();
        let others = match it.column {
            FormColumn::Username => {
                let sql = "SELECT id FROM person WHERE username = $1 AND id <> $2";
                changes.row(sql, vec![folded.into(), person.into()]).await?
            }
            FormColumn::Email => {
                let sql = "SELECT id FROM person WHERE organization = $3 AND (email = $1 OR username = $1) AND id <> $2";
                changes.row(sql, vec![folded.into(), person.into(), organization.into()]).await?
            }
        };
        if is_shared || others.is_some() {
            return Ok(Some(UnfoldedReason::Taken));
        }
        let checked = match (it.column, Username::of_stored(folded)) {
            (FormColumn::Username, Some(username)) => {
                self.check_name(changes, it.organization, &username, None).await
            }
            _ => self.check_address(changes, it.organization, folded).await,
        };
        match checked {
            Ok(()) => Ok(None),
            Err(Error::UsernameIsCode(_)) => Ok(Some(UnfoldedReason::Code)),
            Err(Error::DomainElsewhere(_)) => Ok(Some(UnfoldedReason::DomainElsewhere)),
            Err(error) => Err(error),
        }
    }

    async fn rewrite(&self, changes: &mut Transaction, it: &FormChange) -> Result<(), Error> {
        let (sql, column) = match it.column {
            FormColumn::Username => ("UPDATE person SET username = $2 WHERE id = $1", "username"),
            FormColumn::Email => ("UPDATE person SET email = $2 WHERE id = $1", "email"),
        };
        let values = vec![it.person.to_string().into(), it.folded.as_str().into()];
        changes.run(sql, values).await?;
        let what = format!("{}: {column} {}, as it is looked up", it.stored, it.folded);
        self.audit(changes, "upgrade", Some(it.organization), Some(it.person), &what).await
    }
}

async fn described(
    changes: &mut Transaction,
    it: &FormChange,
    why: UnfoldedReason,
) -> Result<UnfoldedForm, Error> {
    let sql = "SELECT code FROM organization_code WHERE organization = $1 AND ends IS NULL";
    let code = changes.row(sql, vec![it.organization.to_string().into()]).await?;
    let organization = code.map(|it| it.text("code")).transpose()?.unwrap_or_default();
    let (stored, folded) = (it.stored.clone(), it.folded.clone());
    Ok(UnfoldedForm { organization, stored, folded, why })
}

/// Returns all forms that would be stored differently now.
async fn changed_forms(changes: &mut Transaction) -> Result<Vec<FormChange>, Error> {
    let mut all = Vec::new();
    let mut after = String::new();
    let sql = format!(
        "SELECT id, organization, username, email FROM person WHERE id > $1 ORDER BY id LIMIT {ROWS_PER_READ}"
    );
    loop {
        let rows =
            changes.rows(sqlx::AssertSqlSafe(sql.clone()), vec![after.as_str().into()]).await?;
        for row in &rows {
            after = row.text("id")?;
            let (Some(person), Some(organization)) =
                (Guid::parse(&after), Guid::parse(&row.text("organization")?))
            else {
                continue;
            };
            let mut add = |column, stored: String, folded: Option<String>| {
                if let Some(folded) = folded.filter(|it| *it != stored) {
                    all.push(FormChange { person, organization, column, stored, folded });
                }
            };
            let username = row.text("username")?;
            let folded = Username::parse(&username).map(|it| it.to_string());
            add(FormColumn::Username, username, folded);
            if let Some(email) = row.maybe_text("email")? {
                let folded = typed::stored_address(&email);
                add(FormColumn::Email, email, Some(folded));
            }
        }
        if rows.len() < ROWS_PER_READ {
            return Ok(all);
        }
    }
}
