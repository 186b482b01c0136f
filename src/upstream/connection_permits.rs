//! Limits the connections of this process to all apps, and hands permits from idle connections to
//! requests that wait for one.

use crate::wire::handles;
use std::fmt::Debug;
use std::future::{Future as _, poll_fn};
use std::io;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError, Weak};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

/// A single HTTP/2 client causes as many connections as it has streams, and must not use up the
/// file handles with which other clients are accepted.
static PROCESS_PERMITS: LazyLock<Arc<ConnectionPermits>> =
    LazyLock::new(|| Arc::new(ConnectionPermits::new(handles::max_connections())));

/// Permits for connections to apps. Requests get them in the order in which they came.
#[derive(Debug)]
pub(super) struct ConnectionPermits {
    free: Arc<Semaphore>,
    /// Number of requests that wait for a permit.
    waiting: AtomicUsize,
    /// The pools whose idle connections hold permits.
    pools: Mutex<Vec<Weak<dyn IdleConnections>>>,
}

/// The idle connections to one app.
pub(super) trait IdleConnections: Debug + Send + Sync {
    /// Since when the oldest one is idle.
    fn oldest_since(&self) -> Option<Instant>;

    /// Closes the oldest one, which gives back its permit. Returns false if there was none.
    fn close_oldest(&self) -> bool;
}

/// One request in `ConnectionPermits::waiting`.
struct WaitingRequest<'a>(&'a AtomicUsize);

impl ConnectionPermits {
    /// Returns the permits that all apps share.
    pub(super) fn of_process() -> Arc<Self> {
        Arc::clone(&PROCESS_PERMITS)
    }

    pub(super) fn new(max_connections: usize) -> Self {
        Self {
            free: Arc::new(Semaphore::new(max_connections.min(Semaphore::MAX_PERMITS))),
            waiting: AtomicUsize::new(0),
            pools: Mutex::default(),
        }
    }

    /// Adds a pool whose connections are closed when their permits are needed.
    pub(super) fn add_pool(&self, pool: Weak<dyn IdleConnections>) {
        let mut pools = self.pools();
        // A reload of the configuration drops the former pools.
        pools.retain(|it| it.strong_count() > 0);
        pools.push(pool);
    }

    /// Whether a request waits for the permit of a connection that has become idle. A pool asks
    /// this while it is locked: a request that waits looks into each pool once.
    pub(super) fn is_wanted(&self) -> bool {
        self.waiting.load(Ordering::SeqCst) > 0 && self.free.available_permits() == 0
    }

    /// Waits for a permit. If none is free, the connection of any app that has been idle for the
    /// longest time is closed for it.
    ///
    /// # Errors
    /// None in practice: the semaphore is never closed.
    pub(super) async fn acquire(&self) -> io::Result<OwnedSemaphorePermit> {
        let mut acquiring = pin!(Arc::clone(&self.free).acquire_owned());
        let mut waiting = None;
        let acquired = poll_fn(|context| {
            let polled = acquiring.as_mut().poll(context);
            // Only now: the request is in the semaphore's queue, so that no other one gets the
            // permit of the connection that is closed for it.
            if polled.is_pending() && waiting.is_none() {
                waiting = Some(WaitingRequest::new(&self.waiting));
                self.close_oldest_idle();
            }
            polled
        });
        acquired.await.map_err(io::Error::other)
    }

    fn close_oldest_idle(&self) {
        while let Some(pool) = self.pool_with_oldest() {
            if pool.close_oldest() {
                return;
            }
        }
    }

    fn pool_with_oldest(&self) -> Option<Arc<dyn IdleConnections>> {
        let pools: Vec<_> = self.pools().iter().filter_map(Weak::upgrade).collect();
        let since = |pool: Arc<dyn IdleConnections>| Some((pool.oldest_since()?, pool));
        pools.into_iter().filter_map(since).min_by_key(|(since, _)| *since).map(|(_, pool)| pool)
    }

    fn pools(&self) -> MutexGuard<'_, Vec<Weak<dyn IdleConnections>>> {
        self.pools.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<'a> WaitingRequest<'a> {
    fn new(waiting: &'a AtomicUsize) -> Self {
        waiting.fetch_add(1, Ordering::SeqCst);
        Self(waiting)
    }
}

impl Drop for WaitingRequest<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}
