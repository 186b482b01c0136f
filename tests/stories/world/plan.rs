//! What a world consists of: one builder for all stories.

use super::company::{ORGANIZATIONS, company_of_file};
use super::echo::EchoApp;
use super::{CLIENT_ID, World};
use entrada::directory::change::NewOrganization;
use entrada::emulator::{EmulatedRegistration, Emulator};
use std::path::{Path, PathBuf};

/// The name of the file that holds the directory.
pub const DATABASE: &str = "people.db";

/// Differences from the usual world.
pub struct WorldPlan {
    /// Additional lines for `[server]`.
    pub server: String,
    /// Additional lines for `[upstream]`; `url` is added unless it is here.
    pub upstream: String,
    /// Whole sections and rules that follow the rest.
    pub more: String,
    /// The public address, if it differs from the listener's own.
    pub public_url: Option<String>,
    /// The lines of `[session]`.
    pub session: String,
    /// The lines of `[entra]`; `authority` is the emulator unless it is here.
    pub entra: String,
    /// The lines of `[headers]`.
    pub headers: String,
    /// Whether Entra is down when the program starts.
    pub entra_down: bool,
    /// The public port, if a story needs to know it in advance.
    pub port: Option<u16>,
    /// The name of an Entra on another machine: it uses TLS, and only the proxy reaches it.
    pub entra_name: Option<String>,
    /// The port on which it actually listens, for the proxy.
    pub entra_port: Option<u16>,
    /// The authority that the program trusts instead of the one that issued Entra's certificate.
    pub entra_ca: Option<PathBuf>,
    /// The lines of `[directory]`, if there is one; `database` is a file of the world unless it is
    /// here.
    pub directory: Option<String>,
    /// Organizations that an operator has added to the directory.
    pub organizations: Vec<NewOrganization>,
    /// The lines of `[native]` and the tables of its clients, if there are any.
    pub native: Option<String>,
    /// Apps that are each registered in one tenant.
    pub registrations: Vec<EmulatedRegistration>,
    /// The value of `HTTPS_PROXY`.
    pub proxy: Option<String>,
    /// Whether time advances only through `later`: for stories that count events within a minute,
    /// also on a slow machine.
    pub time_stands: bool,
}

impl Default for WorldPlan {
    fn default() -> Self {
        let empty = String::new;
        Self {
            server: empty(),
            upstream: empty(),
            more: RULES.to_owned(),
            public_url: None,
            session: empty(),
            entra: empty(),
            headers: empty(),
            entra_down: false,
            port: None,
            entra_name: None,
            entra_port: None,
            entra_ca: None,
            directory: None,
            organizations: Vec::new(),
            native: None,
            registrations: Vec::new(),
            proxy: None,
            time_stands: false,
        }
    }
}

/// The access rules of most stories.
pub const RULES: &str = r#"
[[access.rule]]
path = "/public/**"
allow = "anyone"
[[access.rule]]
path = "/admin/**"
allow = { roles = ["Admin"] }
[[access.rule]]
path = "/group/**"
allow = { groups = ["0a1b2c3d-0000-4000-8000-000000000001"] }
[[access.rule]]
path = "/api/**"
allow = "signed-in"
signed_out = "401"
[[access.rule]]
path = "/nobody/**"
allow = "nobody"
[[access.rule]]
path = "/read/**"
methods = ["GET"]
allow = "signed-in"
"#;

/// Where the parts of a world are.
pub struct PlanAddresses<'a> {
    pub port: u16,
    pub admin: u16,
    pub public_url: &'a str,
    pub emulator: &'a Emulator,
    pub app: &'a EchoApp,
    pub folder: &'a Path,
}

impl WorldPlan {
    /// A world with a directory, and without access rules: with several tenants, a rule of `RULES`
    /// must also name the organization.
    pub fn of_directory(lines: &str) -> Self {
        Self { directory: Some(lines.to_owned()), more: String::new(), ..Self::default() }
    }

    /// Adds organizations to the directory, which admins and operators can change.
    pub fn with_organizations(
        mut self,
        organizations: impl IntoIterator<Item = NewOrganization>,
    ) -> Self {
        self.organizations.extend(organizations);
        self
    }

