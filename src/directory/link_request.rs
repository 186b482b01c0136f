//! Accounts that ask to sign in as a person who was added beforehand, and wait for an approval.
//!
//! There is no session while an account waits. A request is bound to the account's tenant and
//! object ID and to the person as the decider saw them, is decided once, and ends after two weeks.
//! A pair that was denied cannot ask again.

use super::admin::{ActionError, AdminScope};
use super::database::{DatabaseRow, SqlValue, Transaction};
use super::error::Error;
use super::linking::{SigningAccount, account_values};
use super::person::{Person, SELECT_PERSON, of_row as person_of_row};
use super::store::Directory;
use crate::base::company_code::CompanyCode;
use crate::base::guid::Guid;
use crate::base::username::Username;
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

pub use super::linking::WaitReason;

/// Time for which a request waits, in seconds.
pub const REQUEST_LIFETIME_SECONDS: u64 = 14 * 86_400;
/// Maximum number of waiting requests for one person.
pub const MAX_REQUESTS_PER_PERSON: i64 = 5;
/// Maximum number of requests in a list.
pub const MAX_LISTED_REQUESTS: u32 = 200;
/// Maximum length of a stored name or address, in characters.
const MAX_RECORDED_CHARS: usize = 200;

/// A decision about a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkDecision {
    /// The account is the person's: it is linked.
    Link,
    /// The account belongs to somebody else, who is created at the next sign-in.
    Separate,
    /// The account stays outside, and cannot ask for this person again.
    Deny,
}

/// An account that waits, or that was denied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkRequest {
    /// The request's ID.
    pub id: Guid,
    /// The person that the account asks for.
    pub person: Person,
    /// Tenant and object ID of the account.
    pub account: (Guid, Guid),
    /// Whether it was denied.
    pub denied: bool,
    /// Time of the request, in seconds since 1970.
    pub at: i64,
    /// Why nobody was linked without an approval.
    pub reason: WaitReason,
    /// The account's display name, which its owner may have chosen.
    pub name: Option<String>,
    /// The account's user principal name or sign-in name.
    pub upn: Option<String>,
    /// The account's e-mail address.
    pub email: Option<String>,
    /// Whether the account is a guest of the tenant.
    pub guest: bool,
    /// The username that was typed on the sign-in page.
    pub typed: Option<String>,
}

const SELECT_REQUEST: &str = "SELECT id, person, tid, oid, state, at, ends, reason, name, upn, email, guest, typed FROM link_request";

impl LinkDecision {
    /// Parses a decision: `link`, `separate` or `deny`.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "link" => Some(Self::Link),
            "separate" => Some(Self::Separate),
            "deny" => Some(Self::Deny),
            _ => None,
        }
    }

    fn state(self) -> &'static str {
        match self {
            Self::Link => "linked",
            Self::Separate => "separate",
            Self::Deny => "denied",
        }
    }
}

/// What was decided about an account before, or waits to be decided.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct RequestStanding {
    /// Whether a request waits.
    pub(super) waits: bool,
    /// Whether the account belongs to somebody else than the people it matches.
    pub(super) separate: bool,
    /// The people, still without a link, for whom it was denied.
    pub(super) denied: Vec<Guid>,
}

impl LinkRequest {
    /// Identifies the request and the person as they were shown: a decision about another state is
    /// refused.
    pub fn mark(&self) -> String {
        let it = &self.person;
        let email = it.email.as_deref().unwrap_or_default();
        let text = format!(
            "{} {} {} {} {} {} {email} {} {:?}",
            self.id, self.account.0, self.account.1, it.id, it.username, it.role, it.on, it.linked
        );
        let digest = digest(&SHA256, text.as_bytes());
        URL_SAFE_NO_PAD.encode(digest.as_ref().get(..12).unwrap_or_default())
    }
}

impl Directory {
    /// Returns the standing of an account.
    pub(super) async fn request_standing(
        &self,
        changes: &mut Transaction,
        organization: Guid,
        account: (Guid, Guid),
    ) -> Result<RequestStanding, Error> {
        let sql = "SELECT r.state, r.ends, r.person, p.oid AS linked FROM link_request r JOIN person p ON p.id = r.person \
                   WHERE r.organization = $1 AND r.tid = $2 AND r.oid = $3";
        let mut standing = RequestStanding::default();
        let now = i64::try_from(self.clock.now()).unwrap_or(i64::MAX);
        for row in changes.rows(sql, account_values(organization, account)).await? {
            let is_free = row.maybe_text("linked")?.is_none();
            match row.text("state")?.as_str() {
                "separate" => standing.separate = true,
                "denied" if is_free => standing.denied.push(guid(&row, "person")?),
                "waiting" => standing.waits |= is_free && row.number("ends")? > now,
                _ => {}
            }
        }
        Ok(standing)
    }

