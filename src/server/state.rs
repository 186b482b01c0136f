//! The state of one connection, updated by the tasks that work on it and read by the sweeper.

use super::coarse_clock::CoarseClock;
use super::heads::QueuedHeads;
use super::streams::{Http2Stream, Http2Streams};
use futures_util::task::AtomicWaker;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::Context;

/// The sweeper's instruction to a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SweeperSignal {
    /// No instruction.
    Nothing,
    /// Finish the active requests and begin no new ones.
    Close,
    /// End at once.
    Drop,
}

/// Whether an idle HTTP/1.1 connection keeps hyper's memory.
const REST_NONE: u8 = 0;
/// The sweeper asked it to give the memory back.
const REST_REQUESTED: u8 = 1;
/// It has given the memory back.
const RESTING: u8 = 2;

const SIGNAL_CLOSE: u8 = 1;
const SIGNAL_DROP: u8 = 2;

/// The state of one connection. Times are from `CoarseClock`; a data race between them only delays
/// the sweeper by a few milliseconds.
#[derive(Debug)]
pub(super) struct ConnectionState {
    clock: Arc<CoarseClock>,
    /// Number of requests whose response has not ended yet.
    in_flight: AtomicU32,
    /// Number of responses that wait for the client: the connection took a part and has not
    /// requested the next one.
    handed: AtomicU32,
    /// Since when a request head is being received; 0 if none is.
    head_since: AtomicU64,
    /// When the last response ended.
    done_at: AtomicU64,
    /// When a response last began to wait for the client.
    waits_at: AtomicU64,
    /// When HTTP/2 DATA last arrived. Not meaningful without HTTP/2.
    read_at: AtomicU64,
    /// When the socket last accepted bytes. With HTTP/2, only DATA counts: PINGs make Entrada write
    /// too (RFC 9113 section 6.7).
    written_at: AtomicU64,
    /// Since when the client has been given time to read the last response; 0 if it is not.
    lingers_since: AtomicU64,
    /// Whether the socket accepted no more bytes at the last attempt.
    blocked: AtomicBool,
    /// Since when the socket has accepted no more bytes.
    blocked_at: AtomicU64,
    /// The response heads that wait for the client, with HTTP/2. hyper itself limits those of
    /// HTTP/1.1, because it writes one response at a time.
    heads: OnceLock<Box<QueuedHeads>>,
    /// The streams, with HTTP/2: bytes may arrive that do not begin a request.
    streams: OnceLock<Arc<Http2Streams>>,
    /// Number of WebSockets in HTTP/2 streams, which hyper does not count as requests.
    tunnels: AtomicU32,
    /// Whether the last HTTP/1.1 request had a body.
    uploads: AtomicBool,
    /// Whether this connection is no longer served. It may live on as a tunnel.
    over: AtomicBool,
    rest: AtomicU8,
    signal: AtomicU8,
    waker: AtomicWaker,
}

/// A snapshot of the state for the sweeper.
#[derive(Clone, Copy, Debug)]
pub(super) struct ConnectionSnapshot {
    /// Whether requests are in progress.
    pub(super) in_flight: bool,
    /// Whether a response waits for the client.
    pub(super) handed: bool,
    /// Whether the socket accepts no more bytes.
    pub(super) blocked: bool,
    /// See `ConnectionState`. Only meaningful if the socket accepts no more bytes.
    pub(super) blocked_at: u64,
    /// Whether the connection uses HTTP/2.
    pub(super) multiplexed: bool,
    /// Whether the connection has tunnels.
    pub(super) tunneled: bool,
    /// 0 if no request head is being received.
    pub(super) head_since: u64,
    /// See `ConnectionState`.
    pub(super) done_at: u64,
    /// See `ConnectionState`.
    pub(super) waits_at: u64,
    /// See `ConnectionState`.
    pub(super) read_at: u64,
    /// See `ConnectionState`.
    pub(super) written_at: u64,
    /// 0 if the connection does not linger.
    pub(super) lingers_since: u64,
}

impl ConnectionSnapshot {
    /// Whether an HTTP/1.1 connection has no request, nothing to write, and no part of a head.
    pub(super) fn is_idle(&self) -> bool {
        !self.in_flight
            && !self.handed
            && !self.blocked
            && !self.multiplexed
            && !self.tunneled
            && self.head_since == 0
            && self.lingers_since == 0
    }
}

