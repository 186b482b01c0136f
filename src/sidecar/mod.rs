//! All components of the running proxy, built once from the configuration.

pub mod app;
pub mod callback_outcomes;
pub mod code_attempts;
pub mod domain_prover;
pub mod expiry;
pub mod guesses;
pub(crate) mod operators_words;
pub mod organizations;
pub mod proxies;
pub(crate) mod saved_sessions;
pub mod typed_secrets;
pub mod watch;

use crate::base::clock::Clock;
use crate::base::domains::TenantDomains;
use crate::base::ids::RequestIds;
use crate::base::random::RandomSource;
use crate::base::site::Site;
use crate::base::target::PathStrictness;
use crate::bearer::access_token::AccessTokens;
use crate::bearer::sessions::BearerSessions;
use crate::config::Config;
use crate::config::directory::UnknownIdentifier;
use crate::config::native::NativeConfig;
use crate::config::server::ProxyTrust;
use crate::directory::{self, Directory};
use crate::entra::EntraRegistration;
use crate::entra::authority_registry::AuthorityRegistry;
use crate::entra::host::AuthorityHost;
use crate::entra::memberships::MembershipCache;
use crate::pages::Pages;
use crate::seal::envelope::Envelope;
use crate::seal::jwk::{KeyDerivationError, SigningKeys};
use crate::seal::keyring::Keyring;
use crate::session::browser_secret::BrowserKeys;
use crate::session::live::LiveSessions;
use crate::session::snapshot::{SessionFolder, SessionFolderError};
use crate::session::store::SessionStore;
use crate::telemetry::log::Log;
use crate::telemetry::metrics::Metrics;
use crate::upstream::{BadUpstream, TunnelTracker};
use crate::wire::client::{self, HttpClient};
use app::App;
use arc_swap::ArcSwapOption;
use callback_outcomes::CallbackOutcomes;
use code_attempts::CodeAttempts;
use domain_prover::DomainProver;
use guesses::GuessCounter;
use organizations::{OrganizationRegistry, RegistrationSet};
use proxies::UntrustedProxies;
use std::sync::Arc;
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;
use typed_secrets::TypedSecrets;
use watch::{DirectoryWatch, WatchedSessions};

/// Maximum number of requests that wait for the database, and of callbacks that wait for Entra,
/// although their clients may have disconnected: anyone can send them.
const MAX_DETACHED_REQUESTS: usize = 1024;

/// State that outlives a reload: sessions, metrics, and the key of a process without a configured
/// secret.
#[derive(Clone, Debug)]
pub struct Process {
    /// The clock.
    pub clock: Clock,
    /// The source of randomness.
    pub random: RandomSource,
    /// Source of the request references.
    pub ids: Arc<RequestIds>,
    /// The live sessions.
    pub live: Arc<LiveSessions>,
    /// Where sessions are kept beyond this process.
    pub store: Arc<SessionStore>,
    /// The folder that keeps them over a restart, if `[session] snapshot` is set.
    pub folder: Option<Arc<SessionFolder>>,
    /// The log.
    pub log: Log,
    /// The metrics.
    pub metrics: Arc<Metrics>,
    /// Upgraded connections.
    pub tunnels: TunnelTracker,
    /// Requests to Entra that no client waits for; the shutdown waits for them.
    pub background: TaskTracker,
    /// Permits to wait for the database on behalf of clients that may have disconnected.
    pub detached: Arc<Semaphore>,
    /// Permits to finish sign-ins of clients that may have disconnected.
    pub detached_callbacks: Arc<Semaphore>,
    /// Recent responses from Graph about people's groups.
    pub memberships: Arc<MembershipCache>,
    /// The registrations of the latest configuration, for tasks that live longer than a request.
    pub newest: Arc<ArcSwapOption<RegistrationSet>>,
    /// Organizations and their people, if `[directory]` is configured.
    pub directory: Option<Directory>,
    /// Until when changes in the directory were applied to restored sessions, in seconds since 1970.
    pub directory_applied_at: Option<u64>,
    /// Limits guesses of usernames and company codes.
    pub guesses: Arc<GuessCounter>,
    /// Limits sign-in codes that Entra refuses.
    pub code_attempts: Arc<CodeAttempts>,
    /// Recent outcomes of callbacks, for callbacks that arrive twice.
    pub callback_outcomes: Arc<CallbackOutcomes>,
    /// Client secrets of set-up forms that were refused because of another field, sealed by
    /// `Sidecar::typed_secrets`.
    pub typed_secrets: Arc<TypedSecrets>,
    /// Limits guesses of codes and tokens of native clients. Separate from the limit of the page:
    /// one device must not block others behind the same carrier.
    pub guessed_tokens: Arc<GuessCounter>,
    /// Limits guesses of links to the set-up page.
    pub guessed_links: Arc<GuessCounter>,
    /// Limits the refusals per client that are recorded for admins: anyone can cause one, and each
    /// is a row.
    pub recorded_refusals: Arc<GuessCounter>,
    /// Seals if `[session] secrets` is empty.
    pub keyring: Arc<Keyring>,
    /// Environment variables that can name a proxy for requests to Entra.
    pub environment: Arc<Vec<(String, String)>>,
}

