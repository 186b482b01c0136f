//! The response heads of one HTTP/2 connection that its client has not received yet.
//!
//! HTTP/2 has no flow control for heads (RFC 9113 section 5.2.1), and hyper does not report when
//! one was sent. Each head is therefore counted from the time when hyper receives it until the
//! first HEADERS frame of its stream is sent, or until the socket accepts all data.

use super::streams::Http2Stream;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Maximum size of the response heads that wait for one client, in bytes, for all its requests
/// together.
const MAX_QUEUED_HEAD_BYTES: u64 = 1024 * 1024;
/// More than h2 ever holds in encoded form, in bytes. The head of a reset stream may be part of
/// that data; after that many bytes were sent, h2 has dropped it.
const MAX_ENCODED_HEAD_BYTES: u64 = 256 * 1024;
/// Maximum number of streams whose HEADERS were sent before their identifier was assigned. Streams
/// of trailers remain in the list until newer ones replace them.
const MAX_EARLY_STREAMS: usize = 256;

/// The waiting heads.
#[derive(Debug, Default)]
pub(super) struct QueuedHeads(Mutex<HeadCounts>);

#[derive(Debug, Default)]
struct HeadCounts {
    /// The heads in the order in which hyper received them.
    waiting: VecDeque<QueuedHead>,
    /// The size of all waiting heads.
    bytes: u64,
    /// The number of heads that hyper has ever received.
    queued: u64,
    early: VecDeque<u32>,
    /// The number of bytes that were ever sent.
    written: u64,
}

#[derive(Debug)]
struct QueuedHead {
    stream: Arc<Http2Stream>,
    bytes: u32,
    /// The number of heads before this one.
    number: u64,
    /// The number of bytes that had been sent when the stream was reset.
    reset_at: Option<u64>,
}

impl QueuedHeads {
    /// Records that hyper receives the response head of a stream. Returns true if more heads wait
    /// than allowed.
    pub(super) fn queues(&self, stream: &Arc<Http2Stream>, bytes: u32) -> bool {
        let mut inner = self.lock();
        let number = inner.queued;
        inner.waiting.push_back(QueuedHead {
            stream: Arc::clone(stream),
            bytes,
            number,
            reset_at: None,
        });
        inner.queued += 1;
        inner.bytes += u64::from(bytes);
        inner.bytes > MAX_QUEUED_HEAD_BYTES
    }

    /// Returns the number of heads that hyper has ever received.
    pub(super) fn queued(&self) -> u64 {
        self.lock().queued
    }

    /// Records that HEADERS of a stream were sent.
    pub(super) fn is_sent(&self, id: u32) {
        let mut inner = self.lock();
        if !inner.takes(id) {
            if inner.early.len() == MAX_EARLY_STREAMS {
                inner.early.pop_front();
            }
            inner.early.push_back(id);
        }
    }

    /// Records that either side reset a stream: h2 drops the data it holds for it, unless it is
    /// already encoded.
    pub(super) fn is_reset(&self, id: u32) {
        let mut inner = self.lock();
        let now = inner.written;
        if let Some(head) = inner.waiting.iter_mut().find(|it| it.stream.id() == id) {
            head.reset_at.get_or_insert(now);
        }
    }

    /// Records that `count` bytes were sent.
    pub(super) fn has_written(&self, count: usize) {
        self.lock().written += count as u64;
    }

    /// Called after the connection was driven until it had no more work, when its streams have
    /// their identifiers. Unless the socket is full, all heads that hyper had received before have
    /// been sent.
    pub(super) fn was_driven(&self, queued_before: u64, is_full: bool) {
        let mut inner = self.lock();
        if inner.waiting.is_empty() {
            return inner.early.clear();
        }
        for id in std::mem::take(&mut inner.early) {
            if !inner.takes(id) {
                inner.early.push_back(id);
            }
        }
        let written = inner.written;
        let is_dropped =
            |it: &QueuedHead| it.reset_at.is_some_and(|at| written - at > MAX_ENCODED_HEAD_BYTES);
        inner.waiting.retain(|it| !(is_dropped(it) || !is_full && it.number < queued_before));
        inner.bytes = inner.waiting.iter().map(|it| u64::from(it.bytes)).sum();
    }

    fn lock(&self) -> MutexGuard<'_, HeadCounts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl HeadCounts {
    /// Removes the head of a stream. Never removes another stream's head instead: a client can make
    /// h2 send HEADERS of its own.
    fn takes(&mut self, id: u32) -> bool {
        let Some(at) = self.waiting.iter().position(|it| it.stream.id() == id) else {
            return false;
        };
        if let Some(head) = self.waiting.remove(at) {
            self.bytes -= u64::from(head.bytes);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::super::streams::Http2Streams;
    use super::*;

    /// Creates a stream for each of these identifiers, with a head of 1000 bytes.
    fn with_heads(ids: &[u32]) -> (QueuedHeads, Http2Streams) {
        let (heads, streams) = (QueuedHeads::default(), Http2Streams::default());
        for id in ids {
            streams.arrives(*id);
        }
        for _ in ids {
            heads.queues(&streams.begin(&Arc::default()), 1000);
        }
        (heads, streams)
    }

    fn waiting(heads: &QueuedHeads) -> u64 {
        heads.lock().bytes
    }

    #[test]
    fn each_head_counts_until_its_own_headers_are_out() {
        let (heads, streams) = with_heads(&[1, 3, 5]);
        streams.settle(true);
        heads.is_sent(3);
        assert_eq!(waiting(&heads), 2000);
        // Trailers, and responses that h2 sends itself.
        heads.is_sent(3);
        heads.is_sent(7);
        heads.was_driven(3, true);
        assert_eq!(waiting(&heads), 2000);
        heads.is_sent(1);
        heads.is_sent(5);
        assert_eq!(waiting(&heads), 0);
    }

    #[test]
    fn headers_that_go_out_before_the_stream_is_known_count_once_it_is() {
        let (heads, streams) = with_heads(&[1, 3]);
        heads.is_sent(3);
        heads.was_driven(2, true);
        assert_eq!(waiting(&heads), 2000);
        streams.settle(true);
        heads.was_driven(2, true);
        assert_eq!(waiting(&heads), 1000);
    }

    #[test]
    fn where_the_socket_takes_everything_no_older_head_waits() {
        let (heads, streams) = with_heads(&[1, 3]);
        heads.queues(&streams.begin(&Arc::default()), 1000);
        heads.was_driven(2, true);
        assert_eq!(waiting(&heads), 3000);
        heads.was_driven(2, false);
        assert_eq!(waiting(&heads), 1000);
    }

    #[test]
    fn the_head_of_a_stream_that_was_reset_counts_until_it_cannot_be_encoded() {
        let (heads, streams) = with_heads(&[1, 3]);
        streams.settle(true);
        heads.is_reset(1);
        heads.is_reset(3);
        heads.was_driven(2, true);
        assert_eq!(waiting(&heads), 2000);
        heads.is_sent(1);
        assert_eq!(waiting(&heads), 1000);
        heads.has_written(300 * 1024);
        heads.was_driven(2, true);
        assert_eq!(waiting(&heads), 0);
    }

    #[test]
    fn a_mebibyte_may_wait_and_no_more() {
        let (heads, streams) = with_heads(&[]);
        let clock = Arc::default();
        let exceeded = (0..2000).position(|_| heads.queues(&streams.begin(&clock), 1024));
        assert_eq!(exceeded, Some(1024));
    }
}
