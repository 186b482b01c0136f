//! A company, its sign-in, and how it is read from a row.

use super::database::DatabaseRow;
use super::error::Error;
use super::organization_credential::OrganizationCredential;
use crate::base::company_code::CompanyCode;
use crate::base::credential::ClientCredential;
use crate::base::guid::Guid;
use crate::config::directory::FirstSignInRule;

/// A company whose people sign in by a tenant of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Organization {
    /// Ours; stays when everything else changes.
    pub id: Guid,
    /// What its people may type.
    pub code: CompanyCode,
    /// As people know it.
    pub name: String,
    /// How its people prove who they are.
    pub provider: IdentityProvider,
    /// Directory (tenant) ID.
    pub tenant: Option<Guid>,
    /// Application (client) ID of its own app registration.
    pub client_id: Option<Guid>,
    /// Whether there is a credential; itself it is only given to who signs people in.
    pub has_credential: bool,
    /// When the credential ends, seconds since 1970, where somebody said so.
    pub credential_ends: Option<i64>,
    /// A new credential that waits beside it until it has signed somebody in.
    pub pending_credential: Option<PendingCredential>,
    /// The role of whoever is created here.
    pub default_role: String,
    /// Nothing: as `[directory]` says.
    pub first_sign_in: Option<FirstSignInRule>,
    /// Whether guests of its tenant may sign in.
    pub guests: bool,
    /// Whether its people may sign in.
    pub state: OrganizationState,
    /// Where it is written.
    pub source: OrganizationSource,
    /// When it was made, seconds since 1970.
    pub created: i64,
    /// When it was last changed, seconds since 1970.
    pub changed: i64,
    /// By whom.
    pub changed_by: String,
}

/// What is said against a new credential that nobody could send: what it is read from is not there.
pub const UNREAD_REASON: &str = "unread";

/// What is told of a new credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PendingCredential {
    /// Since when, seconds since 1970.
    pub since: i64,
    /// By whom it was set.
    pub by: String,
    /// When it ends, seconds since 1970, where somebody said so.
    pub ends: Option<i64>,
    /// What Entra last said against it, such as `AADSTS7000215`; or `UNREAD_REASON`.
    pub refused: Option<String>,
}

/// How people prove who they are; a second kind would join here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdentityProvider {
    /// Azure AD, which is Microsoft Entra ID now.
    AzureAd,
}

/// Whether the people of an organization may sign in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OrganizationState {
    /// Not yet: its set-up is not done.
    Draft,
    /// They may.
    On,
    /// Not any more.
    Off,
}

/// Where an organization is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OrganizationSource {
    /// In the database; commands change it.
    Database,
    /// In the configuration, which alone changes it.
    File,
}

/// By what an organization's sign-in proves itself to its tenant.
#[derive(Clone, Debug)]
pub struct EntraConnection {
    /// Directory (tenant) ID.
    pub tenant: Guid,
    /// Application (client) ID.
    pub client_id: Guid,
    /// What works as far as is known.
    pub by: ConnectionCredential,
    /// A new one that has not signed anybody in yet.
    pub new: Option<NewCredential>,
}

/// By what it proves itself, and who keeps that.
#[derive(Clone, Debug)]
pub enum ConnectionCredential {
    /// The database, sealed.
    Sealed(OrganizationCredential),
    /// `[[organization]]`.
    OfFile(ClientCredential),
}

/// A new credential, with what names it in the database.
#[derive(Clone, Debug)]
pub struct NewCredential {
    /// What it is.
    pub proof: OrganizationCredential,
    /// As it is sealed.
    pub(super) sealed: String,
    /// What Entra last said against it.
    pub(super) refused: Option<String>,
}

/// What is asked of an organization's row; the code that has no end is its own.
pub(super) const SELECT_ORGANIZATION: &str = "SELECT o.id, o.name, o.provider, o.tenant, o.client_id, CAST(CASE WHEN o.credential IS NULL THEN 0 ELSE 1 END AS BIGINT) AS has_credential, \
     o.credential_ends, o.credential_next_since, o.credential_next_by, o.credential_next_ends, o.credential_next_refused, o.default_role, o.first_sign_in, o.guests, o.state, o.source, o.created, o.changed, o.changed_by, c.code \
     FROM organization o JOIN organization_code c ON c.organization = o.id AND c.ends IS NULL";

impl IdentityProvider {
    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AzureAd => "azure-ad",
        }
    }
}

impl ConnectionCredential {
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

impl OrganizationState {
    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::On => "on",
            Self::Off => "off",
        }
    }
}

impl OrganizationSource {
    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Database => "database",
            Self::File => "file",
        }
    }
}

/// As it is written.
pub(super) fn first_sign_in_as_str(it: FirstSignInRule) -> &'static str {
    match it {
        FirstSignInRule::Create => "create",
        FirstSignInRule::Refuse => "refuse",
    }
}

pub(super) fn of_row(row: &DatabaseRow) -> Result<Organization, Error> {
    let unknown = |column: &str| Error::Database(format!("contains an organization whose {column} is not valid"));
    let guid = |column: &'static str| match row.maybe_text(column)? {
        None => Ok(None),
        Some(text) => Guid::parse(&text).map(Some).ok_or_else(|| unknown(column)),
    };
    let first_sign_in = match row.maybe_text("first_sign_in")?.as_deref() {
        None => None,
        Some("create") => Some(FirstSignInRule::Create),
        Some("refuse") => Some(FirstSignInRule::Refuse),
        Some(_) => return Err(unknown("first_sign_in")),
    };
    let state = match row.text("state")?.as_str() {
        "draft" => OrganizationState::Draft,
        "on" => OrganizationState::On,
        "off" => OrganizationState::Off,
        _ => return Err(unknown("state")),
    };
    let waiting = match (row.maybe_number("credential_next_since")?, row.maybe_text("credential_next_by")?) {
        (Some(since), Some(by)) => {
            Some(PendingCredential { since, by, ends: row.maybe_number("credential_next_ends")?, refused: row.maybe_text("credential_next_refused")? })
        }
        _ => None,
    };
    let provider = if row.text("provider")? == "azure-ad" { IdentityProvider::AzureAd } else { return Err(unknown("provider")) };
    Ok(Organization {
        id: guid("id")?.ok_or_else(|| unknown("id"))?,
        code: CompanyCode::parse(&row.text("code")?).ok_or_else(|| unknown("code"))?,
        name: row.text("name")?,
        provider,
        tenant: guid("tenant")?,
        client_id: guid("client_id")?,
        has_credential: row.number("has_credential")? != 0,
        credential_ends: row.maybe_number("credential_ends")?,
        pending_credential: waiting,
        default_role: row.text("default_role")?,
        first_sign_in,
        guests: row.number("guests")? != 0,
        state,
        source: if row.text("source")? == "file" { OrganizationSource::File } else { OrganizationSource::Database },
        created: row.number("created")?,
        changed: row.number("changed")?,
        changed_by: row.text("changed_by")?,
    })
}
