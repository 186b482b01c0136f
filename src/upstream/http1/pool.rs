//! Idle connections to the app.

use super::connection::Http1Connection;
use crate::upstream::connection_permits::{ConnectionPermits, IdleConnections};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Duration;
use tokio::time::Instant;

/// How long a connection may be idle. Less than the 5 s after which Node closes its end.
const MAX_IDLE_TIME: Duration = Duration::from_secs(4);

/// Maximum number of idle connections. Further ones are closed.
const MAX_IDLE_CONNECTIONS: usize = 1024;

/// The idle connections to one app. The most recently used one is taken first.
#[derive(Debug)]
pub(super) struct ConnectionPool {
    idle: Mutex<VecDeque<IdleConnection>>,
    sweeping: AtomicBool,
    permits: Arc<ConnectionPermits>,
    added_to_permits: OnceLock<()>,
}

#[derive(Debug)]
struct IdleConnection {
    connection: Http1Connection,
    since: Instant,
}

impl Default for ConnectionPool {
    fn default() -> Self {
        Self::new(ConnectionPermits::of_process())
    }
}

impl IdleConnections for ConnectionPool {
    fn oldest_since(&self) -> Option<Instant> {
        self.lock().front().map(|it| it.since)
    }

    fn close_oldest(&self) -> bool {
        let oldest = self.lock().pop_front();
        oldest.is_some()
    }
}

impl ConnectionPool {
    fn new(permits: Arc<ConnectionPermits>) -> Self {
        Self {
            idle: Mutex::default(),
            sweeping: AtomicBool::default(),
            permits,
            added_to_permits: OnceLock::new(),
        }
    }

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

    /// Keeps a connection after the response has ended, unless a request waits for its permit:
    /// otherwise newer requests would take the connection before that one.
    pub(super) fn put(self: &Arc<Self>, mut connection: Http1Connection) {
        connection.rest();
        self.added_to_permits.get_or_init(|| {
            let pool: Weak<Self> = Arc::downgrade(self);
            self.permits.add_pool(pool);
        });
        {
            let mut idle = self.lock();
            if idle.len() >= MAX_IDLE_CONNECTIONS || self.permits.is_wanted() {
                return;
            }
            idle.push_back(IdleConnection { connection, since: Instant::now() });
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::upstream::connect::AppDialer;
    use crate::upstream::deadline::RequestDeadline;
    use crate::upstream::error::Error;
    use tokio::net::TcpListener;

    const MAX_CONNECTIONS: usize = 8;

    /// Apps that share a few permits.
    struct Apps {
        permits: Arc<ConnectionPermits>,
        dialer: AppDialer,
    }

    impl Apps {
        async fn start() -> Self {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let port = listener.local_addr().unwrap().port();
            tokio::spawn(async move {
                let mut open = Vec::new();
                loop {
                    open.push(listener.accept().await.unwrap().0);
                }
            });
            let permits = Arc::new(ConnectionPermits::new(MAX_CONNECTIONS));
            let timeout = Duration::from_millis(500);
            Self { dialer: AppDialer::of_local(port, timeout, Arc::clone(&permits)), permits }
        }

        fn pool(&self) -> Arc<ConnectionPool> {
            Arc::new(ConnectionPool::new(Arc::clone(&self.permits)))
        }

        async fn open(&self) -> Result<Http1Connection, Error> {
            let deadline = RequestDeadline::new(Duration::from_secs(10), None);
            Ok(Http1Connection::new(self.dialer.open().await?, deadline.timer()))
        }

        /// One request, which the app answers after 20 ms.
        async fn exchange(&self, pool: &Arc<ConnectionPool>) -> Result<(), Error> {
            let connection = match pool.take(Instant::now()) {
                Some(connection) => connection,
                None => self.open().await?,
            };
            tokio::time::sleep(Duration::from_millis(20)).await;
            pool.put(connection);
            Ok(())
        }
    }

    #[tokio::test]
    async fn requests_that_wait_for_a_permit_come_before_newer_ones() {
        let apps = Arc::new(Apps::start().await);
        let pool = apps.pool();
        let client = |_| {
            let (apps, pool) = (Arc::clone(&apps), Arc::clone(&pool));
            tokio::spawn(async move {
                for _ in 0..50 {
                    apps.exchange(&pool).await?;
                }
                Ok::<_, Error>(())
            })
        };
        let clients: Vec<_> = (0..2 * MAX_CONNECTIONS).map(client).collect();
        for client in clients {
            client.await.unwrap().unwrap();
        }
        // Without anyone who waits, connections are kept.
        let kept = pool.lock().len();
        assert!(kept > 0);
        apps.exchange(&pool).await.unwrap();
        assert_eq!(pool.lock().len(), kept);
    }

    #[tokio::test]
    async fn the_oldest_idle_connection_of_any_app_gives_way_when_no_permit_is_left() {
        let apps = Apps::start().await;
        let (older, newer, busy) = (apps.pool(), apps.pool(), apps.pool());
        for (pool, count) in [(&older, 2), (&newer, MAX_CONNECTIONS - 2)] {
            for _ in 0..count {
                pool.put(apps.open().await.unwrap());
            }
        }
        let idle = || [&older, &newer, &busy].map(|it| it.lock().len());
        assert_eq!(idle(), [2, 6, 0]);
        let mut held = Vec::new();
        for left in [[1, 6, 0], [0, 6, 0], [0, 5, 0]] {
            held.push(apps.open().await.unwrap());
            assert_eq!(idle(), left);
        }
        // A permit that is free closes nothing.
        drop(held.pop());
        held.push(apps.open().await.unwrap());
        assert_eq!(idle(), [0, 5, 0]);
        busy.put(held.pop().unwrap());
        assert_eq!(idle(), [0, 5, 1]);
        // A pool that is gone stands in nobody's way.
        drop(newer);
        for _ in 0..6 {
            held.push(apps.open().await.unwrap());
        }
        assert_eq!(busy.lock().len(), 0);
        assert!(matches!(apps.open().await, Err(Error::ConnectTimeout)));
    }
}