/// Everything that a request needs.
#[derive(Debug)]
pub struct Sidecar {
    /// The app. Only `flow::handle` and the running process read it here: a request has its app in
    /// `Exchange`.
    pub app: App,
    /// Front proxies whose forwarded headers are trusted, and which of them are passed on.
    pub trust: ProxyTrust,
    /// Peers that sent such headers without being trusted.
    pub untrusted_proxies: UntrustedProxies,
    /// How strictly paths are parsed; the same for all apps, because the target is read before the
    /// app is known.
    pub strictness: PathStrictness,
    /// Sign-in with Entra. If there are organizations, no one signs in with it, but it defines the
    /// recheck intervals.
    pub entra: Arc<EntraRegistration>,
    /// What is known of the tenants' Entra, shared by `entra` and all organizations.
    pub tenants: Arc<AuthorityRegistry>,
    /// Sign-in with each organization's own Entra, if there are organizations.
    pub organizations: Option<Arc<OrganizationRegistry>>,
    /// Proves the domains of organizations.
    pub domains: DomainProver,
    /// Whether `entra` identifies the account before a typed identifier is looked up.
    pub asks_entra: bool,
    /// Native clients, if `[native]` configures any.
    pub native: Option<NativeConfig>,
    /// The sessions of the native clients' access tokens, if `[native]` configures any.
    pub bearer: Option<BearerSessions>,
    /// The pages that people see.
    pub pages: Pages,
    /// Seals sign-ins under way into `state`.
    pub pending: Envelope,
    /// Binds sign-ins under way to their browsers.
    pub browsers: BrowserKeys,
    /// Seals the count of rounds in its cookie.
    pub rounds: Envelope,
    /// Seals sign-outs under way into `state`.
    pub sign_outs: Envelope,
    /// Seals a visit to the set-up page that started with a link.
    pub visits: Envelope,
    /// Seals the client secrets that `Process::typed_secrets` keeps.
    pub typed_secrets: Envelope,
    /// State that outlives a reload.
    pub process: Arc<Process>,
}

