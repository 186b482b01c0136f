//! `[directory]` and `[[organization]]`: companies with their own Entra tenants, and their people.

use super::address::is_domain;
use super::credential;
use super::entra;
use super::key_reader::choose;
use super::problem::{InvalidValue, quote};
use super::section::{ConfigSection, LocatedValue, unexpected};
use super::source::{LocatedKey, ValueLocation, plain};
use crate::base::company_code::CompanyCode;
use crate::base::credential::ClientCredential;
use crate::base::guid::Guid;
use crate::base::secret::Secret;
use std::path::PathBuf;
use toml::de::DeValue;

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

/// The action on the first sign-in of an unknown person.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FirstSignInRule {
    /// Creates the person.
    #[default]
    Create,
    /// Refuses the sign-in.
    Refuse,
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

/// One organization, `[[organization]]`.
#[derive(Clone, Debug)]
pub struct OrganizationConfig {
    /// The code that its people may type.
    pub code: CompanyCode,
    /// Display name.
    pub name: String,
    /// Directory (tenant) ID.
    pub tenant: Guid,
    /// Application (client) ID.
    pub client_id: Guid,
    /// The credential with which its sign-in authenticates to Entra.
    pub credential: ClientCredential,
    /// Bound domains, in lower case.
    pub domains: Vec<String>,
    /// The role of people who are created in this organization; one of `roles`.
    pub default_role: String,
    /// The action on the first sign-in of an unknown person; `None` means the setting of
    /// `[directory]`.
    pub first_sign_in: Option<FirstSignInRule>,
    /// Whether guests of its tenant may sign in.
    pub guests: bool,
}

/// Maximum number of organizations in the file; more of them belong in the database.
const MAX_ORGANIZATIONS: usize = 1000;

const UNKNOWN_VALUES: [(&str, UnknownIdentifier); 2] =
    [("say", UnknownIdentifier::Say), ("ask-entra", UnknownIdentifier::AskEntra)];

const FIRST_SIGN_IN_VALUES: [(&str, FirstSignInRule); 2] =
    [("create", FirstSignInRule::Create), ("refuse", FirstSignInRule::Refuse)];

/// Reads `[directory]` and returns whether it is written and its contents. `sealed` is whether
/// `[session] secrets` are written.
pub(super) fn read(root: &ConfigSection<'_>, sealed: bool) -> (bool, Option<DirectoryConfig>) {
    let mut directory = root.inner("directory", section);
    let drafts: Vec<_> =
        root.each("organization", MAX_ORGANIZATIONS, organization).into_iter().flatten().collect();
    if let (false, Some(first)) = (directory.written, drafts.first()) {
        root.complain(
            &first.code.spot,
            InvalidValue::new("needs [directory]")
                .hint("add [directory] with a database, which stores its people"),
        );
    }
    if directory.written && !sealed {
        let complaint =
            InvalidValue::new("needs [session] secrets to seal the organizations' credentials");
        root.complain(&directory.spot, complaint.hint("set secrets in [session], or set ENTRADA_SESSION_SECRETS; entrada secret prints a good one"));
    }
    report_duplicates(root, &drafts);
    if let Some(meant) = &mut directory.meant {
        meant.organizations = drafts.into_iter().map(|it| settled(root, it, meant)).collect();
    }
    (directory.written, directory.meant)
}

struct DirectoryDraft {
    written: bool,
    meant: Option<DirectoryConfig>,
    spot: LocatedKey,
}

