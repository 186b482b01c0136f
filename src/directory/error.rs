//! Errors of the directory.

use crate::base::company_code::CompanyCode;
use crate::base::guid::Guid;
use crate::base::username::Username;

/// Maximum length of a name or address, in bytes.
const MAX_PLAIN_TEXT_BYTES: usize = 320;

/// Refuses a text that is too long for a name or an address, or contains control characters; `None`
/// is accepted.
pub(super) fn plain(what: &'static str, text: Option<&str>) -> Result<(), Error> {
    let refused =
        text.is_some_and(|it| it.len() > MAX_PLAIN_TEXT_BYTES || it.chars().any(char::is_control));
    if refused { Err(Error::NotPlain(what)) } else { Ok(()) }
}

/// Why the directory cannot be read or changed. Never contains a credential or the database
/// password.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database does not answer, or returns an unexpected result.
    #[error("the database {0}")]
    Database(String),
    /// Another writer changed the same unique value first, or added or deleted a row that a changed
    /// one belongs to; a retry sees the result.
    #[error("someone else changed the same record at the same time")]
    Conflict,
    /// The database file cannot be created or locked.
    #[error("{0}")]
    File(String),
    /// No organization has this code.
    #[error("no organization has the code {0}")]
    NoOrganization(CompanyCode),
    /// No person has this username.
    #[error("no person has the username {0}")]
    NoPerson(Username),
    /// The code belongs to another organization.
    #[error("the code {0} belongs to another organization")]
    CodeTaken(CompanyCode),
    /// The code is a person's username.
    #[error("the code {0} is a person's username")]
    CodeIsUsername(CompanyCode),
    /// The username belongs to another person.
    #[error("the username {0} belongs to another person")]
    UsernameTaken(Username),
    /// The person is linked to an account.
    #[error("{0} is linked to an account; remove that link first")]
    AlreadyLinked(Username),
    /// The account is linked to another person of the organization.
    #[error("the account {0} is linked to another person of the organization")]
    AccountTaken(Guid),
    /// The username is an organization's code.
    #[error("the username {0} is a company code")]
    UsernameIsCode(Username),
    /// The address is at a domain that is bound to another organization.
    #[error("addresses at {0} belong to another organization")]
    DomainElsewhere(String),
    /// People of another organization have addresses at the domain.
    #[error("{1} people of other organizations have a username or e-mail at {0}")]
    DomainInUse(String, i64),
    /// A name or an address that no page can show: longer than 320 bytes, or with control
    /// characters.
    #[error("the {0} is longer than {MAX_PLAIN_TEXT_BYTES} bytes or contains control characters")]
    NotPlain(&'static str),
    /// The role is not in `[directory] roles`.
    #[error("{0:?} is not one of [directory] roles")]
    NoRole(String),
    /// The role may not open the set-up page.
    #[error("{0:?} is not one of [directory] setup_roles")]
    NoSetUpRole(String),
    /// The organization lacks something that it needs before it is turned on.
    #[error("the organization {0} cannot be turned on without {1}")]
    Incomplete(CompanyCode, &'static str),
    /// Admins cannot change the tenant or client ID of an organization that is on.
    #[error("the tenant and the client ID of {0} cannot be changed while it is on")]
    StaysWhileOn(CompanyCode),
    /// The change can end the access of people with a higher role than the admin's.
    #[error("only people with the highest role in {0} may do this")]
    NeedsHighestRole(CompanyCode),
    /// The current connection was not tested.
    #[error("the current connection of {0} has not been tested")]
    NotTested(CompanyCode),
    /// The organization is defined in the configuration, and can be changed only there.
    #[error("the organization {0} is defined in the configuration; change it there")]
    InFile(CompanyCode),
    /// No secret opens the credential.
    #[error("no secret in [session] secrets opens the credential of {0}")]
    Unopened(CompanyCode),
    /// No secret opens the key that finds the accounts of deleted people.
    #[error(
        "no secret in [session] secrets opens the key that finds the accounts of deleted people"
    )]
    UnopenedErasures,
    /// The organization is on, so it cannot be deleted.
    #[error("the organization {0} is on; turn it off first")]
    StillOn(CompanyCode),
    /// The organization has another number of people than expected.
    #[error("{0} has {1} people")]
    OtherCount(CompanyCode, i64),
    /// A linked person has the role that a link is to give to the first one.
    #[error("a person of {0} who can sign in has the role {1} already")]
    RoleTaken(CompanyCode, String),
    /// A set-up link led to another tenant, so that no link makes an admin.
    #[error("linking is paused in {0}, because a set-up link led to another tenant")]
    LinkingPaused(CompanyCode),
    /// Both people are linked to an account.
    #[error("{0} and {1} are both linked to an account")]
    BothLinked(Username, Username),
    /// The people belong to different organizations, or are the same person.
    #[error("{0} and {1} are not two people of one organization")]
    NotMergeable(Username, Username),
    /// No secret opens the stored sign-in on a client.
    #[error("no secret in [session] secrets opens a stored native client sign-in")]
    UnopenedSignIn,
    /// The credential could not be sealed.
    #[error("the credential cannot be sealed")]
    NotSealed,
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::Database(it)
                if it.is_unique_violation() || it.is_foreign_key_violation() =>
            {
                Self::Conflict
            }
            // PostgreSQL aborts one of two transactions that wait for each other
            // (deadlock_detected, serialization_failure); a retry can succeed.
            sqlx::Error::Database(it)
                if matches!(it.code().as_deref(), Some("40P01" | "40001")) =>
            {
                Self::Conflict
            }
            // The database's message can contain values of the row, but never a credential: these
            // are sealed before they are stored.
            sqlx::Error::Database(it) => {
                Self::Database(format!("reports an error: {}", it.message()))
            }
            sqlx::Error::PoolTimedOut => Self::Database("does not answer in time".to_owned()),
            // Does not use the cause's own text, which can contain the password from the address.
            sqlx::Error::Configuration(_) => {
                Self::Database("cannot be reached: its address is not valid".to_owned())
            }
            sqlx::Error::Io(it) => Self::Database(format!("cannot be reached: {it}")),
            sqlx::Error::Tls(it) => Self::Database(format!("cannot be reached with TLS: {it}")),
            other => Self::Database(format!("cannot be used: {other}")),
        }
    }
}

impl From<sqlx::migrate::MigrateError> for Error {
    fn from(error: sqlx::migrate::MigrateError) -> Self {
        match error {
            sqlx::migrate::MigrateError::Execute(it) => Self::from(it),
            sqlx::migrate::MigrateError::VersionMissing(it) => Self::Database(format!(
                "was created by a newer version of Entrada (migration {it} is unknown)"
            )),
            other => Self::Database(format!("cannot be migrated: {other}")),
        }
    }
}