/// Why the components cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// `[upstream]`: its certificates cannot be used.
    #[error("[upstream] {0}")]
    Upstream(#[from] BadUpstream),
    /// `[entra]`: the roots or the proxy cannot be used.
    #[error("[entra] {0}")]
    Client(#[from] client::BadHttpClient),
    /// The key for the assertions cannot be derived.
    #[error("[session] {0}")]
    Key(#[from] KeyDerivationError),
    /// `[directory]`: the database cannot be used.
    #[error("[directory] {0}")]
    Directory(#[from] directory::Error),
    /// `[session] snapshot`: the folder cannot be used.
    #[error("[session] {0}")]
    Folder(#[from] SessionFolderError),
    /// The start was interrupted.
    #[error("interrupted")]
    Interrupted,
}

impl Process {
    /// Creates the initial state of a process.
    pub fn new(
        config: &Config,
        clock: Clock,
        random: RandomSource,
        log: Log,
        environment: Vec<(String, String)>,
    ) -> Self {
        let background = TaskTracker::new();
        let live = LiveSessions::new(&config.session, clock.clone(), random.clone());
        let live = Arc::new(live);
        Self {
            memberships: Arc::new(MembershipCache::new(clock.clone(), background.clone())),
            background,
            detached: Arc::new(Semaphore::new(MAX_DETACHED_REQUESTS)),
            detached_callbacks: Arc::new(Semaphore::new(MAX_DETACHED_REQUESTS)),
            store: Arc::new(SessionStore::memory(Arc::clone(&live))),
            live,
            ids: Arc::new(RequestIds::new(&random)),
            keyring: Arc::new(Keyring::new(&[], &random)),
            metrics: Arc::default(),
            tunnels: TunnelTracker::new(),
            newest: Arc::default(),
            folder: None,
            directory: None,
            directory_applied_at: None,
            guesses: Arc::new(GuessCounter::new(clock.clone())),
            code_attempts: Arc::new(CodeAttempts::new(clock.clone())),
            callback_outcomes: Arc::new(CallbackOutcomes::new(clock.clone())),
            typed_secrets: Arc::default(),
            guessed_tokens: Arc::new(GuessCounter::new(clock.clone())),
            guessed_links: Arc::new(GuessCounter::new(clock.clone())),
            recorded_refusals: Arc::new(GuessCounter::new(clock.clone())),
            environment: Arc::new(environment),
            clock,
            random,
            log,
        }
    }

    /// Opens the directory and the folder of sessions, as far as they are configured. Sessions of
    /// the process before are live afterwards.
    ///
    /// # Errors
    /// Why the database or the folder cannot be used.
    pub async fn opened(self, config: &Config) -> Result<Self, Error> {
        let keyring = || Keyring::new(&config.session.secrets, &self.random);
        let directory = match &config.directory {
            Some(wanted) => {
                let (clock, random) = (self.clock.clone(), self.random.clone());
                Some(Directory::open(wanted, &keyring(), clock, random).await?)
            }
            None => None,
        };
        let Some(path) = config.session.snapshot.clone() else {
            return Ok(Self { directory, ..self });
        };
        let (live, random) = (Arc::clone(&self.live), self.random.clone());
        let seal = saved_sessions::seal(config, &self.random);
        let open = move || SessionFolder::open(&path, seal, live, random);
        let (folder, restored) =
            tokio::task::spawn_blocking(open).await.map_err(|_| Error::Interrupted)??;
        let mut process = Self { directory, folder: Some(Arc::new(folder)), ..self };
        if let (Some(directory), Some(as_of)) = (&process.directory, restored.as_of) {
            // People who were switched off in the meantime are not served.
            let applied =
                DirectoryWatch::catch_up(process.watched(directory.clone()), as_of).await?;
            process.directory_applied_at = Some(applied);
        }
        Ok(process)
    }

    /// Seals and recognizes sessions with the secrets of another configuration from now on. Without
    /// secrets, those of the start stay in use.
    pub fn rotate_session_secrets(&self, config: &Config) {
        if config.session.secrets.is_empty() {
            return;
        }
        let keyring = Keyring::new(&config.session.secrets, &self.random);
        self.live.ids().rotate(&keyring);
        if let Some(folder) = &self.folder {
            folder.seal_with(saved_sessions::seal(config, &self.random));
        }
    }

    /// What follows the changes in a directory.
    pub fn watched(&self, directory: Directory) -> WatchedSessions {
        WatchedSessions {
            directory,
            live: Arc::clone(&self.live),
            metrics: Arc::clone(&self.metrics),
            clock: self.clock.clone(),
            random: self.random.clone(),
            applied_until: self.directory_applied_at,
        }
    }

    /// Ends the rows of sign-ins on native clients that have ended here. Runs in the background,
    /// apart from the request that calls it.
    pub fn end_rows_of_ended_sign_ins(&self) {
        let ended = self.live.ended_sign_ins().all();
        let Some(directory) = self.directory.clone().filter(|_| !ended.is_empty()) else {
            return;
        };
        let live = Arc::clone(&self.live);
        self.background.spawn(async move {
            for (client_sign_in, reason) in ended {
                match directory.end_sign_in(client_sign_in, reason).await {
                    Ok(()) => live.ended_sign_ins().forget(client_sign_in),
                    // The sign-in stays ended in this process. The next call tries again.
                    Err(cause) => tracing::error!(%client_sign_in, %cause, "cannot end a native client sign-in in the directory"),
                }
            }
        });
    }
}

fn bearer_sessions(
    native: &NativeConfig,
    keyring: &Keyring,
    site: &Site,
    process: &Process,
) -> Result<BearerSessions, KeyDerivationError> {
    let (clock, random) = (process.clock.clone(), process.random.clone());
    let tokens = AccessTokens::new(
        keyring,
        site.origin(),
        &format!("{}/native", site.prefix()),
        native.access_token.as_secs(),
        clock.clone(),
        random,
    )?;
    let clients = native.clients.iter().map(|it| it.id.clone()).collect();
    Ok(BearerSessions::new(tokens, clients, clock))
}

impl Sidecar {
    /// Builds all components; opens no connection. The strings are warnings for the operator.
    ///
    /// # Errors
    /// `Error` names the section that cannot be used.
    pub fn new(config: &Config, process: Process) -> Result<(Self, Vec<String>), Error> {
        let site = &config.server.site;
        let fresh = (!config.session.secrets.is_empty())
            .then(|| Keyring::new(&config.session.secrets, &process.random));
        // `[session] secrets` may have changed since the database was opened.
        let directory = process
            .directory
            .map(|it| fresh.as_ref().map_or(it.clone(), |keyring| it.sealed_by(keyring)));
        let process = Process { directory, ..process };
        let keyring = fresh.as_ref().unwrap_or(&process.keyring);
        let seal = |purpose| Envelope::new(keyring, purpose, &process.random);
        let domains =
            Arc::new(TenantDomains::new(config.entra.domains().chain(config.access.domains())));
        let (clock, random) = (process.clock.clone(), process.random.clone());
        let app = App::new(
            config,
            Arc::clone(&domains),
            SigningKeys::new(keyring)?,
            clock.clone(),
            random.clone(),
            Arc::clone(&process.metrics),
        )?;
        let bearer = config.native.as_ref();
        let bearer = bearer.map(|it| bearer_sessions(it, keyring, site, &process)).transpose()?;
        let client = HttpClient::new(config.entra.ca_file.as_deref(), &process.environment)?;
        let custom: Vec<_> = config.headers.custom.iter().map(|it| it.1.clone()).collect();
        let host = AuthorityHost { address: config.entra.authority.clone(), client, clock, random };
        let tenants = Arc::new(AuthorityRegistry::new(
            host,
            config.entra.tenant.clone(),
            Arc::clone(&domains),
        ));
        let organizations = process.directory.clone().map(|directory| {
            let defaults = organizations::OrganizationDefaults {
                entra: config.entra.clone(),
                authorities: Arc::clone(&tenants),
                custom: custom.clone(),
            };
            Arc::new(OrganizationRegistry::new(directory, defaults))
        });
        let entra = EntraRegistration::new(&config.entra, tenants.own(), domains, custom);
        let asks_entra =
            config.directory.as_ref().is_some_and(|it| it.unknown == UnknownIdentifier::AskEntra);
        let (pages, warnings) = Pages::of(&config.pages, site.prefix());
        let sidecar = Self {
            app,
            trust: config.server.trust.clone(),
            untrusted_proxies: UntrustedProxies::default(),
            strictness: config.upstream.paths,
            entra: Arc::new(if asks_entra { entra.naming_only() } else { entra }),
            asks_entra,
            native: config.native.clone(),
            bearer,
            domains: DomainProver::new(
                Arc::clone(&tenants),
                config.entra.client_id,
                config.directory.as_ref().and_then(|it| it.dns_server),
            ),
            tenants,
            organizations,
            pages,
            pending: seal("sign-in under way, state"),
            browsers: BrowserKeys::new(keyring),
            rounds: seal("sign-in rounds, cookie"),
            sign_outs: seal("sign-out under way, state"),
            visits: seal("set-up visit"),
            typed_secrets: seal("typed client secret"),
            process: Arc::new(process),
        };
        Ok((sidecar, warnings))
    }

    /// Returns all registrations: the one from `[entra]` and those of the organizations.
    pub fn registrations(&self) -> RegistrationSet {
        RegistrationSet {
            policy: Arc::clone(&self.app.policy),
            entra: Arc::clone(&self.entra),
            organizations: self.organizations.clone(),
        }
    }
}