    /// Defines Contoso and Fabrikam in the configuration, where no page can change them.
    pub fn with_organizations_of_file(mut self) -> Self {
        for it in ORGANIZATIONS {
            self.more += &company_of_file(it.code, it.tenant);
        }
        self
    }

    /// Serves native clients, with these lines of `[native]`.
    pub fn with_native(self, lines: &str) -> Self {
        Self { native: Some(lines.to_owned()), ..self }
    }

    /// Puts a front proxy such as nginx on this machine in front of Entrada.
    pub fn behind_proxy(self) -> Self {
        Self { server: "trusted_proxies = [\"127.0.0.1\"]".to_owned(), ..self }
    }

    /// Sends these sets of identity headers to the app.
    pub fn sending(self, sets: &[&str]) -> Self {
        Self { headers: format!("send = {sets:?}"), ..self }
    }

    /// Time advances only through `later`.
    pub fn where_time_stands(self) -> Self {
        Self { time_stands: true, ..self }
    }

    /// A second replica: the same public address and the same database. Organizations are there
    /// already.
    pub fn replica_of(self, first: &World) -> Self {
        let lines = self.directory.unwrap_or_default();
        Self {
            public_url: Some(first.public_url.clone()),
            directory: Some(format!("database = \"{}\"\n{lines}", first.database())),
            organizations: Vec::new(),
            ..self
        }
    }

    fn directory_text(&self, folder: &Path) -> String {
        let Some(lines) = &self.directory else { return String::new() };
        let database = if lines.contains("database =") {
            String::new()
        } else {
            format!("database = \"sqlite:{}\"", folder.join(DATABASE).display())
        };
        format!("[directory]\n{database}\n{lines}")
    }

    /// Returns the configuration.
    pub fn text(&self, addresses: &PlanAddresses<'_>) -> String {
        let PlanAddresses { port, admin, public_url, .. } = addresses;
        let url = if self.upstream.contains("url =") {
            String::new()
        } else {
            format!("url = \"http://{}\"", addresses.app.address)
        };
        let listen = if self.server.lines().any(|it| it.starts_with("listen =")) {
            String::new()
        } else {
            format!("listen = \"127.0.0.1:{port}\"")
        };
        let admin = if self.server.contains("admin_listen =") {
            String::new()
        } else {
            format!("admin_listen = \"127.0.0.1:{admin}\"")
        };
        let hosts = if self.public_url.is_none() {
            format!("hosts = [\"127.0.0.1:{port}\"]")
        } else {
            String::new()
        };
        let ca = self
            .entra_ca
            .as_deref()
            .or(addresses.emulator.ca_file())
            .map_or(String::new(), |it| format!("ca_file = \"{}\"", it.display()));
        let authority = if self.entra.contains("authority =") {
            String::new()
        } else {
            format!("authority = \"{}\"", addresses.emulator.authority())
        };
        let other = ["certificate =", "federated_token ="].iter().any(|it| self.entra.contains(it));
        let secret = if other { "" } else { "client_secret = { env = \"STORY_CLIENT_SECRET\" }" };
        let secrets = if self.session.contains("secrets =") {
            ""
        } else {
            "secrets = [{ env = \"STORY_SEAL\" }]"
        };
        format!(
            r#"
[server]
{listen}
public_url = "{public_url}"
{hosts}
{admin}
shutdown_grace = "3s"
{server}
[upstream]
{url}
{upstream}
[entra]
{tenant}
client_id = "{CLIENT_ID}"
{secret}
{authority}
{ca}
{entra}
[session]
{secrets}
{session}
[headers]
{headers}
{directory}
{native}
{more}
"#,
            server = self.server,
            upstream = self.upstream,
            session = self.session,
            entra = self.entra,
            headers = self.headers,
            directory = self.directory_text(addresses.folder),
            native = self.native.as_deref().map_or(String::new(), |it| format!("[native]\n{it}")),
            more = self.more,
            tenant = if self.entra.contains("tenant =") {
                String::new()
            } else {
                format!("tenant = \"{}\"", addresses.emulator.tenant_id())
            },
        )
    }
}
