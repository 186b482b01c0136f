//! The furnished house: one field a module, built once from the configuration.

pub mod code_attempts;
pub mod expiry;
pub mod guesses;
pub mod organizations;
pub mod proxies;
pub mod watch;

use crate::access::policy::Policy;
use crate::base::clock::Clock;
use crate::base::domains::TenantDomains;
use crate::base::ids::RequestIds;
use crate::base::random::RandomSource;
use crate::base::site::Site;
use crate::base::target::PathStrictness;
use crate::config::Config;
use crate::config::directory::UnknownIdentifier;
use crate::config::native::NativeConfig;
use crate::config::server::TrustedProxies;
use crate::directory::{self, Directory};
use crate::entra::Entra;
use crate::entra::memberships::MembershipCache;
use crate::headers::access_token::AccessTokens;
use crate::headers::audience::RouteAudiences;
use crate::headers::identity::IdentityHeaderWriter;
use crate::pages::Pages;
use crate::seal::envelope::Envelope;
use crate::seal::jwk::{KeyDerivationError, SigningKeys};
use crate::seal::keyring::Keyring;
use crate::session::bearer_cache::BearerCache;
use crate::session::store::SessionStore;
use crate::telemetry::log::Log;
use crate::telemetry::metrics::Metrics;
use crate::upstream::{BadUpstream, TunnelTracker, Upstream};
use crate::wire::client::{self, HttpClient};
use crate::wire::cookies::CookieNames;
use arc_swap::ArcSwapOption;
use code_attempts::CodeAttempts;
use guesses::GuessCounter;
use organizations::{Authorities, OrganizationRegistry};
use proxies::UntrustedProxies;
use std::sync::Arc;
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;

/// Requests that wait for the database although their clients may be gone: anybody can send them.
const MAX_DETACHED: usize = 1024;

/// What outlives a reload: sessions, figures, and the key of a process that was given no secret.
#[derive(Clone, Debug)]
pub struct Process {
    /// The time.
    pub clock: Clock,
    /// Randomness.
    pub random: RandomSource,
    /// References for requests.
    pub ids: Arc<RequestIds>,
    /// The sessions.
    pub store: Arc<SessionStore>,
    /// The log.
    pub log: Log,
    /// The figures.
    pub metrics: Arc<Metrics>,
    /// Upgraded connections.
    pub tunnels: TunnelTracker,
    /// What is under way at Entra for nobody who waits; the end of the process waits for it.
    pub background: TaskTracker,
    /// Leave to wait for the database for a client that may be gone already.
    pub detached: Arc<Semaphore>,
    /// What Graph said of people lately.
    pub memberships: Arc<MembershipCache>,
    /// Entra as the newest configuration has it, for what lives longer than a request.
    pub newest: Arc<ArcSwapOption<Authorities>>,
    /// Organizations and their people, where `[directory]` keeps them.
    pub directory: Option<Directory>,
    /// Who typed what nobody is called, lately.
    pub guesses: Arc<GuessCounter>,
    /// Who brought sign-in codes that Entra refused.
    pub code_attempts: Arc<CodeAttempts>,
    /// Who sent codes and tokens of native clients that there are none of. Apart from the page's: one device must not make a carrier's others wait.
    pub guessed_tokens: Arc<GuessCounter>,
    /// Who used links for the set-up page that there are none of.
    pub guessed_links: Arc<GuessCounter>,
    /// From where refusals came that admins are shown: anybody can bring one about, and each is a row.
    pub recorded_refusals: Arc<GuessCounter>,
    /// Seals where `[session] secrets` is empty.
    pub keyring: Arc<Keyring>,
    /// The environment that names a proxy towards Entra.
    pub environment: Arc<Vec<(String, String)>>,
}

/// Everything that a request needs.
#[derive(Debug)]
pub struct Sidecar {
    /// Our public address.
    pub site: Site,
    /// What our cookies are called.
    pub names: CookieNames,
    /// Whose forwarded headers are believed.
    pub trust: TrustedProxies,
    /// Who sent such headers without being believed.
    pub untrusted_proxies: UntrustedProxies,
    /// How strictly paths are read.
    pub strictness: PathStrictness,
    /// Sign-in at Entra; where there are organizations, nobody signs in by it, but how often Entra is asked is said here.
    pub entra: Arc<Entra>,
    /// Sign-in at each organization's own Entra, where there are organizations.
    pub organizations: Option<Arc<OrganizationRegistry>>,
    /// Whether `entra` says whose account it is before anything that was typed is looked up.
    pub asks_entra: bool,
    /// Clients on phones and command lines, where `[native]` names any.
    pub native: Option<NativeConfig>,
    /// Access tokens for them.
    pub access_tokens: Option<AccessTokens>,
    /// Those that were verified lately, as this configuration has the clients.
    pub bearers: BearerCache,
    /// Who may.
    pub policy: Arc<Policy>,
    /// What the app hears.
    pub headers: IdentityHeaderWriter,
    /// The app.
    pub upstream: Upstream,
    /// What people see.
    pub pages: Pages,
    /// Seals a sign-in under way.
    pub pending: Envelope,
    /// Seals the count of rounds, in its cookie.
    pub rounds: Envelope,
    /// Seals the count of rounds, in `state`.
    pub state: Envelope,
    /// Seals a visit of the set-up page that began with a link.
    pub visits: Envelope,
    /// What outlives a reload.
    pub process: Arc<Process>,
}

