//! `[entra]`: the tenant and the app registration.

use crate::base::guid::Guid;
use crate::base::secret::Secret;
use std::path::PathBuf;

/// `[entra]`, as meant.
#[derive(Clone, Debug)]
pub struct Entra {
    /// Whose people.
    pub tenant: Tenant,
    /// Application (client) ID.
    pub client_id: Guid,
    /// How we prove to Entra who we are.
    pub credential: Credential,
    /// Scheme, host and port of the authority, without a slash at the end: `https://login.microsoftonline.com`.
    pub authority: String,
    /// Scopes beyond `openid profile email offline_access`.
    pub scopes: Vec<String>,
    /// Further roots towards Entra.
    pub ca_file: Option<PathBuf>,
    /// Whether guests (B2B) may sign in.
    pub guests: bool,
}

/// `tenant = "..."`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tenant {
    /// Directory (tenant) ID.
    Id(Guid),
    /// A verified domain; discovery tells its id.
    Domain(String),
}

impl Tenant {
    /// As it stands in Entra's URLs.
    pub fn segment(&self) -> String {
        match self {
            Self::Id(id) => id.to_string(),
            Self::Domain(name) => name.clone(),
        }
    }
}

/// How we prove to Entra who we are.
#[derive(Clone, Debug)]
pub enum Credential {
    /// `client_secret`.
    Secret(Secret),
}
