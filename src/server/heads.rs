//! The response heads of one HTTP/2 connection that its client has not taken yet.
//!
//! HTTP/2 has no flow control for heads (RFC 9113 section 5.2.1), and hyper does not tell when one is out. So each is counted from when hyper
//! gets it until the first HEADERS frame of its stream goes out, or until the socket takes everything.

use super::streams::Http2Stream;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Bytes of response heads that may wait for one client, all its requests together.
const MAX_QUEUED_BYTES: u64 = 1024 * 1024;
/// More than h2 has encoded at a time, in bytes. The head of a stream that was reset may be among them; once that much has gone out, h2 has
/// dropped it.
const MAX_ENCODED_BYTES: u64 = 256 * 1024;
/// Streams whose HEADERS went out before it was known which stream is which. Those of trailers stay among them until newer ones come.
const MOST_EARLY: usize = 256;

/// Heads that wait.
#[derive(Debug, Default)]
pub(super) struct Heads(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    /// In the order in which hyper got them.
    waiting: VecDeque<Head>,
    /// Of all that wait.
    bytes: u64,
    /// How many hyper ever got.
    queued: u64,
    early: VecDeque<u32>,
    /// What ever went out, in bytes.
    written: u64,
}

#[derive(Debug)]
struct Head {
    stream: Arc<Http2Stream>,
    bytes: u32,
    /// The count of heads before it.
    number: u64,
    /// The stream was reset when that many bytes had gone out.
    reset_at: Option<u64>,
}

impl Heads {
    /// hyper gets the head of a stream's answer; says whether more wait than may.
    pub(super) fn queues(&self, stream: &Arc<Http2Stream>, bytes: u32) -> bool {
        let mut inner = self.lock();
        let number = inner.queued;
        inner.waiting.push_back(Head { stream: Arc::clone(stream), bytes, number, reset_at: None });
        inner.queued += 1;
        inner.bytes += u64::from(bytes);
        inner.bytes > MAX_QUEUED_BYTES
    }

    /// How many hyper ever got.
    pub(super) fn queued(&self) -> u64 {
        self.lock().queued
    }

    /// HEADERS of a stream go out.
    pub(super) fn is_sent(&self, id: u32) {
        let mut inner = self.lock();
        if !inner.takes(id) {
            if inner.early.len() == MOST_EARLY {
                inner.early.pop_front();
            }
            inner.early.push_back(id);
        }
    }

    /// Either side resets a stream: h2 drops what it holds of it, unless that is encoded already.
    pub(super) fn is_reset(&self, id: u32) {
        let mut inner = self.lock();
        let now = inner.written;
        if let Some(head) = inner.waiting.iter_mut().find(|it| it.stream.id() == id) {
            head.reset_at.get_or_insert(now);
        }
    }

    /// So many bytes went out.
    pub(super) fn has_written(&self, count: usize) {
        self.lock().written += count as u64;
    }

    /// The connection was driven until it had no more to do, and its streams have their identifiers. Unless the socket is full, the heads
    /// that hyper had before are out.
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
        let is_dropped = |it: &Head| it.reset_at.is_some_and(|at| written - at > MAX_ENCODED_BYTES);
        inner.waiting.retain(|it| !(is_dropped(it) || !is_full && it.number < queued_before));
        inner.bytes = inner.waiting.iter().map(|it| u64::from(it.bytes)).sum();
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// Takes the head of that stream out. The head of another one is never taken for it: a client can make h2 send HEADERS of its own.
    fn takes(&mut self, id: u32) -> bool {
        let Some(at) = self.waiting.iter().position(|it| it.stream.id() == id) else { return false };
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

    /// A stream for each of these identifiers, with a head of 1000 bytes.
    fn with_heads(ids: &[u32]) -> (Heads, Http2Streams) {
        let (heads, streams) = (Heads::default(), Http2Streams::default());
        ids.iter().for_each(|it| streams.arrives(*it));
        for _ in ids {
            heads.queues(&streams.begin(&Arc::default()), 1000);
        }
        (heads, streams)
    }

    fn waiting(heads: &Heads) -> u64 {
        heads.lock().bytes
    }

    #[test]
    fn each_head_counts_until_its_own_headers_are_out() {
        let (heads, streams) = with_heads(&[1, 3, 5]);
        streams.settle(true);
        heads.is_sent(3);
        assert_eq!(waiting(&heads), 2000);
        // Trailers, and what h2 answers itself.
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
