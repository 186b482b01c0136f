//! Who signed in lately, and who was refused why: for the admin of an organization, who cannot read our log.
//!
//! Neither addresses nor tokens. Rows are kept for a month, and so many of each outcome: a flood of refusals takes out no sign-in.

use super::database::{DatabaseRow, SqlValue};
use super::error::Error;
use super::store::Directory;
use crate::base::guid::Guid;
use crate::base::username::Username;

/// For how long rows are kept, in seconds.
pub const RETENTION_SECONDS: u64 = 30 * 86_400;
/// How many rows of each outcome are kept of an organization.
pub const MAX_ROWS_PER_OUTCOME: u16 = 500;
/// After so many rows that were written here, old ones are taken out.
pub const ROWS_BETWEEN_CLEANUPS: u16 = 16;
/// The longest name and the longest reason that are kept, in characters.
const MAX_NAME_CHARS: usize = 128;
const MAX_REASON_CHARS: usize = 40;

/// A sign-in that is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FinishedSignIn {
    /// Where.
    pub organization: Guid,
    /// Who, where the directory knows.
    pub person: Option<Guid>,
    /// What the person is called, by us or else by Entra.
    pub name: Option<String>,
    /// Why it was refused, a code of Entra's such as `AADSTS50105` or a word of ours; nothing where it was not.
    pub refused: Option<String>,
    /// Finds the line in the log.
    pub reference: String,
}

/// One of those that are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecentSignIn {
    /// Its place: later ones are greater.
    pub id: Guid,
    /// When, seconds since 1970.
    pub at: i64,
    /// What it was.
    pub sign_in: FinishedSignIn,
    /// What the person is called now.
    pub username: Option<Username>,
}

/// Which of them are asked for.
#[derive(Clone, Copy, Debug)]
pub struct RecentSignInQuery {
    /// Those before this one, for the next page.
    pub before: Option<Guid>,
    /// Refusals alone.
    pub refused_only: bool,
    /// So many at most.
    pub limit: u32,
}

impl Directory {
    /// Keeps a sign-in, and now and then takes out those that are too old or too many.
    ///
    /// # Errors
    /// Where the database cannot be asked.
    pub async fn record_sign_in(&self, it: &FinishedSignIn) -> Result<(), Error> {
        let id = self.next_id();
        let outcome = if it.refused.is_some() { "refused" } else { "signed_in" };
        let values: Vec<SqlValue> = vec![
            id.to_string().into(),
            self.clock.now().into(),
            it.organization.to_string().into(),
            it.person.map(|it| it.to_string()).into(),
            it.name.as_deref().map(|it| plain(it, MAX_NAME_CHARS)).into(),
            outcome.into(),
            it.refused.as_deref().map(|it| plain(it, MAX_REASON_CHARS)).into(),
            plain(&it.reference, MAX_REASON_CHARS).into(),
        ];
        let mut changes = self.database.begin_transaction().await?;
        let sql = "INSERT INTO sign_in (id, at, organization, person, name, outcome, reason, reference) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
        changes.run(sql, values).await?;
        if self.is_cleanup_due(ROWS_BETWEEN_CLEANUPS) {
            changes.run("DELETE FROM sign_in WHERE at < $1", vec![self.clock.now().saturating_sub(RETENTION_SECONDS).into()]).await?;
            // What comes after the newest of each outcome.
            let sql = "DELETE FROM sign_in WHERE organization = $1 AND outcome = $2 AND id <= (SELECT id FROM sign_in WHERE organization = $1 AND \
                       outcome = $2 ORDER BY id DESC LIMIT 1 OFFSET $3)";
            for outcome in ["signed_in", "refused"] {
                changes.run(sql, vec![it.organization.to_string().into(), outcome.into(), i64::from(MAX_ROWS_PER_OUTCOME).into()]).await?;
            }
        }
        changes.commit().await
    }

    /// The sign-ins of an organization, newest first.
    ///
    /// # Errors
    /// Where the database cannot be asked.
    pub async fn sign_ins(&self, organization: Guid, asked: RecentSignInQuery) -> Result<Vec<RecentSignIn>, Error> {
        let since = self.clock.now().saturating_sub(RETENTION_SECONDS);
        let mut values: Vec<SqlValue> = vec![organization.to_string().into(), since.into(), i64::from(asked.limit).into()];
        let mut sql = "SELECT s.id, s.at, s.organization, s.person, s.name, s.reason, s.reference, p.username FROM sign_in s \
                       LEFT JOIN person p ON p.id = s.person AND p.organization = s.organization WHERE s.organization = $1 AND s.at >= $2"
            .to_owned();
        if asked.refused_only {
            sql.push_str(" AND s.outcome = 'refused'");
        }
        if let Some(before) = asked.before {
            values.push(before.to_string().into());
            sql.push_str(" AND s.id < $4");
        }
        sql.push_str(" ORDER BY s.id DESC LIMIT $3");
        self.database.rows(sqlx::AssertSqlSafe(sql), values).await?.iter().map(of_row).collect()
    }
}

fn of_row(row: &DatabaseRow) -> Result<RecentSignIn, Error> {
    let unknown = |column: &str| Error::Database(format!("contains a sign-in whose {column} is not valid"));
    let guid = |column: &str, text: &str| Guid::parse(text).ok_or_else(|| unknown(column));
    Ok(RecentSignIn {
        id: guid("id", &row.text("id")?)?,
        at: row.number("at")?,
        sign_in: FinishedSignIn {
            organization: guid("organization", &row.text("organization")?)?,
            person: row.maybe_text("person")?.map(|it| guid("person", &it)).transpose()?,
            name: row.maybe_text("name")?,
            refused: row.maybe_text("reason")?,
            reference: row.text("reference")?,
        },
        username: row.maybe_text("username")?.as_deref().and_then(Username::parse),
    })
}

fn plain(text: &str, most: usize) -> String {
    text.chars().filter(|it| !it.is_control()).take(most).collect()
}
