//! What Entra last said of a session, and by what it is asked again.

use crate::base::secret::Secret;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use tokio::sync::{Mutex, MutexGuard};

/// So many seconds ahead are no reason to think that the clock was set back: machines correct their time by a little.
const CLOCK_SLACK_SECONDS: u64 = 60;

/// How a session stands with Entra: read on every request, changed by whoever asks Entra.
#[derive(Debug)]
pub struct EntraStanding {
    /// When Entra last said that the person may be here, seconds since 1970.
    answered: AtomicU64,
    /// From when `wait` is counted, seconds since 1970.
    since: AtomicU64,
    /// In how many seconds from then Entra is to be asked.
    wait: AtomicU64,
    /// How often Entra was asked; whoever waited for the lease sees by it that somebody else has.
    tries: AtomicU32,
    is_refreshing: AtomicBool,
    required_proof: OnceLock<RequiredProof>,
    refresh_token: Mutex<Option<Secret>>,
}

/// What the person has to prove before a session may go on: a claims challenge, where Entra names one.
#[derive(Debug)]
struct RequiredProof(Option<Box<str>>);

/// The right to ask Entra about one session, held by one at a time. A store that several processes share hands out a lease of the same shape.
#[derive(Debug)]
pub struct RecheckLease<'a>(MutexGuard<'a, Option<Secret>>);

/// A refreshed token is about another person than the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the refreshed token is about another person")]
pub struct PersonMismatch;

impl EntraStanding {
    /// As it stands right after a sign-in; when Entra is to be asked first is said by `ask_in`.
    pub(in crate::session) fn new(now: u64, grant: Option<Secret>) -> Self {
        Self {
            answered: AtomicU64::new(now),
            since: AtomicU64::new(now),
            wait: AtomicU64::new(0),
            tries: AtomicU32::new(0),
            is_refreshing: AtomicBool::new(false),
            required_proof: OnceLock::new(),
            refresh_token: Mutex::new(grant),
        }
    }

    /// Whether Entra is to be asked: one comparison, and a clock that was set back makes it true as well.
    pub fn is_due(&self, now: u64) -> bool {
        now.wrapping_sub(self.since.load(Ordering::Relaxed)) >= self.wait.load(Ordering::Relaxed)
    }

    /// When Entra last said that the person may be here, seconds since 1970.
    pub fn answered(&self) -> u64 {
        self.answered.load(Ordering::Acquire)
    }

    /// When Entra is to be asked next, seconds since 1970.
    pub fn set_due(&self) -> u64 {
        self.since.load(Ordering::Relaxed).saturating_add(self.wait.load(Ordering::Relaxed))
    }

    /// Entra is to be asked so many seconds from now.
    pub fn set_due_in(&self, now: u64, wait: u64) {
        self.wait.store(wait, Ordering::Relaxed);
        self.since.store(now, Ordering::Relaxed);
    }

    /// Notes that Entra said now that the person may be here.
    pub fn has_answered(&self, now: u64) {
        self.answered.store(now, Ordering::Release);
    }

    /// Puts right what a clock that was set back leaves behind: an answer of the future counts as one of now, so that no silence is borne longer.
    /// True where it is only a moment ahead of `now`, and nothing is due.
    pub fn is_ahead(&self, now: u64) -> bool {
        let since = self.since.load(Ordering::Relaxed);
        if since > now && since - now <= CLOCK_SLACK_SECONDS {
            return true;
        }
        if self.answered() > now.saturating_add(CLOCK_SLACK_SECONDS) {
            self.has_answered(now);
        }
        false
    }

    /// How often Entra was asked about it.
    pub fn tries(&self) -> u32 {
        self.tries.load(Ordering::Acquire)
    }

    /// Notes that Entra was asked, whatever came of it.
    pub fn was_tried(&self) {
        self.tries.fetch_add(1, Ordering::AcqRel);
    }

    /// Waits until nobody else asks. Whoever gets it looks first, by `tries`, whether somebody has asked meanwhile.
    pub async fn lease(&self) -> RecheckLease<'_> {
        RecheckLease(self.refresh_token.lock().await)
    }

    /// What the next sign-in has to prove; `None` where the session did not end for that.
    pub fn again(&self) -> Option<Option<&str>> {
        self.required_proof.get().map(|it| it.0.as_deref())
    }

    /// True for the first; it frees with `free`.
    pub(in crate::session) fn claim(&self) -> bool {
        !self.is_refreshing.swap(true, Ordering::AcqRel)
    }

    pub(in crate::session) fn free(&self) {
        self.is_refreshing.store(false, Ordering::Release);
    }

    /// The person has to sign in again. Said once.
    pub(in crate::session) fn needs_sign_in(&self, claims: Option<Box<str>>) {
        self.required_proof.get_or_init(|| RequiredProof(claims));
    }
}

impl RecheckLease<'_> {
    /// By what Entra is asked: the refresh token of the last answer.
    pub fn refresh_token(&self) -> Option<&Secret> {
        self.0.as_ref()
    }

    /// Keeps the refresh token that took the last one's place.
    pub fn store_refresh_token(&mut self, grant: Secret) {
        *self.0 = Some(grant);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_due_when_its_time_has_come_and_when_the_clock_was_set_back() {
        let standing = EntraStanding::new(1_000_000, None);
        standing.set_due_in(1_000_000, 1800);
        assert!(!standing.is_due(1_000_000) && !standing.is_due(1_001_799));
        assert!(standing.is_due(1_001_800));
        assert!(standing.is_due(999_000) && !standing.is_ahead(999_000));
        assert_eq!(standing.answered(), 999_000);
    }

    #[test]
    fn a_moment_ahead_is_no_clock_that_was_set_back() {
        let standing = EntraStanding::new(1_000_000, None);
        standing.set_due_in(1_000_000, 1800);
        assert!(standing.is_due(999_999) && standing.is_ahead(999_999));
        assert_eq!(standing.answered(), 1_000_000);
        assert!(!standing.is_ahead(1_001_800));
    }

    #[test]
    fn one_claims_until_it_frees() {
        let standing = EntraStanding::new(0, None);
        assert!(standing.claim() && !standing.claim());
        standing.free();
        assert!(standing.claim());
    }
}
