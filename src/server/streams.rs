//! The HTTP/2 streams of one connection: which of them wait for the client, and the end of one alone.

use super::coarse_clock::CoarseClock;
use futures_util::task::AtomicWaker;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

/// One HTTP/2 stream with a request under way.
#[derive(Debug)]
pub(super) struct Http2Stream {
    clock: Arc<CoarseClock>,
    /// Its identifier; 0 while it is not known.
    id: AtomicU32,
    /// hyper holds a part of the answer and waits for the client's window.
    waits_for_client: AtomicBool,
    /// When it began to wait, or DATA of it last went out.
    moved_at: AtomicU64,
    /// Nothing of it is waited for: its last frame went out, it was reset, or it became a tunnel.
    is_closed: AtomicBool,
    /// hyper is done with it. What h2 holds of it, one part at most, goes out as the client's window allows, and nothing can reset it.
    is_tail: AtomicBool,
    reset: AtomicBool,
    task: AtomicWaker,
}

impl Http2Stream {
    /// Its identifier; 0 while it is not known.
    pub(super) fn id(&self) -> u32 {
        self.id.load(Ordering::Relaxed)
    }

    /// hyper was given a part of the answer.
    pub(super) fn hands_out(&self) {
        self.moves();
        self.waits_for_client.store(true, Ordering::Release);
    }

    /// hyper asks for more of the answer.
    pub(super) fn is_asked(&self) {
        self.waits_for_client.store(false, Ordering::Release);
    }

    /// It carries a tunnel from now on, which has bounds of its own.
    pub(super) fn becomes_tunnel(&self) {
        self.is_closed.store(true, Ordering::Relaxed);
    }

    fn moves(&self) {
        self.moved_at.store(self.clock.now(), Ordering::Relaxed);
    }

    /// Whether the client has taken nothing of it for that many milliseconds.
    fn is_stuck(&self, now: u64, timeout: u64) -> bool {
        self.waits_for_client.load(Ordering::Acquire) && now.saturating_sub(self.moved_at.load(Ordering::Relaxed)) >= timeout
    }

    /// Registers hyper's task for the stream, and says whether it is to end.
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
    /// Identifiers whose request was read, in that order, until hyper's calls tell which stream is which; and whether the stream has closed
    /// meanwhile: a head and its reset may be read together.
    arrived: VecDeque<(u32, bool)>,
    /// Streams that hyper has called for, in that order.
    called: VecDeque<Arc<Http2Stream>>,
}

/// What the streams of a connection are doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StuckStreams {
    /// No stream is stuck, or those that were are being reset while others go on.
    None,
    /// One that cannot be reset.
    Tail,
    /// All of them.
    All,
}

impl Http2Streams {
    /// A request begins. hyper calls for requests in the order in which their heads were read.
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

    /// hyper is done with a stream. Where its identifier is known, its last frame is waited for.
    pub(super) fn is_left(&self, stream: &Arc<Http2Stream>) {
        let mut inner = self.lock();
        if stream.id.load(Ordering::Relaxed) == 0 || stream.is_closed.load(Ordering::Relaxed) {
            inner.live.retain(|it| !Arc::ptr_eq(it, stream));
        } else {
            stream.is_tail.store(true, Ordering::Relaxed);
        }
    }

    /// The last frame of a stream went out, or either side reset it.
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

    /// Matches identifiers and calls. Heads that hyper refuses arrive and are not called for: where there were any, the rest cannot be
    /// matched, and for those only the pace of their bodies counts. `is_done` says that hyper has dealt with all that was read.
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

    /// Resets the streams whose client has taken nothing for that many milliseconds, unless all are stuck.
    pub(super) fn reset_stuck(&self, now: u64, timeout: u64) -> StuckStreams {
        self.reset_those(now, timeout, false)
    }

    /// The same beside a tunnel that goes on, which is none of the streams here: all of them may be reset.
    pub(super) fn reset_stuck_beside_tunnel(&self, now: u64, timeout: u64) -> StuckStreams {
        self.reset_those(now, timeout, true)
    }

    fn reset_those(&self, now: u64, timeout: u64, beside_tunnel: bool) -> StuckStreams {
        let inner = self.lock();
        let stuck: Vec<_> = inner.live.iter().filter(|it| it.is_stuck(now, timeout)).collect();
        if stuck.is_empty() {
            return StuckStreams::None;
        }
        if stuck.len() == inner.live.len() && !beside_tunnel {
            return StuckStreams::All;
        }
        stuck.iter().for_each(|it| it.reset());
        if stuck.iter().any(|it| it.is_tail.load(Ordering::Relaxed)) { StuckStreams::Tail } else { StuckStreams::None }
    }

    /// The head of a request was read.
    pub(super) fn arrives(&self, id: u32) {
        self.lock().arrived.push_back((id, false));
    }

    /// DATA of a stream went out.
    pub(super) fn sends_data(&self, id: u32) {
        if let Some(stream) = self.lock().live.iter().find(|it| it.id.load(Ordering::Relaxed) == id) {
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
        ids.iter().for_each(|it| streams.arrives(*it));
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
    fn all_are_stuck_only_where_not_one_goes_on() {
        let (streams, clock) = (Http2Streams::default(), Arc::<CoarseClock>::default());
        assert_eq!(streams.reset_stuck(5000, 1000), StuckStreams::None);
        let (one, other) = (streams.begin(&clock), streams.begin(&clock));
        one.hands_out();
        assert_eq!(streams.reset_stuck(5000, 1000), StuckStreams::None);
        other.hands_out();
        assert_eq!(streams.reset_stuck(5000, 1000), StuckStreams::All);
        other.is_asked();
        streams.is_left(&one);
        assert_eq!(streams.reset_stuck(5000, 1000), StuckStreams::None);
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

    /// HEADERS and RST_STREAM that were read together left an entry behind for the life of the connection.
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

    /// The whole answer went out in the poll that read the head, and the future ended after it.
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
