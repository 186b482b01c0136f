//! Accounts that ask to sign in as a person who was added beforehand, and wait for an approval.
//!
//! There is no session while an account waits. A request is bound to the account's tenant and
//! object ID and to the person as the decider saw them, is decided once, and waits for at most two
//! weeks. A pair that was denied cannot ask again.

use super::admin::{ActionError, AdminScope};
use super::database::{DatabaseRow, SqlValue, Transaction};
use super::error::Error;
use super::linking::{SigningAccount, account_values};
use super::person::Person;
use super::store::Directory;
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
    /// An approval of the last days was wrong: the link is removed, and the account waits again.
    Undo,
}

/// What has become of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestState {
    /// It waits for a decision.
    Waiting,
    /// It was denied.
    Denied,
    /// It was approved, and the approval can be undone until this time, in seconds since 1970.
    Approved(i64),
}

impl RequestState {
    /// Returns the word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Denied => "denied",
            Self::Approved(_) => "approved",
        }
    }
}

/// An account that waits, or that was denied or approved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkRequest {
    /// The request's ID.
    pub id: Guid,
    /// The person that the account asks for.
    pub person: Person,
    /// Tenant and object ID of the account.
    pub account: (Guid, Guid),
    /// Whether it waits, was denied or was approved.
    pub state: RequestState,
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

impl LinkDecision {
    /// Parses a decision: `link`, `separate`, `deny` or `undo`.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "link" => Some(Self::Link),
            "separate" => Some(Self::Separate),
            "deny" => Some(Self::Deny),
            "undo" => Some(Self::Undo),
            _ => None,
        }
    }

    fn state(self) -> &'static str {
        match self {
            Self::Link => "linked",
            Self::Separate => "separate",
            Self::Deny => "denied",
            Self::Undo => "waiting",
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
        mark_of(&text)
    }
}

/// Returns a short digest of something as it was shown.
pub(super) fn mark_of(text: &str) -> String {
    let digest = digest(&SHA256, text.as_bytes());
    URL_SAFE_NO_PAD.encode(digest.as_ref().get(..12).unwrap_or_default())
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

    /// Opens a request, unless the account has one. Returns false if too many wait for the person
    /// already, so that no request is opened.
    pub(super) async fn open_request(
        &self,
        changes: &mut Transaction,
        account: &SigningAccount<'_>,
        person: &Person,
        reason: WaitReason,
    ) -> Result<bool, Error> {
        let (who, now) = (account.who, self.clock.now());
        let organization = person.organization;
        let key = || account_values(organization, (who.tid, who.oid));
        // Those that ended, and the account's own for a person who is linked by now.
        let sql = "DELETE FROM link_request WHERE organization = $1 AND state = 'waiting' AND (ends <= $4 OR (tid = $2 AND oid = $3 AND person IN \
                   (SELECT id FROM person WHERE organization = $1 AND oid IS NOT NULL)))";
        changes.run(sql, key().into_iter().chain([now.into()]).collect()).await?;
        let sql = "SELECT id FROM link_request WHERE organization = $1 AND tid = $2 AND oid = $3 AND state = 'waiting'";
        if changes.row(sql, key()).await?.is_some() {
            return Ok(true);
        }
        let sql =
            "SELECT COUNT(*) AS count FROM link_request WHERE person = $1 AND state = 'waiting'";
        let row = changes.row(sql, vec![person.id.to_string().into()]).await?;
        if row.map_or(Ok(0), |it| it.number("count"))? >= MAX_REQUESTS_PER_PERSON {
            return Ok(false);
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
            text(who.preferred_username.as_deref()),
        ];
        let sql = "INSERT INTO link_request (organization, tid, oid, id, person, state, at, ends, reason, name, upn, email, guest, typed, sign_in_name) \
                   VALUES ($1, $2, $3, $4, $5, 'waiting', $6, $7, $8, $9, $10, $11, $12, $13, $14) ON CONFLICT DO NOTHING";
        if changes.run(sql, values).await? == 1 {
            let what =
                format!("an account asks to sign in as {}: approval needed", person.username);
            let by = "first sign-in";
            self.audit(changes, by, Some(organization), Some(person.id), &what).await?;
        }
        Ok(true)
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

    /// Decides about a request; returns the person. `seen` is the mark of the request as it was
    /// shown, without which no link is made or removed.
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
        if decision == LinkDecision::Undo {
            return self.undo_approval(acting, request, seen).await;
        }
        let mut changes = self.database.begin_transaction().await?;
        let organization = self.locked(&mut changes, acting.organization).await?;
        let found = self
            .request_of(&mut changes, acting.organization, request)
            .await?
            .ok_or(ActionError::NoSuchPerson)?;
        if seen.map_or(decision == LinkDecision::Link, |it| it != found.mark()) {
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
        if decision != LinkDecision::Deny {
            self.readmit(&mut changes, organization.id, found.account).await?;
        }
        // The history names the request: the account may later be that of another person, whose
        // deletion would not find it here.
        let person = match decision {
            LinkDecision::Link => {
                let how = format!("to the account of the request {request}, approved");
                self.link(&mut changes, found.person, found.account, &acting.by, &how).await?
            }
            LinkDecision::Separate | LinkDecision::Deny | LinkDecision::Undo => {
                let word = if decision == LinkDecision::Deny { "denied" } else { "another person" };
                let what = format!("{}: request {request}: {word}", found.person.username);
                let (of, person) = (Some(organization.id), Some(found.person.id));
                self.audit(&mut changes, &acting.by, of, person, &what).await?;
                found.person
            }
        };
        changes.commit().await?;
        Ok(person)
    }
}

pub(super) fn guid(row: &DatabaseRow, column: &str) -> Result<Guid, Error> {
    Guid::parse(&row.text(column)?).ok_or_else(|| unknown(column))
}

pub(super) fn unknown(column: &str) -> Error {
    Error::Database(format!("contains a link request whose {column} is not valid"))
}

/// Names come from another company's directory: no control characters, and limited.
fn recorded(text: &str) -> String {
    text.chars().filter(|it| !it.is_control()).take(MAX_RECORDED_CHARS).collect()
}
