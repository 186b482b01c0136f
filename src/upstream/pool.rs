//! Idle connections to the app.

use super::deadline::ConnectionTimer;
use super::request_body::{BodyProgress, RequestBody};
use hyper::client::conn::http1::SendRequest;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// How long a connection may be idle. Less than the 5 s after which Node closes its end.
const MAX_IDLE_TIME: Duration = Duration::from_secs(4);

/// Maximum number of idle connections. Further ones are closed.
const MAX_IDLE_CONNECTIONS: usize = 1024;

/// After this time a connection counts as idle: the app may be about to close it.
const IDLE_AFTER: Duration = Duration::from_millis(20);

/// Whether a connection was idle before it was taken.
#[derive(Clone, Copy, Debug)]
pub(super) struct WasIdle(pub(super) bool);

/// The idle connections to one app. The most recently used one is taken first.
#[derive(Debug, Default)]
pub(super) struct ConnectionPool {
    idle: Mutex<VecDeque<IdleConnection>>,
    sweeping: AtomicBool,
}

/// A connection with its timer.
#[derive(Debug)]
pub(super) struct PooledConnection {
    pub(super) sender: SendRequest<RequestBody>,
    pub(super) timer: ConnectionTimer,
}

#[derive(Debug)]
struct IdleConnection {
    connection: PooledConnection,
    since: Instant,
}

/// A connection in use, and the pool that it returns to. It is closed if it is dropped.
#[derive(Debug)]
pub(super) struct BorrowedConnection {
    pool: Arc<ConnectionPool>,
    connection: PooledConnection,
    sent: Option<BodyProgress>,
}

impl BorrowedConnection {
    pub(super) fn new(
        pool: Arc<ConnectionPool>,
        connection: PooledConnection,
        sent: Option<BodyProgress>,
    ) -> Self {
        Self { pool, connection, sent }
    }

    /// Returns the connection to the pool after the response has ended. If the app responded before
    /// it read the whole body, the connection cannot be reused.
    pub(super) fn give_back(self) {
        if self.sent.as_ref().is_none_or(BodyProgress::is_whole)
            && !self.connection.sender.is_closed()
        {
            self.pool.put(self.connection);
        }
    }
}

impl ConnectionPool {
    /// Returns a connection that is probably still open, if there is one.
    pub(super) fn take(&self, now: Instant) -> Option<(PooledConnection, WasIdle)> {
        loop {
            let idle = self.lock().pop_back()?;
            let rested = now.saturating_duration_since(idle.since);
            if rested < MAX_IDLE_TIME && !idle.connection.sender.is_closed() {
                return Some((idle.connection, WasIdle(rested >= IDLE_AFTER)));
            }
        }
    }

    fn put(self: &Arc<Self>, connection: PooledConnection) {
        {
            let mut idle = self.lock();
            if idle.len() < MAX_IDLE_CONNECTIONS {
                idle.push_back(IdleConnection { connection, since: Instant::now() });
            }
        }
        if !self.sweeping.load(Ordering::Relaxed) && !self.sweeping.swap(true, Ordering::AcqRel) {
            tokio::spawn(sweep(Arc::downgrade(self)));
        }
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<IdleConnection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Closes connections that were idle for too long, until none are left.
async fn sweep(pool: std::sync::Weak<ConnectionPool>) {
    loop {
        tokio::time::sleep(MAX_IDLE_TIME / 4).await;
        let Some(pool) = pool.upgrade() else { return };
        let mut idle = pool.lock();
        while idle.front().is_some_and(|it| it.since.elapsed() >= MAX_IDLE_TIME) {
            idle.pop_front();
        }
        if idle.is_empty() {
            idle.shrink_to(64);
            pool.sweeping.store(false, Ordering::Release);
            return;
        }
    }
}