fn section(section: &ConfigSection<'_>) -> DirectoryDraft {
    let names = ["database", "roles", "default_role", "setup_roles", "first_sign_in", "unknown"];
    let written = !matches!(section.spot_of_table().at, ValueLocation::Nowhere)
        || names.iter().any(|it| section.key(it).is_written());
    let database = section.key("database").parse_or("sqlite:entrada.db", database);
    let roles = section.key("roles").whole_list(&["owner", "admin", "worker"], role);
    let roles: Option<Vec<String>> = roles.map(|it| it.into_iter().map(|it| it.value).collect());
    if roles.as_ref().is_some_and(Vec::is_empty) {
        section.complain(
            &section.spot_of("roles"),
            InvalidValue::new("is empty").hint("write at least one role, like [\"worker\"]"),
        );
    }
    let default_role = section.key("default_role").parse_or("worker", role);
    let is_named = section.key("setup_roles").is_written();
    let setup_roles = section.key("setup_roles").list(&["owner", "admin"], role);
    let first_sign_in = section.key("first_sign_in").choice(&FIRST_SIGN_IN_VALUES);
    let unknown = section.key("unknown").choice(&UNKNOWN_VALUES);
    let role_map = role_map(section);
    if let (true, Some(roles)) = (written, &roles) {
        role_map
            .iter()
            .map(|it| (&it.value.1, &it.spot))
            .chain(default_role.iter().map(|it| (&it.value, &it.spot)))
            .for_each(|(role, spot)| {
                is_one(section, role, roles, spot);
            });
        // The default set-up roles do not need to exist; without them, only people with an
        // invitation link can open the set-up page.
        setup_roles
            .iter()
            .filter(|_| is_named)
            .for_each(|it| is_one(section, &it.value, roles, &it.spot));
    }
    if let Some(it) = database
        .as_ref()
        .filter(|it| has_password(&it.value) && !matches!(it.spot.at, ValueLocation::Variable(_)))
    {
        let complaint = InvalidValue::new("the file contains a password");
        section.warn(&it.spot, complaint.hint("set the whole address in ENTRADA_DIRECTORY_DATABASE, or the password in PGPASSWORD or ~/.pgpass"));
    }
    let spot = section.spot_of_table();
    let (true, Some(database), Some(roles), Some(default_role)) =
        (written, database, roles, default_role)
    else {
        return DirectoryDraft { written, meant: None, spot };
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
        role_map,
        organizations: Vec::new(),
    };
    DirectoryDraft { written, meant: Some(meant), spot }
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

fn has_password(database: &DatabaseConfig) -> bool {
    let DatabaseConfig::Postgres(address) = database else { return false };
    url::Url::parse(address.expose())
        .is_ok_and(|it| it.password().is_some() || it.query_pairs().any(|it| it.0 == "password"))
}

fn role(text: &str) -> Result<String, InvalidValue> {
    let plain =
        text.bytes().all(|it| it.is_ascii_alphanumeric() || matches!(it, b'-' | b'_' | b'.'));
    let refused = || {
        InvalidValue::new(format!("{} is not a role", quote(text)))
            .hint("write up to 40 letters, digits, hyphens, dots and underscores")
    };
    if plain && (1..=40).contains(&text.len()) { Ok(text.to_owned()) } else { Err(refused()) }
}

fn is_one(section: &ConfigSection<'_>, role: &str, roles: &[String], spot: &LocatedKey) {
    if !roles.iter().any(|it| it == role) {
        let known = roles.iter().map(|it| quote(it)).collect::<Vec<_>>().join(" or ");
        let complaint =
            InvalidValue::new(format!("{} is not one of [directory] roles", quote(role)));
        section.complain(spot, complaint.hint(format!("write {known}, or add it to roles")));
    }
}

/// Reads `role_map = { "Fleet.Admin" = "admin" }`.
fn role_map(section: &ConfigSection<'_>) -> Vec<LocatedValue<(String, String)>> {
    const ROLES_HINT: &str = "write { \"Fleet.Admin\" = \"admin\" }";
    let Some(value) = section.find_written("role_map") else { return Vec::new() };
    let DeValue::Table(table) = value.get_ref() else {
        section.complain(
            &section.spot_of("role_map"),
            unexpected("a table", value.get_ref()).hint(ROLES_HINT),
        );
        return Vec::new();
    };
    let one = |(name, value): (&toml::Spanned<_>, &toml::Spanned<DeValue<'_>>)| {
        let name_text: &std::borrow::Cow<'_, str> = name.get_ref();
        let spot = LocatedKey {
            key: format!("directory.role_map.{}", plain(name_text)),
            at: ValueLocation::Offset(value.span().start),
        };
        let read = match value.get_ref() {
            DeValue::String(text) => role(text),
            other => Err(unexpected("a role", other).hint(ROLES_HINT)),
        };
        read.map_err(|it| section.complain(&spot, it))
            .ok()
            .map(|it| LocatedValue { value: (name_text.as_ref().to_owned(), it), spot })
    };
    table.iter().filter_map(one).collect()
}

struct OrganizationDraft {
    code: LocatedValue<CompanyCode>,
    name: Option<String>,
    tenant: Guid,
    client_id: Guid,
    credential: ClientCredential,
    domains: Vec<LocatedValue<String>>,
    default_role: Option<LocatedValue<String>>,
    first_sign_in: Option<FirstSignInRule>,
    guests: bool,
}

fn organization(section: &ConfigSection<'_>) -> Option<OrganizationDraft> {
    let code = section.key("code").needed().parse(code);
    let name = section.key("name").text().map(|it| it.value);
    let tenant = section.key("tenant").needed().parse(tenant);
    let client_id = section.key("client_id").needed().parse(entra::client_id);
    let credential = credential::read(section, false, true);
    let domains = section.key("domains").list(&[], domain);
    let default_role = section.key("default_role").parse(role);
    let first_sign_in = section
        .key("first_sign_in")
        .parse(|it| choose(it, &FIRST_SIGN_IN_VALUES))
        .map(|it| it.value);
    let guests = section.key("guests").flag(true);
    let (tenant, client_id) = (tenant?.value, client_id?.value);
    Some(OrganizationDraft {
        code: code?,
        name,
        tenant,
        client_id,
        credential: credential?,
        domains,
        default_role,
        first_sign_in,
        guests,
    })
}

fn settled(
    root: &ConfigSection<'_>,
    read: OrganizationDraft,
    directory: &DirectoryConfig,
) -> OrganizationConfig {
    if let Some(it) = &read.default_role {
        is_one(root, &it.value, &directory.roles, &it.spot);
    }
    OrganizationConfig {
        name: read.name.unwrap_or_else(|| read.code.value.to_string()),
        code: read.code.value,
        tenant: read.tenant,
        client_id: read.client_id,
        credential: read.credential,
        domains: read.domains.into_iter().map(|it| it.value).collect(),
        default_role: read
            .default_role
            .map_or_else(|| directory.default_role.clone(), |it| it.value),
        first_sign_in: read.first_sign_in,
        guests: read.guests,
    }
}

/// Reports a code or a domain that more than one organization uses.
fn report_duplicates(root: &ConfigSection<'_>, drafts: &[OrganizationDraft]) {
    let mut seen: Vec<&str> = Vec::new();
    for it in drafts {
        let domains = it.domains.iter().map(|it| (it.value.as_str(), &it.spot));
        for (name, spot) in std::iter::once((it.code.value.as_str(), &it.code.spot)).chain(domains)
        {
            if seen.contains(&name) {
                root.complain(
                    spot,
                    InvalidValue::new(format!(
                        "{} already belongs to another organization",
                        quote(name)
                    ))
                    .hint("give each organization its own"),
                );
            }
            seen.push(name);
        }
    }
}

fn code(text: &str) -> Result<CompanyCode, InvalidValue> {
    let refused = || {
        InvalidValue::new(format!("{} is not a company code", quote(text)))
            .hint("write 4 to 32 of a-z, 0-9 and inner hyphens, like contoso")
    };
    CompanyCode::parse(text).ok_or_else(refused)
}

fn tenant(text: &str) -> Result<Guid, InvalidValue> {
    let refused = || {
        InvalidValue::new(format!("{} is not a Directory (tenant) ID", quote(text)))
            .hint("copy it from the Overview of the company's Entra ID")
    };
    Guid::parse(text).ok_or_else(refused)
}

fn domain(text: &str) -> Result<String, InvalidValue> {
    let refused = || {
        InvalidValue::new(format!("{} is not a domain", quote(text)))
            .hint("write one like contoso.com")
    };
    if is_domain(text) { Ok(text.to_ascii_lowercase()) } else { Err(refused()) }
}

/// Returns a domain in lower case if the text can be bound as one.
pub fn domain_of(text: &str) -> Option<String> {
    domain(text.trim()).ok()
}
