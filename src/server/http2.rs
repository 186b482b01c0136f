//! Observes HTTP/2 outside hyper: reads the frames in both directions, and lets each stream's
//! future be ended separately.
//!
//! hyper does not report the stream of a request, and PING and SETTINGS make both sides write
//! without any progress. The frame headers are therefore read here too (RFC 9113 section 4.1), and
//! only DATA counts.

use super::frames::{Frame, FrameKind, FrameReader};
use super::reset_budget::ResetBudget;
use super::state::ConnectionState;
use super::streams::{Http2Stream, Http2Streams};
use pin_project_lite::pin_project;
use std::cell::RefCell;
use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Length of the bytes that a client sends before its first frame (RFC 9113 section 3.4).
const PREFACE_BYTES: usize = 24;

/// An HTTP/2 connection whose frames are observed in both directions.
#[derive(Debug)]
pub(super) struct WatchedConnection<T> {
    io: T,
    state: Arc<ConnectionState>,
    streams: Arc<Http2Streams>,
    incoming: FrameReader,
    outgoing: FrameReader,
    /// The highest stream that the client has opened, and the one whose head continues in
    /// CONTINUATION frames.
    highest: u32,
    unfinished: Option<u32>,
    resets: ResetBudget,
}

impl<T> WatchedConnection<T> {
    /// Creates the connection before its first byte.
    pub(super) fn new(io: T, state: Arc<ConnectionState>, streams: Arc<Http2Streams>) -> Self {
        let resets = ResetBudget::new(state.clock().now());
        Self {
            io,
            state,
            streams,
            incoming: FrameReader::after(PREFACE_BYTES),
            outgoing: FrameReader::after(0),
            highest: 0,
            unfinished: None,
            resets,
        }
    }

    fn has_read(&mut self, bytes: &[u8]) {
        let Self { state, streams, incoming, highest, unfinished, resets, .. } = self;
        incoming.read(bytes, |Frame { kind, end_headers, stream, length, .. }| match kind {
            FrameKind::Headers if stream > *highest => {
                *highest = stream;
                if end_headers {
                    streams.arrives(stream);
                } else {
                    *unfinished = Some(stream);
                }
            }
            FrameKind::Continuation if end_headers => {
                if let Some(stream) = unfinished.take() {
                    streams.arrives(stream);
                }
            }
            FrameKind::Data if length > 0 => state.has_read_data(),
            FrameKind::Reset => {
                streams.closes(stream);
                if let Some(heads) = state.heads() {
                    heads.is_reset(stream);
                }
                if !resets.take(state.clock().now()) {
                    state.drop_now();
                }
            }
            _ => {}
        });
    }

    fn has_written<'a>(&mut self, parts: impl Iterator<Item = &'a [u8]>, mut count: usize) {
        let Self { state, streams, outgoing, .. } = self;
        let heads = state.heads();
        if let Some(heads) = heads {
            heads.has_written(count);
        }
        for part in parts {
            let taken = part.get(..count).unwrap_or(part);
            count -= taken.len();
            outgoing.read(taken, |frame| {
                if frame.kind == FrameKind::Data && frame.length > 0 {
                    state.has_written_data();
                    streams.sends_data(frame.stream);
                }
                match (frame.kind, heads) {
                    (FrameKind::Headers, Some(heads)) => heads.is_sent(frame.stream),
                    (FrameKind::Reset, Some(heads)) => heads.is_reset(frame.stream),
                    _ => {}
                }
                if frame.ends_stream {
                    streams.closes(frame.stream);
                }
            });
            if count == 0 {
                return;
            }
        }
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for WatchedConnection<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.io).poll_read(context, buffer))?;
        self.has_read(buffer.filled().get(before..).unwrap_or_default());
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for WatchedConnection<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let count = ready!(Pin::new(&mut self.io).poll_write(context, bytes))?;
        self.has_written(std::iter::once(bytes), count);
        Poll::Ready(Ok(count))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let count = ready!(Pin::new(&mut self.io).poll_write_vectored(context, parts))?;
        self.has_written(parts.iter().map(|it| &**it), count);
        Poll::Ready(Ok(count))
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }
}

thread_local! {
    /// The stream of the future that hyper passes next. hyper calls the service and then passes the
    /// stream's future to the executor, without a break and on one thread.
    static CALLED_STREAM: RefCell<Option<Arc<Http2Stream>>> = const { RefCell::new(None) };
}

/// Notes the stream whose future hyper passes to the executor next.
pub(super) fn is_called(stream: &Arc<Http2Stream>) {
    CALLED_STREAM.with_borrow_mut(|it| *it = Some(Arc::clone(stream)));
}

/// Runs the futures of one connection's streams, so that each can be ended separately, and counts
/// its tunnels.
#[derive(Clone, Debug)]
pub(super) struct StreamExecutor(pub(super) Arc<ConnectionState>);

impl<F> hyper::rt::Executor<F> for StreamExecutor
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, future: F) {
        if let Some(stream) = CALLED_STREAM.with_borrow_mut(Option::take) {
            let live = LiveStream { state: Arc::clone(&self.0), stream };
            tokio::spawn(StreamTask { future, live });
        } else {
            // The only other future that hyper passes sends the data of a tunnel.
            let tunnel = TunnelCount::begin(&self.0);
            tokio::spawn(async move {
                let _tunnel = tunnel;
                future.await;
            });
        }
    }
}

pin_project! {
    /// hyper's work on one stream. If it is dropped early, it resets that stream with CANCEL and
    /// does not affect the connection.
    struct StreamTask<F> {
        #[pin]
        future: F,
        live: LiveStream,
    }
}

/// A stream that hyper works on until this value is dropped.
struct LiveStream {
    state: Arc<ConnectionState>,
    stream: Arc<Http2Stream>,
}

impl Drop for LiveStream {
    fn drop(&mut self) {
        if let Some(streams) = self.state.streams() {
            streams.is_left(&self.stream);
        }
    }
}

impl<F: Future<Output = ()>> Future for StreamTask<F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let this = self.project();
        if this.live.stream.is_reset(context.waker()) {
            return Poll::Ready(());
        }
        this.future.poll(context)
    }
}

struct TunnelCount(Arc<ConnectionState>);

impl TunnelCount {
    fn begin(state: &Arc<ConnectionState>) -> Self {
        state.tunnel_begins();
        Self(Arc::clone(state))
    }
}

impl Drop for TunnelCount {
    fn drop(&mut self) {
        self.0.tunnel_ends();
    }
}