impl ConnectionState {
    /// Creates the state of an accepted connection. The time for its first head starts now and
    /// includes the TLS handshake.
    pub(super) fn new(clock: Arc<CoarseClock>) -> Self {
        let now = clock.now();
        let at = || AtomicU64::new(now);
        Self {
            clock,
            in_flight: AtomicU32::new(0),
            handed: AtomicU32::new(0),
            head_since: at(),
            done_at: at(),
            waits_at: at(),
            read_at: at(),
            written_at: at(),
            lingers_since: AtomicU64::new(0),
            blocked: AtomicBool::new(false),
            blocked_at: at(),
            heads: OnceLock::new(),
            streams: OnceLock::new(),
            tunnels: AtomicU32::new(0),
            uploads: AtomicBool::new(false),
            over: AtomicBool::new(false),
            rest: AtomicU8::new(REST_NONE),
            signal: AtomicU8::new(0),
            waker: AtomicWaker::new(),
        }
    }

    /// Records that bytes arrived.
    pub(super) fn has_read(&self) {
        let idle = self.in_flight.load(Ordering::Relaxed) == 0 && self.streams.get().is_none();
        if idle && self.head_since.load(Ordering::Relaxed) == 0 {
            self.head_since.store(self.clock.now(), Ordering::Relaxed);
        }
    }

    /// Records that HTTP/2 DATA arrived.
    pub(super) fn has_read_data(&self) {
        self.read_at.store(self.clock.now(), Ordering::Relaxed);
    }

    /// Records that the socket accepted bytes.
    pub(super) fn has_written(&self) {
        if self.streams.get().is_none() {
            self.written_at.store(self.clock.now(), Ordering::Relaxed);
        }
        if self.blocked.load(Ordering::Relaxed) {
            self.blocked.store(false, Ordering::Relaxed);
        }
    }

    /// Records that HTTP/2 DATA was sent.
    pub(super) fn has_written_data(&self) {
        self.written_at.store(self.clock.now(), Ordering::Relaxed);
    }

    /// Records that the connection uses HTTP/2.
    pub(super) fn multiplexes(&self) -> Arc<Http2Streams> {
        self.heads.get_or_init(Box::default);
        Arc::clone(self.streams.get_or_init(Arc::default))
    }

    /// Returns its streams, with HTTP/2.
    pub(super) fn streams(&self) -> Option<&Arc<Http2Streams>> {
        self.streams.get()
    }

    /// Returns the clock of its times.
    pub(super) fn clock(&self) -> &Arc<CoarseClock> {
        &self.clock
    }

    /// Returns the waiting response heads, with HTTP/2.
    pub(super) fn heads(&self) -> Option<&QueuedHeads> {
        self.heads.get().map(|it| &**it)
    }

    /// Records that hyper receives the response head of a stream. The connection is dropped if too
    /// many accumulate.
    pub(super) fn queues_head(&self, stream: &Arc<Http2Stream>, bytes: u32) {
        if self.heads().is_some_and(|it| it.queues(stream, bytes)) {
            self.drop_now();
        }
    }

    /// Whether the socket accepted no more bytes at the last attempt.
    pub(super) fn is_full(&self) -> bool {
        self.blocked.load(Ordering::Relaxed)
    }

    /// Records that the socket accepts no more bytes.
    pub(super) fn is_blocked(&self) {
        if !self.blocked.swap(true, Ordering::Relaxed) {
            self.waits_at.store(self.clock.now(), Ordering::Relaxed);
            self.blocked_at.store(self.clock.now(), Ordering::Relaxed);
        }
    }

    /// Whether the last request may have unread data, so that closing now would reset the
    /// connection before the client has read the response.
    pub(super) fn uploads(&self) -> bool {
        self.uploads.load(Ordering::Relaxed)
    }

    /// Records that the response was sent; the client may still be sending.
    pub(super) fn lingers(&self) {
        self.lingers_since.store(self.clock.now(), Ordering::Relaxed);
    }

    /// Records the start of a request.
    pub(super) fn begins(&self, has_body: bool) {
        self.head_since.store(0, Ordering::Relaxed);
        self.uploads.store(has_body && self.streams.get().is_none(), Ordering::Relaxed);
        self.in_flight.fetch_add(1, Ordering::AcqRel);
    }

