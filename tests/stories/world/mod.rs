//! The world of a story: an Entra emulator, the program, and an app behind it, all on loopback.

pub mod browser;
pub mod company;
pub mod echo;
pub mod h2;
mod logs;
pub mod page;
pub mod raw;

use browser::TestBrowser;
use echo::EchoApp;
use entrada::base::clock::Clock;
use entrada::config;
use entrada::emulator::{EmulatedRegistration, Emulator, Options};
use entrada::seal::random;
use entrada::service::{BoundListener, Service};
use entrada::sidecar::Process;
use entrada::telemetry::log::Log;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use tokio_util::sync::CancellationToken;

pub use logs::{CapturedEvents, LogBuffer};

pub const CLIENT_ID: &str = "11112222-bbbb-3333-cccc-4444dddd5555";
pub const CLIENT_SECRET: &str = "a~client.secret-Value_of_the_stories-0123";
pub const SEAL: &str = "a secret of the stories, longer than 32 bytes";

/// Maximum sizes of the head and body of any response from Entrada, and the maximum number of
/// `Set-Cookie` lines in it.
pub const MAX_HEAD_BYTES: usize = 12 * 1024;
pub const MAX_BODY_BYTES: usize = 48 * 1024;
pub const MAX_COOKIES: usize = 10;

/// All running parts; they end with the story.
pub struct World {
    pub emulator: Emulator,
    pub app: EchoApp,
    pub service: Arc<Service>,
    pub address: SocketAddr,
    pub admin: SocketAddr,
    pub public_url: String,
    pub clock: Clock,
    pub shutdown: CancellationToken,
    pub served: Option<tokio::task::JoinHandle<()>>,
    pub log: LogBuffer,
    /// The certificate of the authority that issued Entra's own, if Entra uses TLS.
    pub entra_ca: Option<std::path::PathBuf>,
    text: String,
    _directory: tempfile::TempDir,
}

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
    pub entra_ca: Option<std::path::PathBuf>,
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

impl World {
    /// Starts the usual world.
    pub async fn start() -> Self {
        Self::with(WorldPlan::default()).await
    }

    /// Starts a world that differs.
    pub async fn with(plan: WorldPlan) -> Self {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let clock = if plan.time_stands { Clock::standing() } else { Clock::system() };
        let port = plan.port.unwrap_or_else(free_port);
        let directory = tempfile::tempdir().unwrap();
        let public_url =
            plan.public_url.clone().unwrap_or_else(|| format!("http://localhost:{port}"));
        let options = Options {
            clock: clock.clone(),
            random: random::system(),
            redirect_uris: vec![
                format!("{public_url}/oauth2/callback"),
                format!("{public_url}/v1/callback"),
            ],
            client_id: Some(CLIENT_ID.to_owned()),
            client_secret: Some(CLIENT_SECRET.to_owned()),
            registrations: plan.registrations.clone(),
            tls: plan.entra_name.as_ref().map(|_| directory.path().to_owned()),
            host: plan.entra_name.clone(),
        };
        let emulator = Emulator::start(
            TcpListener::bind(("127.0.0.1", plan.entra_port.unwrap_or(0))).unwrap(),
            options,
        )
        .await
        .unwrap();
        emulator.control().be_down(plan.entra_down);
        let app = EchoApp::start().await;
        let admin = free_port();
        let text = text(&plan, port, admin, &public_url, &emulator, &app);
        let config = read(&text);
        let log = LogBuffer::default();
        let line = Log::start(&config.telemetry, log.clone()).unwrap();
        let environment =
            plan.proxy.iter().map(|it| ("HTTPS_PROXY".to_owned(), it.clone())).collect();
        let process = Process::new(&config, clock.clone(), random::system(), line, environment);
        let process = process.opened(&config).await.unwrap();
        let bound = BoundListener::new(&config).unwrap();
        let (service, _) = Service::start(&config, process).unwrap();
        let shutdown = CancellationToken::new();
        let served = tokio::spawn(Arc::clone(&service).serve(bound, shutdown.clone()));
        let world = Self {
            address: SocketAddr::from(([127, 0, 0, 1], port)),
            admin: SocketAddr::from(([127, 0, 0, 1], admin)),
            served: Some(served),
            entra_ca: emulator.ca_file().map(std::path::Path::to_owned),
            _directory: directory,
            emulator,
            app,
            service,
            public_url,
            clock,
            shutdown,
            log,
            text,
        };
        if !plan.entra_down {
            world.is_ready().await;
        }
        world
    }

