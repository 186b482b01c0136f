//! `[entra]`: the tenant and the app registration.

use super::address::{is_domain, is_private, origin};
use super::credential;
use super::problem::{Complaint, quote};
use super::section::{Found, Section};
use super::server;
use crate::base::cloud::{CLOUDS, Cloud};
use crate::base::credential::Credential;
use crate::base::domains::Named;
use crate::base::guid::Guid;
use crate::base::secret::Secret;
use std::path::PathBuf;
use std::time::Duration;

/// `[entra]`, as meant. Where organizations bring their own registrations and none is written here, it is that of nobody: tenant
/// `organizations`, none of them allowed, and no client.
#[derive(Clone, Debug)]
pub struct Entra {
    /// Whose people.
    pub tenant: Tenant,
    /// Application (client) ID.
    pub client_id: Guid,
    /// How we prove to Entra who we are.
    pub credential: Credential,
    /// `federated_token`, where it is written: organizations may trust its issuer too.
    pub federated_token: Option<PathBuf>,
    /// Scheme, host and port of the authority, without a slash at the end: `https://login.microsoftonline.com`.
    pub authority: String,
    /// Which of many tenants.
    pub allowed_tenants: Allowed,
    /// The cloud, as far as `authority` does not say another.
    pub cloud: &'static Cloud,
    /// Scheme, host and port of Microsoft Graph, where it is not the cloud's own.
    pub graph: Option<String>,
    /// Scopes beyond `openid profile email offline_access`.
    pub scopes: Vec<String>,
    /// Further roots towards Entra.
    pub ca_file: Option<PathBuf>,
    /// Whether guests (B2B) may sign in.
    pub guests: bool,
    /// Who tells the groups of a person.
    pub groups: Groups,
    /// How often Entra is asked about a live session.
    pub recheck: Recheck,
}

/// How often Entra is asked whether somebody may still be here, and for how long its silence is borne.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recheck {
    /// After this time since Entra's last answer it is asked again.
    pub every: Duration,
    /// How much longer a session is served while Entra cannot be asked.
    pub grace: Duration,
}

/// `groups = "token" | "graph" | "off"`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Groups {
    /// The token; Microsoft Graph where it holds too many.
    #[default]
    Token,
    /// Microsoft Graph, whatever the token says.
    Graph,
    /// Nobody: there are none.
    Off,
}

const GROUPS: [(&str, Groups); 3] = [("token", Groups::Token), ("graph", Groups::Graph), ("off", Groups::Off)];

/// `tenant = "..."`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tenant {
    /// Directory (tenant) ID.
    Id(Guid),
    /// A verified domain; discovery tells its id.
    Domain(String),
    /// Any tenant of an organization.
    Organizations,
    /// Any tenant, and personal accounts.
    Common,
}

impl Tenant {
    /// As it stands in Entra's URLs.
    pub fn segment(&self) -> String {
        match self {
            Self::Id(id) => id.to_string(),
            Self::Domain(name) => name.clone(),
            Self::Organizations => "organizations".to_owned(),
            Self::Common => "common".to_owned(),
        }
    }

    /// Whether people of several tenants may come.
    pub fn is_many(&self) -> bool {
        matches!(self, Self::Organizations | Self::Common)
    }
}

/// `allowed_tenants = [...]`. Personal accounts count as one tenant, `Guid::PERSONAL`, which `any` does not stand for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Allowed {
    /// `"*"`: every tenant of an organization, on purpose.
    pub any: bool,
    /// These.
    pub tenants: Vec<Named>,
}

impl Entra {
    /// The domains that stand for tenants in `allowed_tenants`.
    pub fn domains(&self) -> impl Iterator<Item = &str> {
        self.allowed_tenants.tenants.iter().filter_map(Named::domain)
    }
}

/// `[entra]` as far as it could be read.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) entra: Option<Entra>,
    pub(super) redirect_path: Option<Found<String>>,
    /// What rules have to know.
    pub(super) people: People<'static>,
}

/// Who may come, as far as rules depend on it.
#[derive(Clone, Copy, Debug)]
pub(super) struct People<'a> {
    /// Whether they are of several tenants; rules have to say more then.
    pub(super) are_many: bool,
    /// Who tells their groups.
    pub(super) groups: Groups,
    /// Whether `[directory]` is written.
    pub(super) has_directory: bool,
    /// `[directory] roles`, where they could be read.
    pub(super) roles: Option<&'a [String]>,
}

/// What the registration is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum For {
    /// Everybody signs in by it.
    Everybody,
    /// Nobody does, since each organization brings its own: it may be left out.
    Nobody,
    /// The same, but it says whose account it is, of whichever tenant, before anybody is looked up.
    Naming,
}