    /// Returns the person and the reason of the account's waiting request.
    pub(super) async fn waiting_for(
        &self,
        changes: &mut Transaction,
        organization: Guid,
        account: (Guid, Guid),
    ) -> Result<Option<(Person, WaitReason)>, Error> {
        let sql = format!(
            "{SELECT_REQUEST} WHERE organization = $1 AND tid = $2 AND oid = $3 AND state = 'waiting'"
        );
        let values = account_values(organization, account);
        let Some(row) = changes.row(sqlx::AssertSqlSafe(sql), values).await? else {
            return Ok(None);
        };
        let sql = format!("{SELECT_PERSON} WHERE p.id = $1");
        let person =
            changes.row(sqlx::AssertSqlSafe(sql), vec![row.text("person")?.into()]).await?;
        let found = person.map(|it| of_row(&row, person_of_row(&it)?)).transpose()?;
        Ok(found.map(|it| (it.person, it.reason)))
    }

    /// Opens a request, unless the account has one, or too many wait for the person.
    pub(super) async fn open_request(
        &self,
        changes: &mut Transaction,
        account: &SigningAccount<'_>,
        person: &Person,
        reason: WaitReason,
    ) -> Result<(), Error> {
        let (who, now) = (account.who, self.clock.now());
        let organization = person.organization;
        let key = || account_values(organization, (who.tid, who.oid));
        // Those that ended, and the account's own for a person who is linked by now.
        let sql = "DELETE FROM link_request WHERE organization = $1 AND state = 'waiting' AND (ends <= $4 OR (tid = $2 AND oid = $3 AND person IN \
                   (SELECT id FROM person WHERE organization = $1 AND oid IS NOT NULL)))";
        changes.run(sql, key().into_iter().chain([now.into()]).collect()).await?;
        let sql =
            "SELECT COUNT(*) AS count FROM link_request WHERE person = $1 AND state = 'waiting'";
        let row = changes.row(sql, vec![person.id.to_string().into()]).await?;
        if row.map_or(Ok(0), |it| it.number("count"))? >= MAX_REQUESTS_PER_PERSON {
            return Ok(());
        }
        let text = |it: Option<&str>| SqlValue::Text(it.map(recorded));
        let values: Vec<SqlValue> = vec![
            organization.to_string().into(),
            who.tid.to_string().into(),
            who.oid.to_string().into(),
            self.next_id().to_string().into(),
            person.id.to_string().into(),
            now.into(),
            now.saturating_add(REQUEST_LIFETIME_SECONDS).into(),
            reason.as_str().into(),
            text(who.name.as_deref()),
            text(who.member_upn.as_deref().or(who.preferred_username.as_deref())),
            text(who.email.as_deref()),
            i64::from(who.guest).into(),
            text(account.typed.map(Username::as_str)),
        ];
        let sql = "INSERT INTO link_request (organization, tid, oid, id, person, state, at, ends, reason, name, upn, email, guest, typed) \
                   VALUES ($1, $2, $3, $4, $5, 'waiting', $6, $7, $8, $9, $10, $11, $12, $13) ON CONFLICT DO NOTHING";
        if changes.run(sql, values).await? == 0 {
            return Ok(());
        }
        let what = format!("an account asks to sign in as {}: approval needed", person.username);
        self.audit(changes, "first sign-in", Some(organization), Some(person.id), &what).await
    }

    /// Closes the requests of an account that is linked now, and those of others for the same
    /// person.
    pub(super) async fn close_requests(
        &self,
        changes: &mut Transaction,
        person: Guid,
        account: (Guid, Guid),
    ) -> Result<(), Error> {
        let values = vec![
            person.to_string().into(),
            account.0.to_string().into(),
            account.1.to_string().into(),
        ];
        let sql = "DELETE FROM link_request WHERE state = 'waiting' AND (person = $1 OR (tid = $2 AND oid = $3 AND organization = \
                   (SELECT organization FROM person WHERE id = $1)))";
        changes.run(sql, values).await.map(drop)
    }

