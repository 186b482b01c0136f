//! The one timer: looks at all connections every now and then, and ends those that take too long.

use super::coarse_clock::CoarseClock;
use super::state::{ConnectionSnapshot, ConnectionState};
use super::streams::StuckStreams;
use crate::config::server::ServerLimits;
use crate::wire::handles;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// How long a client that was refused may take to read why, milliseconds.
const REFUSED_READ_MS: u64 = 1000;
/// How many of those are kept open at a time, on the public listeners and on the admin listener each. They have no place, so they come out of
/// `RESERVED_HANDLES`.
pub(super) const MAX_REFUSED_CONNECTIONS: usize = 64;
/// How long a client may take to close after an answer that came before its upload had ended.
const LINGER_TIMEOUT: Duration = Duration::from_secs(5);
/// At most one line in the log about refused connections in that time, milliseconds.
const LOG_INTERVAL_MS: u64 = 10_000;

/// Where the server is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ServerPhase {
    /// As usual.
    Serving,
    /// What is under way may finish.
    Draining,
    /// Everything ends.
    Ending,
}

/// The bounds in milliseconds, each a tick longer: a time that is noted may be a tick old already, and nobody is cut off early.
#[derive(Clone, Copy, Debug)]
struct SweepBounds {
    grain: u64,
    header: u64,
    idle: u64,
    body: u64,
    stream: u64,
    linger: u64,
}

impl SweepBounds {
    fn new(limits: &ServerLimits, grain: Duration) -> Self {
        let bound = |it: Duration| milliseconds(it.saturating_add(grain));
        Self {
            grain: milliseconds(grain),
            header: bound(limits.header_timeout),
            idle: bound(limits.idle_timeout),
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
    /// No connection yet.
    pub(super) fn new() -> Self {
        Self { clock: Arc::default(), newcomers: Mutex::default(), refused: Mutex::default(), phase: watch::Sender::new(ServerPhase::Serving) }
    }

    /// A new connection, watched from now on.
    pub(super) fn enter(&self) -> Arc<ConnectionState> {
        let state = Arc::new(ConnectionState::new(Arc::clone(&self.clock)));
        lock(&self.newcomers).push(Arc::downgrade(&state));
        state
    }

    /// Counts a connection that found no place; one that was told so is kept open for a moment, so that it can read it.
    pub(super) fn refuse(&self, told: Option<OwnedFd>) {
        let mut refused = lock(&self.refused);
        refused.count += 1;
        if let Some(told) = told.filter(|_| refused.open.len() < MAX_REFUSED_CONNECTIONS) {
            refused.open.push((self.clock.now(), told));
        }
    }

    /// Goes on to the next phase.
    pub(super) fn enter_phase(&self, phase: ServerPhase) {
        self.phase.send_replace(phase);
    }

    /// Sweeps for as long as the task lives.
    pub(super) async fn sweep(self: Arc<Self>, limits: ServerLimits) {
        let grain = grain(&limits);
        let limit = limits.connections.min(handles::max_connections());
        let mut sweeper = Sweeper { bounds: SweepBounds::new(&limits, grain), limit, watched: Vec::new(), logged: 0 };
        let (mut passed, mut last, mut phase) = (Duration::ZERO, Instant::now(), self.phase.subscribe());
        let mut ticks = tokio::time::interval(grain);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                // The sender is ours, so it lives.
                _ = phase.changed() => {}
            }
            passed += counted(last.elapsed(), grain);
            last = Instant::now();
            self.clock.set(milliseconds(passed));
            let now = *phase.borrow_and_update();
            sweeper.look(&self, now);
        }
    }
}

/// Fine enough for the shortest bound, never finer than 20 ms nor coarser than half a second.
fn grain(limits: &ServerLimits) -> Duration {
    let shortest = limits.header_timeout.min(limits.idle_timeout).min(limits.body_timeout);
    (shortest / 8).clamp(Duration::from_millis(20), Duration::from_millis(500))
}

