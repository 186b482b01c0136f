//! What a test may do to the emulator.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use crate::base::clock::Clock;

use super::assertions::{AssertionRegistry, FederatedIssuer};
use super::faults::{ActiveFault, GraphFault, TokenFault};
use super::keys::{KeyFamily, KeySet, SigningKey};
use super::person_overrides::PersonOverrides;
use super::secrets::{SecretChanges, SecretCheck};
use super::token_defect::TokenDefect;

/// A refusal of the token endpoint, as a test wants it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InjectedRefusal {
    /// The OAuth error (RFC 6749 section 5.2), such as `invalid_grant`.
    pub error: String,
    /// The number after AADSTS.
    pub code: u32,
    /// Entra's finer reason, such as `bad_token`.
    pub suberror: Option<String>,
    /// A claims challenge: JSON in a string.
    pub claims: Option<String>,
}

/// How often each endpoint was asked.
#[derive(Default)]
pub(super) struct EndpointCounters {
    pub(super) all: AtomicU64,
    pub(super) token: AtomicU64,
    pub(super) codes: AtomicU64,
    pub(super) refresh: AtomicU64,
    pub(super) app: AtomicU64,
    pub(super) reused: AtomicU64,
    pub(super) authorize: AtomicU64,
    pub(super) published: AtomicU64,
    pub(super) discovery: AtomicU64,
    pub(super) graph: AtomicU64,
}

/// Levers and counters for tests in the same process.
pub struct EmulatorControl {
    clock: Clock,
    keys: watch::Sender<Option<Arc<KeySet>>>,
    down: AtomicBool,
    slow: AtomicU64,
    single_use: AtomicBool,
    token_defects: Mutex<VecDeque<TokenDefect>>,
    refused: Mutex<VecDeque<InjectedRefusal>>,
    front_channel: Mutex<Option<String>>,
    page_size: AtomicU64,
    pub(super) token_faults: ActiveFault<TokenFault>,
    pub(super) graph_faults: ActiveFault<GraphFault>,
    pub(super) changed: PersonOverrides,
    pub(super) secrets: SecretChanges,
    pub(super) assertions: AssertionRegistry,
    pub(super) counters: EndpointCounters,
}

