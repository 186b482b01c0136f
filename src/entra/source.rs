//! What Entra publishes, kept fresh: the discovery document and the keys.
//!
//! Both are read from a snapshot without a lock. What is known stays in use while Entra cannot be asked.

use super::error::Error;
use super::failure::Refusal;
use super::keys::{self, Key, Keys};
use super::metadata::{self, BadMetadata, Metadata};
use super::skew::Skew;
use crate::base::clock::Clock;
use crate::base::domains::Domains;
use crate::base::guid::Guid;
use crate::base::random::Random;
use crate::config::entra::Tenant;
use crate::wire::client::Client;
use arc_swap::ArcSwapOption;
use bytes::Bytes;
use http::Request;
use http::header::ACCEPT;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;

/// How often both are asked for in the background, in seconds (`learn:/signing-key-rollover`).
const REFRESH: u64 = 3600;
/// Longest pause between two tries while nothing is known yet, in seconds.
const STARTING: u64 = 30;
/// Longest pause between two tries while the known keys serve, in seconds.
const LATER: u64 = 15 * 60;
/// An unknown `kid` makes us ask again at most once in so many seconds.
const COOL_DOWN: u64 = 30;
/// While a domain stands for no tenant, the pauses are those after so many failures: four minutes.
const PENDING: u32 = 9;
/// For so many milliseconds a failed first try answers for the next ones too.
const FAILED: u64 = 1000;

const DISCOVERY: &str = "discovery endpoint";
const KEYS: &str = "keys endpoint";

/// What is known of Entra at one moment.
#[derive(Debug)]
pub struct Snapshot {
    /// Where everything is.
    pub metadata: Metadata,
    keys: Keys,
}

/// Asks Entra, one try at a time, and keeps the answers.
#[derive(Debug)]
pub struct Source {
    authority: String,
    tenant: Tenant,
    client: Client,
    clock: Clock,
    random: Random,
    domains: Arc<Domains>,
    known: ArcSwapOption<Snapshot>,
    /// When the last try failed, milliseconds since 1970, and why; gone with the next that succeeds.
    failed: ArcSwapOption<(u64, Error)>,
    turn: Mutex<Turn>,
    /// Whether our clock and Entra's agree.
    pub skew: Skew,
}

/// Held by whoever asks Entra.
#[derive(Debug, Default)]
struct Turn {
    /// When an unknown `kid` last made us ask, seconds since 1970.
    forced: Option<u64>,
    /// Domains that stand for no tenant, as far as the operator was told.
    unknown: Vec<String>,
}

impl Source {
    /// A source that knows nothing yet. `domains` are resolved beside the rest.
    pub fn new(authority: String, tenant: Tenant, domains: Arc<Domains>, client: Client, clock: Clock, random: Random) -> Self {
        let skew = Skew::new(clock.clone());
        Self { authority, tenant, client, clock, random, domains, known: ArcSwapOption::empty(), failed: ArcSwapOption::empty(), turn: Mutex::default(), skew }
    }

    /// Scheme, host and port of the authority.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// What is known.
    pub fn known(&self) -> Option<Arc<Snapshot>> {
        self.known.load_full()
    }

    /// Whether another source asks the same.
    pub fn is_for(&self, other: &Self) -> bool {
        self.authority == other.authority && self.tenant == other.tenant
    }

