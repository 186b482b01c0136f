//! Entra's last response about a session, and the refresh token for the next question.

use crate::base::secret::Secret;
use crate::entra::claims_challenge::ClaimsChallenge;
use arc_swap::ArcSwapOption;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use tokio::sync::{Mutex, MutexGuard};

/// Maximum time in the future, in seconds, that does not count as a clock that was set back:
/// machines make small corrections.
const CLOCK_SLACK_SECONDS: u64 = 60;

/// Status of a session at Entra: read on every request, changed after each question to Entra.
#[derive(Debug)]
pub struct EntraStanding {
    /// When Entra last confirmed the person's access, in seconds since 1970.
    answered: AtomicU64,
    /// Start of `wait`, in seconds since 1970.
    since: AtomicU64,
    /// Seconds from `since` until the next question to Entra.
    wait: AtomicU64,
    /// Number of questions to Entra; a caller that waited for the lease compares it to see if
    /// another caller has asked.
    tries: AtomicU32,
    is_refreshing: AtomicBool,
    is_unanswered_by_us: AtomicBool,
    ends_at_recheck: AtomicBool,
    required_proof: OnceLock<RequiredProof>,
    /// Proof that Graph, or Entra for a token for Graph, requires before it answers.
    challenge: ArcSwapOption<ClaimsChallenge>,
    refresh_token: Mutex<Option<Secret>>,
    /// Whether a store outside the process has the newest refresh token; one in memory is then a
    /// copy that a recheck uses.
    is_token_stored: AtomicBool,
}

/// Proof that the person must provide before a session can continue: a claims challenge, if Entra
/// sent one.
#[derive(Debug)]
struct RequiredProof(Option<ClaimsChallenge>);

/// The exclusive right within this process to ask Entra about one session. Among several processes,
/// `session::lease` decides.
#[derive(Debug)]
pub struct RecheckLease<'a> {
    token: MutexGuard<'a, Option<Secret>>,
    standing: &'a EntraStanding,
}

/// Which process may use the refresh token of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeaseTurn {
    /// This process has the lease, with Entra's newest refresh token.
    Held,
    /// Another process has the lease.
    Elsewhere,
    /// The session has ended.
    Ended,
}

/// A refreshed token belongs to another person than the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the refreshed token is about another person")]
pub struct PersonMismatch;

impl EntraStanding {
    /// The status immediately after a sign-in; `set_due_in` sets the first recheck.
    pub(in crate::session) fn new(now: u64, refresh_token: Option<Secret>) -> Self {
        Self {
            answered: AtomicU64::new(now),
            since: AtomicU64::new(now),
            wait: AtomicU64::new(0),
            tries: AtomicU32::new(0),
            is_refreshing: AtomicBool::new(false),
            is_unanswered_by_us: AtomicBool::new(false),
            ends_at_recheck: AtomicBool::new(false),
            required_proof: OnceLock::new(),
            challenge: ArcSwapOption::empty(),
            refresh_token: Mutex::new(refresh_token),
            is_token_stored: AtomicBool::new(false),
        }
    }

    /// The status of a session that was stored: when Entra `answered` last, and since when and for
    /// how many seconds the next `recheck` waits.
    pub(in crate::session) fn restored(
        answered: u64,
        recheck: (u64, u64),
        refresh_token: Option<Secret>,
    ) -> Self {
        Self {
            since: AtomicU64::new(recheck.0),
            wait: AtomicU64::new(recheck.1),
            ..Self::new(answered, refresh_token)
        }
    }

    /// Since when, and for how many seconds, the next recheck waits.
    pub(in crate::session) fn recheck(&self) -> (u64, u64) {
        (self.since.load(Ordering::Relaxed), self.wait.load(Ordering::Relaxed))
    }

    /// Calls `read` with the refresh token, unless a recheck is using it.
    pub(in crate::session) fn read_refresh_token<T>(
        &self,
        read: impl FnOnce(Option<&Secret>) -> T,
    ) -> Option<T> {
        self.refresh_token.try_lock().ok().map(|it| read(it.as_ref()))
    }

    /// Whether a store outside the process has the newest refresh token.
    pub fn is_token_stored(&self) -> bool {
        self.is_token_stored.load(Ordering::Acquire)
    }

    pub(in crate::session) fn set_token_stored(&self, is_stored: bool) {
        self.is_token_stored.store(is_stored, Ordering::Release);
    }

