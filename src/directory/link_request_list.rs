//! Finds requests of accounts that wait for an approval, or that were denied or approved.

use super::database::{DatabaseRow, SqlValue, Transaction};
use super::error::Error;
use super::link_request::{LinkRequest, RequestState, WaitReason, guid, unknown};
use super::linking::account_values;
use super::person::{Person, SELECT_PERSON, of_row as person_of_row};
use super::store::Directory;
use super::undo_approval::UNDO_SECONDS;
use crate::base::company_code::CompanyCode;
use crate::base::guid::Guid;

/// Maximum number of requests in a list.
const MAX_LISTED_REQUESTS: u32 = 200;

const SELECT_REQUEST: &str = "SELECT r.id, r.person, r.tid, r.oid, r.state, r.at, r.decided, r.reason, r.name, r.upn, r.email, r.guest, r.typed FROM link_request r";

impl Directory {
    /// Returns the requests of an organization, or of all: those that wait, oldest first, and then,
    /// if wanted, those whose approval can be undone and those that were denied.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn link_requests(
        &self,
        organization: Option<Guid>,
        with_decided: bool,
    ) -> Result<Vec<LinkRequest>, Error> {
        let now = self.clock.now();
        let mut values: Vec<SqlValue> = vec![now.into()];
        let mut decided = "";
        if with_decided {
            values.push(now.saturating_sub(UNDO_SECONDS).into());
            decided = " OR (p.oid IS NULL AND r.state = 'denied') OR (r.state = 'linked' AND r.decided > $2 AND p.tid = r.tid AND p.oid = r.oid)";
        }
        let mut sql = format!(
            "{SELECT_REQUEST} JOIN person p ON p.id = r.person WHERE ((p.oid IS NULL AND r.state = 'waiting' AND r.ends > $1){decided})"
        );
        if let Some(organization) = organization {
            values.push(organization.to_string().into());
            sql.push_str(&format!(" AND r.organization = ${}", values.len()));
        }
        // The states in this order, so that denied requests do not displace waiting ones.
        sql.push_str(&format!(" ORDER BY r.state DESC, r.at, r.id LIMIT {MAX_LISTED_REQUESTS}"));
        let rows = self.database.rows(sqlx::AssertSqlSafe(sql), values).await?;
        let ids = rows.iter().map(|it| guid(it, "person")).collect::<Result<Vec<_>, _>>()?;
        let people = self.people_by_id(&ids).await?;
        let all = rows.iter().zip(&ids).filter_map(|(row, id)| Some((row, people.get(id)?)));
        all.map(|(row, person)| of_row(row, person.clone())).collect()
    }

    /// Returns the number of decisions that an organization's admin can make: requests that wait,
    /// and possible merges.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn waiting_decisions(&self, organization: Guid) -> Result<usize, Error> {
        let sql = "SELECT (SELECT COUNT(*) FROM link_request r JOIN person p ON p.id = r.person \
                   WHERE r.organization = $1 AND r.state = 'waiting' AND r.ends > $2 AND p.oid IS NULL) \
                   + (SELECT COUNT(*) FROM possible_merge m JOIN person p ON p.id = m.person \
                   WHERE m.organization = $1 AND p.oid IS NULL) AS count";
        let values = vec![organization.to_string().into(), self.clock.now().into()];
        let row = self.database.row(sql, values).await?;
        let count = row.map_or(Ok(0), |it| it.number("count"))?;
        Ok(usize::try_from(count).unwrap_or_default())
    }

    /// Returns the person and the reason of the account's waiting request.
    pub(super) async fn waiting_for(
        &self,
        rows: &mut Transaction,
        organization: Guid,
        account: (Guid, Guid),
    ) -> Result<Option<(Person, WaitReason)>, Error> {
        let sql = format!(
            "{SELECT_REQUEST} WHERE r.organization = $1 AND r.tid = $2 AND r.oid = $3 AND r.state = 'waiting'"
        );
        let values = account_values(organization, account);
        let Some(row) = rows.row(sqlx::AssertSqlSafe(sql), values).await? else {
            return Ok(None);
        };
        let sql = format!("{SELECT_PERSON} WHERE p.id = $1");
        let person = rows.row(sqlx::AssertSqlSafe(sql), vec![row.text("person")?.into()]).await?;
        let found = person.map(|it| of_row(&row, person_of_row(&it)?)).transpose()?;
        Ok(found.map(|it| (it.person, it.reason)))
    }

    /// Returns a request that can be decided.
    pub(super) async fn request_of(
        &self,
        rows: &mut Transaction,
        organization: Guid,
        request: Guid,
    ) -> Result<Option<LinkRequest>, Error> {
        let sql = format!(
            "{SELECT_REQUEST} JOIN person p ON p.id = r.person WHERE r.id = $1 AND r.organization = $2 AND p.oid IS NULL AND (r.state = 'denied' OR (r.state = 'waiting' AND r.ends > $3))"
        );
        find_request(rows, sql, organization, request, self.clock.now()).await
    }

    /// Returns a request whose approval can be undone.
    pub(super) async fn approved_request(
        &self,
        rows: &mut Transaction,
        organization: Guid,
        request: Guid,
    ) -> Result<Option<LinkRequest>, Error> {
        let sql = format!(
            "{SELECT_REQUEST} JOIN person p ON p.id = r.person WHERE r.id = $1 AND r.organization = $2 AND r.state = 'linked' AND r.decided > $3 AND p.tid = r.tid AND p.oid = r.oid"
        );
        let earliest = self.clock.now().saturating_sub(UNDO_SECONDS);
        find_request(rows, sql, organization, request, earliest).await
    }

    /// Returns the organization of a request, for operators, who name only the request.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn organization_of_request(
        &self,
        request: Guid,
    ) -> Result<Option<(Guid, CompanyCode)>, Error> {
        let sql = "SELECT r.organization, c.code FROM link_request r JOIN organization_code c ON c.organization = r.organization AND c.ends IS NULL WHERE r.id = $1";
        let Some(row) = self.database.row(sql, vec![request.to_string().into()]).await? else {
            return Ok(None);
        };
        Ok(Some(guid(&row, "organization")?).zip(CompanyCode::parse(&row.text("code")?)))
    }

    /// Returns the accounts that were denied for a person, except those that are linked now.
    pub(super) async fn denied_accounts(
        &self,
        rows: &mut Transaction,
        person: Guid,
    ) -> Result<Vec<(Guid, Guid)>, Error> {
        let sql = "SELECT DISTINCT r.tid, r.oid FROM link_request r WHERE r.person = $1 AND r.state = 'denied' AND NOT EXISTS \
                   (SELECT 1 FROM person p WHERE p.organization = r.organization AND p.tid = r.tid AND p.oid = r.oid)";
        let found = rows.rows(sql, vec![person.to_string().into()]).await?;
        found.iter().map(|it| Ok((guid(it, "tid")?, guid(it, "oid")?))).collect()
    }
}