pub(super) fn read(section: &Section<'_>, what_for: For) -> Draft {
    let of_nobody = what_for == For::Nobody && !has_registration(section);
    let key = |name: &'static str, variable: &'static str| {
        let key = section.key(name).or_variable(variable);
        if of_nobody { key } else { key.needed() }
    };
    let tenant = key("tenant", "AZURE_TENANT_ID").parse(tenant);
    if let (For::Naming, Some(it)) = (what_for, tenant.as_ref().filter(|it| it.value != Tenant::Organizations)) {
        let complaint = Complaint::new("is a single tenant, but directory.unknown = \"ask-entra\" needs people of all organizations");
        section.complain(&it.spot, complaint.hint("write tenant = \"organizations\", and a client ID whose registration accepts accounts of any organization"));
    }
    let client_id = key("client_id", "AZURE_CLIENT_ID").parse(client_id);
    let credential = credential::read(section, true, !of_nobody);
    let redirect_path = section.key("redirect_path").parse(|it| server::path(it, "redirect path"));
    let (cloud, authority) = authority(section);
    let allowed_tenants = allowed_tenants(section, tenant.as_ref());
    let graph = section.key("graph").parse(own_url).map(|it| it.value);
    let is_many = tenant.as_ref().is_some_and(|it| it.value.is_many());
    if is_many && authority.ends_with(CIAM) {
        let complaint = Complaint::new("allows many tenants, but an External ID authority has one").hint("write its Directory (tenant) ID");
        section.complain(&section.spot_of("tenant"), complaint);
    }
    let scopes = section.key("scopes").list(&[], scope).into_iter().map(|it| it.value).collect();
    let ca_file = section.key("ca_file").file();
    let guests = section.key("guests").flag(true);
    let groups = section.key("groups").choice(&GROUPS);
    let recheck = recheck(section);
    // The operator's own token opens the registrations of organizations that trust its issuer.
    let federated_token = if let Some(Credential::Federated(path)) = &credential { Some(path.clone()) } else { None };
    let registration = match (tenant, client_id, credential) {
        (Some(tenant), Some(client_id), Some(credential)) => Some((tenant.value, client_id.value, credential)),
        // No tenant is allowed: it lets nobody in.
        _ if of_nobody => Some((Tenant::Organizations, Guid::NIL, Credential::Secret(Secret::new("")))),
        _ => None,
    };
    let entra = registration.map(|(tenant, client_id, credential)| Entra {
        tenant,
        client_id,
        credential,
        federated_token,
        authority,
        allowed_tenants,
        cloud,
        graph,
        scopes,
        ca_file,
        guests,
        groups,
        recheck,
    });
    Draft { entra, redirect_path, people: People { are_many: is_many, groups, has_directory: false, roles: None } }
}

fn has_registration(section: &Section<'_>) -> bool {
    let names = [("tenant", "AZURE_TENANT_ID"), ("client_id", "AZURE_CLIENT_ID"), ("client_secret", "AZURE_CLIENT_SECRET")];
    names.into_iter().any(|(name, variable)| section.key(name).or_variable(variable).is_there()) || section.key("certificate").is_written()
}

fn recheck(section: &Section<'_>) -> Recheck {
    let day = Duration::from_hours(24);
    Recheck {
        every: section.key("recheck").duration(Duration::from_mins(30), Duration::from_mins(1)..=day),
        grace: section.key("recheck_grace").duration(Duration::from_hours(4), Duration::ZERO..=7 * day),
    }
}

fn tenant(text: &str) -> Result<Tenant, Complaint> {
    let hint = "write the Directory (tenant) ID, a domain like contoso.com, \"organizations\" or \"common\"";
    let refused = || Complaint::new(format!("{} is neither a tenant ID nor a domain", quote(text))).hint(hint);
    match text.to_ascii_lowercase().as_str() {
        "organizations" => Ok(Tenant::Organizations),
        "common" => Ok(Tenant::Common),
        _ => match named(text) {
            Some(Named::Id(id)) => Ok(Tenant::Id(id)),
            Some(Named::Domain(name)) => Ok(Tenant::Domain(name)),
            None => Err(refused()),
        },
    }
}

/// One tenant: its id, a domain, or the word that Entra has for personal accounts.
pub(super) fn named(text: &str) -> Option<Named> {
    if text.eq_ignore_ascii_case("consumers") {
        return Some(Named::Id(Guid::PERSONAL));
    }
    Guid::parse(text).map(Named::Id).or_else(|| is_domain(text).then(|| Named::Domain(text.to_ascii_lowercase())))
}

