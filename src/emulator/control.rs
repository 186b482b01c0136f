//! What a test may do to the emulator.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

use crate::base::clock::Clock;

use super::keys::{KeySet, SigningKey};

/// What the next ID token gets wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Wrong {
    /// Another nonce than the one asked for.
    Nonce,
    /// Another issuer.
    Issuer,
    /// Another audience.
    Audience,
    /// A signature that does not fit.
    Signature,
    /// Expired ten minutes ago.
    Expired,
    /// Valid from ten minutes ahead.
    NotYet,
    /// `alg` none and no signature.
    AlgNone,
    /// A `tid` that the issuer does not name.
    Tid,
}

/// Levers and counters for tests in the same process.
pub struct Control {
    clock: Clock,
    keys: watch::Sender<Option<Arc<KeySet>>>,
    down: AtomicBool,
    slow: AtomicU64,
    wrong: Mutex<VecDeque<Wrong>>,
    pub(super) token: AtomicU64,
    pub(super) authorize: AtomicU64,
    pub(super) published: AtomicU64,
    pub(super) discovery: AtomicU64,
}

impl Control {
    pub(super) fn new(clock: Clock) -> Self {
        let zero = || AtomicU64::new(0);
        Self {
            clock,
            keys: watch::Sender::new(None),
            down: AtomicBool::new(false),
            slow: zero(),
            wrong: Mutex::default(),
            token: zero(),
            authorize: zero(),
            published: zero(),
            discovery: zero(),
        }
    }

    /// Makes a new key that signs from now on; the old ones stay published. False when no key could be made.
    pub async fn rotate_keys(&self) -> bool {
        let now = self.clock.now();
        let fresh = tokio::task::spawn_blocking(move || SigningKey::generate(now)).await;
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
    pub fn wrong(&self, wrong: Wrong) {
        self.wrong.lock().unwrap_or_else(PoisonError::into_inner).push_back(wrong);
    }

    pub(super) fn next_wrong(&self) -> Option<Wrong> {
        self.wrong.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }

    /// How often the token endpoint was asked.
    pub fn token_calls(&self) -> u64 {
        self.token.load(Ordering::Relaxed)
    }

    /// How often the authorize endpoint was asked.
    pub fn authorize_calls(&self) -> u64 {
        self.authorize.load(Ordering::Relaxed)
    }

    /// How often the keys were asked for.
    pub fn keys_calls(&self) -> u64 {
        self.published.load(Ordering::Relaxed)
    }

    /// How often a discovery document was asked for.
    pub fn discovery_calls(&self) -> u64 {
        self.discovery.load(Ordering::Relaxed)
    }
}