/// Returns the request that `sql` selects, with its person. The parameters of `sql` are the request,
/// the organization and a time.
async fn find_request(
    rows: &mut Transaction,
    sql: String,
    organization: Guid,
    request: Guid,
    time: u64,
) -> Result<Option<LinkRequest>, Error> {
    let values = vec![request.to_string().into(), organization.to_string().into(), time.into()];
    let Some(row) = rows.row(sqlx::AssertSqlSafe(sql), values).await? else { return Ok(None) };
    let sql = format!("{SELECT_PERSON} WHERE p.id = $1");
    let person = rows.row(sqlx::AssertSqlSafe(sql), vec![row.text("person")?.into()]).await?;
    person.map(|it| of_row(&row, person_of_row(&it)?)).transpose()
}

fn of_row(row: &DatabaseRow, person: Person) -> Result<LinkRequest, Error> {
    let reason = row.text("reason")?;
    let reason = WaitReason::ALL
        .into_iter()
        .find(|it| it.as_str() == reason)
        .ok_or_else(|| unknown("reason"))?;
    Ok(LinkRequest {
        id: guid(row, "id")?,
        person,
        account: (guid(row, "tid")?, guid(row, "oid")?),
        state: match row.text("state")?.as_str() {
            "denied" => RequestState::Denied,
            "linked" => {
                let decided = row.maybe_number("decided")?.unwrap_or_default();
                let undo = i64::try_from(UNDO_SECONDS).unwrap_or_default();
                RequestState::Approved(decided.saturating_add(undo))
            }
            _ => RequestState::Waiting,
        },
        at: row.number("at")?,
        reason,
        name: row.maybe_text("name")?,
        upn: row.maybe_text("upn")?,
        email: row.maybe_text("email")?,
        guest: row.number("guest")? != 0,
        typed: row.maybe_text("typed")?,
    })
}
