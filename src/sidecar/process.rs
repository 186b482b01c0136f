//! State of a running process that outlives a reload of the configuration.

use super::callback_outcomes::CallbackOutcomes;
use super::code_attempts::CodeAttempts;
use super::error::Error;
use super::guesses::GuessCounter;
use super::organizations::RegistrationSet;
use super::saved_sessions;
use super::typed_secrets::TypedSecrets;
use super::watch::{DirectoryWatch, WatchedSessions};
use crate::base::clock::Clock;
use crate::base::ids::RequestIds;
use crate::base::random::RandomSource;
use crate::config::Config;
use crate::config::session::StoreConfig;
use crate::directory::Directory;
use crate::entra::memberships::MembershipCache;
use crate::seal::keyring::Keyring;
use crate::session::live::LiveSessions;
use crate::session::snapshot::SessionFolder;
use crate::session::store::{CookieStore, RedisStore, SessionStore};
use crate::telemetry::log::Log;
use crate::telemetry::metrics::Metrics;
use crate::upstream::TunnelTracker;
use arc_swap::ArcSwapOption;
use std::sync::Arc;
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;

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
    /// the process before are live afterwards. Waits until that process has handed them over.
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
        let store = self.open_store(config, directory.clone())?;
        let Some(path) = config.session.snapshot.clone() else {
            return Ok(Self { store, directory, ..self });
        };
        let (live, random) = (Arc::clone(&self.live), self.random.clone());
        let seal = saved_sessions::seal(config, &self.random);
        let (folder, restored) = saved_sessions::open(path, seal, live, random).await?;
        let mut process = Self { directory, folder: Some(Arc::new(folder)), ..self };
        if let (Some(directory), Some(as_of)) = (&process.directory, restored.as_of) {
            // People who were switched off in the meantime are not served.
            let applied =
                DirectoryWatch::catch_up(process.watched(directory.clone()), as_of).await?;
            process.directory_applied_at = Some(applied);
        }
        Ok(process)
    }

    fn open_store(
        &self,
        config: &Config,
        directory: Option<Directory>,
    ) -> Result<Arc<SessionStore>, Error> {
        let (live, random) = (Arc::clone(&self.live), self.random.clone());
        Ok(match &config.session.store {
            StoreConfig::Memory => Arc::clone(&self.store),
            StoreConfig::Cookie => {
                let settings = saved_sessions::cookie_settings(config, &random);
                let store = CookieStore::new(live, directory, settings);
                Arc::new(SessionStore::Cookie(store))
            }
            StoreConfig::Redis(redis) => {
                let store = RedisStore::new(&config.session, redis, live, directory, random)?;
                Arc::new(SessionStore::Redis(Arc::new(store)))
            }
        })
    }

    /// Seals and recognizes sessions with the secrets of another configuration from now on. Without
    /// secrets, those of the start stay in use.
    pub fn rotate_session_secrets(&self, config: &Config) {
        if config.session.secrets.is_empty() {
            return;
        }
        let keyring = Keyring::new(&config.session.secrets, &self.random);
        self.live.ids().rotate(&keyring);
        self.store.rotate(&keyring);
        if let SessionStore::Cookie(store) = self.store.as_ref() {
            store.use_settings(saved_sessions::cookie_settings(config, &self.random));
        }
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
