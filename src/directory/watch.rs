//! What was changed lately, and how people stand after it: for those who are signed in elsewhere.

use super::change::SIGNED_OUT;
use super::database::{Row, Value};
use super::error::Error;
use super::organization::State;
use super::person::Standing;
use super::store::Directory;
use crate::base::code::Code;
use crate::base::guid::Guid;
use std::collections::HashMap;

/// Changes of one answer at most; the next one goes on behind the last.
pub const PAGE: u32 = 1000;

/// People of one question at most: SQLite takes so many placeholders in any build.
const AT_ONCE: usize = 500;

/// Somebody changed something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed {
    /// Of the row in the history.
    pub id: Guid,
    /// When, seconds since 1970 by the clock of whoever changed it.
    pub at: u64,
    /// What was changed, or whose person it was.
    pub organization: Option<Guid>,
    /// Who was changed; nothing where it is the organization, or many of its people.
    pub person: Option<Guid>,
    /// Whether the person was signed out everywhere.
    pub signed_out: bool,
}

impl Directory {
    /// Changes since a time in seconds since 1970, the oldest first and at most `PAGE`; with `after`, those behind that one.
    ///
    /// # Errors
    /// Where the database cannot be asked.
    pub async fn changed(&self, since: u64, after: Option<&Changed>) -> Result<Vec<Changed>, Error> {
        let (at, id) = after.map_or((since, String::new()), |it| (it.at, it.id.to_string()));
        let sql = "SELECT id, at, organization, person, what FROM audit WHERE (at, id) > ($1, $2) ORDER BY at, id LIMIT $3";
        self.database.rows(sql, vec![at.into(), id.into(), i64::from(PAGE).into()]).await?.iter().map(of_row).collect()
    }

    /// How those people stand now; whoever is not there any more is not told.
    ///
    /// # Errors
    /// Where the database cannot be asked.
    pub async fn standings(&self, people: &[Guid]) -> Result<HashMap<Guid, Standing>, Error> {
        let mut out = HashMap::with_capacity(people.len());
        for some in people.chunks(AT_ONCE) {
            let places = (1..=some.len()).map(|it| format!("${it}")).collect::<Vec<_>>().join(", ");
            let sql = format!(
                "SELECT p.id, p.role, p.state, p.tid, p.oid, o.id AS organization, o.state AS organization_state, o.source, c.code FROM person p \
                 JOIN organization o ON o.id = p.organization JOIN organization_code c ON c.organization = o.id AND c.ends IS NULL WHERE p.id IN ({places})"
            );
            let values: Vec<Value> = some.iter().map(|it| it.to_string().into()).collect();
            for row in self.database.rows(sqlx::AssertSqlSafe(sql), values).await? {
                out.insert(guid("id", &row.text("id")?)?, self.standing_of(&row)?);
            }
        }
        Ok(out)
    }

    fn standing_of(&self, row: &Row) -> Result<Standing, Error> {
        // One that stands in the file is on for as long as it stands there.
        let organization_on = match row.text("source")?.as_str() {
            "file" => self.of_file.contains_key(&guid("organization", &row.text("organization")?)?),
            _ => row.text("organization_state")? == State::On.as_str(),
        };
        let code = Code::parse(&row.text("code")?).ok_or_else(|| unknown("code"))?;
        let account = |column: &str| row.maybe_text(column)?.map(|it| guid(column, &it)).transpose();
        let on = organization_on && row.text("state")? == "on";
        Ok(Standing { role: row.text("role")?, code, on, linked: account("tid")?.zip(account("oid")?) })
    }
}

fn of_row(row: &Row) -> Result<Changed, Error> {
    let maybe = |column: &str| row.maybe_text(column)?.map(|it| guid(column, &it)).transpose();
    Ok(Changed {
        id: guid("id", &row.text("id")?)?,
        at: u64::try_from(row.number("at")?).unwrap_or_default(),
        organization: maybe("organization")?,
        person: maybe("person")?,
        signed_out: row.text("what")? == SIGNED_OUT,
    })
}

fn guid(column: &str, text: &str) -> Result<Guid, Error> {
    Guid::parse(text).ok_or_else(|| unknown(column))
}

fn unknown(column: &str) -> Error {
    Error::Database(format!("contains a change whose {column} is not valid"))
}
