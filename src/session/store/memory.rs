//! The store of a single process: its live sessions are all there are, with a snapshot on the disk
//! if `[session] snapshot` is set.

use super::super::kept_purposes::KeptPurposes;
use super::super::live::LiveSessions;
use super::super::person::PersonKey;
use super::super::record::Session;
use super::super::standing::{LeaseTurn, RecheckLease};
use super::unavailable::StoreUnavailable;
use crate::base::secret::Secret;
use std::sync::Arc;

/// Sessions of this process only.
#[derive(Debug)]
pub struct MemoryStore {
    live: Arc<LiveSessions>,
    /// Purposes of sign-ins that are too long for `state`.
    pub(super) purposes: KeptPurposes,
}

impl MemoryStore {
    pub(super) fn new(live: Arc<LiveSessions>) -> Self {
        Self { live, purposes: KeptPurposes::default() }
    }

    pub(super) async fn load(
        &self,
        cookie: &str,
    ) -> Result<Option<Arc<Session>>, StoreUnavailable> {
        let known = self.live.peek(cookie);
        let Some(overlap) = self.live.overlap.load_full().filter(|_| known.is_none()) else {
            return Ok(known);
        };
        if self.live.ids().recognize(cookie).is_none() {
            return Ok(None);
        }
        // It may have begun in the other process.
        let is_read = overlap.catch_up().await;
        match self.live.peek(cookie) {
            None if overlap.may_have_more(is_read) => Err(StoreUnavailable { retry_after: 1 }),
            found => Ok(found),
        }
    }

    pub(super) async fn save(&self, id: Secret, session: &Arc<Session>) -> Secret {
        self.live.insert(session);
        self.live.share(session).await;
        id
    }

    pub(super) async fn end(&self, cookie: &str) -> Option<Arc<Session>> {
        let mut ended = self.live.end(cookie);
        if ended.is_none()
            && let Some(overlap) = self.live.overlap.load_full()
            && self.live.ids().recognize(cookie).is_some()
        {
            overlap.catch_up().await;
            ended = self.live.end(cookie);
            if ended.is_none() {
                self.live.record_end_elsewhere(cookie);
                self.live.confirm_ends().await;
            }
        }
        if ended.is_some() {
            self.live.confirm_ends().await;
        }
        ended
    }

    pub(super) async fn end_by_sid(&self, sid: &str) -> usize {
        self.end_all(|live| live.end_by_sid(sid)).await
    }

    pub(super) async fn end_by_person(&self, person: PersonKey) -> usize {
        self.end_all(|live| live.end_all_of(person)).await
    }

    async fn end_all(&self, end: impl Fn(&LiveSessions) -> usize) -> usize {
        let mut ended = end(&self.live);
        if let Some(overlap) = self.live.overlap.load_full() {
            // Some may have begun in the other process.
            overlap.catch_up().await;
            ended += end(&self.live);
        }
        if ended > 0 {
            self.live.confirm_ends().await;
        }
        ended
    }

    pub(super) fn is_handed_over(&self) -> bool {
        self.live.overlap.load().as_ref().is_some_and(|it| it.is_handed_over())
    }

    /// No other process has the session, so the right within this process is enough; unless this
    /// process has handed its sessions over.
    pub(super) fn lease(&self, session: &Session, _: &RecheckLease<'_>) -> LeaseTurn {
        if session.is_over() {
            LeaseTurn::Ended
        } else if self.is_handed_over() {
            LeaseTurn::Elsewhere
        } else {
            LeaseTurn::Held
        }
    }

    /// A recheck changes the live session itself, and nothing is kept elsewhere.
    pub(super) fn release(&self, _: &Session) {}
}
