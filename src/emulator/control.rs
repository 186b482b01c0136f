//! The controls that tests have over the emulator.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use crate::base::clock::Clock;

use super::assertions::{AssertionRegistry, FederatedIssuer};
use super::faults::{ActiveFault, GraphFault, TokenFault};
use super::keys::{KeyFamily, KeySet, SigningKey};
use super::person_overrides::PersonOverrides;
use super::refresh_uses::{RefreshUse, RefreshUses};
use super::secrets::{SecretChanges, SecretCheck};
use super::token_changes::TokenChanges;
use super::token_defect::TokenDefect;

/// A refusal that a test defines for the token endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InjectedRefusal {
    /// The OAuth error (RFC 6749 section 5.2), such as `invalid_grant`.
    pub error: String,
    /// The number after `AADSTS`.
    pub code: u32,
    /// Entra's more detailed reason, such as `bad_token`.
    pub suberror: Option<String>,
    /// A claims challenge: JSON in a string.
    pub claims: Option<String>,
}

/// The number of calls to each endpoint.
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

/// Controls and counters for tests in the same process.
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
    pub(super) tokens: TokenChanges,
    pub(super) secrets: SecretChanges,
    pub(super) assertions: AssertionRegistry,
    pub(super) counters: EndpointCounters,
    pub(super) refresh_uses: RefreshUses,
}

