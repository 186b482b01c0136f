//! Connections to the app that wait for their next request.

use super::body::{Outgoing, Progress};
use super::patience::Patience;
use hyper::client::conn::http1::SendRequest;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

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

/// A connection, and the timer that stays with it.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) sender: SendRequest<Outgoing>,
    pub(super) patience: Patience,
}

#[derive(Debug)]
struct Idle {
    line: Line,
    since: Instant,
}

/// A connection in use, and where it goes afterwards. Dropped, it is closed.
#[derive(Debug)]
pub(super) struct Returning {
    pool: Arc<Pool>,
    line: Line,
    sent: Option<Progress>,
}

impl Returning {
    pub(super) fn new(pool: Arc<Pool>, line: Line, sent: Option<Progress>) -> Self {
        Self { pool, line, sent }
    }

    /// The response has ended. An app that answered before it took the whole body has spoilt the connection.
    pub(super) fn give_back(self) {
        if self.sent.as_ref().is_none_or(Progress::is_whole) && !self.line.sender.is_closed() {
            self.pool.put(self.line);
        }
    }
}

impl Pool {
    /// A connection that is likely to live, or none.
    pub(super) fn take(&self, now: Instant) -> Option<(Line, Rested)> {
        loop {
            let idle = self.lock().pop_back()?;
            let rested = now.saturating_duration_since(idle.since);
            if rested < IDLE && !idle.line.sender.is_closed() {
                return Some((idle.line, Rested(rested >= REST)));
            }
        }
    }

    fn put(self: &Arc<Self>, line: Line) {
        {
            let mut idle = self.lock();
            if idle.len() < MOST {
                idle.push_back(Idle { line, since: Instant::now() });
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
