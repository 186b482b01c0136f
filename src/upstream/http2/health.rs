//! Whether the app at the other end of an HTTP/2 connection is still there, and whether the
//! connection is still needed.

use h2::{Ping, PingPong};
use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep, timeout};

/// How long a connection without streams is kept.
const MAX_IDLE_TIME: Duration = Duration::from_secs(60);
/// How long an answer may take before its connection is doubted, unless anything was received on it
/// meanwhile.
pub(super) const OVERDUE_TIME: Duration = Duration::from_secs(2);
/// How long after a PING no further requests use a connection on which nothing was received.
const DOUBT_TIMEOUT: Duration = Duration::from_secs(2);
/// How long after that the connection ends. A garbage collection may pause an app for seconds.
const PONG_TIMEOUT: Duration = Duration::from_secs(8);
/// Number of PINGs within `PING_INTERVAL` if the app sends nothing else. gRPC servers accept two
/// more than one every five minutes.
const MAX_PINGS: u32 = 2;
const PING_INTERVAL: Duration = Duration::from_mins(5);

/// In `ConnectionHealth::streams`: the connection takes no further streams.
pub(super) const RETIRED: usize = 1 << 31;

/// What is known of a connection.
#[derive(Debug)]
pub(super) struct ConnectionHealth {
    opened_at: Instant,
    /// When bytes last arrived, in milliseconds since `opened_at`.
    received_at: AtomicU64,
    /// When the last stream ended, in milliseconds since `opened_at`.
    pub(super) idle_since: AtomicU64,
    /// Number of streams, and `RETIRED`.
    pub(super) streams: AtomicUsize,
    /// Whether it has carried a request before.
    pub(super) is_used: AtomicBool,
    /// Number of uploads that wait for the app's window.
    pub(super) blocked_uploads: AtomicUsize,
    pub(super) overdue: Notify,
    pub(super) is_doubted: watch::Sender<bool>,
}

impl ConnectionHealth {
    pub(super) fn new() -> Self {
        Self {
            opened_at: Instant::now(),
            received_at: AtomicU64::new(0),
            idle_since: AtomicU64::new(0),
            streams: AtomicUsize::new(0),
            is_used: AtomicBool::new(false),
            blocked_uploads: AtomicUsize::new(0),
            overdue: Notify::new(),
            is_doubted: watch::Sender::new(false),
        }
    }

    pub(super) fn now(&self) -> u64 {
        u64::try_from(self.opened_at.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    pub(super) fn has_received(&self) {
        self.received_at.store(self.now(), Ordering::Relaxed);
    }

    pub(super) fn received_at(&self) -> u64 {
        self.received_at.load(Ordering::Relaxed)
    }

    pub(super) fn quiet_for(&self) -> Duration {
        Duration::from_millis(self.now().saturating_sub(self.received_at()))
    }

    pub(super) fn idle_since(&self) -> Option<Instant> {
        let since = Duration::from_millis(self.idle_since.load(Ordering::Relaxed));
        (self.streams.load(Ordering::Acquire) == 0).then(|| self.opened_at + since)
    }

    pub(super) fn retire(&self) {
        self.streams.fetch_or(RETIRED, Ordering::AcqRel);
    }

    pub(super) fn retire_if_idle(&self) -> bool {
        self.streams.compare_exchange(0, RETIRED, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    pub(super) fn is_retired_and_idle(&self) -> bool {
        self.streams.load(Ordering::Acquire) == RETIRED
    }
}

/// Returns true when the connection is idle and retired, and false when the app is gone.
pub(super) async fn watch_health(pings: Option<PingPong>, health: &ConnectionHealth) -> bool {
    let mut pings = pings.map(HealthPings::new);
    loop {
        tokio::select! {
            () = health.overdue.notified() => {
                if let Some(pings) = &mut pings
                    && !health.is_retired_and_idle()
                    && !pings.finds_app(health).await
                {
                    return false;
                }
            }
            () = sleep(MAX_IDLE_TIME / 4) => {
                if health.idle_since().is_some_and(|it| it.elapsed() >= MAX_IDLE_TIME) {
                    health.retire_if_idle();
                }
            }
        }
        if health.is_retired_and_idle() {
            return true;
        }
    }
}

/// The PINGs of one connection.
struct HealthPings {
    pings: PingPong,
    /// Whether the app has not answered the last one.
    is_pending: bool,
    /// Number of PINGs since the app last sent anything else.
    count: u32,
    sent_at: Option<Instant>,
    /// When the last answer to a PING arrived, as `ConnectionHealth::received_at` says it.
    answered_at: u64,
}

impl HealthPings {
    fn new(pings: PingPong) -> Self {
        Self { pings, is_pending: false, count: 0, sent_at: None, answered_at: 0 }
    }

    /// Whether the app is there: it has sent something since the answer became due, or responds to
    /// a PING.
    async fn finds_app(&mut self, health: &ConnectionHealth) -> bool {
        if health.quiet_for() < OVERDUE_TIME || !self.may_ping(health) {
            return true;
        }
        let sent = health.now();
        if !self.is_pending && self.pings.send_ping(Ping::opaque()).is_err() {
            return true;
        }
        self.is_pending = true;
        self.count += 1;
        self.sent_at = Some(Instant::now());
        if !self.is_answered_within(DOUBT_TIMEOUT).await && health.received_at() < sent {
            health.is_doubted.send_replace(true);
            if !self.is_answered_within(PONG_TIMEOUT).await && health.received_at() < sent {
                return false;
            }
            health.is_doubted.send_replace(false);
        }
        self.answered_at = health.received_at();
        true
    }

    fn may_ping(&mut self, health: &ConnectionHealth) -> bool {
        if health.received_at() > self.answered_at {
            self.count = 0;
        }
        self.count < MAX_PINGS || self.sent_at.is_none_or(|it| it.elapsed() >= PING_INTERVAL)
    }

    async fn is_answered_within(&mut self, limit: Duration) -> bool {
        let answer = poll_fn(|context| self.pings.poll_pong(context));
        let is_answered = timeout(limit, pin!(answer)).await.is_ok();
        self.is_pending &= !is_answered;
        is_answered
    }
}
