//! The single timer: checks all connections periodically and ends those that take too long.

use super::coarse_clock::CoarseClock;
use super::state::{ConnectionSnapshot, ConnectionState};
use super::streams::StuckStreams;
use crate::config::server::ServerLimits;
use crate::wire::handles;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// How long a refused client may take to read the reason, in milliseconds.
const REFUSED_READ_MS: u64 = 1000;
/// Maximum number of refused connections that are kept open, separately for the public listeners
/// and the admin listener. They have no permit, so they use `RESERVED_HANDLES`.
pub(super) const MAX_REFUSED_CONNECTIONS: usize = 64;
/// How long a client may take to close after a response that was sent before its upload had ended.
const LINGER_TIMEOUT: Duration = Duration::from_secs(5);
/// Time after a response after which an idle HTTP/1.1 connection gives its memory
/// back. The next request pays for it again.
const REST_AFTER: Duration = Duration::from_secs(5);
/// Minimum time between two log lines about refused connections, in milliseconds.
const LOG_INTERVAL_MS: u64 = 10_000;

/// The phase of the server's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ServerPhase {
    /// Normal operation.
    Serving,
    /// Active requests may finish.
    Draining,
    /// All connections end.
    Ending,
}

/// The limits in milliseconds, each extended by one tick: a recorded time may already be a tick
/// old, and clients must not be cut off early.
#[derive(Clone, Copy, Debug)]
struct SweepBounds {
    tick: u64,
    header: u64,
    idle: u64,
    /// After how long an idle connection gives its memory back.
    rest: u64,
    body: u64,
    stream: u64,
    linger: u64,
}

impl SweepBounds {
    fn new(limits: &ServerLimits, tick: Duration) -> Self {
        let bound = |it: Duration| milliseconds(it.saturating_add(tick));
        Self {
            tick: milliseconds(tick),
            header: bound(limits.header_timeout),
            idle: bound(limits.idle_timeout),
            rest: milliseconds(REST_AFTER.min(limits.idle_timeout / 4)),
            body: bound(limits.body_timeout),
            stream: bound(limits.stream_timeout),
            linger: bound(limits.header_timeout.min(LINGER_TIMEOUT)),
        }
    }
}

fn milliseconds(it: Duration) -> u64 {
    u64::try_from(it.as_millis()).unwrap_or(u64::MAX)
}

/// All connections of one server.
#[derive(Debug)]
pub(super) struct ConnectionRegistry {
    clock: Arc<CoarseClock>,
    newcomers: Mutex<Vec<Weak<ConnectionState>>>,
    refused: Mutex<RefusedCount>,
    phase: watch::Sender<ServerPhase>,
}

#[derive(Debug, Default)]
struct RefusedCount {
    open: Vec<(u64, OwnedFd)>,
    count: u64,
}

impl ConnectionRegistry {
    /// Creates a registry without connections.
    pub(super) fn new() -> Self {
        Self {
            clock: Arc::default(),
            newcomers: Mutex::default(),
            refused: Mutex::default(),
            phase: watch::Sender::new(ServerPhase::Serving),
        }
    }

    /// Registers a new connection.
    pub(super) fn enter(&self) -> Arc<ConnectionState> {
        let state = Arc::new(ConnectionState::new(Arc::clone(&self.clock)));
        lock(&self.newcomers).push(Arc::downgrade(&state));
        state
    }

    /// Counts a connection that exceeds the limit. If it received a response, it is kept open
    /// briefly, so that the client can read it.
    pub(super) fn refuse(&self, socket: Option<OwnedFd>) {
        let mut refused = lock(&self.refused);
        refused.count += 1;
        if let Some(socket) = socket.filter(|_| refused.open.len() < MAX_REFUSED_CONNECTIONS) {
            refused.open.push((self.clock.now(), socket));
        }
    }

    /// Enters the next phase.
    pub(super) fn enter_phase(&self, phase: ServerPhase) {
        self.phase.send_replace(phase);
    }

