//! The HTTP/2 streams of one connection: tracks which of them wait for the client, and ends them
//! separately.

use super::coarse_clock::CoarseClock;
use futures_util::task::AtomicWaker;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

/// An HTTP/2 stream with an active request.
#[derive(Debug)]
pub(super) struct Http2Stream {
    clock: Arc<CoarseClock>,
    /// Its identifier; 0 while it is unknown.
    id: AtomicU32,
    /// Whether hyper holds a part of the response and waits for the client's window.
    waits_for_client: AtomicBool,
    /// When the stream began to wait, or when its DATA was last sent.
    moved_at: AtomicU64,
    /// Whether no more data is expected: its last frame was sent, it was reset, or it became a
    /// tunnel.
    is_closed: AtomicBool,
    /// Whether hyper is done with the stream. The data that h2 still holds for it, one part at
    /// most, is sent as the client's window allows, and the stream cannot be reset.
    is_tail: AtomicBool,
    reset: AtomicBool,
    task: AtomicWaker,
}

impl Http2Stream {
    /// Returns its identifier; 0 while it is unknown.
    pub(super) fn id(&self) -> u32 {
        self.id.load(Ordering::Relaxed)
    }

    /// Records that hyper received a part of the response.
    pub(super) fn hands_out(&self) {
        self.moves();
        self.waits_for_client.store(true, Ordering::Release);
    }

    /// Records that hyper requests more of the response.
    pub(super) fn is_asked(&self) {
        self.waits_for_client.store(false, Ordering::Release);
    }

    /// Records that the stream carries a tunnel from now on, which has its own limits.
    pub(super) fn becomes_tunnel(&self) {
        self.is_closed.store(true, Ordering::Relaxed);
    }

    fn moves(&self) {
        self.moved_at.store(self.clock.now(), Ordering::Relaxed);
    }

    /// Whether the client has accepted no data of this stream for `timeout` milliseconds.
    fn is_stuck(&self, now: u64, timeout: u64) -> bool {
        self.waits_for_client.load(Ordering::Acquire)
            && now.saturating_sub(self.moved_at.load(Ordering::Relaxed)) >= timeout
    }

    /// Registers hyper's task for the stream and returns whether it should end.
    pub(super) fn is_reset(&self, task: &Waker) -> bool {
        self.task.register(task);
        self.reset.load(Ordering::Acquire)
    }

    fn reset(&self) {
        self.reset.store(true, Ordering::Release);
        self.task.wake();
    }
}

/// All streams of one connection.
#[derive(Debug, Default)]
pub(super) struct Http2Streams(Mutex<StreamList>);

#[derive(Debug, Default)]
struct StreamList {
    live: Vec<Arc<Http2Stream>>,
    /// Identifiers of requests that were read, in order, until hyper's calls show which stream is
    /// which. The flag says whether the stream has closed since: a head and its reset may be read
    /// together.
    arrived: VecDeque<(u32, bool)>,
    /// Streams for which hyper has called the service, in order.
    called: VecDeque<Arc<Http2Stream>>,
}

/// The result of a check for stuck streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StuckStreams {
    /// No stream is stuck, or the stuck ones are being reset.
    None,
    /// A stuck stream cannot be reset.
    Tail,
}

impl Http2Streams {
    /// Starts the stream of a request. hyper calls the service in the order in which the heads were
    /// read.
    pub(super) fn begin(&self, clock: &Arc<CoarseClock>) -> Arc<Http2Stream> {
        let stream = Arc::new(Http2Stream {
            clock: Arc::clone(clock),
            id: AtomicU32::new(0),
            waits_for_client: AtomicBool::new(false),
            moved_at: AtomicU64::new(clock.now()),
            is_closed: AtomicBool::new(false),
            is_tail: AtomicBool::new(false),
            reset: AtomicBool::new(false),
            task: AtomicWaker::new(),
        });
        let mut inner = self.lock();
        inner.live.push(Arc::clone(&stream));
        inner.called.push_back(Arc::clone(&stream));
        stream
    }

    /// Records that hyper is done with a stream. If its identifier is known, its last frame is
    /// awaited.
    pub(super) fn is_left(&self, stream: &Arc<Http2Stream>) {
        let mut inner = self.lock();
        if stream.id.load(Ordering::Relaxed) == 0 || stream.is_closed.load(Ordering::Relaxed) {
            inner.live.retain(|it| !Arc::ptr_eq(it, stream));
        } else {
            stream.is_tail.store(true, Ordering::Relaxed);
        }
    }

    /// Records that the last frame of a stream was sent, or that either side reset it.
    pub(super) fn closes(&self, id: u32) {
        let mut inner = self.lock();
        let Some(at) = inner.live.iter().position(|it| it.id.load(Ordering::Relaxed) == id) else {
            if let Some((_, closed)) = inner.arrived.iter_mut().rev().find(|it| it.0 == id) {
                *closed = true;
            }
            return;
        };
        if let Some(stream) = inner.live.get(at) {
            stream.is_closed.store(true, Ordering::Relaxed);
            if stream.is_tail.load(Ordering::Relaxed) {
                inner.live.swap_remove(at);
            }
        }
    }

    /// Matches identifiers with calls. A head that hyper rejects arrives without a call. In that
    /// case, the rest cannot be matched, and for those streams only the pace of their bodies
    /// counts. `is_done` says that hyper has processed all data that was read.
    pub(super) fn settle(&self, is_done: bool) {
        let mut inner = self.lock();
        let StreamList { arrived, called, .. } = &mut *inner;
        let match_one_by_one = arrived.len() == called.len();
        if match_one_by_one {
            for ((id, closed), stream) in arrived.iter().zip(called.iter()) {
                stream.id.store(*id, Ordering::Relaxed);
                stream.is_closed.fetch_or(*closed, Ordering::Relaxed);
            }
        }
        if match_one_by_one || is_done {
            arrived.clear();
            called.clear();
        }
    }

