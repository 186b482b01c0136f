//! `[entra]`: the tenant and the app registration.

mod scopes;
mod tenants;

pub(super) use tenants::named;
pub use tenants::{AllowedTenants, TenantConfig};

use super::address::{is_private, origin};
use super::credential;
use super::problem::{InvalidValue, quote};
use super::section::{ConfigSection, LocatedValue};
use super::server;
use crate::base::cloud::{CLOUDS, MicrosoftCloud};
use crate::base::credential::ClientCredential;
use crate::base::domains::TenantName;
use crate::base::guid::Guid;
use crate::base::secret::Secret;
use std::path::PathBuf;
use std::time::Duration;
use tenants::{allowed_tenants, tenant};

/// The parsed section `[entra]`. If organizations bring their own registrations and none is written
/// here, it is a placeholder: tenant `organizations`, with no allowed tenant and no client.
#[derive(Clone, Debug)]
pub struct EntraConfig {
    /// The tenant whose people sign in.
    pub tenant: TenantConfig,
    /// Application (client) ID.
    pub client_id: Guid,
    /// Our credential for Entra.
    pub credential: ClientCredential,
    /// `federated_token`, if it is written: organizations may trust its issuer too.
    pub federated_token: Option<PathBuf>,
    /// Scheme, host and port of the authority, without a trailing slash:
    /// `https://login.microsoftonline.com`.
    pub authority: String,
    /// The tenants that are allowed if `tenant` covers several.
    pub allowed_tenants: AllowedTenants,
    /// The cloud, unless `authority` means another.
    pub cloud: &'static MicrosoftCloud,
    /// Scheme, host and port of Microsoft Graph, if they are not the cloud's own.
    pub graph: Option<String>,
    /// Scopes in addition to `openid profile email offline_access`.
    pub scopes: Vec<String>,
    /// Additional root certificates for connections to Entra.
    pub ca_file: Option<PathBuf>,
    /// Whether guests (B2B) may sign in.
    pub guests: bool,
    /// The source of a person's groups.
    pub groups: GroupsSource,
    /// How often a live session is checked with Entra.
    pub recheck: RecheckConfig,
}

/// How often a live session is checked with Entra, and how long an outage of Entra is tolerated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecheckConfig {
    /// Time after Entra's last answer until the next check.
    pub every: Duration,
    /// Additional time that a session is served while Entra is unreachable.
    pub grace: Duration,
}

/// The source of a person's groups, `groups = "token" | "graph" | "off"`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum GroupsSource {
    /// From the token, or from Microsoft Graph if the token cannot hold them all.
    #[default]
    Token,
    /// Always from Microsoft Graph.
    Graph,
    /// No groups at all.
    Off,
}

const GROUPS_VALUES: [(&str, GroupsSource); 3] =
    [("token", GroupsSource::Token), ("graph", GroupsSource::Graph), ("off", GroupsSource::Off)];

impl EntraConfig {
    /// The domains that stand for tenants in `allowed_tenants`.
    pub fn domains(&self) -> impl Iterator<Item = &str> {
        self.allowed_tenants.tenants.iter().filter_map(TenantName::domain)
    }
}

/// The parts of `[entra]` that could be read.
#[derive(Debug)]
pub(super) struct EntraDraft {
    pub(super) entra: Option<EntraConfig>,
    pub(super) redirect_path: Option<LocatedValue<String>>,
    /// The facts that rules depend on.
    pub(super) people: SignInAudience<'static>,
}

/// The facts about the people who may sign in that rules depend on.
#[derive(Clone, Copy, Debug)]
pub(super) struct SignInAudience<'a> {
    /// Whether they come from several tenants; rules must be more specific then.
    pub(super) are_many: bool,
    /// The source of their groups.
    pub(super) groups: GroupsSource,
    /// Whether `[directory]` is written.
    pub(super) has_directory: bool,
    /// `[directory] roles`, if they could be read.
    pub(super) roles: Option<&'a [String]>,
}

/// The purpose of the registration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RegistrationUse {
    /// Everyone signs in with it.
    AllPeople,
    /// No one signs in with it, because each organization brings its own; it may be omitted.
    Nobody,
    /// Like `Nobody`, but it identifies the account, from any tenant, before the person is looked
    /// up.
    Naming,
}

