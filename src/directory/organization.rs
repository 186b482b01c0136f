//! An organization and its sign-in, and how they are read from a row.

use super::database::DatabaseRow;
use super::error::Error;
use super::organization_credential::OrganizationCredential;
use crate::base::company_code::CompanyCode;
use crate::base::credential::ClientCredential;
use crate::base::guid::Guid;
use crate::config::directory::FirstSignInRule;

/// A company whose people sign in with its own tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Organization {
    /// ID in the directory; never changes.
    pub id: Guid,
    /// Company code that people type to sign in.
    pub code: CompanyCode,
    /// Display name.
    pub name: String,
    /// Identity provider of its people.
    pub provider: IdentityProvider,
    /// Directory (tenant) ID.
    pub tenant: Option<Guid>,
    /// Application (client) ID of its own app registration.
    pub client_id: Option<Guid>,
    /// Whether a credential is stored; only the code that signs people in can read it.
    pub has_credential: bool,
    /// Expiry of the credential, in seconds since 1970, if known.
    pub credential_ends: Option<i64>,
    /// A new credential that is pending until someone has signed in with it.
    pub pending_credential: Option<PendingCredential>,
    /// Role of people who are created in this organization.
    pub default_role: String,
    /// If `None`, the setting in `[directory]` applies.
    pub first_sign_in: Option<FirstSignInRule>,
    /// Whether guests of its tenant may sign in.
    pub guests: bool,
    /// Since when people are linked only with an approval, in seconds since 1970: a set-up link led
    /// to another tenant.
    pub linking_paused: Option<i64>,
    /// When a token first had the claims that link people, in seconds since 1970.
    pub upn_seen: Option<i64>,
    /// Whether its people may sign in.
    pub state: OrganizationState,
    /// Where the organization is defined.
    pub source: OrganizationSource,
    /// Time of creation, in seconds since 1970.
    pub created: i64,
    /// Time of the last change, in seconds since 1970.
    pub changed: i64,
    /// The actor of the last change.
    pub changed_by: String,
}

/// Refusal of a new credential that could not be sent, because its source cannot be read.
pub const UNREAD_REASON: &str = "unread";

/// Displayable details of a pending credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PendingCredential {
    /// Time when it was set, in seconds since 1970.
    pub since: i64,
    /// The actor who set it.
    pub by: String,
    /// Expiry, in seconds since 1970, if known.
    pub ends: Option<i64>,
    /// The last refusal from Entra, such as `AADSTS7000215`, or `UNREAD_REASON`.
    pub refused: Option<String>,
}

/// Identity provider of an organization; a second kind would be added here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdentityProvider {
    /// Azure AD, now called Microsoft Entra ID.
    AzureAd,
}

/// Whether the people of an organization may sign in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OrganizationState {
    /// Not yet: the set-up is not complete.
    Draft,
    /// They may sign in.
    On,
    /// They may no longer sign in.
    Off,
}

/// Where an organization is defined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OrganizationSource {
    /// In the database; changed with commands.
    Database,
    /// In the configuration, and changed only there.
    File,
}

/// The connection with which an organization's sign-in authenticates to its tenant.
#[derive(Clone, Debug)]
pub struct EntraConnection {
    /// Directory (tenant) ID.
    pub tenant: Guid,
    /// Application (client) ID.
    pub client_id: Guid,
    /// The current credential, as far as known a working one.
    pub by: ConnectionCredential,
    /// A pending credential with which no one has signed in yet.
    pub new: Option<NewCredential>,
}

/// The credential of a connection, depending on where it is stored.
#[derive(Clone, Debug)]
pub enum ConnectionCredential {
    /// Sealed in the database.
    Sealed(OrganizationCredential),
    /// In the configuration (`[[organization]]`).
    OfFile(ClientCredential),
}

/// A pending credential, with the data that identifies it in the database.
#[derive(Clone, Debug)]
pub struct NewCredential {
    /// The credential.
    pub proof: OrganizationCredential,
    /// The sealed text.
    pub(super) sealed: String,
    /// The last refusal from Entra.
    pub(super) refused: Option<String>,
}

/// Columns of an organization's row; the code without an end is the current one.
pub(super) const SELECT_ORGANIZATION: &str = "SELECT o.id, o.name, o.provider, o.tenant, o.client_id, CAST(CASE WHEN o.credential IS NULL THEN 0 ELSE 1 END AS BIGINT) AS has_credential, \
     o.credential_ends, o.credential_next_since, o.credential_next_by, o.credential_next_ends, o.credential_next_refused, o.default_role, o.first_sign_in, o.guests, o.linking_paused, o.upn_seen, o.state, o.source, o.created, o.changed, o.changed_by, c.code \
     FROM organization o JOIN organization_code c ON c.organization = o.id AND c.ends IS NULL";

impl IdentityProvider {
    /// Returns the value that is stored in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AzureAd => "azure-ad",
        }
    }
}

impl ConnectionCredential {
    /// Whether it is exactly the same credential.
    pub fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Sealed(it), Self::Sealed(other)) => it.is(other),
            (Self::OfFile(it), Self::OfFile(other)) => it.is(other),
            _ => false,
        }
    }
}

impl NewCredential {
    /// Whether it is exactly the same credential, with the same refusal from Entra.
    pub fn is(&self, other: &Self) -> bool {
        (&self.sealed, &self.refused) == (&other.sealed, &other.refused)
    }
}

impl OrganizationState {
    /// Returns the value that is stored in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::On => "on",
            Self::Off => "off",
        }
    }
}

impl OrganizationSource {
    /// Returns the value that is stored in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Database => "database",
            Self::File => "file",
        }
    }
}

/// Returns the value that is stored in the database.
pub(super) fn first_sign_in_as_str(it: FirstSignInRule) -> &'static str {
    match it {
        FirstSignInRule::Create => "create",
        FirstSignInRule::Refuse => "refuse",
    }
}

pub(super) fn of_row(row: &DatabaseRow) -> Result<Organization, Error> {
    let unknown = |column: &str| {
        Error::Database(format!("contains an organization whose {column} is not valid"))
    };
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
    let waiting =
        match (row.maybe_number("credential_next_since")?, row.maybe_text("credential_next_by")?) {
            (Some(since), Some(by)) => Some(PendingCredential {
                since,
                by,
                ends: row.maybe_number("credential_next_ends")?,
                refused: row.maybe_text("credential_next_refused")?,
            }),
            _ => None,
        };
    if row.text("provider")? != IdentityProvider::AzureAd.as_str() {
        return Err(unknown("provider"));
    }
    Ok(Organization {
        id: guid("id")?.ok_or_else(|| unknown("id"))?,
        code: CompanyCode::parse(&row.text("code")?).ok_or_else(|| unknown("code"))?,
        name: row.text("name")?,
        provider: IdentityProvider::AzureAd,
        tenant: guid("tenant")?,
        client_id: guid("client_id")?,
        has_credential: row.number("has_credential")? != 0,
        credential_ends: row.maybe_number("credential_ends")?,
        pending_credential: waiting,
        default_role: row.text("default_role")?,
        first_sign_in,
        guests: row.number("guests")? != 0,
        linking_paused: row.maybe_number("linking_paused")?,
        upn_seen: row.maybe_number("upn_seen")?,
        state,
        source: if row.text("source")? == "file" {
            OrganizationSource::File
        } else {
            OrganizationSource::Database
        },
        created: row.number("created")?,
        changed: row.number("changed")?,
        changed_by: row.text("changed_by")?,
    })
}
