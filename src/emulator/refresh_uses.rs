//! Which refresh token was sent, and when: so that tests of several processes can see whether two of
//! them sent the same one.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use aws_lc_rs::digest::{SHA256, digest};

/// Maximum number of calls that are kept; beyond it, the oldest are forgotten.
const MAX_REFRESH_USES: usize = 8192;

/// A call that redeemed a refresh token.
#[derive(Clone, Debug)]
pub struct RefreshUse {
    /// The SHA-256 of the token.
    pub token: Vec<u8>,
    /// When the head of the request had arrived.
    pub began: Instant,
    /// When the answer was ready, or the client had gone.
    pub ended: Instant,
    /// Whether there was an answer.
    pub is_answered: bool,
}

/// The calls so far.
#[derive(Default)]
pub(super) struct RefreshUses(Arc<Mutex<VecDeque<RefreshUse>>>);

impl RefreshUses {
    /// Begins to record a call, until what is returned is dropped.
    pub(super) fn begin(&self, token: &str, began: Instant) -> RefreshUseGuard {
        let token = digest(&SHA256, token.as_bytes()).as_ref().to_vec();
        let call = RefreshUse { token, began, ended: began, is_answered: false };
        RefreshUseGuard { call, all: Arc::clone(&self.0) }
    }

    /// Returns the calls that have ended since the last time, in the order of their ends.
    pub(super) fn take(&self) -> Vec<RefreshUse> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).drain(..).collect()
    }
}

/// A call under way.
pub(super) struct RefreshUseGuard {
    call: RefreshUse,
    all: Arc<Mutex<VecDeque<RefreshUse>>>,
}

impl RefreshUseGuard {
    /// The answer is ready.
    pub(super) fn answered(mut self) {
        self.call.is_answered = true;
    }
}

impl Drop for RefreshUseGuard {
    fn drop(&mut self) {
        self.call.ended = Instant::now();
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= MAX_REFRESH_USES {
            all.pop_front();
        }
        all.push_back(self.call.clone());
    }
}
