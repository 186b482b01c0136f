//! HTTP/1.1 towards the app (RFC 9112). It has its own framing: what one hop says about a body must
//! not reach the other.

mod body;
mod body_decoder;
mod connection;
mod pool;
mod request_head;
mod response_head;
mod upload;

pub(super) use body::Http1Body;
pub(super) use response_head::MAX_HEAD_BYTES;

#[cfg(test)]
mod tests;

use super::connect::AppDialer;
use super::deadline::RequestDeadline;
use super::error::Error;
use super::link::{Reply, ReplyBody};
use super::request_body::RequestBody;
use super::tunnel::AppTunnel;
use body::UploadTask;
use body_decoder::BodyDecoder;
use connection::{AttemptError, Http1Connection, ReceivedHead, UploadState};
use http::{Method, Request, StatusCode, Version};
use pool::ConnectionPool;
use response_head::RequestFraming;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use upload::Upload;

/// Maximum size of one read of a body, in bytes. A client of HTTP/2 takes frames of 16 KiB, and each
/// of its streams may hold a part that it does not read.
const MAX_READ_BYTES: usize = 64 * 1024;
const MAX_READ_BYTES_FOR_HTTP2: usize = 16 * 1024;

/// The connections to one app.
#[derive(Debug)]
pub(super) struct Http1Link {
    pool: Arc<ConnectionPool>,
    /// How long an app may accept nothing of a body while it responds.
    stream_timeout: Duration,
}

/// One request, on whichever connection it is sent.
struct OneRequest<'a> {
    link: &'a Http1Link,
    upload: Upload,
    framing: RequestFraming,
    deadline: RequestDeadline<'a>,
    max_read_bytes: usize,
}

impl Http1Link {
    pub(super) fn new(stream_timeout: Duration) -> Self {
        Self { pool: Arc::default(), stream_timeout }
    }

    /// Sends a request and returns the head of its response. `upgrades` says whether the request
    /// asks to switch protocols.
    ///
    /// The request is written before the first await: an `async fn` would move it.
    pub(super) fn send<'a>(
        &'a self,
        dialer: &'a AppDialer,
        request: Request<RequestBody>,
        upgrades: bool,
        deadline: RequestDeadline<'a>,
    ) -> impl Future<Output = Result<Reply, Error>> + Send + use<'a> {
        // A request that opens a tunnel cannot be repeated, and is worth a connection of its own.
        let mut pooled = if upgrades { None } else { self.pool.take(deadline.started_at()) };
        let is_http2 = request.version() == Version::HTTP_2;
        let framing =
            RequestFraming { is_head: request.method() == Method::HEAD, wants_upgrade: upgrades };
        let buffer = pooled.as_mut().map(Http1Connection::take_buffer).unwrap_or_default();
        let mut one = OneRequest {
            link: self,
            upload: Upload::new(buffer, request, upgrades),
            framing,
            deadline,
            max_read_bytes: if is_http2 { MAX_READ_BYTES_FOR_HTTP2 } else { MAX_READ_BYTES },
        };
        async move {
            // The kernel is asked only where a mistake could not be repaired.
            let pooled = pooled.filter(|it| one.upload.may_repeat() || it.is_open());
            if let Some(mut connection) = pooled {
                match connection.exchange(&mut one.upload, one.framing, &mut one.deadline).await {
                    Ok(received) => return one.reply(connection, received),
                    Err(AttemptError::ClosedBeforeResponse(_)) if one.upload.rewind() => {}
                    Err(AttemptError::ClosedBeforeResponse(cause)) => {
                        return Err(Error::broken(cause));
                    }
                    Err(AttemptError::Other(error)) => return Err(error),
                }
            }
            // Boxed because connecting is rare: otherwise its space would be moved with every
            // request.
            Box::pin(one.send_on_new(dialer)).await
        }
    }
}

impl OneRequest<'_> {
    async fn send_on_new(mut self, dialer: &AppDialer) -> Result<Reply, Error> {
        let io = self.deadline.run(pin!(dialer.open())).await??;
        let mut connection = Http1Connection::new(io, self.deadline.timer());
        match connection.exchange(&mut self.upload, self.framing, &mut self.deadline).await {
            Ok(received) => self.reply(connection, received),
            Err(AttemptError::ClosedBeforeResponse(cause)) => Err(Error::broken(cause)),
            Err(AttemptError::Other(error)) => Err(error),
        }
    }

    fn reply(
        self,
        mut connection: Http1Connection,
        received: ReceivedHead,
    ) -> Result<Reply, Error> {
        let ReceivedHead { head, upload: state } = received;
        if head.head.status() == StatusCode::SWITCHING_PROTOCOLS {
            let (io, early) = connection.into_tunnel().ok_or(Error::Upgrade)?;
            return Ok(Reply::Switched(head.head, AppTunnel::new(io, early.freeze())));
        }
        let mut task = None;
        let mut pool = Some(Arc::clone(&self.link.pool)).filter(|_| head.reusable);
        match state {
            UploadState::Written => connection.restore_buffer(self.upload.into_buffer()),
            UploadState::Refused => pool = None,
            UploadState::UnderWay => {
                task = connection
                    .split()
                    .map(|io| UploadTask::spawn(self.upload, io, self.link.stream_timeout));
            }
        }
        let decoder = BodyDecoder::new(head.framing);
        let body = Http1Body::new(decoder, connection, pool, task, self.max_read_bytes);
        Ok(Reply::Response(head.head.map(|()| ReplyBody::Http1(body))))
    }
}
