//! `[entra]`: the tenant and the app registration.

use super::address::{is_domain, is_private, origin};
use super::problem::{Complaint, quote};
use super::section::{Found, Section};
use super::server;
use crate::base::guid::Guid;
use crate::base::secret::Secret;
use std::path::PathBuf;
use std::time::Duration;

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
    /// Scopes beyond `openid profile email`.
    pub scopes: Vec<String>,
    /// Further roots towards Entra.
    pub ca_file: Option<PathBuf>,
    /// Whether guests (B2B) may sign in.
    pub guests: bool,
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

/// `[entra]` as far as it could be read.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) entra: Option<Entra>,
    pub(super) redirect_path: Option<Found<String>>,
}

/// Microsoft's clouds; the first is the default. Both Government ones sign in at the same host.
const CLOUDS: [(&str, Cloud); 4] = [
    ("public", Cloud("https://login.microsoftonline.com")),
    ("usgov", Cloud("https://login.microsoftonline.us")),
    ("usgov-dod", Cloud("https://login.microsoftonline.us")),
    ("china", Cloud("https://login.partner.microsoftonline.cn")),
];

/// By its authority.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Cloud(&'static str);

impl Default for Cloud {
    fn default() -> Self {
        Self("https://login.microsoftonline.com")
    }
}

pub(super) fn read(section: &Section<'_>) -> Draft {
    let tenant = section.key("tenant").or_variable("AZURE_TENANT_ID").needed().parse(tenant);
    let client_id = section.key("client_id").or_variable("AZURE_CLIENT_ID").needed().parse(client_id);
    let secret = client_secret(section);
    let redirect_path = section.key("redirect_path").parse(|it| server::path(it, "redirect path"));
    let authority = authority(section);
    let scopes = section.key("scopes").list(&[], scope).into_iter().map(|it| it.value).collect();
    let ca_file = section.key("ca_file").file();
    let guests = section.key("guests").flag(true);
    let recheck = recheck(section);
    let entra = match (tenant, client_id, secret) {
        (Some(tenant), Some(client_id), Some(secret)) => {
            let credential = Credential::Secret(secret);
            Some(Entra { tenant: tenant.value, client_id: client_id.value, credential, authority, scopes, ca_file, guests, recheck })
        }
        _ => None,
    };
    Draft { entra, redirect_path }
}

fn recheck(section: &Section<'_>) -> Recheck {
    let day = Duration::from_hours(24);
    Recheck {
        every: section.key("recheck").duration(Duration::from_mins(30), Duration::from_mins(1)..=day),
        grace: section.key("recheck_grace").duration(Duration::from_hours(4), Duration::ZERO..=7 * day),
    }
}

fn tenant(text: &str) -> Result<Tenant, Complaint> {
    let hint = "write the Directory (tenant) ID, or a domain like contoso.com";
    if ["organizations", "common", "consumers"].iter().any(|it| text.eq_ignore_ascii_case(it)) {
        return Err(Complaint::new(format!("{} stands for many tenants; one is needed", quote(text))).hint(hint));
    }
    let domain = || is_domain(text).then(|| Tenant::Domain(text.to_ascii_lowercase()));
    let refused = || Complaint::new(format!("{} is neither a tenant ID nor a domain", quote(text))).hint(hint);
    Guid::parse(text).map(Tenant::Id).or_else(domain).ok_or_else(refused)
}

/// The text is not told: people paste a secret here.
fn client_id(text: &str) -> Result<Guid, Complaint> {
    let refused = || {
        Complaint::new("is not an Application (client) ID")
            .hint("copy it from the app registration's Overview; it looks like 11112222-bbbb-3333-cccc-4444dddd5555")
    };
    Guid::parse(text).ok_or_else(refused)
}

fn client_secret(section: &Section<'_>) -> Option<Secret> {
    let federated = section.variable("AZURE_FEDERATED_TOKEN_FILE").is_some();
    let key = section.key("client_secret").or_variable("AZURE_CLIENT_SECRET").needed();
    if !key.is_there() {
        if federated {
            let complaint = Complaint::new("AZURE_FEDERATED_TOKEN_FILE is set, but a federated token cannot be used yet");
            section.complain(&section.spot_of("client_secret"), complaint.hint(format!("set client_secret in {}", section.place_of("client_secret"))));
        } else {
            key.miss();
        }
        return None;
    }
    if federated {
        let complaint = Complaint::new("AZURE_FEDERATED_TOKEN_FILE is set, but a federated token cannot be used yet; the client secret is used");
        section.warn(&section.spot_of("client_secret"), complaint);
    }
    let secret = key.secret()?;
    if Guid::parse(secret.value.expose()).is_some() {
        let complaint = Complaint::new("this is a Secret ID, not a secret")
            .hint("copy the Value, not the Secret ID; it is shown only once, so make a new secret if it is gone");
        section.complain(&secret.spot, complaint);
        return None;
    }
    Some(secret.value)
}

/// The address itself, or the cloud's. `AZURE_AUTHORITY_HOST` counts only where neither is written.
fn authority(section: &Section<'_>) -> String {
    let written = section.key("cloud").is_written();
    let cloud = section.key("cloud").choice(&CLOUDS);
    let key = section.key("authority");
    let key = if written { key } else { key.or_variable("AZURE_AUTHORITY_HOST") };
    let Some(authority) = key.parse(authority_url) else { return cloud.0.to_owned() };
    if cloud != Cloud::default() && authority.value != cloud.0 {
        let complaint = Complaint::new("is not where this cloud signs people in").hint("write cloud or authority, not both");
        section.complain(&authority.spot, complaint);
    }
    authority.value
}

fn authority_url(text: &str) -> Result<String, Complaint> {
    let url = origin(text, &["https", "http"])?;
    if is_private(&url) {
        return Ok(url.origin().ascii_serialization());
    }
    Err(Complaint::new("is http").hint("Entra is asked by https; http is for an emulator on this machine only"))
}

/// RFC 6749 3.3.
fn scope(text: &str) -> Result<String, Complaint> {
    let is_token = !text.is_empty() && text.bytes().all(|it| it.is_ascii_graphic() && !matches!(it, b'"' | b'\\'));
    let refused = || Complaint::new(format!("{} is not a scope", quote(text))).hint("write one scope an entry, like \"User.Read\"");
    if is_token { Ok(text.to_owned()) } else { Err(refused()) }
}
