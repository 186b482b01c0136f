//! Recent changes, and the status of people after them, for sessions in other processes.

use super::change::SIGNED_OUT;
use super::database::{DatabaseRow, SqlValue};
use super::error::Error;
use super::organization::OrganizationState;
use super::people::MAX_PEOPLE_PER_QUERY;
use super::person::PersonStatus;
use super::store::Directory;
use crate::base::company_code::CompanyCode;
use crate::base::guid::Guid;
use std::collections::HashMap;

/// Maximum number of changes in a response; the next query continues after the last one.
pub const MAX_CHANGES_PER_PAGE: u32 = 1000;

/// A change in the directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirectoryChange {
    /// ID of the row in the history.
    pub id: Guid,
    /// Time in seconds since 1970, according to the clock of the machine that made the change.
    pub at: u64,
    /// The organization that was changed, or that the person belongs to.
    pub organization: Option<Guid>,
    /// The person who was changed; `None` if the change concerns the organization, or several of
    /// its people.
    pub person: Option<Guid>,
    /// Whether the person was signed out everywhere.
    pub signed_out: bool,
}

impl Directory {
    /// Returns the changes since a time (in seconds since 1970), oldest first and at most
    /// `MAX_CHANGES_PER_PAGE`; with `after`, those after that change.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn changed(
        &self,
        since: u64,
        after: Option<&DirectoryChange>,
    ) -> Result<Vec<DirectoryChange>, Error> {
        let (at, id) = after.map_or((since, String::new()), |it| (it.at, it.id.to_string()));
        let sql = "SELECT id, at, organization, person, what FROM audit WHERE (at, id) > ($1, $2) ORDER BY at, id LIMIT $3";
        self.database
            .rows(sql, vec![at.into(), id.into(), i64::from(MAX_CHANGES_PER_PAGE).into()])
            .await?
            .iter()
            .map(of_row)
            .collect()
    }

    /// Returns the current status of these people; people who no longer exist are omitted.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn person_statuses(
        &self,
        people: &[Guid],
    ) -> Result<HashMap<Guid, PersonStatus>, Error> {
        let mut out = HashMap::with_capacity(people.len());
        for some in people.chunks(MAX_PEOPLE_PER_QUERY) {
            let places = (1..=some.len()).map(|it| format!("${it}")).collect::<Vec<_>>().join(", ");
            let sql = format!(
                "SELECT p.id, p.role, p.state, p.tid, p.oid, o.id AS organization, o.state AS organization_state, o.source, c.code FROM person p \
                 JOIN organization o ON o.id = p.organization JOIN organization_code c ON c.organization = o.id AND c.ends IS NULL WHERE p.id IN ({places})"
            );
            let values: Vec<SqlValue> = some.iter().map(|it| it.to_string().into()).collect();
            for row in self.database.rows(sqlx::AssertSqlSafe(sql), values).await? {
                out.insert(guid("id", &row.text("id")?)?, self.status_of_row(&row)?);
            }
        }
        Ok(out)
    }

    /// Returns when a person was last signed out everywhere, in seconds since 1970, according to the
    /// clock of the machine that did it.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn last_signed_out(&self, person: Guid) -> Result<Option<u64>, Error> {
        let sql = "SELECT MAX(at) AS at FROM audit WHERE person = $1 AND what = $2";
        let values: Vec<SqlValue> = vec![person.to_string().into(), SIGNED_OUT.into()];
        let Some(row) = self.database.row(sql, values).await? else { return Ok(None) };
        Ok(row.maybe_number("at")?.map(|it| u64::try_from(it).unwrap_or_default()))
    }

    fn status_of_row(&self, row: &DatabaseRow) -> Result<PersonStatus, Error> {
        // An organization from the configuration is on while it is in the configuration.
        let organization_on = match row.text("source")?.as_str() {
            "file" => self.of_file.contains_key(&guid("organization", &row.text("organization")?)?),
            _ => row.text("organization_state")? == OrganizationState::On.as_str(),
        };
        let code = CompanyCode::parse(&row.text("code")?).ok_or_else(|| unknown("code"))?;
        let account =
            |column: &str| row.maybe_text(column)?.map(|it| guid(column, &it)).transpose();
        let on = organization_on && row.text("state")? == "on";
        Ok(PersonStatus {
            role: row.text("role")?,
            code,
            on,
            linked: account("tid")?.zip(account("oid")?),
        })
    }
}

fn of_row(row: &DatabaseRow) -> Result<DirectoryChange, Error> {
    let maybe = |column: &str| row.maybe_text(column)?.map(|it| guid(column, &it)).transpose();
    Ok(DirectoryChange {
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
