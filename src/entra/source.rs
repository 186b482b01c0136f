//! Keeps Entra's published documents up to date: the discovery document and the keys.
//!
//! Both are read from a snapshot without a lock. The last snapshot stays in use while Entra is
//! unreachable.

use super::error::Error;
use super::host::AuthorityHost;
use super::keys::{self, KnownKeys, VerificationKey};
use super::metadata::EntraMetadata;
use super::skew::ClockSkew;
use crate::base::domains::TenantDomains;
use crate::base::guid::Guid;
use crate::config::entra::TenantConfig;
use arc_swap::ArcSwapOption;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;

/// Interval of the background refresh of both documents, in seconds
/// (`learn:/signing-key-rollover`).
pub(super) const REFRESH_INTERVAL_SECONDS: u64 = 3600;
/// Maximum pause between two attempts while there is no snapshot yet, in seconds.
const MAX_STARTUP_PAUSE_SECONDS: u64 = 30;
/// Maximum pause between two attempts while a snapshot is in use, in seconds.
const MAX_RETRY_PAUSE_SECONDS: u64 = 15 * 60;
/// Minimum time between two fetches that an unknown `kid` triggers, in seconds.
pub(super) const KEY_COOL_DOWN_SECONDS: u64 = 30;
/// While a domain is not resolved to a tenant, the pauses are those after this number of failures:
/// four minutes.
const PENDING_DOMAIN_FAILURES: u32 = 9;
/// Time for which a failed first attempt also answers further callers, in milliseconds.
const FAILURE_REUSE_MS: u64 = 1000;

const KEYS_NAME: &str = "keys endpoint";

/// Entra's metadata and keys at one moment.
#[derive(Debug)]
pub struct EntraSnapshot {
    /// The endpoints and the issuer.
    pub metadata: EntraMetadata,
    keys: KnownKeys,
}

/// Fetches Entra's documents, one attempt at a time, and keeps the responses.
#[derive(Debug)]
pub struct EntraSource {
    host: AuthorityHost,
    tenant: TenantConfig,
    domains: Arc<TenantDomains>,
    snapshot: ArcSwapOption<EntraSnapshot>,
    /// The last attempt at everything, if it failed; the next success clears it.
    failed: ArcSwapOption<FailedFetch>,
    turn: Mutex<FetchTurn>,
    /// Difference between the local clock and Entra's.
    pub skew: ClockSkew,
}

/// A fetch that failed: it also answers the callers that waited for it, and nobody later.
#[derive(Debug)]
pub(super) struct FailedFetch {
    /// In milliseconds since 1970.
    at: u64,
    cause: Error,
}

impl FailedFetch {
    pub(super) fn new(at: u64, cause: &Error) -> Self {
        Self { at, cause: cause.clone() }
    }

    /// Returns the cause for another caller at that time, in milliseconds since 1970.
    pub(super) fn cause_at(&self, now: u64) -> Option<Error> {
        (now.abs_diff(self.at) < FAILURE_REUSE_MS).then(|| self.cause.clone())
    }
}

/// State that the task which currently fetches from Entra holds.
#[derive(Debug, Default)]
struct FetchTurn {
    /// When an unknown `kid` last triggered a fetch that succeeded, in seconds since 1970.
    forced: Option<u64>,
    /// The last of these fetches, if it failed.
    failed: Option<FailedFetch>,
    /// Unresolved domains that were already reported to the operator.
    unknown: Vec<String>,
}

impl EntraSource {
    /// Creates an empty source. It also resolves `domains`.
    pub fn new(host: AuthorityHost, tenant: TenantConfig, domains: Arc<TenantDomains>) -> Self {
        let skew = ClockSkew::new(host.clock.clone());
        Self {
            host,
            tenant,
            domains,
            snapshot: ArcSwapOption::empty(),
            failed: ArcSwapOption::empty(),
            turn: Mutex::default(),
            skew,
        }
    }

