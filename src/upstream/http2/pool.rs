//! The HTTP/2 connections to one app. Another one is opened when all have as many streams as the
//! app accepts, or when a stalled upload may have used up the window of a connection.

use super::connection::{Http2Connection, MAX_STREAMS, StreamSlot};
use crate::upstream::connect::AppDialer;
use crate::upstream::connection_permits::{ConnectionPermits, IdleConnections};
use crate::upstream::error::Error;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

/// Number of connections with blocked uploads that further uploads avoid. Beyond it they share: one
/// client could otherwise open a connection with each upload that its app does not read.
const MAX_BLOCKED_CONNECTIONS: usize = 4;

/// The connections to one app.
#[derive(Debug)]
pub(super) struct Http2Pool {
    state: Mutex<PoolState>,
    /// Notified when a stream has ended, or a connection was opened or could not be opened.
    changed: Arc<Notify>,
    permits: Arc<ConnectionPermits>,
    added_to_permits: OnceLock<()>,
}

#[derive(Debug)]
struct PoolState {
    connections: Vec<Arc<Http2Connection>>,
    /// Number of connections that are being opened.
    opening: usize,
    /// Number of requests that wait for one of those.
    waiting: usize,
    /// Number of streams that the newest connection accepts.
    max_streams: usize,
    /// Number of connections that could not be opened so far.
    failures: u64,
}

/// What a request does next.
enum NextStep<'a> {
    Use(StreamSlot),
    Wait { _waiting: CountedWait<'a>, failures: u64 },
    Open(CountedOpening<'a>),
}

/// A connection in `PoolState::opening`.
struct CountedOpening<'a>(&'a Http2Pool);

/// A request in `PoolState::waiting`.
struct CountedWait<'a>(&'a Http2Pool);

impl Default for Http2Pool {
    fn default() -> Self {
        let state = PoolState {
            connections: Vec::new(),
            opening: 0,
            waiting: 0,
            max_streams: MAX_STREAMS,
            failures: 0,
        };
        Self {
            state: Mutex::new(state),
            changed: Arc::default(),
            permits: ConnectionPermits::of_process(),
            added_to_permits: OnceLock::new(),
        }
    }
}

impl IdleConnections for Http2Pool {
    fn oldest_since(&self) -> Option<Instant> {
        self.lock().connections.iter().filter_map(|it| it.idle_since()).min()
    }

    fn close_oldest(&self) -> bool {
        let state = self.lock();
        let idle = state.connections.iter().filter_map(|it| Some((it.idle_since()?, it)));
        idle.min_by_key(|it| it.0).is_some_and(|it| it.1.close_if_idle())
    }
}

impl Http2Pool {
    /// Takes a stream of a connection, and opens one if necessary. `uploads` says whether the
    /// request has a body.
    ///
    /// # Errors
    /// `Error` if no connection could be opened.
    pub(super) async fn take(
        self: &Arc<Self>,
        dialer: &AppDialer,
        uploads: bool,
    ) -> Result<StreamSlot, Error> {
        let began = Instant::now();
        let mut seen_failures = None;
        loop {
            let mut changed = pin!(self.changed.notified());
            changed.as_mut().enable();
            let may_wait = began.elapsed() < dialer.timeout();
            match self.next_step(uploads, may_wait, seen_failures) {
                NextStep::Use(slot) => return Ok(slot),
                NextStep::Open(opening) => return self.open_counted(dialer, opening).await,
                NextStep::Wait { _waiting, failures } => {
                    seen_failures.get_or_insert(failures);
                    drop(timeout_at(began + dialer.timeout(), changed).await);
                }
            }
        }
    }

    /// Takes a stream of a new connection.
    ///
    /// # Errors
    /// `Error` if no connection could be opened.
    pub(super) async fn open(self: &Arc<Self>, dialer: &AppDialer) -> Result<StreamSlot, Error> {
        let opening = CountedOpening::begin(self, &mut self.lock());
        self.open_counted(dialer, opening).await
    }

    /// `failures` is the number of failures that the request saw when it first waited: after
    /// another one, it opens a connection itself, so that many requests do not wait for one attempt
    /// after the other.
    fn next_step(&self, uploads: bool, may_wait: bool, failures: Option<u64>) -> NextStep<'_> {
        let mut state = self.lock();
        let blocked = state.connections.iter().filter(|it| it.has_blocked_uploads()).count();
        let avoids_blocked = uploads && blocked < MAX_BLOCKED_CONNECTIONS;
        let usable = |connection: &&Arc<Http2Connection>| {
            connection.is_trusted() && !(avoids_blocked && connection.has_blocked_uploads())
        };
        let mut usable = state.connections.iter().filter(usable);
        if let Some(slot) = usable.find_map(|it| it.try_enter(&self.changed)) {
            return NextStep::Use(slot);
        }
        // Each request that opens a connection uses one of its streams.
        let expected = state.opening * state.max_streams.saturating_sub(1);
        let has_failed = failures.is_some_and(|it| it != state.failures);
        if may_wait && state.waiting < expected && !has_failed {
            state.waiting += 1;
            return NextStep::Wait { _waiting: CountedWait(self), failures: state.failures };
        }
        NextStep::Open(CountedOpening::begin(self, &mut state))
    }

    async fn open_counted(
        self: &Arc<Self>,
        dialer: &AppDialer,
        opening: CountedOpening<'_>,
    ) -> Result<StreamSlot, Error> {
        self.added_to_permits.get_or_init(|| {
            let pool: Weak<Self> = Arc::downgrade(self);
            self.permits.add_pool(pool);
        });
        let opened = self.try_open(dialer).await;
        if opened.is_err() {
            self.lock().failures += 1;
        }
        drop(opening);
        opened
    }

    async fn try_open(self: &Arc<Self>, dialer: &AppDialer) -> Result<StreamSlot, Error> {
        let io = dialer.open().await?;
        let pool = Arc::downgrade(self);
        let ended = move || {
            if let Some(pool) = pool.upgrade() {
                pool.lock().connections.retain(|it| !it.is_retired());
            }
        };
        // An app may be slow to send its settings, as it may be to respond: the deadline of the
        // request limits both.
        let connection = Http2Connection::open(io, ended).await.map_err(Error::broken)?;
        let connection = Arc::new(connection);
        let mut state = self.lock();
        state.max_streams = connection.max_streams();
        // The app may have ended it meanwhile.
        let slot = connection.try_enter(&self.changed);
        state.connections.push(connection);
        slot.ok_or(Error::ConnectTimeout)
    }

    fn lock(&self) -> MutexGuard<'_, PoolState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<'a> CountedOpening<'a> {
    fn begin(pool: &'a Http2Pool, state: &mut PoolState) -> Self {
        state.opening += 1;
        Self(pool)
    }
}

impl Drop for CountedOpening<'_> {
    fn drop(&mut self) {
        self.0.lock().opening -= 1;
        self.0.changed.notify_waiters();
    }
}

impl Drop for CountedWait<'_> {
    fn drop(&mut self) {
        self.0.lock().waiting -= 1;
    }
}