    /// Takes over what another source knows of the same tenant: a reload in the middle of an outage forgets nothing.
    pub fn inherit(&self, old: &Self) {
        if self.is_for(old) && self.known.load().is_none() {
            self.known.store(old.known());
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
    pub async fn snapshot(&self) -> Result<Arc<Snapshot>, Error> {
        if let Some(known) = self.known() {
            return Ok(known);
        }
        let mut turn = self.turn.lock().await;
        if let Some(known) = self.known() {
            return Ok(known);
        }
        if let Some(failed) = self.failed.load().as_ref().filter(|it| self.clock.now_millis().abs_diff(it.0) < FAILED) {
            return Err(failed.1.clone());
        }
        let outcome = self.ask_all(&mut turn).await;
        drop(turn);
        outcome
    }

    /// The key of that name, and what else is known. A name that is not known makes us ask for the keys, at most once per cool-down.
    ///
    /// # Errors
    /// `UnknownKey`, or why Entra could not be asked.
    pub async fn key(&self, kid: &str) -> Result<(Arc<Snapshot>, Arc<Key>), Error> {
        let snapshot = self.snapshot().await?;
        if let Some(key) = snapshot.keys.find(kid) {
            return Ok((Arc::clone(&snapshot), Arc::clone(key)));
        }
        let mut turn = self.turn.lock().await;
        let now = self.clock.now();
        // Whoever had the turn before may have brought it.
        let mut newest = self.known().unwrap_or(snapshot);
        if newest.keys.find(kid).is_none() && turn.forced.is_none_or(|it| now.abs_diff(it) >= COOL_DOWN) {
            turn.forced = Some(now);
            newest = self.ask_keys(&newest.metadata).await?;
        }
        let key = newest.keys.find(kid).map(Arc::clone).ok_or(Error::UnknownKey)?;
        Ok((newest, key))
    }

    /// Asks for everything again and again, for ever: hourly, and sooner where it failed.
    pub async fn keep_fresh(&self) {
        let mut failures = 0;
        loop {
            let outcome = self.ask_again().await;
            failures = self.told(&outcome, failures);
            let pending = failures == 0 && !self.domains.unknown().is_empty();
            tokio::time::sleep(self.pause(if pending { PENDING } else { failures })).await;
        }
    }

    /// Asks for everything, known or not.
    ///
    /// # Errors
    /// Why Entra could not be asked; what is known stays.
    pub async fn ask_again(&self) -> Result<Arc<Snapshot>, Error> {
        let mut turn = self.turn.lock().await;
        self.ask_all(&mut turn).await
    }

    /// Logs what has changed, and counts failures in a row.
    fn told(&self, outcome: &Result<Arc<Snapshot>, Error>, failures: u32) -> u32 {
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
        let most = if self.known().is_some() { LATER } else { STARTING };
        let (seconds, spread) = match failures {
            0 => (REFRESH, 10),
            _ => (2_u64.saturating_pow(failures - 1).min(most), 2),
        };
        let millis = seconds * 1000;
        Duration::from_millis(millis - millis / spread / 2 + millis / spread * jitter / u64::from(u16::MAX))
    }

    async fn ask_all(&self, turn: &mut Turn) -> Result<Arc<Snapshot>, Error> {
        let asked = async {
            // A domain is resolved once; from then on it is the tenant's id that is asked for.
            let tenant = self.known().and_then(|it| it.metadata.tenant).map_or_else(|| self.tenant.clone(), Tenant::Id);
            let document = self.document(DISCOVERY, &metadata::address(&self.authority, &tenant)).await?;
            let metadata = metadata::read(&document, &self.authority, &tenant)?;
            self.resolve(turn).await;
            self.ask_keys(&metadata).await
        };
        let outcome = asked.await;
        let failed = outcome.as_ref().err().map(|it| Arc::new((self.clock.now_millis(), it.clone())));
        self.failed.store(failed);
        outcome
    }

    /// Resolves the domains that stand for tenants, each once. One that cannot be resolved lets nobody in, and keeps nobody else out.
    async fn resolve(&self, turn: &mut Turn) {
        let mut causes = Vec::new();
        for name in self.domains.unknown() {
            match self.tenant_of(&name).await {
                Ok(id) => self.domains.keep(&name, id),
                Err(cause) => causes.push((name, cause)),
            }
        }
        for (domain, cause) in causes.iter().filter(|it| !turn.unknown.contains(&it.0)) {
            tracing::warn!(domain, %cause, "cannot resolve the domain to a tenant; its people cannot sign in");
        }
        turn.unknown = causes.into_iter().map(|it| it.0).collect();
    }

    async fn tenant_of(&self, domain: &str) -> Result<Guid, Error> {
        let tenant = Tenant::Domain(domain.to_owned());
        let document = self.document(DISCOVERY, &metadata::address(&self.authority, &tenant)).await?;
        let metadata = metadata::read(&document, &self.authority, &tenant)?;
        metadata.tenant.ok_or(Error::Metadata(BadMetadata::Tenant))
    }

    async fn ask_keys(&self, metadata: &Metadata) -> Result<Arc<Snapshot>, Error> {
        let fresh = keys::read(&self.document(KEYS, &metadata.keys).await?)?;
        let old = self.known();
        let (keys, swapped) = old.map(|it| it.keys.clone()).unwrap_or_default().merged(fresh, self.clock.now());
        if swapped {
            tracing::warn!("Entra published a different key with a known kid; keeping the earlier key");
        }
        let snapshot = Arc::new(Snapshot { metadata: metadata.clone(), keys });
        self.known.store(Some(Arc::clone(&snapshot)));
        Ok(snapshot)
    }

    async fn document(&self, endpoint: &'static str, address: &str) -> Result<Bytes, Error> {
        let request = Request::get(address).header(ACCEPT, "application/json").body(Bytes::new()).map_err(|_| Error::Address(endpoint))?;
        let response = self.client.send(request).await.map_err(|cause| Error::Unreachable { endpoint, cause })?;
        self.skew.note(response.headers());
        let status = response.status().as_u16();
        match status {
            200 => Ok(response.into_body()),
            400..=428 => Err(Refusal::of_body(response.body()).map_or(Error::Status { endpoint, status, retry_after: None }, Error::from)),
            _ => Err(Error::Status { endpoint, status, retry_after: None }),
        }
    }
}