    /// The authority host, and how it is reached.
    pub fn host(&self) -> &AuthorityHost {
        &self.host
    }

    /// The address at which Entra usually signs people out of this tenant.
    pub fn usual_sign_out_url(&self) -> String {
        format!("{}/{}/oauth2/v2.0/logout", self.host.address, self.tenant().segment())
    }

    /// The tenant. A domain is resolved once; from then on, its tenant's ID counts.
    pub fn tenant(&self) -> TenantConfig {
        self.known()
            .and_then(|it| it.metadata.tenant)
            .map_or_else(|| self.tenant.clone(), TenantConfig::Id)
    }

    /// Returns the current snapshot, if there is one.
    pub fn known(&self) -> Option<Arc<EntraSnapshot>> {
        self.snapshot.load_full()
    }

    /// Whether another source fetches the same documents.
    pub fn is_for(&self, other: &Self) -> bool {
        self.host.address == other.host.address
            && (self.tenant == other.tenant || self.tenant() == other.tenant())
    }

    /// Takes over the snapshot of another source for the same tenant, so that a reload during an
    /// outage loses nothing.
    pub fn inherit(&self, old: &Self) {
        if self.is_for(old) && self.snapshot.load().is_none() {
            self.snapshot.store(old.known());
        }
        if self.host.address == old.host.address {
            self.domains.inherit(&old.domains);
        }
    }

    /// Why there is no snapshot; `None` before the first attempt has ended.
    pub fn failure(&self) -> Option<Error> {
        self.failed.load().as_ref().map(|it| it.cause.clone())
    }