    /// Waits until the program has reached Entra.
    pub async fn is_ready(&self) {
        for _ in 0..500 {
            if self.service.sidecar().entra.ready().is_ok() {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        panic!("Entra was not reached: {:?}", self.service.sidecar().entra.ready());
    }

    /// Returns a browser without cookies.
    pub fn browser(&self) -> TestBrowser {
        TestBrowser::new(self.address, &self.public_url)
    }

    /// Returns a browser that reaches the public address at a front proxy.
    pub fn browser_at(&self, address: SocketAddr) -> TestBrowser {
        TestBrowser::new(address, &self.public_url)
    }

    /// Returns a browser in which this person is signed in.
    pub async fn signed_in(&self, person: &str) -> TestBrowser {
        let mut browser = self.browser();
        browser.visits("/").await;
        let page = browser.signs_in_as(person).await;
        assert_eq!(page.status, 200, "{person} could not sign in: {}", page.body);
        browser
    }

    /// Returns the configuration with a change.
    pub fn changed(&self, from: &str, to: &str) -> config::Config {
        assert!(self.text.contains(from), "{from:?} is not in the configuration");
        read(&self.text.replace(from, to))
    }

    /// Returns the configuration for a separate process: it listens on other ports, for the same
    /// public address.
    pub fn text_for(&self, port: u16, admin: u16) -> String {
        let elsewhere = |port: u16| format!("listen = \"127.0.0.1:{port}\"");
        let text = self.text.replace(&elsewhere(self.address.port()), &elsewhere(port));
        text.replace(&elsewhere(self.admin.port()), &elsewhere(admin))
    }

    /// Advances the time for every part of the world.
    pub fn later(&self, seconds: i64) {
        self.clock.shift(seconds);
    }

    /// Returns all log lines so far, after a short wait for pending ones.
    pub async fn logged(&self) -> String {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        self.service.sidecar().process.log.finish();
        self.log.text()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.shutdown.cancel();
        self.service.sidecar().process.log.finish();
        logs::secrets_are_not_in(&self.log.text());
    }
}

fn read(text: &str) -> config::Config {
    let environment = [("STORY_CLIENT_SECRET", CLIENT_SECRET), ("STORY_SEAL", SEAL)]
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
    let outcome = config::read("story", text, &environment);
    let problems = config::problem::print(&outcome, "story");
    outcome.config.unwrap_or_else(|| panic!("{problems}\n{text}"))
}

fn text(
    plan: &WorldPlan,
    port: u16,
    admin: u16,
    public_url: &str,
    emulator: &Emulator,
    app: &EchoApp,
) -> String {
    let url = if plan.upstream.contains("url =") {
        String::new()
    } else {
        format!("url = \"http://{}\"", app.address)
    };
    let listen = if plan.server.lines().any(|it| it.starts_with("listen =")) {
        String::new()
    } else {
        format!("listen = \"127.0.0.1:{port}\"")
    };
    let admin = if plan.server.contains("admin_listen =") {
        String::new()
    } else {
        format!("admin_listen = \"127.0.0.1:{admin}\"")
    };
    let hosts = if plan.public_url.is_none() {
        format!("hosts = [\"127.0.0.1:{port}\"]")
    } else {
        String::new()
    };
    let ca = plan
        .entra_ca
        .as_deref()
        .or(emulator.ca_file())
        .map_or(String::new(), |it| format!("ca_file = \"{}\"", it.display()));
    let authority = if plan.entra.contains("authority =") {
        String::new()
    } else {
        format!("authority = \"{}\"", emulator.authority())
    };
    let other = ["certificate =", "federated_token ="].iter().any(|it| plan.entra.contains(it));
    let secret = if other { "" } else { "client_secret = { env = \"STORY_CLIENT_SECRET\" }" };
    let secrets = if plan.session.contains("secrets =") {
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
{more}
"#,
        server = plan.server,
        upstream = plan.upstream,
        session = plan.session,
        entra = plan.entra,
        headers = plan.headers,
        more = plan.more,
        tenant = if plan.entra.contains("tenant =") {
            String::new()
        } else {
            format!("tenant = \"{}\"", emulator.tenant_id())
        },
    )
}

/// Returns a port that was free a moment ago, and that no other world in this run has.
pub fn free_port() -> u16 {
    // Below the range that systems assign by themselves (from 32768, or 49152): no process that
    // asks for any port gets it before it is bound.
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let begin = u16::try_from(std::process::id() % 9000).unwrap();
    let next = || 20_000 + (begin + NEXT.fetch_add(1, Ordering::Relaxed)) % 12_000;
    std::iter::repeat_with(next).find(|it| TcpListener::bind(("127.0.0.1", *it)).is_ok()).unwrap()
}
