//! The body of an HTTP/1.1 response, read from its connection as the client reads it.

use super::body_decoder::{BodyDecoder, DecodedPart};
use super::connection::Http1Connection;
use super::pool::ConnectionPool;
use super::upload::Upload;
use crate::upstream::connect::AppConnection;
use crate::upstream::error::boxed;
use crate::upstream::share::HeldShare;
use crate::wire::body::BoxError;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::WriteHalf;
use tokio::sync::oneshot;
use tokio::task::AbortHandle;

/// The body of a response. Its connection returns to the pool at its end.
#[derive(Debug)]
pub(in crate::upstream) struct Http1Body {
    decoder: BodyDecoder,
    /// `None` after the end.
    connection: Option<Http1Connection>,
    /// `None` if the connection cannot be used again.
    pool: Option<Arc<ConnectionPool>>,
    /// `None` after the end.
    hold: Option<RequestHold>,
    /// Maximum number of bytes of one read.
    max_read_bytes: usize,
}

/// What counts the request until its response has ended.
#[derive(Debug)]
pub(super) enum RequestHold {
    Share {
        _share: HeldShare,
    },
    /// The rest of the client's body, which a task writes while the response arrives.
    Uploading {
        finished: oneshot::Receiver<WriteHalf<AppConnection>>,
        task: AbortHandle,
        /// The task has it too: it may go on for a while.
        _share: Arc<HeldShare>,
    },
}

/// The limits of a body that is still under way when the response begins.
#[derive(Clone, Copy, Debug)]
pub(in crate::upstream) struct UploadTimeouts {
    /// How long the app may accept nothing.
    pub(in crate::upstream) silence: Duration,
    /// How long the body may continue after the response has ended.
    pub(in crate::upstream) after_response: Duration,
}

impl RequestHold {
    /// Writes the rest in a task: a client that does not read the response may still send.
    pub(super) fn uploading(
        mut upload: Upload,
        mut io: WriteHalf<AppConnection>,
        timeouts: UploadTimeouts,
        share: HeldShare,
    ) -> Self {
        let (mut sender, finished) = oneshot::channel();
        let share = Arc::new(share);
        let shared = Arc::clone(&share);
        let task = tokio::spawn(async move {
            let _share = shared;
            let is_written = tokio::select! {
                is_written = write_all(&mut upload, &mut io, timeouts.silence) => is_written,
                () = async {
                    sender.closed().await;
                    tokio::time::sleep(timeouts.after_response).await;
                } => false,
            };
            if is_written {
                // The response may have ended.
                drop(sender.send(io));
            }
        });
        Self::Uploading { finished, task: task.abort_handle(), _share: share }
    }
}

/// Whether everything was written: the client and the app may both end it before.
async fn write_all(
    upload: &mut Upload,
    io: &mut WriteHalf<AppConnection>,
    silence: Duration,
) -> bool {
    loop {
        let before = upload.progress();
        let written = poll_fn(|context| upload.poll_write(io, context));
        match tokio::time::timeout(silence, written).await {
            Ok(written) => return written.is_ok(),
            Err(_) if upload.progress() == before && upload.waits_for_app() => return false,
            Err(_) => {}
        }
    }
}

impl Http1Body {
    pub(super) fn new(
        decoder: BodyDecoder,
        connection: Http1Connection,
        pool: Option<Arc<ConnectionPool>>,
        hold: RequestHold,
        max_read_bytes: usize,
    ) -> Self {
        let (connection, hold) = (Some(connection), Some(hold));
        let mut body = Self { decoder, connection, pool, hold, max_read_bytes };
        body.release_at_end();
        body
    }

    /// Returns the connection to the pool if the body has ended.
    fn release_at_end(&mut self) {
        if !self.decoder.is_end() {
            return;
        }
        let Some(mut connection) = self.connection.take() else { return };
        if let Some(RequestHold::Uploading { mut finished, .. }) = self.hold.take()
            && let Ok(writing) = finished.try_recv()
        {
            connection.unsplit(writing);
        }
        // Bytes after the end belong to no request.
        if let Some(pool) = self.pool.take().filter(|_| connection.is_whole()) {
            pool.put(connection);
        }
    }

    fn fails(&mut self, error: impl std::error::Error + Send + Sync + 'static) -> BoxError {
        self.connection = None;
        boxed(error)
    }

    fn poll_part(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        loop {
            let Some(connection) = &mut self.connection else { return Poll::Ready(None) };
            match self.decoder.decode(&mut connection.incoming) {
                Ok(DecodedPart::Data(data)) => return Poll::Ready(Some(Ok(Frame::data(data)))),
                Ok(DecodedPart::Trailers(trailers)) => {
                    return Poll::Ready(Some(Ok(Frame::trailers(trailers))));
                }
                Ok(DecodedPart::End) => return Poll::Ready(None),
                Ok(DecodedPart::Incomplete) => {}
                Err(error) => return Poll::Ready(Some(Err(self.fails(error)))),
            }
            match ready!(connection.poll_fill(self.max_read_bytes, context)) {
                Ok(0) => {
                    if let Err(error) = self.decoder.close() {
                        return Poll::Ready(Some(Err(self.fails(error))));
                    }
                }
                Ok(_) => {}
                Err(error) => return Poll::Ready(Some(Err(self.fails(error)))),
            }
        }
    }
}

impl Body for Http1Body {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = self.get_mut();
        let polled = this.poll_part(context);
        if polled.is_ready() {
            this.release_at_end();
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.decoder.is_end()
    }

    fn size_hint(&self) -> SizeHint {
        self.decoder.remaining().map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

impl Drop for Http1Body {
    fn drop(&mut self) {
        // The client left before the end.
        if let Some(RequestHold::Uploading { task, .. }) = &self.hold {
            task.abort();
        }
    }
}
