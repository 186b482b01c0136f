//! Tracks a response body: a request is over when this body ends, not when the handler returns.

use super::http2;
use super::state::ConnectionState;
use super::streams::Http2Stream;
use crate::wire::body::{Body, BoxError};
use bytes::Bytes;
use http::HeaderMap;
use http_body::{Frame, SizeHint};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// Maximum part of a response that one HTTP/2 stream receives at a time, in bytes: one frame of the
/// usual size (RFC 9113 section 4.2).
pub(super) const MAX_PART_BYTES: usize = 16 * 1024;

/// Overhead of each header field in addition to its name and value, in bytes.
const FIELD_OVERHEAD_BYTES: usize = 32;

/// A request that is in progress until this value is dropped.
#[derive(Debug)]
pub(super) struct InFlightRequest {
    state: Arc<ConnectionState>,
    /// Its HTTP/2 stream, if any.
    stream: Option<Arc<Http2Stream>>,
    handed: bool,
}

impl InFlightRequest {
    /// Starts tracking a request.
    pub(super) fn begin(state: &Arc<ConnectionState>, has_body: bool) -> Self {
        state.begins(has_body);
        let stream = state.streams().map(|it| it.begin(state.clock()));
        if let Some(stream) = &stream {
            http2::is_called(stream);
        }
        Self { state: Arc::clone(state), stream, handed: false }
    }

    /// Records that hyper receives the response head.
    pub(super) fn queues_head(&self, headers: &HeaderMap) {
        if let Some(stream) = &self.stream {
            self.state.queues_head(stream, head_bytes(headers));
        }
    }

    /// Records that the stream carries a tunnel from now on (RFC 8441).
    pub(super) fn becomes_tunnel(&self) {
        if let Some(stream) = &self.stream {
            stream.becomes_tunnel();
        }
    }

    fn hand_out(&mut self) {
        if !self.handed {
            self.handed = true;
            self.state.hands_out();
        }
        if let Some(stream) = &self.stream {
            stream.hands_out();
        }
    }

    fn is_asked(&mut self) {
        if self.handed {
            self.handed = false;
            self.state.is_asked();
        }
        if let Some(stream) = &self.stream {
            stream.is_asked();
        }
    }
}

impl Drop for InFlightRequest {
    fn drop(&mut self) {
        // The stream remains open until hyper has sent its buffered data.
        if self.handed {
            self.state.is_asked();
        }
        self.state.ends();
    }
}

/// Returns the approximate size of a queued head, as RFC 9113 section 10.5.1 counts it. Every
/// response has a `:status`.
fn head_bytes(headers: &HeaderMap) -> u32 {
    let fields = headers
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len() + FIELD_OVERHEAD_BYTES);
    u32::try_from(fields.sum::<usize>() + ":status".len() + "200".len() + FIELD_OVERHEAD_BYTES)
        .unwrap_or(u32::MAX)
}

/// A body that informs its connection when it waits for the client and when it has ended.
#[derive(Debug)]
pub(super) struct TrackedBody {
    inner: Body,
    /// The remainder of the last part, which was too large.
    rest: Option<Bytes>,
    request: Option<InFlightRequest>,
}

impl TrackedBody {
    /// Creates the response body for `request`. It waits for the client from the start: an HTTP/2
    /// client can withhold even the first window.
    pub(super) fn new(inner: Body, mut request: Option<InFlightRequest>) -> Self {
        if let Some(request) = &mut request {
            request.hand_out();
        }
        Self { inner, rest: None, request }
    }

    /// Limits the size of a part over HTTP/2, because hyper holds one part for every stream whose
    /// client does not read.
    fn cut(&mut self, frame: Frame<Bytes>) -> Frame<Bytes> {
        if self.request.as_ref().is_none_or(|it| it.stream.is_none()) {
            return frame;
        }
        match frame.into_data() {
            Ok(mut data) if data.len() > MAX_PART_BYTES => {
                self.rest = Some(data.split_off(MAX_PART_BYTES));
                Frame::data(data)
            }
            Ok(data) => Frame::data(data),
            Err(frame) => frame,
        }
    }
}

impl http_body::Body for TrackedBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = &mut *self;
        if let Some(request) = &mut this.request {
            request.is_asked();
        }
        let polled = match this.rest.take() {
            Some(rest) => Poll::Ready(Some(Ok(Frame::data(rest)))),
            None => Pin::new(&mut this.inner).poll_frame(context),
        };
        let polled = polled.map(|it| it.map(|it| it.map(|it| this.cut(it))));
        if let (Poll::Ready(Some(Ok(_))), Some(request)) = (&polled, &mut this.request) {
            request.hand_out();
        }
        // hyper does not poll again after the last frame.
        if polled.is_ready()
            && (this.is_end_stream() || !matches!(polled, Poll::Ready(Some(Ok(_)))))
        {
            this.request = None;
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_none() && self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let Some(rest) = &self.rest else { return self.inner.size_hint() };
        let (rest, inner) = (rest.len() as u64, self.inner.size_hint());
        let mut out = SizeHint::new();
        out.set_lower(rest.saturating_add(inner.lower()));
        if let Some(upper) = inner.upper().and_then(|it| it.checked_add(rest)) {
            out.set_upper(upper);
        }
        out
    }
}