/// Needed where many tenants may come, and without meaning where one does.
fn allowed_tenants(section: &Section<'_>, tenant: Option<&Found<Tenant>>) -> Allowed {
    let entry = |text: &str| {
        let refused =
            || Complaint::new(format!("{} is neither a tenant ID nor a domain", quote(text))).hint("write Directory (tenant) IDs, domains, or \"*\" alone");
        if text == "*" { Ok(None) } else { named(text).map(Some).ok_or_else(refused) }
    };
    let all = section.key("allowed_tenants").list(&[], entry);
    let spot = section.spot_of("allowed_tenants");
    let allowed = Allowed { any: all.iter().any(|it| it.value.is_none()), tenants: all.into_iter().filter_map(|it| it.value).collect() };
    let is_empty = !allowed.any && allowed.tenants.is_empty();
    let personal = allowed.tenants.contains(&Named::Id(Guid::PERSONAL));
    match tenant.map(|it| &it.value) {
        Some(Tenant::Organizations | Tenant::Common) if is_empty => {
            let complaint = Complaint::new("is missing: people of every tenant could sign in");
            section.complain(&spot, complaint.hint("list the tenants whose people may sign in, or write [\"*\"] to allow any"));
        }
        Some(Tenant::Organizations) if personal => {
            section.complain(&spot, Complaint::new("contains personal accounts, which \"organizations\" excludes").hint("write tenant = \"common\""));
        }
        Some(Tenant::Common) if !personal => {
            let complaint = Complaint::new("contains no personal accounts, but \"common\" lets people pick them");
            section.warn(&spot, complaint.hint(format!("write tenant = \"organizations\", or add \"{}\"", Guid::PERSONAL)));
        }
        Some(Tenant::Id(_) | Tenant::Domain(_)) if !is_empty => {
            let complaint = Complaint::new("has no effect if tenant is a single tenant");
            section.complain(&spot, complaint.hint("remove it, or write tenant = \"organizations\""));
        }
        _ => {}
    }
    allowed
}

/// The text is not told: people paste a secret here.
pub(super) fn client_id(text: &str) -> Result<Guid, Complaint> {
    let refused = || {
        Complaint::new("is not an Application (client) ID")
            .hint("copy it from the app registration's Overview; it looks like 11112222-bbbb-3333-cccc-4444dddd5555")
    };
    Guid::parse(text).ok_or_else(refused)
}

/// External ID.
const CIAM: &str = ".ciamlogin.com";

/// Stands for the place of a cloud in the table.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Choice(&'static Cloud);

impl Default for Choice {
    fn default() -> Self {
        let [first, ..] = &CLOUDS;
        Self(first)
    }
}

/// The cloud, and the address itself or the cloud's. `AZURE_AUTHORITY_HOST` counts only where neither is written.
fn authority(section: &Section<'_>) -> (&'static Cloud, String) {
    let written = section.key("cloud").is_written();
    let words: Vec<_> = CLOUDS.iter().map(|it| (it.name, Choice(it))).collect();
    let cloud = section.key("cloud").choice(&words);
    let key = section.key("authority");
    let key = if written { key } else { key.or_variable("AZURE_AUTHORITY_HOST") };
    let Some(authority) = key.parse(own_url) else { return (cloud.0, cloud.0.authority()) };
    if cloud != Choice::default() && authority.value != cloud.0.authority() {
        let complaint = Complaint::new("is not the sign-in address of this cloud").hint("write cloud or authority, not both");
        section.complain(&authority.spot, complaint);
    }
    let host = authority.value.strip_prefix("https://").unwrap_or_default();
    let known = CLOUDS.iter().find(|it| it.signs_in_at(host));
    // Where the cloud is written, it says which Government it is.
    let cloud = if cloud == Choice::default() { known.unwrap_or(cloud.0) } else { cloud.0 };
    (cloud, authority.value)
}

/// https, or http to an emulator.
fn own_url(text: &str) -> Result<String, Complaint> {
    let url = origin(text, &["https", "http"])?;
    if is_private(&url) {
        return Ok(url.origin().ascii_serialization());
    }
    Err(Complaint::new("is http").hint("write https; http is allowed only for an emulator on this machine"))
}

/// RFC 6749 3.3.
fn scope(text: &str) -> Result<String, Complaint> {
    let is_token = !text.is_empty() && text.bytes().all(|it| it.is_ascii_graphic() && !matches!(it, b'"' | b'\\'));
    let refused = || Complaint::new(format!("{} is not a scope", quote(text))).hint("write one scope per entry, like \"User.Read\"");
    if is_token { Ok(text.to_owned()) } else { Err(refused()) }
}