    /// Resets the streams whose client has accepted no data for `timeout` milliseconds.
    pub(super) fn reset_stuck(&self, now: u64, timeout: u64) -> StuckStreams {
        let inner = self.lock();
        let stuck: Vec<_> = inner.live.iter().filter(|it| it.is_stuck(now, timeout)).collect();
        for stream in &stuck {
            stream.reset();
        }
        if stuck.iter().any(|it| it.is_tail.load(Ordering::Relaxed)) {
            StuckStreams::Tail
        } else {
            StuckStreams::None
        }
    }

    /// Records that the head of a request was read.
    pub(super) fn arrives(&self, id: u32) {
        self.lock().arrived.push_back((id, false));
    }

    /// Records that DATA of a stream was sent.
    pub(super) fn sends_data(&self, id: u32) {
        if let Some(stream) = self.lock().live.iter().find(|it| it.id.load(Ordering::Relaxed) == id)
        {
            stream.moves();
        }
    }

    fn lock(&self) -> MutexGuard<'_, StreamList> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(streams: &Http2Streams, ids: &[u32]) {
        for id in ids {
            streams.arrives(*id);
        }
    }

    #[test]
    fn data_counts_for_its_own_stream_only() {
        let (streams, clock) = (Http2Streams::default(), Arc::<CoarseClock>::default());
        headers(&streams, &[1, 3]);
        let (one, three) = (streams.begin(&clock), streams.begin(&clock));
        streams.settle(true);
        one.hands_out();
        three.hands_out();
        clock.set(1000);
        streams.sends_data(3);
        assert_eq!(streams.reset_stuck(clock.now(), 1000), StuckStreams::None);
        assert!(one.reset.load(Ordering::Relaxed) && !three.reset.load(Ordering::Relaxed));
    }

    #[test]
    fn where_a_head_was_refused_no_stream_is_taken_for_another() {
        let (streams, clock) = (Http2Streams::default(), Arc::<CoarseClock>::default());
        headers(&streams, &[1, 3]);
        let three = streams.begin(&clock);
        streams.settle(false);
        assert_eq!(streams.lock().arrived.len(), 2, "hyper may still call for the other");
        streams.settle(true);
        assert_eq!(three.id.load(Ordering::Relaxed), 0);
        headers(&streams, &[5]);
        let five = streams.begin(&clock);
        streams.settle(true);
        assert_eq!(five.id.load(Ordering::Relaxed), 5);
    }

    #[test]
    fn stuck_streams_are_reset_even_if_no_stream_goes_on() {
        let (streams, clock) = (Http2Streams::default(), Arc::<CoarseClock>::default());
        assert_eq!(streams.reset_stuck(5000, 1000), StuckStreams::None);
        let (one, other) = (streams.begin(&clock), streams.begin(&clock));
        one.hands_out();
        assert_eq!(streams.reset_stuck(5000, 1000), StuckStreams::None);
        let is_reset = |stream: &Http2Stream| stream.reset.load(Ordering::Relaxed);
        assert!(is_reset(&one) && !is_reset(&other));
        other.hands_out();
        assert_eq!(streams.reset_stuck(5000, 1000), StuckStreams::None);
        assert!(is_reset(&other));
    }

    #[test]
    fn a_stream_counts_until_its_last_frame_is_out() {
        let (streams, clock) = (Http2Streams::default(), Arc::<CoarseClock>::default());
        headers(&streams, &[1, 3]);
        let (one, three) = (streams.begin(&clock), streams.begin(&clock));
        streams.settle(true);
        one.hands_out();
        streams.is_left(&one);
        assert_eq!(streams.reset_stuck(5000, 1000), StuckStreams::Tail);
        streams.closes(1);
        streams.closes(3);
        streams.is_left(&three);
        assert!(streams.lock().live.is_empty());
    }

    /// Regression: HEADERS and `RST_STREAM` that were read together used to leave an entry behind for
    /// the lifetime of the connection.
    #[test]
    fn a_stream_that_is_reset_before_its_call_leaves_nothing_behind() {
        let (streams, clock) = (Http2Streams::default(), Arc::<CoarseClock>::default());
        headers(&streams, &[1]);
        streams.closes(1);
        headers(&streams, &[3]);
        let (one, three) = (streams.begin(&clock), streams.begin(&clock));
        streams.settle(true);
        streams.is_left(&one);
        assert_eq!(streams.lock().live.len(), 1);
        streams.is_left(&three);
        assert!(three.is_tail.load(Ordering::Relaxed), "its last frame is still waited for");
        streams.closes(3);
        assert!(streams.lock().live.is_empty());
    }

    /// The whole response was sent in the poll that read the head, and the future ended after it.
    #[test]
    fn a_stream_whose_last_frame_is_out_before_its_identifier_is_known_leaves_nothing_behind() {
        let (streams, clock) = (Http2Streams::default(), Arc::<CoarseClock>::default());
        headers(&streams, &[1]);
        let one = streams.begin(&clock);
        one.hands_out();
        streams.closes(1);
        streams.settle(true);
        streams.is_left(&one);
        assert!(streams.lock().live.is_empty());
        assert_eq!(streams.reset_stuck(5000, 1000), StuckStreams::None);
    }
}
