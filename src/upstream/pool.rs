//! Connections to the app that wait for their next request.

use super::body::{Outgoing, Progress};
use hyper::client::conn::http1::SendRequest;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long a connection waits for its next request; below the 5 s after which Node closes its own.
const IDLE: Duration = Duration::from_secs(4);

/// Connections that wait at most; a further one is closed.
const MOST: usize = 1024;

/// From here on a connection counts as idle: the app may be about to close it.
const REST: Duration = Duration::from_millis(20);

/// Whether a connection was idle before it was taken.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rested(pub(super) bool);

/// The idle connections to one app. The one used last is taken first.
#[derive(Debug, Default)]
pub(super) struct Pool {
    idle: Mutex<VecDeque<Idle>>,
    sweeping: AtomicBool,
}

#[derive(Debug)]
struct Idle {
    sender: SendRequest<Outgoing>,
    since: Instant,
}

/// A connection in use, and where it goes afterwards. Dropped, it is closed.
#[derive(Debug)]
pub(super) struct Returning {
    pool: Arc<Pool>,
    sender: SendRequest<Outgoing>,
    sent: Option<Progress>,
}

impl Returning {
    pub(super) fn new(pool: Arc<Pool>, sender: SendRequest<Outgoing>, sent: Option<Progress>) -> Self {
        Self { pool, sender, sent }
    }

    /// The response has ended. An app that answered before it took the whole body has spoilt the connection.
    pub(super) fn give_back(self) {
        if self.sent.as_ref().is_none_or(Progress::is_whole) && !self.sender.is_closed() {
            self.pool.put(self.sender);
        }
    }
}

impl Pool {
    /// A connection that is likely to live, or none.
    pub(super) async fn take(&self) -> Option<(SendRequest<Outgoing>, Rested)> {
        loop {
            let idle = self.lock().pop_back()?;
            let mut sender = idle.sender;
            let rested = idle.since.elapsed();
            if rested < IDLE && !sender.is_closed() && (sender.is_ready() || sender.ready().await.is_ok()) {
                return Some((sender, Rested(rested >= REST)));
            }
        }
    }

    fn put(self: &Arc<Self>, sender: SendRequest<Outgoing>) {
        {
            let mut idle = self.lock();
            if idle.len() < MOST {
                idle.push_back(Idle { sender, since: Instant::now() });
            }
        }
        if !self.sweeping.load(Ordering::Relaxed) && !self.sweeping.swap(true, Ordering::AcqRel) {
            tokio::spawn(sweep(Arc::downgrade(self)));
        }
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Idle>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Closes what waited too long, until nothing waits.
async fn sweep(pool: std::sync::Weak<Pool>) {
    loop {
        tokio::time::sleep(IDLE / 4).await;
        let Some(pool) = pool.upgrade() else { return };
        let mut idle = pool.lock();
        while idle.front().is_some_and(|it| it.since.elapsed() >= IDLE) {
            idle.pop_front();
        }
        if idle.is_empty() {
            idle.shrink_to(64);
            pool.sweeping.store(false, Ordering::Release);
            return;
        }
    }
}
