//! The world of a story: an Entra emulator, the program, and an app behind it, all on loopback.

pub mod browser;
pub mod company;
pub mod echo;
mod echo_tunnels;
pub mod h2;
mod logs;
pub mod name_server;
pub mod page;
mod plan;
pub mod raw;
pub mod redis;
pub mod replica;
pub mod samples;
pub mod slow_link;

use browser::TestBrowser;
use echo::EchoApp;
use entrada::base::clock::Clock;
use entrada::config;
use entrada::emulator::{Emulator, EmulatorOptions};
use entrada::seal::random;
use entrada::service::{BoundListener, Service};
use entrada::sidecar::{Process, Sidecar};
use entrada::telemetry::log::Log;
use plan::DATABASE;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use tokio_util::sync::CancellationToken;

pub use logs::{CapturedEvents, LogBuffer, secrets_are_not_in};
pub use plan::{PlanAddresses, RULES, WorldPlan};

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
    /// The folder with the files of this world, such as its database.
    pub folder: tempfile::TempDir,
    text: String,
}

impl World {
    /// Starts the usual world.
    pub async fn start() -> Self {
        Self::with(WorldPlan::default()).await
    }

    /// Starts a world that differs.
    pub async fn with(plan: WorldPlan) -> Self {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let clock = if plan.time_stands { Clock::stopped() } else { Clock::system() };
        let port = plan.port.unwrap_or_else(free_port);
        let folder = tempfile::tempdir().unwrap();
        let public_url =
            plan.public_url.clone().unwrap_or_else(|| format!("http://localhost:{port}"));
        let options = EmulatorOptions {
            clock: clock.clone(),
            random: random::system(),
            redirect_uris: vec![
                format!("{public_url}/oauth2/callback"),
                format!("{public_url}/v1/callback"),
            ],
            client_id: Some(CLIENT_ID.to_owned()),
            client_secret: Some(CLIENT_SECRET.to_owned()),
            registrations: plan.registrations.clone(),
            tls: plan.entra_name.as_ref().map(|_| folder.path().to_owned()),
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
        let addresses = PlanAddresses {
            port,
            admin,
            public_url: &public_url,
            emulator: &emulator,
            app: &app,
            folder: folder.path(),
        };
        let text = plan.text(&addresses);
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
            folder,
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
        for new in plan.organizations {
            world.directory().add_organization(new, "story").await.unwrap();
        }
        world
    }

    /// Stops the program, as SIGTERM does; what `meanwhile` does happens before it starts again.
    pub async fn restarts(&mut self, meanwhile: impl AsyncFnOnce(&Self)) {
        self.shutdown.cancel();
        self.served.take().unwrap().await.unwrap();
        meanwhile(self).await;
        let config = read(&self.text);
        let line = Log::start(&config.telemetry, self.log.clone()).unwrap();
        let process = Process::new(&config, self.clock.clone(), random::system(), line, Vec::new());
        let process = process.opened(&config).await.unwrap();
        let bound = BoundListener::new(&config).unwrap();
        self.service = Service::start(&config, process).unwrap().0;
        self.shutdown = CancellationToken::new();
        let served = Arc::clone(&self.service).serve(bound, self.shutdown.clone());
        self.served = Some(tokio::spawn(served));
        self.is_ready().await;
    }

    /// Waits until the program has reached Entra.
    pub async fn is_ready(&self) {
        for _ in 0..500 {
            if self.internals().entra.ready().is_ok() {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        panic!("Entra was not reached: {:?}", self.internals().entra.ready());
    }

    /// Returns the file that holds the directory, unless the plan names another database.
    pub fn database_file(&self) -> PathBuf {
        self.folder.path().join(DATABASE)
    }

    /// Returns the address of the directory in that file.
    pub fn database(&self) -> String {
        format!("sqlite:{}", self.database_file().display())
    }

    /// Returns the parts inside the program. Stories use them only for what cannot be seen or
    /// caused from outside:
    ///
    /// - `loops`, `step_up`: a session ends although its cookie stays and nobody signed out, as when
    ///   memory is full.
    /// - `recheck::refresh`, `recheck::crowd`: when Entra last answered for one session, and how
    ///   often it was asked. The metrics count all sessions together.
    /// - `recheck::crowd`, `recheck::ends`, `groups::sharing`: thousands of sessions without as
    ///   many sign-ins, a session without a refresh token, and one that is replaced behind its back.
    /// - `recheck::crowd`, `attacks::reloads`, `native::ends`, `native::flood`: that nothing more,
    ///   or something, is under way in the background.
    /// - `attacks::sign_out`: the moment at which a session ends, without a request that would wait
    ///   in the queue under attack.
    /// - `native::life`, `phone::coming_back`: the number of sessions of one person, at once; the
    ///   metric is as old as its last reading.
    /// - `tls::entra`: why Entra is not reached, in words.
    pub fn internals(&self) -> Arc<Sidecar> {
        self.service.sidecar()
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
        self.internals().process.log.finish();
        self.log.text()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.shutdown.cancel();
        self.internals().process.log.finish();
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

/// Returns a port that was free a moment ago, and that no other world in this run has.
pub fn free_port() -> u16 {
    // Below the range that systems assign by themselves (from 32768, or 49152): no process that
    // asks for any port gets it before it is bound.
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let begin = u16::try_from(std::process::id() % 9000).unwrap();
    let next = || 20_000 + (begin + NEXT.fetch_add(1, Ordering::Relaxed)) % 12_000;
    std::iter::repeat_with(next).find(|it| TcpListener::bind(("127.0.0.1", *it)).is_ok()).unwrap()
}
