//! The store of a single process: its live sessions are all there are, with a snapshot on the disk
//! if `[session] snapshot` is set.

use super::super::kept_purposes::KeptPurposes;
use super::super::live::LiveSessions;
use super::super::person::PersonKey;
use super::super::record::Session;
use super::super::standing::{LeaseTurn, RecheckLease};
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

    pub(super) fn load(&self, cookie: &str) -> Option<Arc<Session>> {
        self.live.peek(cookie)
    }

    pub(super) fn save(&self, id: Secret, session: &Arc<Session>) -> Secret {
        self.live.insert(session);
        id
    }

    pub(super) async fn end(&self, cookie: &str) -> Option<Arc<Session>> {
        let ended = self.live.end(cookie);
        if ended.is_some() {
            self.live.confirm_ends().await;
        }
        ended
    }

    pub(super) async fn end_by_sid(&self, sid: &str) -> usize {
        let ended = self.live.end_by_sid(sid);
        if ended > 0 {
            self.live.confirm_ends().await;
        }
        ended
    }

    pub(super) async fn end_by_person(&self, person: PersonKey) -> usize {
        let ended = self.live.end_all_of(person);
        if ended > 0 {
            self.live.confirm_ends().await;
        }
        ended
    }

    /// No other process has the session, so the right within this process is enough.
    pub(super) fn lease(&self, session: &Session, _: &RecheckLease<'_>) -> LeaseTurn {
        if session.is_over() { LeaseTurn::Ended } else { LeaseTurn::Held }
    }

    pub(super) fn keep_refresh_token(
        &self,
        session: &Session,
        lease: &mut RecheckLease<'_>,
        token: Secret,
    ) {
        if !session.is_over() {
            lease.store_refresh_token(token);
        }
    }

    /// A recheck changes the live session itself, and nothing is kept elsewhere.
    pub(super) fn release(&self, _: &Session) {}
}