    /// Checks the connections for as long as the task lives.
    pub(super) async fn sweep(self: Arc<Self>, limits: ServerLimits) {
        let tick = tick(&limits);
        let limit = limits.connections.min(handles::max_connections());
        let mut sweeper = Sweeper {
            bounds: SweepBounds::new(&limits, tick),
            limit,
            watched: Vec::new(),
            logged: 0,
        };
        let (mut passed, mut last, mut phase) =
            (Duration::ZERO, Instant::now(), self.phase.subscribe());
        let mut ticks = tokio::time::interval(tick);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                // The sender belongs to `self`, so it is still alive.
                _ = phase.changed() => {}
            }
            passed += counted(last.elapsed(), tick);
            last = Instant::now();
            self.clock.set(milliseconds(passed));
            let now = *phase.borrow_and_update();
            sweeper.sweep_once(&self, now);
        }
    }
}

/// Returns the tick: short enough for the shortest limit, between 20 ms and half a second.
fn tick(limits: &ServerLimits) -> Duration {
    let shortest = limits.header_timeout.min(limits.idle_timeout).min(limits.body_timeout);
    (shortest / 8).clamp(Duration::from_millis(20), Duration::from_millis(500))
}

/// Time in which this process did not run, because the machine slept or was busy, does not count
/// against clients: their data may be waiting unread.
fn counted(elapsed: Duration, tick: Duration) -> Duration {
    elapsed.min(tick * 4)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Sweeper {
    bounds: SweepBounds,
    /// Maximum number of connections.
    limit: usize,
    watched: Vec<SweptConnection>,
    logged: u64,
}

impl Sweeper {
    fn sweep_once(&mut self, registry: &ConnectionRegistry, phase: ServerPhase) {
        let now = registry.clock.now();
        let newcomers = std::mem::take(&mut *lock(&registry.newcomers));
        self.watched
            .extend(newcomers.into_iter().map(|state| SweptConnection { state, closing: None }));
        let bounds = self.bounds;
        self.watched.retain_mut(|it| it.check(now, &bounds, phase));
        // Releases memory after a peak in connections.
        if self.watched.len() < self.watched.capacity() / 4 {
            self.watched.shrink_to(self.watched.len() * 2);
        }
        self.close_lingering(registry, now);
    }

    fn close_lingering(&mut self, registry: &ConnectionRegistry, now: u64) {
        let mut refused = lock(&registry.refused);
        refused.open.retain(|it| now.saturating_sub(it.0) < REFUSED_READ_MS);
        if refused.count > 0
            && (self.logged == 0 || now.saturating_sub(self.logged) >= LOG_INTERVAL_MS)
        {
            let count = std::mem::take(&mut refused.count);
            self.logged = now;
            let limit = self.limit;
            tracing::warn!(
                count,
                limit,
                "connections refused: the limit is reached ([server.limits] connections, or half of the open files limit)"
            );
        }
    }
}

/// A connection, with data that only the sweeper needs.
struct SweptConnection {
    state: Weak<ConnectionState>,
    /// When it was instructed to close.
    closing: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SweepVerdict {
    Live,
    Close,
    Drop,
}

impl SweptConnection {
    /// Checks a connection. Returns false if it no longer needs to be watched.
    fn check(&mut self, now: u64, bounds: &SweepBounds, phase: ServerPhase) -> bool {
        let Some(state) = self.state.upgrade().filter(|it| !it.forgotten()) else { return false };
        let seen = state.seen();
        let stuck = state
            .streams()
            .map_or(StuckStreams::None, |streams| streams.reset_stuck(now, bounds.body));
        match judge(&seen, stuck, now, bounds, phase) {
            SweepVerdict::Live
                if seen.is_idle() && now.saturating_sub(seen.done_at) >= bounds.rest =>
            {
                state.request_rest();
            }
            SweepVerdict::Live => {}
            SweepVerdict::Close => self.close(&state, &seen, now, bounds),
            SweepVerdict::Drop => state.drop_now(),
        }
        true
    }

    /// Closes a connection gracefully first (HTTP/2 sends GOAWAY, an idle connection ends at once).
    /// If nothing happens after that, drops it.
    fn close(
        &mut self,
        state: &ConnectionState,
        seen: &ConnectionSnapshot,
        now: u64,
        bounds: &SweepBounds,
    ) {
        let Some(closing_since) = self.closing else {
            self.closing = Some(now);
            return state.close();
        };
        if seen.in_flight
            || seen.handed
            || seen.blocked
            || (seen.tunneled && !is_silent(seen, now, bounds))
        {
            return;
        }
        let still = now.saturating_sub(closing_since.max(seen.written_at)) >= 2 * bounds.tick;
        if still || now.saturating_sub(closing_since) >= bounds.header {
            state.drop_now();
        }
    }
}

fn judge(
    seen: &ConnectionSnapshot,
    stuck: StuckStreams,
    now: u64,
    bounds: &SweepBounds,
    phase: ServerPhase,
) -> SweepVerdict {
    let since = |at: u64| now.saturating_sub(at);
    if phase == ServerPhase::Ending {
        return SweepVerdict::Drop;
    }
    if seen.lingers_since != 0 {
        return if since(seen.lingers_since) >= bounds.linger {
            SweepVerdict::Drop
        } else {
            SweepVerdict::Live
        };
    }
    // With HTTP/2, each stream has its own time limit. After the last stream has ended, the
    // remaining data counts as progress while DATA is sent.
    let waits = seen.blocked || (seen.handed && !seen.multiplexed);
    let waits_too_long = waits && since(seen.written_at.max(seen.waits_at)) >= bounds.body;
    // h2 can accept small events from streams for hours while the socket is full. DATA that arrives
    // shows an active upload.
    let is_unread = seen.blocked
        && since(seen.blocked_at.max(seen.written_at).max(seen.read_at)) >= bounds.body;
    if is_unread || (waits_too_long && !(seen.multiplexed && seen.in_flight)) {
        return SweepVerdict::Drop;
    }
    let over = !seen.in_flight && (seen.multiplexed || !waits) && is_over(seen, now, bounds);
    // A stream that cannot be reset holds one part of a response. No new streams are opened beside
    // it.
    if phase == ServerPhase::Draining || over || stuck == StuckStreams::Tail {
        SweepVerdict::Close
    } else {
        SweepVerdict::Live
    }
}

/// Whether a connection without active requests has exceeded its time limit.
fn is_over(seen: &ConnectionSnapshot, now: u64, bounds: &SweepBounds) -> bool {
    let since = |at: u64| now.saturating_sub(at);
    if seen.tunneled {
        return is_silent(seen, now, bounds);
    }
    // A slow client may still be receiving bytes after the last response has ended.
    let idle = since(seen.done_at.max(seen.written_at)) >= bounds.idle;
    let late = seen.head_since != 0 && since(seen.head_since) >= bounds.header;
    idle || late
}

/// Whether no DATA has passed for as long as a tunnel may be silent.
fn is_silent(seen: &ConnectionSnapshot, now: u64, bounds: &SweepBounds) -> bool {
    now.saturating_sub(seen.read_at.max(seen.written_at)) >= bounds.stream
}

#[cfg(test)]
mod tests {
    use super::*;

    /// HTTP/2 with active streams and a full socket.
    fn full() -> ConnectionSnapshot {
        ConnectionSnapshot {
            in_flight: true,
            handed: false,
            blocked: true,
            blocked_at: 0,
            multiplexed: true,
            tunneled: false,
            head_since: 0,
            done_at: 0,
            waits_at: 0,
            read_at: 0,
            written_at: 0,
            lingers_since: 0,
        }
    }

    // Regression: a client that read nothing used to keep streams of small events, and their
    // connections to the app, for as long as h2 had room for the events.
    #[test]
    fn a_full_socket_ends_a_connection_unless_data_passes_either_way() {
        let bounds = SweepBounds {
            tick: 100,
            header: 1000,
            idle: 1000,
            rest: 250,
            body: 1000,
            stream: 5000,
            linger: 1000,
        };
        let verdict = |seen: ConnectionSnapshot| {
            judge(&seen, StuckStreams::None, 10_000, &bounds, ServerPhase::Serving)
        };
        assert_eq!(
            verdict(ConnectionSnapshot { waits_at: 9990, ..full() }),
            SweepVerdict::Drop,
            "an event was given to h2 just now"
        );
        for goes_on in [
            ConnectionSnapshot { blocked: false, ..full() },
            ConnectionSnapshot { blocked_at: 9500, ..full() },
            ConnectionSnapshot { written_at: 9500, ..full() },
            ConnectionSnapshot { read_at: 9500, ..full() },
        ] {
            assert_eq!(verdict(goes_on), SweepVerdict::Live, "{goes_on:?}");
        }
    }

    #[test]
    fn time_in_which_nothing_ran_is_held_against_nobody() {
        let tick = Duration::from_millis(500);
        assert_eq!(counted(Duration::from_millis(510), tick), Duration::from_millis(510));
        assert_eq!(counted(Duration::from_secs(3600), tick), Duration::from_secs(2));
    }
}
