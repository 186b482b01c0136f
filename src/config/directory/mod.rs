//! `[directory]` and `[[organization]]`: companies with their own Entra tenants, and their people.

mod first_sign_in;
mod organization;
mod roles;

pub use first_sign_in::FirstSignInRule;
pub use organization::{OrganizationConfig, domain_of};

use super::problem::{InvalidValue, quote};
use super::section::ConfigSection;
use super::source::{LocatedKey, ValueLocation};
use crate::base::secret::Secret;
use first_sign_in::FIRST_SIGN_IN_VALUES;
use organization::{organization, report_duplicates, settled};
use roles::{is_one, role, role_map};
use std::net::SocketAddr;
use std::path::PathBuf;

/// The parsed section `[directory]` with every `[[organization]]`.
#[derive(Clone, Debug)]
pub struct DirectoryConfig {
    /// The database of people and organizations.
    pub database: DatabaseConfig,
    /// The closed list of roles, as written.
    pub roles: Vec<String>,
    /// The role of people who are created on first sign-in; one of `roles`.
    pub default_role: String,
    /// The action on the first sign-in of an unknown person.
    pub first_sign_in: FirstSignInRule,
    /// The response to a username or code that leads nowhere.
    pub unknown: UnknownIdentifier,
    /// Roles that may open the set-up page of their organization.
    pub setup_roles: Vec<String>,
    /// The name server for TXT records; `None` means those of the system.
    pub dns_server: Option<SocketAddr>,
    /// Pairs of an app role from Entra and the directory role it maps to.
    pub role_map: Vec<(String, String)>,
    /// The organizations in the file.
    pub organizations: Vec<OrganizationConfig>,
}

impl DirectoryConfig {
    /// Every secret in it, in a fixed order, because `Debug` does not show them.
    pub fn secrets(&self) -> impl Iterator<Item = &str> {
        let address = if let DatabaseConfig::Postgres(address) = &self.database {
            Some(address.expose())
        } else {
            None
        };
        address.into_iter().chain(
            self.organizations.iter().filter_map(|it| it.credential.secret()).map(Secret::expose),
        )
    }
}

/// The database, `database = "..."`.
#[derive(Clone, Debug)]
pub enum DatabaseConfig {
    /// SQLite: `sqlite:entrada.db`, a file.
    Sqlite(PathBuf),
    /// PostgreSQL: `postgres://...`; may hold a password.
    Postgres(Secret),
}

/// The response to a username or company code that leads nowhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UnknownIdentifier {
    /// Says at once that it is unknown.
    #[default]
    Say,
    /// Reveals nothing until Entra has identified the account: every input first goes to
    /// `organizations`, with the registration of `[entra]`.
    AskEntra,
}

/// Maximum number of organizations in the file; more of them belong in the database.
const MAX_FILE_ORGANIZATIONS: usize = 1000;

const UNKNOWN_VALUES: [(&str, UnknownIdentifier); 2] =
    [("say", UnknownIdentifier::Say), ("ask-entra", UnknownIdentifier::AskEntra)];

/// Reads `[directory]` and returns whether it is written and its contents. `sealed` is whether
/// `[session] secrets` are written.
pub(super) fn read(root: &ConfigSection<'_>, sealed: bool) -> (bool, Option<DirectoryConfig>) {
    let mut directory = root.inner("directory", section);
    let drafts: Vec<_> = root
        .each("organization", MAX_FILE_ORGANIZATIONS, organization)
        .into_iter()
        .flatten()
        .collect();
    if let (false, Some(first)) = (directory.written, drafts.first()) {
        root.add_problem(
            &first.code.place,
            InvalidValue::new("needs [directory]")
                .hint("add [directory] with a database, which stores its people"),
        );
    }
    if directory.written && !sealed {
        let invalid =
            InvalidValue::new("needs [session] secrets to seal the organizations' credentials");
        root.add_problem(&directory.place, invalid.hint("set secrets in [session], or set ENTRADA_SESSION_SECRETS; entrada secret prints a good one"));
    }
    report_duplicates(root, &drafts);
    if let Some(meant) = &mut directory.meant {
        let all = drafts.into_iter();
        meant.organizations =
            all.map(|it| settled(root, it, &meant.roles, &meant.default_role)).collect();
    }
    (directory.written, directory.meant)
}

struct DirectoryDraft {
    written: bool,
    meant: Option<DirectoryConfig>,
    place: LocatedKey,
}

