//! What is known of one connection, noted by those who work on it and read by the sweeper.

use super::coarse_clock::CoarseClock;
use super::heads::Heads;
use super::streams::{Http2Stream, Http2Streams};
use futures_util::task::AtomicWaker;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::Context;

/// What the sweeper tells a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SweeperSignal {
    /// Nothing.
    Nothing,
    /// To finish what is under way and to begin nothing more.
    Close,
    /// To end at once.
    Drop,
}

const SIGNAL_CLOSE: u8 = 1;
const SIGNAL_DROP: u8 = 2;

/// One connection. Times are `CoarseClock`; what they race with is only how many milliseconds late the sweeper sees them.
#[derive(Debug)]
pub(super) struct ConnectionState {
    clock: Arc<CoarseClock>,
    /// Requests whose answer has not ended yet.
    in_flight: AtomicU32,
    /// Answers with a part that the connection took and has not come back for more: it waits for the client.
    handed: AtomicU32,
    /// A head is under way since then.
    head_since: AtomicU64,
    /// When the last answer ended.
    done_at: AtomicU64,
    /// When an answer last began to wait for the client.
    waits_at: AtomicU64,
    /// When DATA of HTTP/2 last arrived; without HTTP/2 it says nothing.
    read_at: AtomicU64,
    /// When the socket last took bytes; with HTTP/2, DATA alone: PINGs make us write too (RFC 9113 section 6.7).
    written_at: AtomicU64,
    /// The client is given time to read the last answer, since then.
    lingers_since: AtomicU64,
    /// The socket took no more bytes when last asked.
    blocked: AtomicBool,
    /// Since when.
    blocked_at: AtomicU64,
    /// Response heads that wait for the client, where HTTP/2 is spoken. hyper bounds those of HTTP/1.1 itself: it writes one answer at a time.
    heads: OnceLock<Box<Heads>>,
    /// There where HTTP/2 is spoken: bytes may arrive that begin no request.
    streams: OnceLock<Arc<Http2Streams>>,
    /// WebSockets that run in streams of HTTP/2, which hyper does not count as requests.
    tunnels: AtomicU32,
    /// The last HTTP/1.1 request had a body.
    uploads: AtomicBool,
    /// Nobody serves this connection any more; as a tunnel it may live on.
    over: AtomicBool,
    signal: AtomicU8,
    waker: AtomicWaker,
}

/// What the sweeper reads at once.
#[derive(Clone, Copy, Debug)]
pub(super) struct ConnectionSnapshot {
    /// Requests under way.
    pub(super) in_flight: bool,
    /// The client does not take what it is given.
    pub(super) handed: bool,
    /// The socket takes no more.
    pub(super) blocked: bool,
    /// See `ConnectionState`; it says something only where the socket takes no more.
    pub(super) blocked_at: u64,
    /// Whether HTTP/2 is spoken.
    pub(super) multiplexed: bool,
    /// Whether any tunnel runs.
    pub(super) tunneled: bool,
    /// 0 where no head is under way.
    pub(super) head_since: u64,
    /// See `ConnectionState`.
    pub(super) done_at: u64,
    /// See `ConnectionState`.
    pub(super) waits_at: u64,
    /// See `ConnectionState`.
    pub(super) read_at: u64,
    /// See `ConnectionState`.
    pub(super) written_at: u64,
    /// 0 where it does not linger.
    pub(super) lingers_since: u64,
}