pub(super) fn read(section: &ConfigSection<'_>, what_for: RegistrationUse) -> EntraDraft {
    let of_nobody = what_for == RegistrationUse::Nobody && !has_registration(section);
    let tenant = section
        .key(
            "tenant",
            "Required; or `AZURE_TENANT_ID`. The tenant whose people may sign in; the keywords \
             stand for several tenants",
        )
        .or_variable("AZURE_TENANT_ID")
        .needed_if(!of_nobody)
        .parse(tenant);
    if let (RegistrationUse::Naming, Some(it)) =
        (what_for, tenant.as_ref().filter(|it| it.value != TenantConfig::Organizations))
    {
        let invalid = InvalidValue::new(
            "is a single tenant, but directory.unknown = \"ask-entra\" needs people of all organizations",
        );
        section.add_problem(&it.place, invalid.hint("write tenant = \"organizations\", and a client ID whose registration accepts accounts of any organization"));
    }
    let client_id = section
        .key(
            "client_id",
            "Required; or `AZURE_CLIENT_ID`. Application (client) ID of the registration",
        )
        .or_variable("AZURE_CLIENT_ID")
        .needed_if(!of_nobody)
        .parse(client_id);
    let credential = credential::read(section, true, !of_nobody);
    let redirect_path = section
        .key(
            "redirect_path",
            "Path of the redirect URI; without it, `server.prefix` followed by `/callback`",
        )
        .parse(|it| server::path(it, "redirect path"));
    let (cloud, authority) = authority(section);
    let allowed_tenants = allowed_tenants(section, tenant.as_ref());
    let graph = section
        .key(
            "graph",
            "Base URL of Microsoft Graph; without it, the URL that Entra publishes if it belongs \
             to Microsoft, otherwise the cloud's default",
        )
        .parse(own_url)
        .map(|it| it.value);
    let is_many = tenant.as_ref().is_some_and(|it| it.value.is_many());
    if is_many && authority.ends_with(CIAM_SUFFIX) {
        let invalid =
            InvalidValue::new("allows many tenants, but an External ID authority has one")
                .hint("write its Directory (tenant) ID");
        section.add_problem(&section.locate("tenant"), invalid);
    }
    let scopes = section
        .key("scopes", "Scopes in addition to `openid profile email offline_access`")
        .list(&[], scope);
    let scopes: Vec<String> = scopes.into_iter().map(|it| it.value).collect();
    if let Some(invalid) = scopes::problem(&scopes) {
        section.add_problem(&section.locate("scopes"), invalid);
    }
    let ca_file = section
        .key(
            "ca_file",
            "Additional root certificates for connections to Entra, for a proxy that intercepts \
             TLS",
        )
        .file();
    let guests = section.key("guests", "Whether guests of the tenant (B2B) may sign in").flag(true);
    let groups = section
        .key(
            "groups",
            "Source of the groups. `token`: the token, and Microsoft Graph if it has too many; \
             `graph`: always Graph; `off`: no groups, and rules with groups are rejected",
        )
        .choice(&GROUPS_VALUES);
    let recheck = recheck(section);
    // The operator's own token also authenticates the registrations of organizations that trust its
    // issuer.
    let federated_token = if let Some(ClientCredential::Federated(path)) = &credential {
        Some(path.clone())
    } else {
        None
    };
    let registration = match (tenant, client_id, credential) {
        (Some(tenant), Some(client_id), Some(credential)) => {
            Some((tenant.value, client_id.value, credential))
        }
        // No tenant is allowed, so no one can sign in with it.
        _ if of_nobody => Some((
            TenantConfig::Organizations,
            Guid::NIL,
            ClientCredential::Secret(Secret::new("")),
        )),
        _ => None,
    };
    let entra = registration.map(|(tenant, client_id, credential)| EntraConfig {
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
    EntraDraft {
        entra,
        redirect_path,
        people: SignInAudience { are_many: is_many, groups, has_directory: false, roles: None },
    }
}

fn has_registration(section: &ConfigSection<'_>) -> bool {
    let names = [
        ("tenant", "AZURE_TENANT_ID"),
        ("client_id", "AZURE_CLIENT_ID"),
        ("client_secret", "AZURE_CLIENT_SECRET"),
    ];
    names.into_iter().any(|(name, variable)| section.look_up(name, Some(variable)).is_some())
        || section.is_written("certificate")
}

fn recheck(section: &ConfigSection<'_>) -> RecheckConfig {
    let day = Duration::from_hours(24);
    RecheckConfig {
        every: section
            .key(
                "recheck",
                "How often Entrada asks Entra whether a signed-in person still has access, and \
                 for their current roles and groups",
            )
            .duration(Duration::from_mins(30), Duration::from_mins(1)..=day),
        grace: section
            .key(
                "recheck_grace",
                "How long sessions continue after a due recheck while Entra does not answer; \
                 after that, requests get 503 until it does",
            )
            .duration(Duration::from_hours(4), Duration::ZERO..=7 * day),
    }
}

/// Parses the client ID. Messages do not contain the text, because people paste secrets here.
pub(super) fn client_id(text: &str) -> Result<Guid, InvalidValue> {
    let refused = || {
        InvalidValue::new("is not an Application (client) ID")
            .hint("copy it from the app registration's Overview; it looks like 11112222-bbbb-3333-cccc-4444dddd5555")
    };
    Guid::parse(text).ok_or_else(refused)
}

/// Host suffix of Entra External ID.
const CIAM_SUFFIX: &str = ".ciamlogin.com";

/// A choice of one cloud from the table.
#[derive(Clone, Copy, PartialEq, Eq)]
struct CloudChoice(&'static MicrosoftCloud);

impl Default for CloudChoice {
    fn default() -> Self {
        let [first, ..] = &CLOUDS;
        Self(first)
    }
}

/// The cloud, and the authority from the configuration or from the cloud. `AZURE_AUTHORITY_HOST`
/// counts only if neither is written.
fn authority(section: &ConfigSection<'_>) -> (&'static MicrosoftCloud, String) {
    let written = section.is_written("cloud");
    let words: Vec<_> = CLOUDS.iter().map(|it| (it.name, CloudChoice(it))).collect();
    let cloud = section.key("cloud", "The Microsoft cloud that the tenant is in").choice(&words);
    let key = section.key(
        "authority",
        "Your own authority instead of `cloud`, such as External ID's \
         `https://contoso.ciamlogin.com`; or `AZURE_AUTHORITY_HOST`",
    );
    let key = if written { key } else { key.or_variable("AZURE_AUTHORITY_HOST") };
    let Some(authority) = key.parse(own_url) else { return (cloud.0, cloud.0.authority()) };
    if cloud != CloudChoice::default() && authority.value != cloud.0.authority() {
        let invalid = InvalidValue::new("is not the sign-in address of this cloud")
            .hint("write cloud or authority, not both");
        section.add_problem(&authority.place, invalid);
    }
    let host = authority.value.strip_prefix("https://").unwrap_or_default();
    let known = CLOUDS.iter().find(|it| it.signs_in_at(host));
    // If the cloud is written, it decides between the two Government clouds.
    let cloud = if cloud == CloudChoice::default() { known.unwrap_or(cloud.0) } else { cloud.0 };
    (cloud, authority.value)
}

/// Accepts https, or http to an emulator on this machine.
fn own_url(text: &str) -> Result<String, InvalidValue> {
    let url = origin(text, &["https", "http"])?;
    if is_private(&url) {
        return Ok(url.origin().ascii_serialization());
    }
    Err(InvalidValue::new("is http")
        .hint("write https; http is allowed only for an emulator on this machine"))
}

/// Parses a scope (RFC 6749 section 3.3).
fn scope(text: &str) -> Result<String, InvalidValue> {
    let is_token = !text.is_empty()
        && text.bytes().all(|it| it.is_ascii_graphic() && !matches!(it, b'"' | b'\\'));
    let refused = || {
        InvalidValue::new(format!("{} is not a scope", quote(text)))
            .hint("write one scope per entry, like \"User.Read\"")
    };
    if is_token { Ok(text.to_owned()) } else { Err(refused()) }
}
