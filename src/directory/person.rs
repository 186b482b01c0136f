//! A person, and how one is read from a row.

use super::database::DatabaseRow;
use super::error::Error;
use crate::base::company_code::CompanyCode;
use crate::base::guid::Guid;
use crate::base::username::Username;

/// A person of an organization.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// ID in the directory; stays the same when the person is linked again.
    pub id: Guid,
    /// The organization's ID.
    pub organization: Guid,
    /// The organization's code.
    pub code: CompanyCode,
    /// Identifier that the person types; unique in the installation.
    pub username: Username,
    /// Display name.
    pub name: Option<String>,
    /// E-mail address, in lower case.
    pub email: Option<String>,
    /// One of `[directory] roles`.
    pub role: String,
    /// How the role was assigned.
    pub role_source: RoleSource,
    /// Whether the person may sign in.
    pub on: bool,
    /// Linked account at Entra, once known: tenant and object ID.
    pub linked: Option<(Guid, Guid)>,
    /// Account whose link was removed: tenant and object ID.
    pub former: Option<(Guid, Guid)>,
    /// Whether an account was ever linked: after that, no other one is linked without an approval.
    pub was_linked: bool,
    /// Time of creation, in seconds since 1970.
    pub created: i64,
    /// Time of the last sign-in, in seconds since 1970.
    pub last_sign_in: Option<i64>,
}

/// How a role was assigned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RoleSource {
    /// The organization's default.
    Default,
    /// Set by an operator or an admin; stays regardless of Entra.
    Manual,
    /// `[directory] role_map`, at the last sign-in.
    Entra,
}

/// Current status of a person, for a recheck.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PersonStatus {
    /// One of `[directory] roles`.
    pub role: String,
    /// The organization's code.
    pub code: CompanyCode,
    /// Whether both the person and the organization are on.
    pub on: bool,
    /// Linked account at Entra: tenant and object ID.
    pub linked: Option<(Guid, Guid)>,
}

impl Person {
    /// Whether an account of the person stays refused after the person is deleted.
    pub fn stays_refused(&self) -> bool {
        !self.on && (self.linked.is_some() || self.former.is_some())
    }
}

impl PersonStatus {
    /// Whether that account may still sign in as this person: both the person and the organization
    /// are on, and the person is still linked to this account.
    pub fn is_enabled_for(&self, tid: Guid, oid: Guid) -> bool {
        self.on && self.linked == Some((tid, oid))
    }
}

/// Columns of a person's row.
pub(super) const SELECT_PERSON: &str = "SELECT p.id, p.organization, p.username, p.name, p.email, p.role, p.role_source, p.state, p.tid, p.oid, p.former_tid, p.former_oid, p.created, \
     p.last_sign_in, c.code FROM person p JOIN organization_code c ON c.organization = p.organization AND c.ends IS NULL";

impl RoleSource {
    /// Returns the value that is stored in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::Manual => "hand",
            Self::Entra => "entra",
        }
    }
}

pub(super) fn of_row(row: &DatabaseRow) -> Result<Person, Error> {
    let unknown =
        |column: &str| Error::Database(format!("contains a person whose {column} is not valid"));
    let guid = |column: &str, text: &str| Guid::parse(text).ok_or_else(|| unknown(column));
    let account = |tid: &str, oid: &str| match (row.maybe_text(tid)?, row.maybe_text(oid)?) {
        (Some(tenant), Some(object)) => Ok(Some((guid(tid, &tenant)?, guid(oid, &object)?))),
        _ => Ok::<_, Error>(None),
    };
    let (linked, former) = (account("tid", "oid")?, account("former_tid", "former_oid")?);
    let role_source = match row.text("role_source")?.as_str() {
        "default" => RoleSource::Default,
        "hand" => RoleSource::Manual,
        "entra" => RoleSource::Entra,
        _ => return Err(unknown("role_source")),
    };
    // Links that were removed by an older version left no trace but this time.
    let last_sign_in = row.maybe_number("last_sign_in")?;
    Ok(Person {
        id: guid("id", &row.text("id")?)?,
        organization: guid("organization", &row.text("organization")?)?,
        code: CompanyCode::parse(&row.text("code")?).ok_or_else(|| unknown("code"))?,
        username: Username::of_stored(&row.text("username")?).ok_or_else(|| unknown("username"))?,
        name: row.maybe_text("name")?,
        email: row.maybe_text("email")?,
        role: row.text("role")?,
        role_source,
        on: row.text("state")? == "on",
        linked,
        former,
        was_linked: linked.is_some() || former.is_some() || last_sign_in.is_some(),
        created: row.number("created")?,
        last_sign_in,
    })
}
