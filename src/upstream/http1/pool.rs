//! Idle connections to the app.

use super::connection::Http1Connection;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;
use tokio::time::Instant;

/// How long a connection may be idle. Less than the 5 s after which Node closes its end.
const MAX_IDLE_TIME: Duration = Duration::from_secs(4);

/// Maximum number of idle connections. Further ones are closed.
const MAX_IDLE_CONNECTIONS: usize = 1024;

/// The idle connections to one app. The most recently used one is taken first.
#[derive(Debug, Default)]
pub(super) struct ConnectionPool {
    idle: Mutex<VecDeque<IdleConnection>>,
    sweeping: AtomicBool,
}

#[derive(Debug)]
struct IdleConnection {
    connection: Http1Connection,
    since: Instant,
}

impl ConnectionPool {
    /// Returns a connection that is probably still open, if there is one.
    pub(super) fn take(&self, now: Instant) -> Option<Http1Connection> {
        loop {
            let mut idle = self.lock().pop_back()?;
            let rested = now.saturating_duration_since(idle.since);
            if rested < MAX_IDLE_TIME && idle.connection.is_silent() {
                return Some(idle.connection);
            }
        }
    }

    /// Keeps a connection after the response has ended.
    pub(super) fn put(self: &Arc<Self>, mut connection: Http1Connection) {
        connection.rest();
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
async fn sweep(pool: Weak<ConnectionPool>) {
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
