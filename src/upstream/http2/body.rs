//! The body of an HTTP/2 response, read from its stream as the client reads it.

use super::connection::StreamSlot;
use super::upload::{Http2Upload, Http2UploadError};
use crate::upstream::http1::UploadTimeouts;
use crate::upstream::share::HeldShare;
use crate::wire::body::BoxError;
use bytes::Bytes;
use h2::{Reason, RecvStream, SendStream};
use http_body::{Body, Frame, SizeHint};
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::task::AbortHandle;

/// The body of a response.
#[derive(Debug)]
pub(in crate::upstream) struct Http2Body {
    stream: RecvStream,
    /// Size of the last part, in bytes. The app may send as much again once the client asks for
    /// more.
    unread: usize,
    /// What remains of the announced length.
    remaining: Option<u64>,
    hold: StreamHold,
}

/// What counts the request until its response has ended.
#[derive(Debug)]
pub(super) struct StreamHold {
    _slot: Arc<HeldSlot>,
    upload: Option<UploadTask>,
}

/// A stream of a connection, and the share of the request.
#[derive(Debug)]
pub(super) struct HeldSlot {
    pub(super) slot: StreamSlot,
    pub(super) _share: HeldShare,
}

/// The rest of the client's body, which a task sends while the response arrives.
#[derive(Debug)]
struct UploadTask {
    task: AbortHandle,
    _response: oneshot::Receiver<()>,
}

impl StreamHold {
    /// Nothing of the request is left to send.
    pub(super) fn sent(slot: HeldSlot) -> Self {
        Self { _slot: Arc::new(slot), upload: None }
    }

    /// Sends the rest in a task: a client that does not read the response may still send.
    pub(super) fn uploading(
        mut upload: Http2Upload,
        mut stream: SendStream<Bytes>,
        timeouts: UploadTimeouts,
        slot: HeldSlot,
    ) -> Self {
        let (mut response, response_guard) = oneshot::channel();
        let slot = Arc::new(slot);
        let shared = Arc::clone(&slot);
        let task = tokio::spawn(async move {
            let ended = tokio::select! {
                ended = send_all(&mut upload, &mut stream, &shared.slot, timeouts.silence) => ended,
                () = async {
                    response.closed().await;
                    tokio::time::sleep(timeouts.after_response).await;
                } => false,
            };
            if !ended {
                stream.send_reset(Reason::CANCEL);
            }
        });
        let upload = Some(UploadTask { task: task.abort_handle(), _response: response_guard });
        Self { _slot: slot, upload }
    }
}

/// Returns false if the app accepts nothing for `silence`.
async fn send_all(
    upload: &mut Http2Upload,
    stream: &mut SendStream<Bytes>,
    slot: &StreamSlot,
    silence: Duration,
) -> bool {
    loop {
        let before = upload.parts();
        let sent = poll_fn(|context| upload.poll_send(stream, &slot.connection, context));
        match tokio::time::timeout(silence, sent).await {
            // A client that ended its body early has reset the stream, and an app that needs no
            // more may have responded completely.
            Ok(Ok(()) | Err(Http2UploadError::Client(_) | Http2UploadError::App)) => return true,
            Err(_) if upload.parts() == before && upload.waits_for_app() => return false,
            Err(_) => {}
        }
    }
}

impl Http2Body {
    pub(super) fn new(stream: RecvStream, length: Option<u64>, hold: StreamHold) -> Self {
        Self { stream, unread: 0, remaining: length, hold }
    }

    fn has_read(&mut self) {
        let unread = std::mem::take(&mut self.unread);
        if unread > 0 {
            // Fails only if the stream has ended, and with it the window.
            drop(self.stream.flow_control().release_capacity(unread));
        }
    }
}

impl Body for Http2Body {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = &mut *self;
        this.has_read();
        match ready!(this.stream.poll_data(context)) {
            Some(Ok(data)) => {
                this.unread = data.len();
                this.remaining = this.remaining.map(|it| it.saturating_sub(data.len() as u64));
                Poll::Ready(Some(Ok(Frame::data(data))))
            }
            Some(Err(error)) => Poll::Ready(Some(Err(error.into()))),
            None => match ready!(this.stream.poll_trailers(context)) {
                Ok(Some(trailers)) => Poll::Ready(Some(Ok(Frame::trailers(trailers)))),
                Ok(None) => Poll::Ready(None),
                Err(error) => Poll::Ready(Some(Err(error.into()))),
            },
        }
    }

    fn is_end_stream(&self) -> bool {
        self.stream.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        if self.is_end_stream() {
            return SizeHint::with_exact(0);
        }
        self.remaining.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

impl Drop for Http2Body {
    fn drop(&mut self) {
        // The client left before the end.
        if let Some(upload) = self.hold.upload.as_ref().filter(|_| !self.stream.is_end_stream()) {
            upload.task.abort();
        }
    }
}
