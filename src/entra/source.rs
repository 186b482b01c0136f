//! What Entra publishes, kept fresh: the discovery document and the keys.
//!
//! Both are read from a snapshot without a lock. What is known stays in use while Entra cannot be asked.

use super::error::Error;
use super::failure::EntraRefusal;
use super::keys::{self, KnownKeys, VerificationKey};
use super::metadata::{self, BadMetadata, EntraMetadata};
use super::skew::ClockSkew;
use crate::base::clock::Clock;
use crate::base::domains::TenantDomains;
use crate::base::guid::Guid;
use crate::base::random::RandomSource;
use crate::config::entra::TenantConfig;
use crate::wire::client::HttpClient;
use arc_swap::ArcSwapOption;
use bytes::Bytes;
use http::Request;
use http::header::ACCEPT;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;

/// How often both are asked for in the background, in seconds (`learn:/signing-key-rollover`).
const REFRESH_INTERVAL_SECONDS: u64 = 3600;
/// Longest pause between two tries while nothing is known yet, in seconds.
const MAX_STARTUP_PAUSE_SECONDS: u64 = 30;
/// Longest pause between two tries while the known keys serve, in seconds.
const MAX_RETRY_PAUSE_SECONDS: u64 = 15 * 60;
/// An unknown `kid` makes us ask again at most once in so many seconds.
const KEY_COOL_DOWN_SECONDS: u64 = 30;
/// While a domain stands for no tenant, the pauses are those after so many failures: four minutes.
const PENDING_DOMAIN_FAILURES: u32 = 9;
/// For so many milliseconds a failed first try answers for the next ones too.
const FAILURE_REUSE_MS: u64 = 1000;

const DISCOVERY_NAME: &str = "discovery endpoint";
const KEYS_NAME: &str = "keys endpoint";

/// What is known of Entra at one moment.
#[derive(Debug)]
pub struct EntraSnapshot {
    /// Where everything is.
    pub metadata: EntraMetadata,
    keys: KnownKeys,
}

/// Asks Entra, one try at a time, and keeps the answers.
#[derive(Debug)]
pub struct EntraSource {
    authority: String,
    tenant: TenantConfig,
    client: HttpClient,
    clock: Clock,
    random: RandomSource,
    domains: Arc<TenantDomains>,
    snapshot: ArcSwapOption<EntraSnapshot>,
    /// When the last try failed, milliseconds since 1970, and why; gone with the next that succeeds.
    failed: ArcSwapOption<(u64, Error)>,
    turn: Mutex<FetchTurn>,
    /// Whether our clock and Entra's agree.
    pub skew: ClockSkew,
}

/// Held by whoever asks Entra.
#[derive(Debug, Default)]
struct FetchTurn {
    /// When an unknown `kid` last made us ask, seconds since 1970.
    forced: Option<u64>,
    /// Domains that stand for no tenant, as far as the operator was told.
    unknown: Vec<String>,
}

impl EntraSource {
    /// A source that knows nothing yet. `domains` are resolved beside the rest.
    pub fn new(authority: String, tenant: TenantConfig, domains: Arc<TenantDomains>, client: HttpClient, clock: Clock, random: RandomSource) -> Self {
        let skew = ClockSkew::new(clock.clone());
        Self {
            authority,
            tenant,
            client,
            clock,
            random,
            domains,
            snapshot: ArcSwapOption::empty(),
            failed: ArcSwapOption::empty(),
            turn: Mutex::default(),
            skew,
        }
    }

    /// Scheme, host and port of the authority.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// What is known.
    pub fn known(&self) -> Option<Arc<EntraSnapshot>> {
        self.snapshot.load_full()
    }

    /// Whether another source asks the same.
    pub fn is_for(&self, other: &Self) -> bool {
        self.authority == other.authority && self.tenant == other.tenant
    }

    /// Takes over what another source knows of the same tenant: a reload in the middle of an outage forgets nothing.
    pub fn inherit(&self, old: &Self) {
        if self.is_for(old) && self.snapshot.load().is_none() {
            self.snapshot.store(old.known());
        }
        if self.authority == old.authority {
            self.domains.inherit(&old.domains);
        }
    }

    /// Why nothing is known; `None` before the first try has ended.
    pub fn failure(&self) -> Option<Error> {
        self.failed.load().as_ref().map(|it| it.1.clone())
    }

    /// What is known; asks where nothing is. Whoever comes while somebody asks waits for that answer.
    ///
    /// # Errors
    /// Why Entra could not be asked.
    pub async fn snapshot(&self) -> Result<Arc<EntraSnapshot>, Error> {
        if let Some(known) = self.known() {
            return Ok(known);
        }
        let mut turn = self.turn.lock().await;
        if let Some(known) = self.known() {
            return Ok(known);
        }
        if let Some(failed) = self.failed.load().as_ref().filter(|it| self.clock.now_millis().abs_diff(it.0) < FAILURE_REUSE_MS) {
            return Err(failed.1.clone());
        }
        let outcome = self.fetch_all(&mut turn).await;
        drop(turn);
        outcome
    }

    /// The key of that name, and what else is known. A name that is not known makes us ask for the keys, at most once per cool-down.
    ///
    /// # Errors
    /// `UnknownKey`, or why Entra could not be asked.
    pub async fn key(&self, kid: &str) -> Result<(Arc<EntraSnapshot>, Arc<VerificationKey>), Error> {
        let snapshot = self.snapshot().await?;
        if let Some(key) = snapshot.keys.find(kid) {
            return Ok((Arc::clone(&snapshot), Arc::clone(key)));
        }
        let mut turn = self.turn.lock().await;
        let now = self.clock.now();
        // Whoever had the turn before may have brought it.
        let mut newest = self.known().unwrap_or(snapshot);
        if newest.keys.find(kid).is_none() && turn.forced.is_none_or(|it| now.abs_diff(it) >= KEY_COOL_DOWN_SECONDS) {
            turn.forced = Some(now);
            newest = self.fetch_keys(&newest.metadata).await?;
        }
        let key = newest.keys.find(kid).map(Arc::clone).ok_or(Error::UnknownKey)?;
        Ok((newest, key))
    }