    /// Returns the snapshot; fetches it if there is none. Callers that come during a fetch wait for
    /// its result.
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
        let now = self.host.clock.now_millis();
        if let Some(cause) = self.failed.load().as_ref().and_then(|it| it.cause_at(now)) {
            return Err(cause);
        }
        let outcome = self.fetch_all(&mut turn).await;
        drop(turn);
        outcome
    }

    /// Returns the tenant's key with that `kid`. An unknown `kid` triggers a fetch of the keys, at
    /// most once per cool-down.
    ///
    /// # Errors
    /// `UnknownKey`, or why Entra could not be asked.
    pub async fn key(&self, kid: &str) -> Result<Arc<VerificationKey>, Error> {
        let snapshot = self.snapshot().await?;
        if let Some(key) = snapshot.keys.find(kid) {
            return Ok(Arc::clone(key));
        }
        let mut turn = self.turn.lock().await;
        let now = self.host.clock.now();
        // The previous holder of the turn may have fetched the key.
        let mut newest = self.known().unwrap_or(snapshot);
        if newest.keys.find(kid).is_none()
            && turn.forced.is_none_or(|it| now.abs_diff(it) >= KEY_COOL_DOWN_SECONDS)
        {
            let now_millis = self.host.clock.now_millis();
            if let Some(cause) = turn.failed.as_ref().and_then(|it| it.cause_at(now_millis)) {
                return Err(cause);
            }
            let fetched = self.fetch_keys(&newest.metadata).await;
            turn.failed =
                fetched.as_ref().err().map(|it| FailedFetch::new(self.host.clock.now_millis(), it));
            newest = fetched?;
            // A failed fetch says nothing about the key, so it starts no cool-down.
            turn.forced = Some(now);
        }
        newest.keys.find(kid).map(Arc::clone).ok_or(Error::UnknownKey)
    }

    /// Fetches the keys that are published for one app, and nowhere else.
    ///
    /// # Errors
    /// Why Entra could not be asked.
    pub(in crate::entra) async fn keys_of_app(
        &self,
        app: Guid,
    ) -> Result<Vec<VerificationKey>, Error> {
        let metadata = self.host.discovery(&self.tenant(), Some(app), &self.skew).await?;
        let document = self.host.document(KEYS_NAME, &metadata.keys, &self.skew).await?;
        Ok(keys::read(&document)?)
    }

    /// Refreshes everything forever: hourly, and sooner after a failure.
    pub async fn keep_fresh(&self) {
        let mut failures = 0;
        loop {
            let outcome = self.refetch().await;
            failures = self.report(&outcome, failures);
            let pending = failures == 0 && !self.domains.unknown().is_empty();
            tokio::time::sleep(self.pause(if pending {
                PENDING_DOMAIN_FAILURES
            } else {
                failures
            }))
            .await;
        }
    }

    /// Fetches everything, even if there is a snapshot.
    ///
    /// # Errors
    /// Why Entra could not be asked; the snapshot stays in use.
    pub(in crate::entra) async fn refetch(&self) -> Result<Arc<EntraSnapshot>, Error> {
        let mut turn = self.turn.lock().await;
        self.fetch_all(&mut turn).await
    }

    /// Logs changes, and counts consecutive failures.
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
                    let cause = cause.diagnosis();
                    if self.known().is_some() {
                        tracing::warn!(
                            cause,
                            cached = true,
                            "Entra unreachable; using cached metadata and keys"
                        );
                    } else {
                        tracing::warn!(cause, cached = false, "Entra was not reached yet");
                    }
                }
                failures.saturating_add(1)
            }
        }
    }

    /// Returns the time until the next attempt. Jitter keeps replicas from asking at the same time.
    fn pause(&self, failures: u32) -> Duration {
        let jitter = u64::from(u16::from_be_bytes(self.host.random.bytes()));
        let max_pause = if self.known().is_some() {
            MAX_RETRY_PAUSE_SECONDS
        } else {
            MAX_STARTUP_PAUSE_SECONDS
        };
        let (seconds, spread) = match failures {
            0 => (REFRESH_INTERVAL_SECONDS, 10),
            _ => (2_u64.saturating_pow(failures - 1).min(max_pause), 2),
        };
        let millis = seconds * 1000;
        Duration::from_millis(
            millis - millis / spread / 2 + millis / spread * jitter / u64::from(u16::MAX),
        )
    }

    async fn fetch_all(&self, turn: &mut FetchTurn) -> Result<Arc<EntraSnapshot>, Error> {
        let asked = async {
            let metadata = self.host.discovery(&self.tenant(), None, &self.skew).await?;
            self.resolve(turn).await;
            self.fetch_keys(&metadata).await
        };
        let outcome = asked.await;
        let failed = |it| Arc::new(FailedFetch::new(self.host.clock.now_millis(), it));
        self.failed.store(outcome.as_ref().err().map(failed));
        outcome
    }

    /// Resolves the domains that stand for tenants, each once. A domain that cannot be resolved
    /// admits no one, and does not affect other tenants.
    async fn resolve(&self, turn: &mut FetchTurn) {
        let mut causes = Vec::new();
        for name in self.domains.unknown() {
            match self.host.tenant_of(name.clone(), &self.skew).await {
                Ok(id) => self.domains.record(&name, id),
                Err(cause) => causes.push((name, cause)),
            }
        }
        for (domain, cause) in causes.iter().filter(|it| !turn.unknown.contains(&it.0)) {
            tracing::warn!(domain, %cause, "cannot resolve the domain to a tenant; its people cannot sign in");
        }
        turn.unknown = causes.into_iter().map(|it| it.0).collect();
    }

    async fn fetch_keys(&self, metadata: &EntraMetadata) -> Result<Arc<EntraSnapshot>, Error> {
        let document = self.host.document(KEYS_NAME, &metadata.keys, &self.skew).await?;
        let fresh = keys::read(&document)?;
        let old = self.known();
        let (keys, swapped) =
            old.map(|it| it.keys.clone()).unwrap_or_default().merged(fresh, self.host.clock.now());
        if swapped {
            tracing::warn!(
                "Entra published a different key with a known kid; keeping the earlier key"
            );
        }
        let snapshot = Arc::new(EntraSnapshot { metadata: metadata.clone(), keys });
        self.snapshot.store(Some(Arc::clone(&snapshot)));
        Ok(snapshot)
    }
}