/// Adds one.
pub(super) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl EmulatorControl {
    pub(super) fn new(clock: Clock) -> Self {
        Self {
            clock,
            keys: watch::Sender::new(None),
            down: AtomicBool::new(false),
            slow: AtomicU64::new(0),
            single_use: AtomicBool::new(false),
            token_defects: Mutex::default(),
            refused: Mutex::default(),
            front_channel: Mutex::default(),
            page_size: AtomicU64::new(100),
            token_faults: ActiveFault::new(),
            graph_faults: ActiveFault::new(),
            changed: PersonOverrides::default(),
            secrets: SecretChanges::default(),
            assertions: AssertionRegistry::default(),
            counters: EndpointCounters::default(),
        }
    }

    /// Makes a new key that signs from now on; the old ones stay published. False when no key could be made.
    pub async fn rotate_keys(&self) -> bool {
        let now = self.clock.now();
        let fresh = tokio::task::spawn_blocking(move || SigningKey::generate(KeyFamily::Public, now)).await;
        let Ok(Ok(fresh)) = fresh else {
            self.keys.send_modify(|keys| {
                keys.get_or_insert_default();
            });
            return false;
        };
        self.keys.send_modify(|keys| {
            let old = keys.take().unwrap_or_default();
            *keys = Some(Arc::new(std::iter::once(Arc::new(fresh)).chain(old.iter().cloned()).collect()));
        });
        true
    }

    /// Waits for the first key. Empty when it could not be made.
    pub(super) async fn keys(&self) -> Arc<KeySet> {
        let mut seen = self.keys.subscribe();
        seen.wait_for(Option::is_some).await.ok().and_then(|it| it.clone()).unwrap_or_default()
    }

    /// Whether everything answers 503 from now on.
    pub fn be_down(&self, down: bool) {
        self.down.store(down, Ordering::Relaxed);
    }

    pub(super) fn is_down(&self) -> bool {
        self.down.load(Ordering::Relaxed)
    }

    /// How many milliseconds each answer is held back from now on.
    pub fn be_slow(&self, millis: u64) {
        self.slow.store(millis, Ordering::Relaxed);
    }

    pub(super) fn delay(&self) -> u64 {
        self.slow.load(Ordering::Relaxed)
    }

    /// Makes the next ID token wrong, once; several calls queue up.
    pub fn wrong(&self, wrong: TokenDefect) {
        locked(&self.token_defects).push_back(wrong);
    }

    /// Whether the next token needs a key of another family.
    pub(super) fn is_next_token_of_another_family(&self) -> bool {
        locked(&self.token_defects).front().is_some_and(|it| it.is_of_another_family())
    }

    pub(super) fn next_wrong(&self) -> Option<TokenDefect> {
        locked(&self.token_defects).pop_front()
    }

    /// Whether a refresh token that was redeemed is refused from now on. Entra's stay good; this is the stricter rule of others.
    pub fn single_use_refresh(&self, on: bool) {
        self.single_use.store(on, Ordering::Relaxed);
    }

    pub(super) fn is_single_use(&self) -> bool {
        self.single_use.load(Ordering::Relaxed)
    }

    /// Takes back everything that was granted to that person: refresh tokens, codes, and the session at the emulator (AADSTS50173).
    pub fn revoke(&self, oid: &str) {
        self.changed.revoke(oid);
    }

    /// Switches that account off or on (AADSTS50057).
    pub fn disable(&self, oid: &str, disabled: bool) {
        self.changed.disable(oid, disabled);
    }

    /// Gives that person these app roles and no other, from the next token on.
    pub fn set_roles(&self, oid: &str, roles: Vec<String>) {
        self.changed.roles(oid, roles);
    }

    /// Gives that person another sign-in name (`preferred_username`), from the next token on. The picker shows the one before.
    pub fn set_user_name(&self, oid: &str, user_name: &str) {
        self.changed.user_name(oid, user_name);
    }

    /// Gives that person another mail address, from the next token on; `verified` is what Entra says of its domain (`xms_edov`).
    pub fn set_email(&self, oid: &str, email: &str, verified: bool) {
        self.changed.email(oid, email, verified);
    }

    /// Puts that person into these groups and no other, from the next token and the next question to Graph on.
    pub fn set_groups(&self, oid: &str, groups: Vec<String>) {
        self.changed.groups(oid, groups);
    }

    /// Refuses the next token request of a known client, whatever it redeems; several calls queue up. Nothing is redeemed.
    pub fn refuse_next_token(&self, refused: InjectedRefusal) {
        locked(&self.refused).push_back(refused);
    }

    pub(super) fn next_refused(&self) -> Option<InjectedRefusal> {
        locked(&self.refused).pop_front()
    }

    /// Refuses each refresh of that person with the code of the table until `allow_refresh`. False when the code is not in it.
    pub fn refuse_refresh(&self, oid: &str, code: u32) -> bool {
        let known = super::refusals::of(code).is_some();
        if known {
            self.changed.refuse(oid, Some(code));
        }
        known
    }

    /// Takes `refuse_refresh` back.
    pub fn allow_refresh(&self, oid: &str) {
        self.changed.refuse(oid, None);
    }

    /// Adds a client secret to the registration: it works beside those that do.
    pub fn add_secret(&self, secret: &str) {
        self.secrets.set(secret, SecretCheck::Good);
    }

    /// Lets a client secret expire (AADSTS7000222).
    pub fn expire_secret(&self, secret: &str) {
        self.secrets.set(secret, SecretCheck::Expired);
    }

    /// Uploads a certificate in DER to the registrations: apps may prove themselves by it. False where it is none of an RSA key.
    pub fn add_certificate(&self, der: &[u8]) -> bool {
        self.assertions.add(der)
    }

    /// Lets the registrations trust another issuer for one subject (a federated identity credential).
    pub fn trust(&self, trusted: FederatedIssuer) {
        self.assertions.trust(trusted);
    }

    /// Makes the token endpoint faulty for that many calls, or for `UNTIL_CLEARED`.
    pub fn token_answer(&self, fault: TokenFault, calls: u64) {
        self.token_faults.set(fault, calls);
    }

    /// Takes `token_answer` back. A call that hangs already goes on to.
    pub fn clear_token_answer(&self) {
        self.token_faults.clear();
    }

    /// Makes Graph faulty for that many calls, or for `UNTIL_CLEARED`.
    pub fn graph(&self, fault: GraphFault, calls: u64) {
        self.graph_faults.set(fault, calls);
    }

    /// Takes `graph` back.
    pub fn clear_graph(&self) {
        self.graph_faults.clear();
    }

    /// How many groups stand on one page of Graph's answer, 1 at least; 100 unless it is set.
    pub fn graph_page(&self, groups: u64) {
        self.page_size.store(groups.max(1), Ordering::Relaxed);
    }

    pub(super) fn page_size(&self) -> usize {
        usize::try_from(self.page_size.load(Ordering::Relaxed)).unwrap_or(usize::MAX)
    }

    /// Registers the app's front-channel logout URL, or none. The sign-out page then asks it in a frame, with `sid` alone.
    pub fn front_channel_url(&self, url: Option<&str>) {
        *locked(&self.front_channel) = url.map(str::to_owned);
    }

    pub(super) fn front_channel(&self) -> Option<String> {
        locked(&self.front_channel).clone()
    }

    /// How often anything was asked.
    pub fn calls(&self) -> u64 {
        self.counters.all.load(Ordering::Relaxed)
    }

    /// How often the token endpoint was asked.
    pub fn token_calls(&self) -> u64 {
        self.counters.token.load(Ordering::Relaxed)
    }

    /// How often the token endpoint was asked to redeem a code.
    pub fn code_calls(&self) -> u64 {
        self.counters.codes.load(Ordering::Relaxed)
    }

    /// How often the token endpoint was asked to redeem a refresh token.
    pub fn refresh_calls(&self) -> u64 {
        self.counters.refresh.load(Ordering::Relaxed)
    }

    /// How often the token endpoint was asked for a token of the app itself.
    pub fn app_calls(&self) -> u64 {
        self.counters.app.load(Ordering::Relaxed)
    }

    /// How often a refresh token came that had been redeemed before, whether that is refused or not.
    pub fn reused_refresh_tokens(&self) -> u64 {
        self.counters.reused.load(Ordering::Relaxed)
    }

    /// How often the authorize endpoint was asked.
    pub fn authorize_calls(&self) -> u64 {
        self.counters.authorize.load(Ordering::Relaxed)
    }

    /// How often the keys were asked for.
    pub fn keys_calls(&self) -> u64 {
        self.counters.published.load(Ordering::Relaxed)
    }

    /// How often a discovery document was asked for.
    pub fn discovery_calls(&self) -> u64 {
        self.counters.discovery.load(Ordering::Relaxed)
    }

    /// How often Graph was asked.
    pub fn graph_calls(&self) -> u64 {
        self.counters.graph.load(Ordering::Relaxed)
    }
}
