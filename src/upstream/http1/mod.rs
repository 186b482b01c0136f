//! HTTP/1.1 towards the app (RFC 9112). It has its own framing: what one hop says about a body must
//! not reach the other.

mod body;
mod body_decoder;
mod connection;
mod pool;
mod request_head;
mod response_head;
mod upload;

pub(super) use body::{Http1Body, UploadTimeouts};
pub(super) use response_head::MAX_HEAD_BYTES;

#[cfg(test)]
mod tests;

use super::connect::{AppConnection, AppDialer};
use super::deadline::{ConnectionTimer, RequestDeadline};
use super::error::Error;
use super::reply::Reply;
use super::request_body::RequestBody;
use super::share::HeldShare;
use super::tunnel::AppTunnel;
use crate::config::upstream::HeaderCase;
use crate::telemetry::metrics::Metrics;
use body::RequestHold;
use body_decoder::BodyDecoder;
use connection::{AttemptError, Http1Connection, ReceivedHead, UploadState};
use http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use http::{HeaderValue, Method, Request, StatusCode, Version};
use pool::ConnectionPool;
use response_head::RequestFraming;
use std::pin::pin;
use std::sync::Arc;
use upload::Upload;

/// Maximum size of one read of a response body, in bytes.
const MAX_READ_BYTES: usize = 64 * 1024;
/// The same for a client of HTTP/2: frames have 16 KiB, and each stream may hold a part that its
/// client does not read.
const MAX_READ_BYTES_FOR_HTTP2: usize = 16 * 1024;

/// The connections to one app.
#[derive(Debug)]
pub(super) struct Http1Link {
    pool: Arc<ConnectionPool>,
    settings: Http1Settings,
}

/// What all requests to an app have in common.
#[derive(Debug)]
pub(super) struct Http1Settings {
    pub(super) timeouts: UploadTimeouts,
    /// How names of header fields are written.
    pub(super) header_case: HeaderCase,
    pub(super) metrics: Arc<Metrics>,
}

/// One request, on whichever connection it is sent.
struct OneRequest<'a> {
    link: &'a Http1Link,
    upload: Upload,
    framing: RequestFraming,
    deadline: RequestDeadline<'a>,
    max_read_bytes: usize,
    share: HeldShare,
    /// Whether the connection may be used again. Windows apps authenticate connections rather than
    /// requests (RFC 4559 section 6), and a request for an upgrade may have turned its connection
    /// into something else.
    is_poolable: bool,
}

impl Http1Link {
    pub(super) fn new(settings: Http1Settings) -> Self {
        Self { pool: Arc::default(), settings }
    }

    /// Whether a block of fields can be written as it is.
    pub(super) fn takes_own_fields(&self) -> bool {
        self.settings.header_case == HeaderCase::Lower
    }

    /// Adds a connection that was opened elsewhere.
    pub(super) fn adopt(&self, io: AppConnection, timer: ConnectionTimer) {
        self.pool.put(Http1Connection::new(io, timer));
    }

    /// Sends a request and returns the head of its response. `upgrades` says whether the request
    /// asks to switch protocols.
    ///
    /// The request is serialized before the first await: an `async fn` would move it.
    pub(super) fn send<'a>(
        &'a self,
        dialer: &'a AppDialer,
        request: Request<RequestBody>,
        own_fields: &[u8],
        upgrades: bool,
        deadline: RequestDeadline<'a>,
        share: HeldShare,
    ) -> impl Future<Output = Result<Reply<Http1Body>, Error>> + Send + use<'a> {
        // A request that opens a tunnel cannot be repeated, and is worth a connection of its own.
        let mut pooled = if upgrades { None } else { self.pool.take(deadline.started_at()) };
        let is_http2 = request.version() == Version::HTTP_2;
        let framing =
            RequestFraming { is_head: request.method() == Method::HEAD, wants_upgrade: upgrades };
        let is_poolable =
            !upgrades && !authenticates_connection(request.headers().get(AUTHORIZATION));
        let buffer = pooled.as_mut().map(Http1Connection::take_buffer).unwrap_or_default();
        let mut one = OneRequest {
            link: self,
            upload: Upload::new(buffer, request, own_fields, upgrades, self.settings.header_case),
            framing,
            deadline,
            max_read_bytes: if is_http2 { MAX_READ_BYTES_FOR_HTTP2 } else { MAX_READ_BYTES },
            share,
            is_poolable,
        };
        async move {
            if let Some(mut connection) = pooled {
                match connection.exchange(&mut one.upload, one.framing, &mut one.deadline).await {
                    Ok(received) => return one.reply(connection, received),
                    Err(AttemptError::ClosedBeforeResponse(_)) if one.upload.rewind() => {}
                    Err(error) => return Err(error.into()),
                }
            }
            // Boxed because connecting is rare: otherwise its space would be moved with every
            // request.
            Box::pin(one.send_on_new(dialer)).await
        }
    }
}

impl OneRequest<'_> {
    async fn send_on_new(mut self, dialer: &AppDialer) -> Result<Reply<Http1Body>, Error> {
        let io = self.deadline.run(pin!(dialer.open())).await??;
        let mut connection = Http1Connection::new(io, self.deadline.timer());
        let received =
            connection.exchange(&mut self.upload, self.framing, &mut self.deadline).await?;
        self.reply(connection, received)
    }

    fn reply(
        self,
        mut connection: Http1Connection,
        received: ReceivedHead,
    ) -> Result<Reply<Http1Body>, Error> {
        let ReceivedHead { head, upload: state, interim } = received;
        if interim > 0 {
            self.link.settings.metrics.interim_responses(interim);
        }
        if head.head.status() == StatusCode::SWITCHING_PROTOCOLS {
            // RFC 9110 section 7.8: only after the whole request was received.
            let (io, early) = connection
                .into_tunnel()
                .filter(|_| state == UploadState::Written)
                .ok_or(Error::Upgrade)?;
            let tunnel = AppTunnel::new(io, early.freeze());
            return Ok(Reply::Switched(head.head, tunnel, self.share));
        }
        let is_poolable = self.is_poolable
            && head.reusable
            && state != UploadState::Refused
            && !head
                .head
                .headers()
                .get_all(WWW_AUTHENTICATE)
                .iter()
                .any(|it| authenticates_connection(Some(it)));
        let pool = Some(Arc::clone(&self.link.pool)).filter(|_| is_poolable);
        let hold = match state {
            UploadState::UnderWay => match connection.split() {
                Some(io) => {
                    RequestHold::uploading(self.upload, io, self.link.settings.timeouts, self.share)
                }
                None => RequestHold::Share { _share: self.share },
            },
            UploadState::Written | UploadState::Refused => {
                connection.restore_buffer(self.upload.into_buffer());
                RequestHold::Share { _share: self.share }
            }
        };
        let decoder = BodyDecoder::new(head.framing);
        let body = Http1Body::new(decoder, connection, pool, hold, self.max_read_bytes);
        Ok(Reply::Response(head.head.map(|()| body)))
    }
}

/// Whether these credentials, or this challenge, are for the connection and not for the request.
fn authenticates_connection(value: Option<&HeaderValue>) -> bool {
    let scheme = value.and_then(|it| it.as_bytes().split(|byte| *byte == b' ').next());
    scheme
        .is_some_and(|it| it.eq_ignore_ascii_case(b"ntlm") || it.eq_ignore_ascii_case(b"negotiate"))
}
