//! What was changed, by whom: the table `audit`, which is only ever added to.
//!
//! Whoever acted is written down as `person` and an id of ours, or in other words: `operator olga`, `sign-in`.

use super::database::{DatabaseRow, SqlValue};
use super::error::Error;
use super::store::Directory;
use crate::base::guid::Guid;
use crate::base::username::Username;

/// One change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryEntry {
    /// Its place, for the next page.
    pub id: Guid,
    /// When, seconds since 1970.
    pub at: i64,
    /// By whom, as it was written down.
    pub by: String,
    /// What that is called now, where it is a person of the organization.
    pub by_username: Option<Username>,
    /// The person it is about, where it is about one.
    pub person: Option<Guid>,
    /// What that person is called now.
    pub username: Option<Username>,
    /// What was changed, in words.
    pub what: String,
}

impl Directory {
    /// What was changed of an organization and its people, newest first; those before `before`, so many at most.
    ///
    /// # Errors
    /// Where the database cannot be asked.
    pub async fn history(&self, organization: Guid, before: Option<Guid>, most: u32) -> Result<Vec<HistoryEntry>, Error> {
        let mut values: Vec<SqlValue> = vec![organization.to_string().into(), i64::from(most).into()];
        let mut sql = "SELECT a.id, a.at, a.actor, a.person, a.what, p.username, b.username AS by_username FROM audit a \
                       LEFT JOIN person p ON p.id = a.person AND p.organization = a.organization \
                       LEFT JOIN person b ON a.actor LIKE 'person %' AND b.id = SUBSTR(a.actor, 8) AND b.organization = a.organization \
                       WHERE a.organization = $1"
            .to_owned();
        if let Some(before) = before {
            values.push(before.to_string().into());
            // Of its own organization alone: another's tells nothing, not even when.
            sql.push_str(" AND (a.at, a.id) < (SELECT at, id FROM audit WHERE id = $3 AND organization = $1)");
        }
        sql.push_str(" ORDER BY a.at DESC, a.id DESC LIMIT $2");
        self.database.rows(sqlx::AssertSqlSafe(sql), values).await?.iter().map(of_row).collect()
    }
}

fn of_row(row: &DatabaseRow) -> Result<HistoryEntry, Error> {
    let unknown = |column: &str| Error::Database(format!("contains a change whose {column} is not valid"));
    let guid = |column: &str, text: &str| Guid::parse(text).ok_or_else(|| unknown(column));
    Ok(HistoryEntry {
        id: guid("id", &row.text("id")?)?,
        at: row.number("at")?,
        by: row.text("actor")?,
        by_username: row.maybe_text("by_username")?.as_deref().and_then(Username::parse),
        person: row.maybe_text("person")?.map(|it| guid("person", &it)).transpose()?,
        username: row.maybe_text("username")?.as_deref().and_then(Username::parse),
        what: row.text("what")?,
    })
}