    /// Records the end of a response.
    pub(super) fn ends(&self) {
        self.done_at.store(self.clock.now(), Ordering::Relaxed);
        self.in_flight.fetch_sub(1, Ordering::AcqRel);
    }

    /// Records that a part of a response was passed to hyper.
    pub(super) fn hands_out(&self) {
        self.waits_at.store(self.clock.now(), Ordering::Relaxed);
        self.handed.fetch_add(1, Ordering::AcqRel);
    }

    /// Records that hyper requests the next part of a response.
    pub(super) fn is_asked(&self) {
        self.handed.fetch_sub(1, Ordering::AcqRel);
    }

    /// Records that a stream became a tunnel.
    pub(super) fn tunnel_begins(&self) {
        self.has_read_data();
        self.tunnels.fetch_add(1, Ordering::Relaxed);
    }

    /// Records the end of a tunnel.
    pub(super) fn tunnel_ends(&self) {
        self.done_at.store(self.clock.now(), Ordering::Relaxed);
        self.tunnels.fetch_sub(1, Ordering::Relaxed);
    }

    /// Records that the connection no longer listens to the sweeper.
    pub(super) fn is_over(&self) {
        self.over.store(true, Ordering::Relaxed);
    }

    /// Whether the sweeper may forget the connection.
    pub(super) fn forgotten(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    /// Returns the values that the sweeper judges.
    pub(super) fn seen(&self) -> ConnectionSnapshot {
        let at = |it: &AtomicU64| it.load(Ordering::Relaxed);
        ConnectionSnapshot {
            in_flight: self.in_flight.load(Ordering::Acquire) > 0,
            handed: self.handed.load(Ordering::Acquire) > 0,
            blocked: self.blocked.load(Ordering::Relaxed),
            blocked_at: at(&self.blocked_at),
            multiplexed: self.streams.get().is_some(),
            tunneled: self.tunnels.load(Ordering::Relaxed) > 0,
            head_since: at(&self.head_since),
            done_at: at(&self.done_at),
            waits_at: at(&self.waits_at),
            read_at: at(&self.read_at),
            written_at: at(&self.written_at),
            lingers_since: at(&self.lingers_since),
        }
    }

    /// Asks an idle connection to give its memory back.
    pub(super) fn request_rest(&self) {
        let requested = self.rest.compare_exchange(
            REST_NONE,
            REST_REQUESTED,
            Ordering::AcqRel,
            Ordering::Relaxed,
        );
        if requested.is_ok() {
            self.waker.wake();
        }
    }

    /// Whether the connection should give its memory back now. A request may have arrived since the
    /// sweeper asked.
    pub(super) fn begins_rest(&self) -> bool {
        if self.rest.load(Ordering::Acquire) != REST_REQUESTED {
            return false;
        }
        let is_idle = self.seen().is_idle();
        self.rest.store(if is_idle { RESTING } else { REST_NONE }, Ordering::Release);
        is_idle
    }

    /// Whether the connection has given its memory back.
    #[cfg(test)]
    pub(super) fn is_resting(&self) -> bool {
        self.rest.load(Ordering::Acquire) == RESTING
    }

    /// Records that bytes arrived on a resting connection.
    pub(super) fn ends_rest(&self) {
        self.rest.store(REST_NONE, Ordering::Release);
    }

    /// Instructs the connection to finish.
    pub(super) fn close(&self) {
        self.signal(SIGNAL_CLOSE);
    }

    /// Instructs the connection to end at once.
    pub(super) fn drop_now(&self) {
        self.signal(SIGNAL_DROP);
    }

    fn signal(&self, what: u8) {
        if self.signal.fetch_max(what, Ordering::AcqRel) < what {
            self.waker.wake();
        }
    }

    /// Returns the sweeper's instruction. The task is woken when it changes.
    pub(super) fn poll_signal(&self, context: &Context<'_>) -> SweeperSignal {
        self.waker.register(context.waker());
        match self.signal.load(Ordering::Acquire) {
            0 => SweeperSignal::Nothing,
            SIGNAL_CLOSE => SweeperSignal::Close,
            _ => SweeperSignal::Drop,
        }
    }
}