    /// Records that the refresh token in memory is stored, and drops it unless a recheck uses it.
    pub(in crate::session) fn forget_stored_token(&self) {
        self.set_token_stored(true);
        if let Ok(mut token) = self.refresh_token.try_lock() {
            *token = None;
        }
    }

    /// Adopts a newer answer of Entra that another process got. Returns false if it is not newer.
    pub(in crate::session) fn adopt(&self, other: &Self) -> bool {
        if other.answered() <= self.answered() {
            return false;
        }
        let (since, wait) = other.recheck();
        self.set_due_in(since, wait);
        self.challenge.store(other.challenge.load_full());
        self.record_answer(other.answered());
        true
    }

    /// Whether a recheck is due: a single comparison, which is also true after the clock was set
    /// back.
    pub fn is_due(&self, now: u64) -> bool {
        now.wrapping_sub(self.since.load(Ordering::Relaxed)) >= self.wait.load(Ordering::Relaxed)
    }

    /// When Entra last confirmed the person's access, in seconds since 1970.
    pub fn answered(&self) -> u64 {
        self.answered.load(Ordering::Acquire)
    }

    /// When the next recheck is due, in seconds since 1970.
    pub fn due_at(&self) -> u64 {
        self.since.load(Ordering::Relaxed).saturating_add(self.wait.load(Ordering::Relaxed))
    }

    /// Sets the next recheck to `wait` seconds from now.
    pub fn set_due_in(&self, now: u64, wait: u64) {
        self.wait.store(wait, Ordering::Relaxed);
        self.since.store(now, Ordering::Relaxed);
    }

    /// Records that Entra has now confirmed the person's access.
    pub fn record_answer(&self, now: u64) {
        self.answered.store(now, Ordering::Release);
    }

    /// Corrects the times after the clock was set back: a response from the future counts as one
    /// from now, so that the grace period does not become longer. Returns true if the time is only
    /// slightly ahead of `now`, and no recheck is due.
    pub fn is_within_clock_slack(&self, now: u64) -> bool {
        let since = self.since.load(Ordering::Relaxed);
        if since > now && since - now <= CLOCK_SLACK_SECONDS {
            return true;
        }
        if self.answered() > now.saturating_add(CLOCK_SLACK_SECONDS) {
            self.record_answer(now);
        }
        false
    }

    /// Number of questions to Entra about the session.
    pub fn tries(&self) -> u32 {
        self.tries.load(Ordering::Acquire)
    }

    /// Records a question to Entra, with any outcome.
    pub fn was_tried(&self) {
        self.tries.fetch_add(1, Ordering::AcqRel);
    }

    /// Waits for the exclusive right to ask Entra. The caller should then compare `tries` to see if
    /// another caller has asked in the meantime.
    pub async fn lease(&self) -> RecheckLease<'_> {
        RecheckLease { token: self.refresh_token.lock().await, standing: self }
    }

    /// Returns the proof that the next sign-in must provide; `None` if the session did not end
    /// because the person must sign in again.
    #[allow(clippy::option_option, reason = "whether to sign in, and whether with claims")]
    pub fn again(&self) -> Option<Option<&ClaimsChallenge>> {
        self.required_proof.get().map(|it| it.0.as_ref())
    }

    /// Records whether the last question without an answer failed for a cause that the operator can
    /// fix.
    pub fn set_unanswered_by_us(&self, is_ours: bool) {
        self.is_unanswered_by_us.store(is_ours, Ordering::Relaxed);
    }

    /// Whether the last question without an answer failed for a cause that the operator can fix.
    pub fn is_unanswered_by_us(&self) -> bool {
        self.is_unanswered_by_us.load(Ordering::Relaxed)
    }

    /// Records that the store keeps no refresh token of the session.
    pub(in crate::session) fn set_ends_at_recheck(&self) {
        self.ends_at_recheck.store(true, Ordering::Relaxed);
    }

    /// Whether the session needs a new sign-in when its recheck is due, without a grace period: its
    /// store keeps no refresh token, and Entra cannot be asked without one.
    pub fn ends_at_recheck(&self) -> bool {
        self.ends_at_recheck.load(Ordering::Relaxed)
    }

    /// Adds the refresh token of a session that is not live yet.
    pub(in crate::session) fn restore_refresh_token(&mut self, refresh_token: Secret) {
        *self.refresh_token.get_mut() = Some(refresh_token);
    }

    /// Records whether a question about the session was answered with a challenge. The session
    /// continues, but what the question was for is not known.
    pub fn set_challenge(&self, challenge: Option<ClaimsChallenge>) {
        if challenge.is_some() || self.challenge.load().is_some() {
            self.challenge.store(challenge.map(Arc::new));
        }
    }

    /// Returns the challenge that a sign-in must satisfy: what the session ended for, or what a
    /// question about it was answered with.
    pub fn challenge(&self) -> Option<ClaimsChallenge> {
        let live = || self.challenge.load().as_deref().cloned();
        self.again().flatten().cloned().or_else(live)
    }

    /// Returns true for the first caller, until `free` is called.
    pub(in crate::session) fn claim(&self) -> bool {
        !self.is_refreshing.swap(true, Ordering::AcqRel)
    }

    pub(in crate::session) fn free(&self) {
        self.is_refreshing.store(false, Ordering::Release);
    }

    /// Records that the person must sign in again. Only the first call counts.
    pub(in crate::session) fn needs_sign_in(&self, claims: Option<ClaimsChallenge>) {
        self.required_proof.get_or_init(|| RequiredProof(claims));
    }
}