/// Time in which this process did not run, since its machine slept or had others to serve, is held against no client: what it sent may lie
/// there unread.
fn counted(elapsed: Duration, grain: Duration) -> Duration {
    elapsed.min(grain * 4)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Sweeper {
    bounds: SweepBounds,
    /// Most connections at a time.
    limit: usize,
    watched: Vec<SweptConnection>,
    logged: u64,
}

impl Sweeper {
    fn look(&mut self, registry: &ConnectionRegistry, phase: ServerPhase) {
        let now = registry.clock.now();
        let newcomers = std::mem::take(&mut *lock(&registry.newcomers));
        self.watched.extend(newcomers.into_iter().map(|state| SweptConnection { state, closing: None }));
        let bounds = self.bounds;
        self.watched.retain_mut(|it| it.look(now, &bounds, phase));
        // A crowd that has gone must not be paid for ever after.
        if self.watched.len() < self.watched.capacity() / 4 {
            self.watched.shrink_to(self.watched.len() * 2);
        }
        self.close_lingering(registry, now);
    }

    fn close_lingering(&mut self, registry: &ConnectionRegistry, now: u64) {
        let mut refused = lock(&registry.refused);
        refused.open.retain(|it| now.saturating_sub(it.0) < REFUSED_READ_MS);
        if refused.count > 0 && (self.logged == 0 || now.saturating_sub(self.logged) >= LOG_INTERVAL_MS) {
            let count = std::mem::take(&mut refused.count);
            self.logged = now;
            let limit = self.limit;
            tracing::warn!(count, limit, "connections refused: the limit is reached ([server.limits] connections, or half of the open files limit)");
        }
    }
}

/// A connection, and what only the sweeper needs to know of it.
struct SweptConnection {
    state: Weak<ConnectionState>,
    /// It was told to close, then.
    closing: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SweepVerdict {
    Live,
    Close,
    Drop,
}

impl SweptConnection {
    /// Returns whether there is anything left to watch.
    fn look(&mut self, now: u64, bounds: &SweepBounds, phase: ServerPhase) -> bool {
        let Some(state) = self.state.upgrade().filter(|it| !it.forgotten()) else { return false };
        let seen = state.seen();
        // A tunnel may be silent for longer than a body; a socket that takes no bytes holds up both.
        let beside_tunnel = seen.tunneled && !seen.blocked && !is_silent(&seen, now, bounds);
        let stuck = state
            .streams()
            .map_or(StuckStreams::None, |it| if beside_tunnel { it.reset_stuck_beside_tunnel(now, bounds.body) } else { it.reset_stuck(now, bounds.body) });
        match judge(&seen, stuck, now, bounds, phase) {
            SweepVerdict::Live => {}
            SweepVerdict::Close => self.close(&state, &seen, now, bounds),
            SweepVerdict::Drop => state.drop_now(),
        }
        true
    }

    /// First kindly (HTTP/2 says GOAWAY, a connection at rest ends at once); then, if nothing happens any more, for good.
    fn close(&mut self, state: &ConnectionState, seen: &ConnectionSnapshot, now: u64, bounds: &SweepBounds) {
        let Some(told) = self.closing else {
            self.closing = Some(now);
            return state.close();
        };
        if seen.in_flight || seen.handed || seen.blocked || (seen.tunneled && !is_silent(seen, now, bounds)) {
            return;
        }
        let still = now.saturating_sub(told.max(seen.written_at)) >= 2 * bounds.grain;
        if still || now.saturating_sub(told) >= bounds.header {
            state.drop_now();
        }
    }
}

fn judge(seen: &ConnectionSnapshot, stuck: StuckStreams, now: u64, bounds: &SweepBounds, phase: ServerPhase) -> SweepVerdict {
    let since = |at: u64| now.saturating_sub(at);
    if phase == ServerPhase::Ending {
        return SweepVerdict::Drop;
    }
    if seen.lingers_since != 0 {
        return if since(seen.lingers_since) >= bounds.linger { SweepVerdict::Drop } else { SweepVerdict::Live };
    }
    // With HTTP/2 each stream has its own time. What is left once none is under way drains as DATA moves.
    let waits = seen.blocked || (seen.handed && !seen.multiplexed);
    let waits_too_long = waits && since(seen.written_at.max(seen.waits_at)) >= bounds.body;
    // h2 takes what streams of small events have to say for hours. DATA that arrives is an upload that goes on.
    let is_unread = seen.blocked && since(seen.blocked_at.max(seen.written_at).max(seen.read_at)) >= bounds.body;
    if stuck == StuckStreams::All || is_unread || (waits_too_long && !(seen.multiplexed && seen.in_flight)) {
        return SweepVerdict::Drop;
    }
    let over = !seen.in_flight && (seen.multiplexed || !waits) && is_over(seen, now, bounds);
    // A stream that cannot be reset holds one part: no new ones come beside it.
    if phase == ServerPhase::Draining || over || stuck == StuckStreams::Tail { SweepVerdict::Close } else { SweepVerdict::Live }
}

/// Whether a connection without a request under way has had its time.
fn is_over(seen: &ConnectionSnapshot, now: u64, bounds: &SweepBounds) -> bool {
    let since = |at: u64| now.saturating_sub(at);
    if seen.tunneled {
        return is_silent(seen, now, bounds);
    }
    // Bytes still go out after the last answer has ended, to a client that reads slowly.
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

    /// HTTP/2 with streams under way and a full socket.
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

    // A client that read nothing kept streams of small events, and their connections to the app, for as long as h2 had room for the events.
    #[test]
    fn a_full_socket_ends_a_connection_unless_data_passes_either_way() {
        let bounds = SweepBounds { grain: 100, header: 1000, idle: 1000, body: 1000, stream: 5000, linger: 1000 };
        let verdict = |seen: ConnectionSnapshot| judge(&seen, StuckStreams::None, 10_000, &bounds, ServerPhase::Serving);
        assert_eq!(verdict(ConnectionSnapshot { waits_at: 9990, ..full() }), SweepVerdict::Drop, "an event was given to h2 just now");
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
        let grain = Duration::from_millis(500);
        assert_eq!(counted(Duration::from_millis(510), grain), Duration::from_millis(510));
        assert_eq!(counted(Duration::from_secs(3600), grain), Duration::from_secs(2));
    }
}
