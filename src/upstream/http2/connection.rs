//! One HTTP/2 connection to the app: its streams, and whether the app is still there.

use super::health::{ConnectionHealth, RETIRED, watch_health};
use crate::upstream::connect::AppConnection;
use crate::upstream::http1::MAX_HEAD_BYTES;
use bytes::Bytes;
use h2::client::{Builder, Connection, SendRequest};
use std::future::{Future as _, poll_fn};
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::Notify;
use tokio::time::{Instant, timeout};

/// How much of a response an app may send before the client reads it, in bytes for each stream.
/// Together with the 16 KiB that `server` may hold for a stream (`MAX_SEND_BUFFER_BYTES`), a
/// response holds at most `share::STREAM_BYTES`.
const STREAM_WINDOW_BYTES: u32 = 48 * 1024;

/// Maximum number of streams of one connection. Each has a whole window of its own, so that slow
/// readers do not use up the window of the connection.
pub(super) const MAX_STREAMS: usize = 100;
const CONNECTION_WINDOW_BYTES: u32 = STREAM_WINDOW_BYTES * 100;

/// How much of a request h2 may hold back while the app's window is full, in bytes for each stream.
const MAX_SEND_BUFFER_BYTES: usize = 16 * 1024;

/// Number of streams that were reset because their clients had left, and whose last frames are
/// ignored for a while.
const MAX_REMEMBERED_RESETS: usize = 1000;

/// Limits the small DATA frames that wait for slow readers: h2 counts each as 256 bytes, and ends
/// the connection beyond this.
const MAX_SMALL_FRAME_BYTES: usize = 32 * 1024 * 1024;

/// How long an idle connection may take to say goodbye.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// A connection that several requests use at the same time.
#[derive(Debug)]
pub(super) struct Http2Connection {
    pub(super) sender: SendRequest<Bytes>,
    health: Arc<ConnectionHealth>,
}

/// One stream of a connection until it is dropped.
#[derive(Debug)]
pub(super) struct StreamSlot {
    pub(super) connection: Arc<Http2Connection>,
    /// Whether the connection has carried a request before.
    pub(super) is_reused: bool,
    freed: Arc<Notify>,
}

/// An upload that waits for the app's window until it is dropped.
#[derive(Debug)]
pub(super) struct BlockedUpload(Arc<ConnectionHealth>);

impl Http2Connection {
    /// Opens HTTP/2 on a connection and waits for the app's settings, which say how many streams it
    /// accepts. `ended` is called when the connection takes no further streams.
    pub(super) async fn open(
        io: AppConnection,
        ended: impl FnOnce() + Send + 'static,
    ) -> Result<Self, h2::Error> {
        let health = Arc::new(ConnectionHealth::new());
        let io = ObservedConnection { io, health: Arc::clone(&health) };
        let (sender, mut http) = Builder::new()
            .enable_push(false)
            .initial_window_size(STREAM_WINDOW_BYTES)
            .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
            .max_header_list_size(u32::try_from(MAX_HEAD_BYTES).unwrap_or(u32::MAX))
            .max_send_buffer_size(MAX_SEND_BUFFER_BYTES)
            // Until the app's settings arrive, which set it.
            .initial_max_send_streams(0)
            // By default, h2 ends the connection after 1,024 parts of responses that came too late,
            // because their clients had left.
            .max_local_error_reset_streams(None)
            .max_concurrent_reset_streams(MAX_REMEMBERED_RESETS)
            .data_frame_budget(MAX_SMALL_FRAME_BYTES)
            .handshake::<_, Bytes>(io)
            .await?;
        poll_fn(|context| match Pin::new(&mut http).poll(context) {
            Poll::Ready(Ok(())) => Poll::Ready(Err(h2::Error::from(h2::Reason::INTERNAL_ERROR))),
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending if sender.current_max_send_streams() > 0 => Poll::Ready(Ok(())),
            Poll::Pending => Poll::Pending,
        })
        .await?;
        tokio::spawn(drive(http, Arc::clone(&health), ended));
        Ok(Self { sender, health })
    }

    /// Maximum number of streams that the app accepts, within our own limit.
    pub(super) fn max_streams(&self) -> usize {
        self.sender.current_max_send_streams().min(MAX_STREAMS)
    }

