//! Whether the server answers, and since when it does not.

use super::super::unavailable::StoreUnavailable;
use super::link::RedisLink;
use arc_swap::ArcSwapOption;
use redis::{ErrorKind, RedisError, ServerErrorKind};
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// When clients try again, in seconds.
const RETRY_AFTER_SECONDS: u64 = 2;

/// The state of the server, as far as this process knows it.
pub(super) struct StoreHealth {
    /// The connection for commands, while the server answers.
    link: ArcSwapOption<RedisLink>,
    /// Since when the server does not answer. The machine's clock may be set, so it is not used.
    down_since: Mutex<Option<Instant>>,
    /// Whether sessions no longer go on without the server.
    is_over: AtomicBool,
    has_connected: AtomicBool,
    /// Until when other processes may still write what a server without data is missing.
    recovering_until: Mutex<Option<Instant>>,
    grace: Duration,
    /// Wakes the keeper and those who wait for the server.
    has_failed: Notify,
}

impl StoreHealth {
    pub(super) fn new(grace: Duration) -> Self {
        Self {
            link: ArcSwapOption::empty(),
            down_since: Mutex::new(Some(Instant::now())),
            is_over: AtomicBool::new(false),
            has_connected: AtomicBool::new(false),
            recovering_until: Mutex::default(),
            grace,
            has_failed: Notify::new(),
        }
    }

    /// Returns the connection for commands.
    pub(super) fn link(&self) -> Option<RedisLink> {
        self.link.load().as_deref().cloned()
    }

    pub(super) fn is_up(&self) -> bool {
        self.link.load().is_some()
    }

    pub(super) fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Relaxed)
    }

    pub(super) fn has_connected(&self) -> bool {
        self.has_connected.load(Ordering::Relaxed)
    }

    /// Records that the server has lost its data a short time ago.
    pub(super) fn recovers(&self, for_time: Duration) {
        let until = Instant::now() + for_time;
        *self.recovering_until.lock().unwrap_or_else(PoisonError::into_inner) = Some(until);
    }

    /// Whether sessions that the server does not have may be those that it lost.
    pub(super) fn is_recovering(&self) -> bool {
        let until = *self.recovering_until.lock().unwrap_or_else(PoisonError::into_inner);
        until.is_some_and(|it| Instant::now() < it)
    }

    pub(super) fn unavailable(&self) -> StoreUnavailable {
        StoreUnavailable { retry_after: RETRY_AFTER_SECONDS }
    }

    /// Records the answer to a command that is an error.
    pub(super) fn failed(&self, error: &RedisError) {
        if is_outage(error) {
            self.set_down();
        } else {
            tracing::error!(%error, "the session store refused a command");
        }
    }

    /// Records that the server does not answer. Returns true if it did before.
    pub(super) fn set_down(&self) -> bool {
        let was_up = self.link.swap(None).is_some();
        let mut since = self.down_since.lock().unwrap_or_else(PoisonError::into_inner);
        since.get_or_insert_with(Instant::now);
        drop(since);
        self.has_failed.notify_waiters();
        was_up
    }

    /// Records that the server answers, and everything that waited is written.
    pub(super) fn set_up(&self, link: RedisLink) {
        self.link.store(Some(Arc::new(link)));
        *self.down_since.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.is_over.store(false, Ordering::Relaxed);
        self.has_connected.store(true, Ordering::Relaxed);
    }

    /// Compares the time of the outage with the grace period. Called by the keeper while it is one.
    pub(super) fn check_grace(&self) -> bool {
        let since = *self.down_since.lock().unwrap_or_else(PoisonError::into_inner);
        let is_over = since.is_some_and(|it| it.elapsed() >= self.grace);
        let was_over = self.is_over.swap(is_over, Ordering::Relaxed);
        is_over && !was_over
    }

    /// Time until the grace period is over.
    pub(super) fn grace_left(&self) -> Duration {
        let since = *self.down_since.lock().unwrap_or_else(PoisonError::into_inner);
        since.map_or(self.grace, |it| self.grace.saturating_sub(it.elapsed()))
    }

    /// Waits until the server does not answer.
    pub(super) async fn down(&self) {
        let failed = self.has_failed.notified();
        tokio::pin!(failed);
        failed.as_mut().enable();
        if self.is_up() {
            failed.await;
        }
    }
}

/// Whether an error shows that the server, or the way to it, is out of order; with another server, or
/// later, the same command can succeed.
fn is_outage(error: &RedisError) -> bool {
    match error.kind() {
        ErrorKind::Server(
            ServerErrorKind::BusyLoading
            | ServerErrorKind::TryAgain
            | ServerErrorKind::ClusterDown
            | ServerErrorKind::MasterDown
            | ServerErrorKind::ReadOnly
            | ServerErrorKind::Moved
            | ServerErrorKind::Ask
            | ServerErrorKind::NoPerm,
        ) => true,
        // Full, not able to save, without enough replicas, a password that was changed.
        ErrorKind::Server(_) | ErrorKind::Extension => matches!(
            error.code(),
            Some(
                "OOM" | "MISCONF" | "NOREPLICAS" | "NOAUTH" | "WRONGPASS" | "LOADING" | "READONLY"
            )
        ),
        ErrorKind::UnexpectedReturnType | ErrorKind::Parse => false,
        _ => true,
    }
}

impl fmt::Debug for StoreHealth {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(if self.is_up() { "up" } else { "down" })
    }
}
