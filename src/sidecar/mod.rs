//! All components of the running proxy, built once from the configuration.

pub mod app;
mod bearer;
pub mod callback_outcomes;
pub mod code_attempts;
pub mod domain_prover;
mod error;
pub mod expiry;
pub mod guesses;
pub(crate) mod operators_words;
pub mod organizations;
mod process;
pub mod proxies;
pub(crate) mod saved_sessions;
pub mod typed_secrets;
pub mod watch;

use crate::base::domains::TenantDomains;
use crate::base::target::PathStrictness;
use crate::bearer::sessions::BearerSessions;
use crate::config::Config;
use crate::config::directory::UnknownIdentifier;
use crate::config::native::NativeConfig;
use crate::config::server::ProxyTrust;
use crate::entra::EntraRegistration;
use crate::entra::authority_registry::AuthorityRegistry;
use crate::entra::host::AuthorityHost;
use crate::pages::Pages;
use crate::seal::envelope::Envelope;
use crate::seal::jwk::SigningKeys;
use crate::seal::keyring::Keyring;
use crate::session::browser_secret::BrowserKeys;
use crate::wire::client::HttpClient;
use app::App;
use domain_prover::DomainProver;
pub use error::Error;
use organizations::{OrganizationRegistry, RegistrationSet};
pub use process::Process;
use proxies::UntrustedProxies;
use std::sync::Arc;

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
        let native = config.native.as_ref();
        let bearer = native
            .map(|it| bearer::sessions(it, keyring, site, clock.clone(), random.clone()))
            .transpose()?;
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
