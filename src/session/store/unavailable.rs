//! What callers learn if the store does not answer.

/// The session store does not answer, so it is unknown whether a person is signed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the session store does not answer")]
pub struct StoreUnavailable {
    /// When to try again, in seconds.
    pub retry_after: u64,
}