    /// Returns the requests of an organization, or of all, oldest first; those that were denied
    /// only if wanted.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn link_requests(
        &self,
        organization: Option<Guid>,
        with_denied: bool,
    ) -> Result<Vec<LinkRequest>, Error> {
        let denied = if with_denied { " OR state = 'denied'" } else { "" };
        let sql = format!(
            "{SELECT_REQUEST} WHERE organization = COALESCE($1, organization) AND ((state = 'waiting' AND ends > $2){denied}) ORDER BY at, id LIMIT {MAX_LISTED_REQUESTS}"
        );
        let values = vec![organization.map(|it| it.to_string()).into(), self.clock.now().into()];
        let mut all = Vec::new();
        for row in self.database.rows(sqlx::AssertSqlSafe(sql), values).await? {
            // A person may have been linked or deleted since.
            let person = self.person_by_id(guid(&row, "person")?).await?;
            if let Some(person) = person.filter(|it| it.linked.is_none()) {
                all.push(of_row(&row, person)?);
            }
        }
        Ok(all)
    }

    /// Decides about a request; returns the person. `seen` is the mark of the request as it was
    /// shown.
    ///
    /// # Errors
    /// Why the decision is refused; nothing has changed then.
    pub async fn decide(
        &self,
        acting: &AdminScope,
        request: Guid,
        decision: LinkDecision,
        seen: Option<&str>,
    ) -> Result<Person, ActionError> {
        let mut changes = self.database.begin_transaction().await?;
        let organization = self.locked(&mut changes, acting.organization).await?;
        let found = self
            .request_of(&mut changes, acting.organization, request)
            .await?
            .ok_or(ActionError::NoSuchPerson)?;
        if seen.is_some_and(|it| it != found.mark()) {
            return Err(Error::Conflict.into());
        }
        self.may_decide(&mut changes, acting, &[&found.person]).await?;
        // The tenant was replaced since: the account is of another company.
        if organization.tenant != Some(found.account.0) {
            return Err(Error::Conflict.into());
        }
        let values: Vec<SqlValue> = vec![
            request.to_string().into(),
            decision.state().into(),
            self.clock.now().into(),
            acting.by.as_str().into(),
        ];
        let sql = "UPDATE link_request SET state = $2, decided = $3, decided_by = $4 WHERE id = $1 AND state IN ('waiting', 'denied')";
        if changes.run(sql, values).await? == 0 {
            return Err(Error::Conflict.into());
        }
        let oid = found.account.1;
        let person = match decision {
            LinkDecision::Link => {
                let how = format!("to the account {oid}, approved");
                self.link(&mut changes, found.person, found.account, &acting.by, &how).await?
            }
            LinkDecision::Separate | LinkDecision::Deny => {
                let word = if decision == LinkDecision::Deny { "denied" } else { "another person" };
                let what = format!("{}: account {oid}: {word}", found.person.username);
                let (organization, person) = (found.person.organization, found.person.id);
                self.audit(&mut changes, &acting.by, Some(organization), Some(person), &what)
                    .await?;
                found.person
            }
        };
        changes.commit().await?;
        Ok(person)
    }

    async fn request_of(
        &self,
        changes: &mut Transaction,
        organization: Guid,
        request: Guid,
    ) -> Result<Option<LinkRequest>, Error> {
        let sql = format!(
            "{SELECT_REQUEST} WHERE id = $1 AND organization = $2 AND (state = 'denied' OR (state = 'waiting' AND ends > $3))"
        );
        let values = vec![
            request.to_string().into(),
            organization.to_string().into(),
            self.clock.now().into(),
        ];
        let Some(row) = changes.row(sqlx::AssertSqlSafe(sql), values).await? else {
            return Ok(None);
        };
        let sql = format!("{SELECT_PERSON} WHERE p.id = $1 AND p.oid IS NULL");
        let person =
            changes.row(sqlx::AssertSqlSafe(sql), vec![row.text("person")?.into()]).await?;
        person.map(|it| of_row(&row, person_of_row(&it)?)).transpose()
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
        denied: row.text("state")? == "denied",
        at: row.number("at")?,
        reason,
        name: row.maybe_text("name")?,
        upn: row.maybe_text("upn")?,
        email: row.maybe_text("email")?,
        guest: row.number("guest")? != 0,
        typed: row.maybe_text("typed")?,
    })
}

fn guid(row: &DatabaseRow, column: &str) -> Result<Guid, Error> {
    Guid::parse(&row.text(column)?).ok_or_else(|| unknown(column))
}

fn unknown(column: &str) -> Error {
    Error::Database(format!("contains a link request whose {column} is not valid"))
}

/// Names come from another company's directory: no control characters, and limited.
fn recorded(text: &str) -> String {
    text.chars().filter(|it| !it.is_control()).take(MAX_RECORDED_CHARS).collect()
}
