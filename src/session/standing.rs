//! What Entra last said of a session, and by what it is asked again.

use crate::base::secret::Secret;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use tokio::sync::{Mutex, MutexGuard};

/// How a session stands with Entra: read on every request, changed by whoever asks Entra.
#[derive(Debug)]
pub struct Standing {
    /// When Entra last said that the person may be here, seconds since 1970.
    answered: AtomicU64,
    /// When it is to be asked next, seconds since 1970.
    ask_at: AtomicU64,
    asking: AtomicBool,
    grant: Mutex<Option<Secret>>,
}

/// The right to ask Entra about one session, held by one at a time. A store that several processes share hands out a lease of the same shape.
#[derive(Debug)]
pub struct Lease<'a>(MutexGuard<'a, Option<Secret>>);

/// Somebody asks already, or will: freed when dropped.
#[derive(Debug)]
pub struct Claim<'a>(&'a Standing);

/// A refreshed token is about another person than the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the refreshed token is about another person")]
pub struct OtherPerson;

impl Standing {
    /// As it stands right after a sign-in.
    pub(in crate::session) fn new(now: u64, grant: Option<Secret>) -> Self {
        Self { answered: AtomicU64::new(now), ask_at: AtomicU64::new(u64::MAX), asking: AtomicBool::new(false), grant: Mutex::new(grant) }
    }

    /// When Entra last said that the person may be here, seconds since 1970.
    pub fn answered(&self) -> u64 {
        self.answered.load(Ordering::Acquire)
    }

    /// When Entra is to be asked next, seconds since 1970; `u64::MAX` while nobody has said so.
    pub fn ask_at(&self) -> u64 {
        self.ask_at.load(Ordering::Relaxed)
    }

    /// Says when Entra is to be asked next.
    pub fn ask_again(&self, at: u64) {
        self.ask_at.store(at, Ordering::Relaxed);
    }

    /// Notes that Entra said so now.
    pub fn has_answered(&self, now: u64) {
        self.answered.store(now, Ordering::Release);
    }

    /// Claims the asking for a request that does not wait for the answer; `None` where another one has.
    pub fn claim(&self) -> Option<Claim<'_>> {
        (!self.asking.swap(true, Ordering::AcqRel)).then_some(Claim(self))
    }

    /// Waits until nobody else asks. Whoever gets it looks first whether the answer has come meanwhile.
    pub async fn lease(&self) -> Lease<'_> {
        Lease(self.grant.lock().await)
    }
}

impl Lease<'_> {
    /// By what Entra is asked: the refresh token of the last answer.
    pub fn grant(&self) -> Option<&Secret> {
        self.0.as_ref()
    }

    /// Keeps the refresh token that took the last one's place.
    pub fn keep(&mut self, grant: Secret) {
        *self.0 = Some(grant);
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        self.0.asking.store(false, Ordering::Release);
    }
}
