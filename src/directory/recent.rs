//! Recent sign-ins, and the reasons for refused ones: for the admin of an organization, who cannot
//! read the log.
//!
//! Contains no IP addresses or tokens. Rows are kept for a month, with a maximum for each outcome,
//! so that many refusals do not displace sign-ins.

use super::database::{DatabaseRow, SqlValue};
use super::error::Error;
use super::store::Directory;
use crate::base::guid::Guid;
use crate::base::username::Username;

/// Time for which rows are kept, in seconds.
pub const RETENTION_SECONDS: u64 = 30 * 86_400;
/// Maximum number of rows for each outcome and organization.
pub const MAX_ROWS_PER_OUTCOME: u16 = 500;
/// Number of rows that a process writes between deletions of old rows.
pub const ROWS_BETWEEN_CLEANUPS: u16 = 16;
/// Maximum length of a stored name and of a stored reason, in characters.
const MAX_RECORDED_NAME_CHARS: usize = 128;
const MAX_RECORDED_REASON_CHARS: usize = 40;

/// A finished sign-in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FinishedSignIn {
    /// The organization.
    pub organization: Guid,
    /// The person, if the directory knows them.
    pub person: Option<Guid>,
    /// The person's name in the directory, otherwise at Entra.
    pub name: Option<String>,
    /// Reason of a refusal: a code from Entra such as `AADSTS50105`, or one of Entrada's own words;
    /// `None` if it succeeded.
    pub refused: Option<String>,
    /// Reference that finds the line in the log.
    pub reference: String,
}

/// A stored sign-in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecentSignIn {
    /// Its position: later ones are greater.
    pub id: Guid,
    /// Time, in seconds since 1970.
    pub at: i64,
    /// The sign-in.
    pub sign_in: FinishedSignIn,
    /// The person's current username.
    pub username: Option<Username>,
}

/// A query for recent sign-ins.
#[derive(Clone, Copy, Debug)]
pub struct RecentSignInQuery {
    /// Only sign-ins before this one, for the next page.
    pub before: Option<Guid>,
    /// Only refusals.
    pub refused_only: bool,
    /// Maximum number of sign-ins.
    pub limit: u32,
}

impl Directory {
    /// Stores a sign-in, and sometimes deletes those that are too old or exceed the maximum.
    ///
    /// # Errors
    /// The database cannot be changed.
    pub async fn record_sign_in(&self, it: &FinishedSignIn) -> Result<(), Error> {
        let id = self.next_id();
        let outcome = if it.refused.is_some() { "refused" } else { "signed_in" };
        let values: Vec<SqlValue> = vec![
            id.to_string().into(),
            self.clock.now().into(),
            it.organization.to_string().into(),
            it.person.map(|it| it.to_string()).into(),
            it.name.as_deref().map(|it| plain(it, MAX_RECORDED_NAME_CHARS)).into(),
            outcome.into(),
            it.refused.as_deref().map(|it| plain(it, MAX_RECORDED_REASON_CHARS)).into(),
            plain(&it.reference, MAX_RECORDED_REASON_CHARS).into(),
        ];
        let mut changes = self.database.begin_transaction().await?;
        let sql = "INSERT INTO sign_in (id, at, organization, person, name, outcome, reason, reference) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
        changes.run(sql, values).await?;
        if self.is_cleanup_due(ROWS_BETWEEN_CLEANUPS) {
            changes
                .run(
                    "DELETE FROM sign_in WHERE at < $1",
                    vec![self.clock.now().saturating_sub(RETENTION_SECONDS).into()],
                )
                .await?;
            // The rows after the newest ones of each outcome.
            let sql = "DELETE FROM sign_in WHERE organization = $1 AND outcome = $2 AND id <= (SELECT id FROM sign_in WHERE organization = $1 AND \
                       outcome = $2 ORDER BY id DESC LIMIT 1 OFFSET $3)";
            for outcome in ["signed_in", "refused"] {
                changes
                    .run(
                        sql,
                        vec![
                            it.organization.to_string().into(),
                            outcome.into(),
                            i64::from(MAX_ROWS_PER_OUTCOME).into(),
                        ],
                    )
                    .await?;
            }
        }
        changes.commit().await
    }

    /// Returns the sign-ins of an organization, newest first.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn sign_ins(
        &self,
        organization: Guid,
        asked: RecentSignInQuery,
    ) -> Result<Vec<RecentSignIn>, Error> {
        let since = self.clock.now().saturating_sub(RETENTION_SECONDS);
        let mut values: Vec<SqlValue> =
            vec![organization.to_string().into(), since.into(), i64::from(asked.limit).into()];
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
    let unknown =
        |column: &str| Error::Database(format!("contains a sign-in whose {column} is not valid"));
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
        username: row.maybe_text("username")?.as_deref().and_then(Username::of_stored),
    })
}

fn plain(text: &str, max_chars: usize) -> String {
    text.chars().filter(|it| !it.is_control()).take(max_chars).collect()
}