fn section(section: &ConfigSection<'_>) -> DirectoryDraft {
    let names = [
        "database",
        "roles",
        "default_role",
        "setup_roles",
        "first_sign_in",
        "unknown",
        "dns_server",
    ];
    let written = !matches!(section.locate_table().at, ValueLocation::Nowhere)
        || names.iter().any(|it| section.is_written(it));
    let database = section
        .key(
            "database",
            "Where organizations and people are stored: a file, or PostgreSQL for several \
             replicas",
        )
        .parse_or("sqlite:entrada.db", database);
    let roles = section
        .key("roles", "The roles that people can have in the app: a closed list")
        .whole_list(&["owner", "admin", "worker"], role);
    let roles: Option<Vec<String>> = roles.map(|it| it.into_iter().map(|it| it.value).collect());
    if roles.as_ref().is_some_and(Vec::is_empty) {
        section.add_problem(
            &section.locate("roles"),
            InvalidValue::new("is empty").hint("write at least one role, like [\"worker\"]"),
        );
    }
    let default_role = section
        .key("default_role", "Role of people who are created at their first sign-in")
        .parse_or("worker", role);
    let is_named = section.is_written("setup_roles");
    let setup_roles = section
        .key("setup_roles", "Roles that may open the set-up page of their company")
        .list(&["owner", "admin"], role);
    let first_sign_in = section
        .key(
            "first_sign_in",
            "Whether unknown people are created or refused at their first sign-in",
        )
        .choice(&FIRST_SIGN_IN_VALUES);
    let unknown = section
        .key(
            "unknown",
            "How unknown usernames and codes are answered. `say`: the page says that they are \
             unknown; `ask-entra`: people first sign in with the registration of `[entra]`, so \
             that the page does not reveal which exist",
        )
        .choice(&UNKNOWN_VALUES);
    let dns_server = section
        .key(
            "dns_server",
            "Name server for the TXT records that prove a company's e-mail domains, as IP address \
             and port; without it, those of `/etc/resolv.conf`",
        )
        .parse(dns_server);
    let role_map = role_map(section);
    if let (true, Some(roles)) = (written, &roles) {
        role_map
            .iter()
            .map(|it| (&it.value.1, &it.place))
            .chain(default_role.iter().map(|it| (&it.value, &it.place)))
            .for_each(|(role, place)| {
                is_one(section, role, roles, place);
            });
        // The default set-up roles do not need to exist; without them, only people with an
        // invitation link can open the set-up page.
        setup_roles
            .iter()
            .filter(|_| is_named)
            .for_each(|it| is_one(section, &it.value, roles, &it.place));
    }
    if let Some(it) = database
        .as_ref()
        .filter(|it| has_password(&it.value) && !matches!(it.place.at, ValueLocation::Variable(_)))
    {
        let invalid = InvalidValue::new("the file contains a password");
        section.warn(&it.place, invalid.hint("set the whole address in ENTRADA_DIRECTORY_DATABASE, or the password in PGPASSWORD or ~/.pgpass"));
    }
    let place = section.locate_table();
    let (true, Some(database), Some(roles), Some(default_role)) =
        (written, database, roles, default_role)
    else {
        return DirectoryDraft { written, meant: None, place };
    };
    let role_map = role_map.into_iter().map(|it| it.value).collect();
    let setup_roles = setup_roles.into_iter().map(|it| it.value).collect();
    let (database, default_role) = (database.value, default_role.value);
    let meant = DirectoryConfig {
        database,
        roles,
        default_role,
        first_sign_in,
        unknown,
        setup_roles,
        dns_server: dns_server.map(|it| it.value),
        role_map,
        organizations: Vec::new(),
    };
    DirectoryDraft { written, meant: Some(meant), place }
}

/// Parses the database address. Messages do not contain it, because it may hold a password.
fn database(text: &str) -> Result<DatabaseConfig, InvalidValue> {
    let hint =
        "write a file, like sqlite:entrada.db, or an address, like postgres://user@host/database";
    if text.starts_with("postgres://") || text.starts_with("postgresql://") {
        let url = url::Url::parse(text).map_err(|it| {
            InvalidValue::new(format!("is not a PostgreSQL address: {it}")).hint(hint)
        })?;
        return if url.path().len() > 1 || url.query_pairs().any(|it| it.0 == "dbname") {
            Ok(DatabaseConfig::Postgres(Secret::new(text)))
        } else {
            Err(InvalidValue::new("names no database").hint(hint))
        };
    }
    let Some(path) = text.strip_prefix("sqlite:") else {
        return Err(InvalidValue::new("is neither a file nor a PostgreSQL address").hint(hint));
    };
    let path = path.strip_prefix("//").unwrap_or(path);
    if path.is_empty() || path.contains([':', '?', '\0']) || path.ends_with('/') {
        // In-memory databases are rejected on purpose: the people would be lost when the process
        // ends.
        return Err(InvalidValue::new("is not a file name").hint(hint));
    }
    Ok(DatabaseConfig::Sqlite(path.into()))
}

fn dns_server(text: &str) -> Result<SocketAddr, InvalidValue> {
    let refused = || {
        InvalidValue::new(format!("{} is not the address of a name server", quote(text)))
            .hint("write an IP address and a port, like 10.0.0.53:53")
    };
    text.parse().ok().filter(|it: &SocketAddr| it.port() != 0).ok_or_else(refused)
}

fn has_password(database: &DatabaseConfig) -> bool {
    let DatabaseConfig::Postgres(address) = database else { return false };
    url::Url::parse(address.expose())
        .is_ok_and(|it| it.password().is_some() || it.query_pairs().any(|it| it.0 == "password"))
}