impl ConnectionState {
    /// A connection that was just accepted: its first head counts from now, with the TLS handshake before it.
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
            signal: AtomicU8::new(0),
            waker: AtomicWaker::new(),
        }
    }

    /// Bytes arrived.
    pub(super) fn has_read(&self) {
        let idle = self.in_flight.load(Ordering::Relaxed) == 0 && self.streams.get().is_none();
        if idle && self.head_since.load(Ordering::Relaxed) == 0 {
            self.head_since.store(self.clock.now(), Ordering::Relaxed);
        }
    }

    /// DATA of HTTP/2 arrived.
    pub(super) fn has_read_data(&self) {
        self.read_at.store(self.clock.now(), Ordering::Relaxed);
    }

    /// The socket took bytes.
    pub(super) fn has_written(&self) {
        if self.streams.get().is_none() {
            self.written_at.store(self.clock.now(), Ordering::Relaxed);
        }
        if self.blocked.load(Ordering::Relaxed) {
            self.blocked.store(false, Ordering::Relaxed);
        }
    }

    /// DATA of HTTP/2 went out.
    pub(super) fn has_written_data(&self) {
        self.written_at.store(self.clock.now(), Ordering::Relaxed);
    }

    /// HTTP/2 is spoken from here on.
    pub(super) fn multiplexes(&self) -> Arc<Http2Streams> {
        self.heads.get_or_init(Box::default);
        Arc::clone(self.streams.get_or_init(Arc::default))
    }

    /// Its streams, where HTTP/2 is spoken.
    pub(super) fn streams(&self) -> Option<&Arc<Http2Streams>> {
        self.streams.get()
    }

    /// The time that its notes are kept in.
    pub(super) fn clock(&self) -> &Arc<CoarseClock> {
        &self.clock
    }

    /// The response heads that wait, where HTTP/2 is spoken.
    pub(super) fn heads(&self) -> Option<&Heads> {
        self.heads.get().map(|it| &**it)
    }

    /// The head of a stream's answer goes to hyper. A client that lets them pile up is dropped.
    pub(super) fn queues_head(&self, stream: &Arc<Http2Stream>, bytes: u32) {
        if self.heads().is_some_and(|it| it.queues(stream, bytes)) {
            self.drop_now();
        }
    }

    /// Whether the socket took no more bytes when last asked.
    pub(super) fn is_full(&self) -> bool {
        self.blocked.load(Ordering::Relaxed)
    }

    /// The socket takes no more bytes.
    pub(super) fn is_blocked(&self) {
        if !self.blocked.swap(true, Ordering::Relaxed) {
            self.waits_at.store(self.clock.now(), Ordering::Relaxed);
            self.blocked_at.store(self.clock.now(), Ordering::Relaxed);
        }
    }

    /// Whether the last request may have sent more than was read, so that closing now would reset the connection under its answer.
    pub(super) fn uploads(&self) -> bool {
        self.uploads.load(Ordering::Relaxed)
    }

    /// The answer is out; the client may still be sending.
    pub(super) fn lingers(&self) {
        self.lingers_since.store(self.clock.now(), Ordering::Relaxed);
    }

    /// A request begins.
    pub(super) fn begins(&self, has_body: bool) {
        self.head_since.store(0, Ordering::Relaxed);
        self.uploads.store(has_body && self.streams.get().is_none(), Ordering::Relaxed);
        self.in_flight.fetch_add(1, Ordering::AcqRel);
    }

    /// The answer of a request has ended.
    pub(super) fn ends(&self) {
        self.done_at.store(self.clock.now(), Ordering::Relaxed);
        self.in_flight.fetch_sub(1, Ordering::AcqRel);
    }

    /// An answer has given a part away.
    pub(super) fn hands_out(&self) {
        self.waits_at.store(self.clock.now(), Ordering::Relaxed);
        self.handed.fetch_add(1, Ordering::AcqRel);
    }

    /// An answer is asked for more.
    pub(super) fn is_asked(&self) {
        self.handed.fetch_sub(1, Ordering::AcqRel);
    }

    /// A stream became a tunnel.
    pub(super) fn tunnel_begins(&self) {
        self.has_read_data();
        self.tunnels.fetch_add(1, Ordering::Relaxed);
    }

    /// A tunnel ended.
    pub(super) fn tunnel_ends(&self) {
        self.done_at.store(self.clock.now(), Ordering::Relaxed);
        self.tunnels.fetch_sub(1, Ordering::Relaxed);
    }

    /// Nobody listens to the sweeper any more.
    pub(super) fn is_over(&self) {
        self.over.store(true, Ordering::Relaxed);
    }

    /// Whether the sweeper may forget it.
    pub(super) fn forgotten(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    /// What the sweeper judges by.
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

    /// Tells the connection to finish.
    pub(super) fn close(&self) {
        self.signal(SIGNAL_CLOSE);
    }

    /// Tells the connection to end at once.
    pub(super) fn drop_now(&self) {
        self.signal(SIGNAL_DROP);
    }

    fn signal(&self, what: u8) {
        if self.signal.fetch_max(what, Ordering::AcqRel) < what {
            self.waker.wake();
        }
    }

    /// What the sweeper has told; the task is woken when that changes.
    pub(super) fn poll_signal(&self, context: &Context<'_>) -> SweeperSignal {
        self.waker.register(context.waker());
        match self.signal.load(Ordering::Acquire) {
            0 => SweeperSignal::Nothing,
            SIGNAL_CLOSE => SweeperSignal::Close,
            _ => SweeperSignal::Drop,
        }
    }
}