    /// Asks for everything again and again, for ever: hourly, and sooner where it failed.
    pub async fn keep_fresh(&self) {
        let mut failures = 0;
        loop {
            let outcome = self.refetch().await;
            failures = self.report(&outcome, failures);
            let pending = failures == 0 && !self.domains.unknown().is_empty();
            tokio::time::sleep(self.pause(if pending { PENDING_DOMAIN_FAILURES } else { failures })).await;
        }
    }

    /// Asks for everything, known or not.
    ///
    /// # Errors
    /// Why Entra could not be asked; what is known stays.
    pub async fn refetch(&self) -> Result<Arc<EntraSnapshot>, Error> {
        let mut turn = self.turn.lock().await;
        self.fetch_all(&mut turn).await
    }

    /// Logs what has changed, and counts failures in a row.
    fn report(&self, outcome: &Result<Arc<EntraSnapshot>, Error>, failures: u32) -> u32 {
        match outcome {
            Ok(snapshot) => {
                if failures > 0 {
                    tracing::info!(issuer = snapshot.metadata.issuer, "Entra reachable again");
                }
                0
            }
            Err(cause) => {
                if failures == 0 {
                    tracing::warn!(%cause, cached = self.known().is_some(), "Entra unreachable; using cached metadata and keys");
                }
                failures.saturating_add(1)
            }
        }
    }

    /// Until the next try. No two replicas ask in step.
    fn pause(&self, failures: u32) -> Duration {
        let jitter = u64::from(u16::from_be_bytes(self.random.bytes()));
        let most = if self.known().is_some() { MAX_RETRY_PAUSE_SECONDS } else { MAX_STARTUP_PAUSE_SECONDS };
        let (seconds, spread) = match failures {
            0 => (REFRESH_INTERVAL_SECONDS, 10),
            _ => (2_u64.saturating_pow(failures - 1).min(most), 2),
        };
        let millis = seconds * 1000;
        Duration::from_millis(millis - millis / spread / 2 + millis / spread * jitter / u64::from(u16::MAX))
    }

    async fn fetch_all(&self, turn: &mut FetchTurn) -> Result<Arc<EntraSnapshot>, Error> {
        let asked = async {
            // A domain is resolved once; from then on it is the tenant's id that is asked for.
            let tenant = self.known().and_then(|it| it.metadata.tenant).map_or_else(|| self.tenant.clone(), TenantConfig::Id);
            let document = self.document(DISCOVERY_NAME, &metadata::address(&self.authority, &tenant)).await?;
            let metadata = metadata::read(&document, &self.authority, &tenant)?;
            self.resolve(turn).await;
            self.fetch_keys(&metadata).await
        };
        let outcome = asked.await;
        let failed = outcome.as_ref().err().map(|it| Arc::new((self.clock.now_millis(), it.clone())));
        self.failed.store(failed);
        outcome
    }

    /// Resolves the domains that stand for tenants, each once. One that cannot be resolved lets nobody in, and keeps nobody else out.
    async fn resolve(&self, turn: &mut FetchTurn) {
        let mut causes = Vec::new();
        for name in self.domains.unknown() {
            match self.tenant_of(&name).await {
                Ok(id) => self.domains.record(&name, id),
                Err(cause) => causes.push((name, cause)),
            }
        }
        for (domain, cause) in causes.iter().filter(|it| !turn.unknown.contains(&it.0)) {
            tracing::warn!(domain, %cause, "cannot resolve the domain to a tenant; its people cannot sign in");
        }
        turn.unknown = causes.into_iter().map(|it| it.0).collect();
    }

    async fn tenant_of(&self, domain: &str) -> Result<Guid, Error> {
        let tenant = TenantConfig::Domain(domain.to_owned());
        let document = self.document(DISCOVERY_NAME, &metadata::address(&self.authority, &tenant)).await?;
        let metadata = metadata::read(&document, &self.authority, &tenant)?;
        metadata.tenant.ok_or(Error::Metadata(BadMetadata::Tenant))
    }

    async fn fetch_keys(&self, metadata: &EntraMetadata) -> Result<Arc<EntraSnapshot>, Error> {
        let fresh = keys::read(&self.document(KEYS_NAME, &metadata.keys).await?)?;
        let old = self.known();
        let (keys, swapped) = old.map(|it| it.keys.clone()).unwrap_or_default().merged(fresh, self.clock.now());
        if swapped {
            tracing::warn!("Entra published a different key with a known kid; keeping the earlier key");
        }
        let snapshot = Arc::new(EntraSnapshot { metadata: metadata.clone(), keys });
        self.snapshot.store(Some(Arc::clone(&snapshot)));
        Ok(snapshot)
    }

    async fn document(&self, endpoint: &'static str, address: &str) -> Result<Bytes, Error> {
        let request = Request::get(address).header(ACCEPT, "application/json").body(Bytes::new()).map_err(|_| Error::Address(endpoint))?;
        let response = self.client.send(request).await.map_err(|cause| Error::Unreachable { endpoint, cause })?;
        self.skew.note(response.headers());
        let status = response.status().as_u16();
        match status {
            200 => Ok(response.into_body()),
            400..=428 => Err(EntraRefusal::of_body(response.body()).map_or(Error::Status { endpoint, status, retry_after: None }, Error::from)),
            _ => Err(Error::Status { endpoint, status, retry_after: None }),
        }
    }
}
