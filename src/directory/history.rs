//! The history: what was changed, and by whom. The table `audit` is append-only.
//!
//! The actor is stored as `person` and an ID from the directory, or in other words:
//! `operator olga`, `sign-in`.

use super::database::{DatabaseRow, SqlValue};
use super::error::Error;
use super::store::Directory;
use crate::base::guid::Guid;
use crate::base::username::Username;

/// One change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryEntry {
    /// Its position, for the next page.
    pub id: Guid,
    /// Time, in seconds since 1970.
    pub at: i64,
    /// The actor, as stored.
    pub by: String,
    /// The actor's current username, if the actor is a person of the organization.
    pub by_username: Option<Username>,
    /// The person that the change concerns, if any.
    pub person: Option<Guid>,
    /// That person's current username.
    pub username: Option<Username>,
    /// Description of the change.
    pub what: String,
}

impl Directory {
    /// Returns the changes to an organization and its people, newest first: those before `before`,
    /// and at most `limit`.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn history(
        &self,
        organization: Guid,
        before: Option<Guid>,
        limit: u32,
    ) -> Result<Vec<HistoryEntry>, Error> {
        let mut values: Vec<SqlValue> =
            vec![organization.to_string().into(), i64::from(limit).into()];
        let mut sql = "SELECT a.id, a.at, a.actor, a.person, a.what, p.username, b.username AS by_username FROM audit a \
                       LEFT JOIN person p ON p.id = a.person AND p.organization = a.organization \
                       LEFT JOIN person b ON a.actor LIKE 'person %' AND b.id = SUBSTR(a.actor, 8) AND b.organization = a.organization \
                       WHERE a.organization = $1"
            .to_owned();
        if let Some(before) = before {
            values.push(before.to_string().into());
            // Restricted to the same organization: an entry of another one reveals nothing, not
            // even its time.
            sql.push_str(" AND (a.at, a.id) < (SELECT at, id FROM audit WHERE id = $3 AND organization = $1)");
        }
        sql.push_str(" ORDER BY a.at DESC, a.id DESC LIMIT $2");
        self.database.rows(sqlx::AssertSqlSafe(sql), values).await?.iter().map(of_row).collect()
    }
}

fn of_row(row: &DatabaseRow) -> Result<HistoryEntry, Error> {
    let unknown =
        |column: &str| Error::Database(format!("contains a change whose {column} is not valid"));
    let guid = |column: &str, text: &str| Guid::parse(text).ok_or_else(|| unknown(column));
    Ok(HistoryEntry {
        id: guid("id", &row.text("id")?)?,
        at: row.number("at")?,
        by: row.text("actor")?,
        by_username: row.maybe_text("by_username")?.as_deref().and_then(Username::of_stored),
        person: row.maybe_text("person")?.map(|it| guid("person", &it)).transpose()?,
        username: row.maybe_text("username")?.as_deref().and_then(Username::of_stored),
        what: row.text("what")?,
    })
}
