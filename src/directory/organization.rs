//! A company, its sign-in, and how it is read from a row.

use super::database::Row;
use super::error::Error;
use super::proof::Proof;
use crate::base::code::Code;
use crate::base::credential::Credential;
use crate::base::guid::Guid;
use crate::config::directory::FirstSignIn;

/// A company whose people sign in by a tenant of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Organization {
    /// Ours; stays when everything else changes.
    pub id: Guid,
    /// What its people may type.
    pub code: Code,
    /// As people know it.
    pub name: String,
    /// How its people prove who they are.
    pub provider: Provider,
    /// Directory (tenant) ID.
    pub tenant: Option<Guid>,
    /// Application (client) ID of its own app registration.
    pub client_id: Option<Guid>,
    /// Whether there is a credential; itself it is only given to who signs people in.
    pub has_credential: bool,
    /// When the credential ends, seconds since 1970, where somebody said so.
    pub credential_ends: Option<i64>,
    /// A new credential that waits beside it until it has signed somebody in.
    pub waiting: Option<Waiting>,
    /// The role of whoever is created here.
    pub default_role: String,
    /// Nothing: as `[directory]` says.
    pub first_sign_in: Option<FirstSignIn>,
    /// Whether guests of its tenant may sign in.
    pub guests: bool,
    /// Whether its people may sign in.
    pub state: State,
    /// Where it is written.
    pub source: Source,
    /// When it was made, seconds since 1970.
    pub created: i64,
    /// When it was last changed, seconds since 1970.
    pub changed: i64,
    /// By whom.
    pub changed_by: String,
}

/// What is said against a new credential that nobody could send: what it is read from is not there.
pub const UNREAD: &str = "unread";

/// What is told of a new credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// Since when, seconds since 1970.
    pub since: i64,
    /// By whom it was set.
    pub by: String,
    /// When it ends, seconds since 1970, where somebody said so.
    pub ends: Option<i64>,
    /// What Entra last said against it, such as `AADSTS7000215`; or `UNREAD`.
    pub refused: Option<String>,
}

/// How people prove who they are; a second kind would join here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Provider {
    /// Azure AD, which is Microsoft Entra ID now.
    AzureAd,
}

/// Whether the people of an organization may sign in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Not yet: its set-up is not done.
    Draft,
    /// They may.
    On,
    /// Not any more.
    Off,
}

/// Where an organization is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// In the database; commands change it.
    Database,
    /// In the configuration, which alone changes it.
    File,
}

/// By what an organization's sign-in proves itself to its tenant.
#[derive(Clone, Debug)]
pub struct Connection {
    /// Directory (tenant) ID.
    pub tenant: Guid,
    /// Application (client) ID.
    pub client_id: Guid,
    /// What works as far as is known.
    pub by: Means,
    /// A new one that has not signed anybody in yet.
    pub new: Option<NewCredential>,
}

/// By what it proves itself, and who keeps that.
#[derive(Clone, Debug)]
pub enum Means {
    /// The database, sealed.
    Sealed(Proof),
    /// `[[organization]]`.
    OfFile(Credential),
}

/// A new credential, with what names it in the database.
#[derive(Clone, Debug)]
pub struct NewCredential {
    /// What it is.
    pub proof: Proof,
    /// As it is sealed.
    pub(super) sealed: String,
    /// What Entra last said against it.
    pub(super) refused: Option<String>,
}

/// What is asked of an organization's row; the code that has no end is its own.
pub(super) const SELECT: &str = "SELECT o.id, o.name, o.provider, o.tenant, o.client_id, CAST(CASE WHEN o.credential IS NULL THEN 0 ELSE 1 END AS BIGINT) AS has_credential, \
     o.credential_ends, o.credential_next_since, o.credential_next_by, o.credential_next_ends, o.credential_next_refused, o.default_role, o.first_sign_in, o.guests, o.state, o.source, o.created, o.changed, o.changed_by, c.code \
     FROM organization o JOIN organization_code c ON c.organization = o.id AND c.ends IS NULL";

impl Provider {
    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AzureAd => "azure-ad",
        }
    }
}

impl Means {
    /// Whether it is the very same.
    pub fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Sealed(it), Self::Sealed(other)) => it.is(other),
            (Self::OfFile(it), Self::OfFile(other)) => it.is(other),
            _ => false,
        }
    }
}

impl NewCredential {
    /// Whether it is the very same, and Entra says the same of it.
    pub fn is(&self, other: &Self) -> bool {
        (&self.sealed, &self.refused) == (&other.sealed, &other.refused)
    }
}

impl State {
    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::On => "on",
            Self::Off => "off",
        }
    }
}

impl Source {
    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Database => "database",
            Self::File => "file",
        }
    }
}

/// In how many whole days a time comes; below 0 where it has passed.
pub fn days_until(time: i64, now: u64) -> i64 {
    time.saturating_sub(i64::try_from(now).unwrap_or(i64::MAX)).div_euclid(86_400)
}

/// As it is written.
pub(super) fn first_sign_in_as_str(it: FirstSignIn) -> &'static str {
    match it {
        FirstSignIn::Create => "create",
        FirstSignIn::Refuse => "refuse",
    }
}

pub(super) fn of_row(row: &Row) -> Result<Organization, Error> {
    let unknown = |column: &str| Error::Database(format!("contains an organization whose {column} is not valid"));
    let guid = |column: &'static str| match row.maybe_text(column)? {
        None => Ok(None),
        Some(text) => Guid::parse(&text).map(Some).ok_or_else(|| unknown(column)),
    };
    let first_sign_in = match row.maybe_text("first_sign_in")?.as_deref() {
        None => None,
        Some("create") => Some(FirstSignIn::Create),
        Some("refuse") => Some(FirstSignIn::Refuse),
        Some(_) => return Err(unknown("first_sign_in")),
    };
    let state = match row.text("state")?.as_str() {
        "draft" => State::Draft,
        "on" => State::On,
        "off" => State::Off,
        _ => return Err(unknown("state")),
    };
    let waiting = match (row.maybe_number("credential_next_since")?, row.maybe_text("credential_next_by")?) {
        (Some(since), Some(by)) => {
            Some(Waiting { since, by, ends: row.maybe_number("credential_next_ends")?, refused: row.maybe_text("credential_next_refused")? })
        }
        _ => None,
    };
    let provider = if row.text("provider")? == "azure-ad" { Provider::AzureAd } else { return Err(unknown("provider")) };
    Ok(Organization {
        id: guid("id")?.ok_or_else(|| unknown("id"))?,
        code: Code::parse(&row.text("code")?).ok_or_else(|| unknown("code"))?,
        name: row.text("name")?,
        provider,
        tenant: guid("tenant")?,
        client_id: guid("client_id")?,
        has_credential: row.number("has_credential")? != 0,
        credential_ends: row.maybe_number("credential_ends")?,
        waiting,
        default_role: row.text("default_role")?,
        first_sign_in,
        guests: row.number("guests")? != 0,
        state,
        source: if row.text("source")? == "file" { Source::File } else { Source::Database },
        created: row.number("created")?,
        changed: row.number("changed")?,
        changed_by: row.text("changed_by")?,
    })
}