/// Increments a counter.
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
            tokens: TokenChanges::default(),
            secrets: SecretChanges::default(),
            assertions: AssertionRegistry::default(),
            counters: EndpointCounters::default(),
            refresh_uses: RefreshUses::default(),
        }
    }

    /// Creates a new key that signs from now on; the old keys stay published. Returns `false` if no
    /// key could be created.
    pub async fn rotate_keys(&self) -> bool {
        let now = self.clock.now();
        let fresh =
            tokio::task::spawn_blocking(move || SigningKey::generate(KeyFamily::Public, now)).await;
        let Ok(Ok(fresh)) = fresh else {
            self.keys.send_modify(|keys| {
                keys.get_or_insert_default();
            });
            return false;
        };
        self.keys.send_modify(|keys| {
            let old = keys.take().unwrap_or_default();
            *keys = Some(Arc::new(
                std::iter::once(Arc::new(fresh)).chain(old.iter().cloned()).collect(),
            ));
        });
        true
    }

    /// Gives an app a key of its own, as with claims mapping: it signs the app's ID tokens from now
    /// on, and is published only under `?appid=`. Returns `false` if no key could be created.
    pub async fn add_own_key(&self, client_id: &str) -> bool {
        let now = self.clock.now();
        let fresh =
            tokio::task::spawn_blocking(move || SigningKey::generate(KeyFamily::Public, now)).await;
        let Ok(Ok(fresh)) = fresh else { return false };
        self.tokens.add_own_key(client_id, fresh);
        true
    }

    /// Signs the ID tokens of one app with the own key of another one, from now on.
    pub fn sign_with_key_of(&self, client_id: &str, other: &str) {
        self.tokens.sign_with_key_of(client_id, other);
    }

    /// Sets a claim in all ID tokens from now on, or removes it.
    pub fn set_claim(&self, name: &str, value: Option<serde_json::Value>) {
        self.tokens.set_claim(name, value);
    }

    /// Reverts `set_claim`.
    pub fn clear_claims(&self) {
        self.tokens.clear_claims();
    }

    /// Sets whether the issuer is that of an External ID tenant (`<tenant ID>.ciamlogin.com`), at
    /// whatever address the emulator is.
    pub fn be_ciam(&self, on: bool) {
        self.tokens.be_ciam(on);
    }

    /// Waits for the first key. Returns an empty set if it could not be created.
    pub(super) async fn keys(&self) -> Arc<KeySet> {
        let mut seen = self.keys.subscribe();
        seen.wait_for(Option::is_some).await.ok().and_then(|it| it.clone()).unwrap_or_default()
    }

    /// Sets whether every request receives 503 from now on.
    pub fn be_down(&self, down: bool) {
        self.down.store(down, Ordering::Relaxed);
    }

    pub(super) fn is_down(&self) -> bool {
        self.down.load(Ordering::Relaxed)
    }

    /// Sets the delay of each response, in milliseconds, from now on.
    pub fn be_slow(&self, millis: u64) {
        self.slow.store(millis, Ordering::Relaxed);
    }

    pub(super) fn delay(&self) -> u64 {
        self.slow.load(Ordering::Relaxed)
    }

    /// Adds a defect to the next ID token, once; repeated calls queue up.
    pub fn wrong(&self, wrong: TokenDefect) {
        locked(&self.token_defects).push_back(wrong);
    }

    /// Returns whether the next token needs a key from another family.
    pub(super) fn is_next_token_of_another_family(&self) -> bool {
        locked(&self.token_defects).front().is_some_and(|it| it.is_of_another_family())
    }

    pub(super) fn next_wrong(&self) -> Option<TokenDefect> {
        locked(&self.token_defects).pop_front()
    }

    /// Sets whether a redeemed refresh token is refused from now on. Entra's stay valid; this is
    /// the stricter rule of other servers.
    pub fn single_use_refresh(&self, on: bool) {
        self.single_use.store(on, Ordering::Relaxed);
    }

    pub(super) fn is_single_use(&self) -> bool {
        self.single_use.load(Ordering::Relaxed)
    }

    /// Revokes all grants of this person: refresh tokens, codes, and the session at the emulator
    /// (AADSTS50173).
    pub fn revoke(&self, oid: &str) {
        self.changed.revoke(oid);
    }

    /// Disables or enables this account (AADSTS50057).
    pub fn disable(&self, oid: &str, disabled: bool) {
        self.changed.disable(oid, disabled);
    }

    /// Replaces the app roles of this person, from the next token on.
    pub fn set_roles(&self, oid: &str, roles: Vec<String>) {
        self.changed.roles(oid, roles);
    }

    /// Changes the sign-in name of this person (`preferred_username`), from the next token on. The
    /// picker continues to show the previous one.
    pub fn set_user_name(&self, oid: &str, user_name: &str) {
        self.changed.user_name(oid, user_name);
    }

    /// Changes the optional claim `upn` of this person, or leaves it out, from the next token on.
    pub fn set_upn(&self, oid: &str, upn: Option<&str>) {
        self.changed.upn(oid, upn);
    }

    /// Changes the optional claim `acct` of this person, or leaves it out, from the next token on.
    pub fn set_acct(&self, oid: &str, acct: Option<u8>) {
        self.changed.acct(oid, acct);
    }

    /// Moves the home of this person to another tenant (`idp`), from the next token on. With
    /// `acct` 0 that is an external member.
    pub fn set_home_tenant(&self, oid: &str, tenant: &str) {
        self.changed.external(oid, tenant);
    }

    /// Makes this person an agent's own user account (`xms_sub_fct`), from the next token on.
    pub fn make_agent(&self, oid: &str) {
        self.changed.agent(oid);
    }

    /// Changes the mail address of this person, from the next token on; `verified` is Entra's
    /// statement about its domain (`xms_edov`).
    pub fn set_email(&self, oid: &str, email: &str, verified: bool) {
        self.changed.email(oid, email, verified);
    }

    /// Replaces the groups of this person, from the next token and the next Graph request on.
    pub fn set_groups(&self, oid: &str, groups: Vec<String>) {
        self.changed.groups(oid, groups);
    }

    /// Refuses the next token request from a known client, for any grant; repeated calls queue up.
    /// Nothing is redeemed.
    pub fn refuse_next_token(&self, refused: InjectedRefusal) {
        locked(&self.refused).push_back(refused);
    }

    pub(super) fn next_refused(&self) -> Option<InjectedRefusal> {
        locked(&self.refused).pop_front()
    }

    /// Refuses each refresh of this person with this code until `allow_refresh`. Returns `false` if
    /// the table does not have the code.
    pub fn refuse_refresh(&self, oid: &str, code: u32) -> bool {
        let known = super::refusals::of(code).is_some();
        if known {
            self.changed.refuse(oid, Some(code));
        }
        known
    }

    /// Reverts `refuse_refresh`.
    pub fn allow_refresh(&self, oid: &str) {
        self.changed.refuse(oid, None);
    }

    /// Adds a client secret to the registration; the existing ones stay valid.
    pub fn add_secret(&self, secret: &str) {
        self.secrets.set(secret, SecretCheck::Good);
    }

    /// Marks a client secret as expired (AADSTS7000222).
    pub fn expire_secret(&self, secret: &str) {
        self.secrets.set(secret, SecretCheck::Expired);
    }

    /// Adds a certificate in DER to the registrations, so that apps can authenticate with it.
    /// Returns `false` if its key is not RSA.
    pub fn add_certificate(&self, der: &[u8]) -> bool {
        self.assertions.add(der)
    }

    /// Makes the registrations trust another issuer for one subject (a federated identity
    /// credential).
    pub fn trust(&self, trusted: FederatedIssuer) {
        self.assertions.trust(trusted);
    }

    /// Makes the token endpoint fail for this number of calls, or for `UNTIL_CLEARED`.
    pub fn token_answer(&self, fault: TokenFault, calls: u64) {
        self.token_faults.set(fault, calls);
    }

    /// Reverts `token_answer`. A call that already hangs continues to hang.
    pub fn clear_token_answer(&self) {
        self.token_faults.clear();
    }

    /// Makes Graph fail for this number of calls, or for `UNTIL_CLEARED`.
    pub fn graph(&self, fault: GraphFault, calls: u64) {
        self.graph_faults.set(fault, calls);
    }

    /// Reverts `graph`.
    pub fn clear_graph(&self) {
        self.graph_faults.clear();
    }

    /// Sets the number of groups on one page of Graph's response, at least 1; the default is 100.
    pub fn graph_page(&self, groups: u64) {
        self.page_size.store(groups.max(1), Ordering::Relaxed);
    }

    pub(super) fn page_size(&self) -> usize {
        usize::try_from(self.page_size.load(Ordering::Relaxed)).unwrap_or(usize::MAX)
    }

    /// Registers the app's front-channel logout URL, or removes it. The sign-out page then loads it
    /// in a frame, with `sid` alone.
    pub fn front_channel_url(&self, url: Option<&str>) {
        *locked(&self.front_channel) = url.map(str::to_owned);
    }

    pub(super) fn front_channel(&self) -> Option<String> {
        locked(&self.front_channel).clone()
    }

    /// Returns the total number of calls.
    pub fn calls(&self) -> u64 {
        self.counters.all.load(Ordering::Relaxed)
    }

    /// Returns the number of calls to the token endpoint.
    pub fn token_calls(&self) -> u64 {
        self.counters.token.load(Ordering::Relaxed)
    }

    /// Returns the number of calls to the token endpoint that redeem a code.
    pub fn code_calls(&self) -> u64 {
        self.counters.codes.load(Ordering::Relaxed)
    }

    /// Returns the number of calls to the token endpoint that redeem a refresh token.
    pub fn refresh_calls(&self) -> u64 {
        self.counters.refresh.load(Ordering::Relaxed)
    }

    /// Returns the number of calls to the token endpoint for a token of the app itself.
    pub fn app_calls(&self) -> u64 {
        self.counters.app.load(Ordering::Relaxed)
    }

    /// Returns the number of calls with a refresh token that had been redeemed before, whether they
    /// are refused or not.
    pub fn reused_refresh_tokens(&self) -> u64 {
        self.counters.reused.load(Ordering::Relaxed)
    }

    /// Returns the calls with a refresh token that have ended since the last time.
    pub fn take_refresh_uses(&self) -> Vec<RefreshUse> {
        self.refresh_uses.take()
    }

    /// Returns the number of calls to the authorization endpoint.
    pub fn authorize_calls(&self) -> u64 {
        self.counters.authorize.load(Ordering::Relaxed)
    }

    /// Returns the number of calls for the keys.
    pub fn keys_calls(&self) -> u64 {
        self.counters.published.load(Ordering::Relaxed)
    }

    /// Returns the number of calls for a discovery document.
    pub fn discovery_calls(&self) -> u64 {
        self.counters.discovery.load(Ordering::Relaxed)
    }

    /// Returns the number of calls to Graph.
    pub fn graph_calls(&self) -> u64 {
        self.counters.graph.load(Ordering::Relaxed)
    }
}