impl RecheckLease<'_> {
    /// Returns the refresh token from the last response.
    pub fn refresh_token(&self) -> Option<&Secret> {
        self.token.as_ref()
    }

    /// Stores the refresh token that replaces the previous one.
    pub fn store_refresh_token(&mut self, refresh_token: Secret) {
        *self.token = Some(refresh_token);
    }
}

impl Drop for RecheckLease<'_> {
    fn drop(&mut self) {
        if self.standing.is_token_stored() {
            *self.token = None;
        }
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
        assert!(standing.is_due(999_000) && !standing.is_within_clock_slack(999_000));
        assert_eq!(standing.answered(), 999_000);
    }

    #[test]
    fn a_moment_ahead_is_no_clock_that_was_set_back() {
        let standing = EntraStanding::new(1_000_000, None);
        standing.set_due_in(1_000_000, 1800);
        assert!(standing.is_due(999_999) && standing.is_within_clock_slack(999_999));
        assert_eq!(standing.answered(), 1_000_000);
        assert!(!standing.is_within_clock_slack(1_001_800));
    }

    #[test]
    fn only_an_answer_from_far_in_the_future_counts_as_one_from_now() {
        let slack = CLOCK_SLACK_SECONDS;
        for (since, answered, is_within, corrected) in [
            (1_000_000, 990_000, false, 990_000),
            (1_000_000, 1_000_000, false, 1_000_000),
            (1_000_001, 990_000, true, 990_000),
            (1_000_000 + slack, 990_000, true, 990_000),
            (1_000_000 + slack + 1, 990_000, false, 990_000),
            (1_000_000, 1_000_000 + slack, false, 1_000_000 + slack),
            (1_000_000, 1_000_000 + slack + 1, false, 1_000_000),
            (2_000_000, 2_000_000, false, 1_000_000),
        ] {
            let standing = EntraStanding::new(answered, None);
            standing.set_due_in(since, 1800);
            assert_eq!(
                (standing.is_within_clock_slack(1_000_000), standing.answered()),
                (is_within, corrected),
                "since {since}, answered {answered}"
            );
        }
    }

    #[test]
    fn every_question_and_every_answer_is_recorded() {
        let standing = EntraStanding::new(1000, None);
        assert_eq!((standing.tries(), standing.due_at(), standing.answered()), (0, 1000, 1000));
        standing.set_due_in(1000, 1800);
        standing.was_tried();
        standing.was_tried();
        standing.record_answer(1500);
        assert_eq!((standing.tries(), standing.due_at(), standing.answered()), (2, 2800, 1500));
    }

    #[test]
    fn only_the_first_required_proof_counts() {
        let claims = || ClaimsChallenge::of_json("{}");
        for (first, second) in [(None, claims()), (claims(), None)] {
            let standing = EntraStanding::new(1000, None);
            assert_eq!(standing.again(), None);
            standing.needs_sign_in(first.clone());
            standing.needs_sign_in(second);
            assert_eq!(standing.again(), Some(first.as_ref()));
        }
    }

    #[test]
    fn one_claims_until_it_frees() {
        let standing = EntraStanding::new(0, None);
        assert!(standing.claim() && !standing.claim());
        standing.free();
        assert!(standing.claim());
    }
}