/// Why the house cannot be furnished.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// `[upstream]`: its certificates cannot be used.
    #[error("[upstream] {0}")]
    Upstream(#[from] BadUpstream),
    /// `[entra]`: the roots or the proxy cannot be used.
    #[error("[entra] {0}")]
    Client(#[from] client::BadHttpClient),
    /// The assertion cannot be signed.
    #[error("[session] {0}")]
    Key(#[from] KeyDerivationError),
    /// `[directory]`: the database cannot be used.
    #[error("[directory] {0}")]
    Directory(#[from] directory::Error),
}

impl Process {
    /// What a process begins with.
    pub fn new(config: &Config, clock: Clock, random: RandomSource, log: Log, environment: Vec<(String, String)>) -> Self {
        let background = TaskTracker::new();
        Self {
            memberships: Arc::new(MembershipCache::new(clock.clone(), background.clone())),
            background,
            detached: Arc::new(Semaphore::new(MAX_DETACHED)),
            store: Arc::new(SessionStore::new(&config.session, clock.clone(), random.clone())),
            ids: Arc::new(RequestIds::new(&random)),
            keyring: Arc::new(Keyring::new(&[], &random)),
            metrics: Arc::default(),
            tunnels: TunnelTracker::new(),
            newest: Arc::default(),
            directory: None,
            guesses: Arc::new(GuessCounter::new(clock.clone())),
            code_attempts: Arc::new(CodeAttempts::new(clock.clone())),
            guessed_tokens: Arc::new(GuessCounter::new(clock.clone())),
            guessed_links: Arc::new(GuessCounter::new(clock.clone())),
            recorded_refusals: Arc::new(GuessCounter::new(clock.clone())),
            environment: Arc::new(environment),
            clock,
            random,
            log,
        }
    }

    /// The same with the directory open, where the configuration has one.
    ///
    /// # Errors
    /// Why its database cannot be used.
    pub async fn opened(self, config: &Config) -> Result<Self, Error> {
        let Some(wanted) = &config.directory else { return Ok(self) };
        let keyring = Keyring::new(&config.session.secrets, &self.random);
        let directory = Directory::open(wanted, &keyring, self.clock.clone(), self.random.clone()).await?;
        Ok(Self { directory: Some(directory), ..self })
    }
}

impl Sidecar {
    /// Builds everything; opens no connection. The strings are warnings for the operator.
    ///
    /// # Errors
    /// `Error` names the section that cannot be used.
    pub fn new(config: &Config, process: Process) -> Result<(Self, Vec<String>), Error> {
        let site = config.server.site.clone();
        let fresh = (!config.session.secrets.is_empty()).then(|| Keyring::new(&config.session.secrets, &process.random));
        // `[session] secrets` may have changed since the database was opened.
        let directory = process.directory.map(|it| fresh.as_ref().map_or(it.clone(), |keyring| it.sealed_by(keyring)));
        let process = Process { directory, ..process };
        let keyring = fresh.as_ref().unwrap_or(&process.keyring);
        let seal = |purpose| Envelope::new(keyring, purpose, &process.random);
        let domains = Arc::new(TenantDomains::new(config.entra.domains().chain(config.access.domains())));
        let policy = Policy::compile(&config.access, Arc::clone(&domains));
        let named = policy.named().map(str::to_owned).collect();
        let (clock, random) = (process.clock.clone(), process.random.clone());
        let audiences = config.upstream.routes.iter().map(|it| it.audience.as_deref());
        let audiences = RouteAudiences::new(config.upstream.routes(), audiences, &config.headers.assertion.audience);
        let headers = IdentityHeaderWriter::new(&config.headers, site.origin(), named, audiences, SigningKeys::new(keyring)?, clock.clone(), random.clone());
        let passes = config.native.as_ref().map(|it| {
            let place = format!("{}/native", site.prefix());
            AccessTokens::new(keyring, site.origin(), &place, it.access_token.as_secs(), clock.clone(), random.clone())
        });
        let passes = passes.transpose()?;
        let client = HttpClient::new(config.entra.ca_file.as_deref(), &process.environment)?;
        let custom: Vec<_> = config.headers.custom.iter().map(|it| it.1.clone()).collect();
        let organizations = process.directory.clone().map(|directory| {
            let place = organizations::OrganizationDefaults {
                entra: config.entra.clone(),
                redirect_uri: site.redirect_uri(),
                client: client.clone(),
                custom: custom.clone(),
            };
            Arc::new(OrganizationRegistry::new(directory, place, clock.clone(), random.clone()))
        });
        let entra = Entra::new(&config.entra, site.redirect_uri(), domains, clock, random, client, custom);
        let asks_entra = config.directory.as_ref().is_some_and(|it| it.unknown == UnknownIdentifier::AskEntra);
        let (pages, warnings) = Pages::new(config.pages.templates.as_deref());
        let sidecar = Self {
            names: CookieNames::new(site.is_https()),
            trust: config.server.trusted_proxies.clone(),
            untrusted_proxies: UntrustedProxies::default(),
            strictness: config.upstream.paths,
            entra: Arc::new(if asks_entra { entra.naming_only() } else { entra }),
            asks_entra,
            native: config.native.clone(),
            access_tokens: passes,
            bearers: BearerCache::default(),
            organizations,
            policy: Arc::new(policy),
            headers,
            upstream: Upstream::new(&config.upstream, &config.server.limits)?,
            pages,
            pending: seal("sign-in under way"),
            rounds: seal("sign-in rounds, cookie"),
            state: seal("sign-in rounds, state"),
            visits: seal("set-up visit"),
            site,
            process: Arc::new(process),
        };
        Ok((sidecar, warnings))
    }

    /// Everywhere that people sign in.
    pub fn authorities(&self) -> Authorities {
        Authorities { policy: Arc::clone(&self.policy), entra: Arc::clone(&self.entra), organizations: self.organizations.clone() }
    }
}