    /// Takes a stream, if there is one. `freed` is notified when it ends.
    pub(super) fn try_enter(self: &Arc<Self>, freed: &Arc<Notify>) -> Option<StreamSlot> {
        let max = self.max_streams();
        let more = |streams: usize| (streams < max).then_some(streams + 1);
        let streams = &self.health.streams;
        streams.fetch_update(Ordering::AcqRel, Ordering::Acquire, more).ok()?;
        Some(StreamSlot {
            connection: Arc::clone(self),
            is_reused: self.health.is_used.swap(true, Ordering::Relaxed),
            freed: Arc::clone(freed),
        })
    }

    /// Whether requests may use it.
    pub(super) fn is_trusted(&self) -> bool {
        !*self.health.is_doubted.borrow()
    }

    /// Whether an upload of it waits for the app: the window of the connection may be full.
    pub(super) fn has_blocked_uploads(&self) -> bool {
        self.health.blocked_uploads.load(Ordering::Relaxed) > 0
    }

    /// Returns the outcome of an attempt to open a stream. A connection that the app is about to
    /// end takes no further ones; those that it has go on.
    pub(super) fn sent<T>(&self, outcome: Result<T, h2::Error>) -> Result<T, h2::Error> {
        outcome.inspect_err(|error| {
            if error.is_go_away() || error.is_io() {
                self.health.retire();
            }
        })
    }

    /// Whether it takes no further streams.
    pub(super) fn is_retired(&self) -> bool {
        self.health.streams.load(Ordering::Acquire) & RETIRED != 0
    }

    /// Since when it has had no streams; `None` if it has some.
    pub(super) fn idle_since(&self) -> Option<Instant> {
        self.health.idle_since()
    }

    /// Closes it if it has no streams.
    pub(super) fn close_if_idle(&self) -> bool {
        let is_closed = self.health.retire_if_idle();
        if is_closed {
            self.health.overdue.notify_one();
        }
        is_closed
    }

    /// Reports that an answer is overdue.
    pub(super) fn is_overdue(&self) {
        self.health.overdue.notify_one();
    }

    /// Waits until the app does not respond to a PING either.
    pub(super) async fn is_silent(&self) {
        let mut doubted = self.health.is_doubted.subscribe();
        if doubted.wait_for(|it| *it).await.is_err() {
            // The connection has ended, and its streams with it.
            std::future::pending::<()>().await;
        }
    }

    /// Counts an upload that waits for the app's window.
    pub(super) fn blocks_upload(&self) -> BlockedUpload {
        self.health.blocked_uploads.fetch_add(1, Ordering::Relaxed);
        BlockedUpload(Arc::clone(&self.health))
    }
}

impl Drop for StreamSlot {
    fn drop(&mut self) {
        let health = &self.connection.health;
        health.idle_since.store(health.now(), Ordering::Relaxed);
        if health.streams.fetch_sub(1, Ordering::AcqRel) == RETIRED + 1 {
            health.overdue.notify_one();
        }
        self.freed.notify_waiters();
    }
}

impl Drop for BlockedUpload {
    fn drop(&mut self) {
        self.0.blocked_uploads.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Drives a connection until it ends, the app does not respond, or it was idle for too long.
async fn drive(
    mut http: Connection<ObservedConnection>,
    health: Arc<ConnectionHealth>,
    ended: impl FnOnce(),
) {
    let pings = http.ping_pong();
    let is_idle = tokio::select! {
        _ = &mut http => false,
        is_idle = watch_health(pings, &health) => is_idle,
    };
    health.retire();
    ended();
    if is_idle {
        // The pool has dropped the last sender, so that h2 ends the connection with GOAWAY.
        drop(timeout(CLOSE_TIMEOUT, http).await);
    }
}

/// Notes when bytes arrive.
#[derive(Debug)]
struct ObservedConnection {
    io: AppConnection,
    health: Arc<ConnectionHealth>,
}

impl AsyncRead for ObservedConnection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = ready!(Pin::new(&mut self.io).poll_read(context, buffer));
        self.health.has_received();
        Poll::Ready(read)
    }
}

impl AsyncWrite for ObservedConnection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(context, parts)
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
