//! HTTP/2 towards the app: in cleartext with prior knowledge (RFC 9113 section 3.3), or over TLS.

mod body;
mod connection;
mod health;
mod kept_body;
mod pool;
mod tunnel;
mod upload;

pub(super) use body::Http2Body;

#[cfg(test)]
mod tests;

use super::connect::AppDialer;
use super::deadline::RequestDeadline;
use super::error::Error;
use super::hop_by_hop;
use super::http1::UploadTimeouts;
use super::reply::Reply;
use super::request_body::RequestBody;
use super::share::HeldShare;
use super::tunnel::AppTunnel;
use super::upgrade::accept_of;
use body::{HeldSlot, StreamHold};
use bytes::Bytes;
use connection::StreamSlot;
use h2::client::ResponseFuture;
use h2::ext::Protocol;
use h2::{Reason, RecvStream, SendStream};
use health::OVERDUE_TIME;
use http::header::{
    CONNECTION, CONTENT_LENGTH, HOST, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, UPGRADE,
};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderMap, HeaderValue, Method, Request, Response, Uri, Version};
use http_body::Body as _;
use pool::Http2Pool;
use std::future::{Future as _, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use tokio::time::{sleep, timeout};
use tunnel::Http2Tunnel;
use upload::{Http2Upload, Http2UploadError};

/// The connections to one app.
#[derive(Debug)]
pub(super) struct Http2Link {
    pool: Arc<Http2Pool>,
    scheme: Scheme,
    authority: Authority,
    timeouts: UploadTimeouts,
}

/// One request, on whichever stream it is sent.
struct OneRequest<'a> {
    link: &'a Http2Link,
    dialer: &'a AppDialer,
    head: Request<()>,
    upload: Http2Upload,
}

/// A response head, and the stream on which its body follows.
struct ReceivedHead {
    response: Response<RecvStream>,
    sending: SendStream<Bytes>,
    slot: StreamSlot,
}

/// Why no response head was received.
#[derive(Debug)]
enum AttemptError {
    /// The app did not process the request: nothing of it was sent, GOAWAY with a lower stream, or
    /// `REFUSED_STREAM` (RFC 9113 section 8.7).
    NotProcessed(h2::Error),
    /// The connection ended, or is silent. The app may have processed the request.
    Ended(io::Error),
    Other(Error),
}

impl AttemptError {
    /// The stream could not be opened.
    fn unsent(error: h2::Error) -> Self {
        if error.is_go_away() || error.is_io() {
            Self::NotProcessed(error)
        } else {
            Self::Other(Error::broken(error))
        }
    }
}

impl From<AttemptError> for Error {
    fn from(error: AttemptError) -> Self {
        match error {
            AttemptError::NotProcessed(error) => Self::broken(error),
            AttemptError::Ended(error) => Self::broken(error),
            AttemptError::Other(error) => error,
        }
    }
}

impl From<h2::Error> for AttemptError {
    fn from(error: h2::Error) -> Self {
        // h2 reports a GOAWAY of the app only for streams after its last one.
        let is_refused = error.is_reset() && error.reason() == Some(Reason::REFUSED_STREAM);
        if error.is_remote() && (error.is_go_away() || is_refused) {
            Self::NotProcessed(error)
        } else if error.is_io() {
            Self::Ended(error.into_io().unwrap_or_else(|| io::ErrorKind::BrokenPipe.into()))
        } else {
            Self::Other(Error::broken(error))
        }
    }
}

impl Http2Link {
    pub(super) fn new(scheme: Scheme, authority: Authority, timeouts: UploadTimeouts) -> Self {
        Self { pool: Arc::default(), scheme, authority, timeouts }
    }

    /// Sends a request and returns the head of its response.
    pub(super) async fn send(
        &self,
        dialer: &AppDialer,
        request: Request<RequestBody>,
        upgrades: bool,
        mut deadline: RequestDeadline<'_>,
        share: HeldShare,
    ) -> Result<Reply<Http2Body>, Error> {
        if upgrades {
            return deadline.run(pin!(self.open_tunnel(dialer, request, share))).await?;
        }
        let (head, body) = self.prepare(request)?.into_parts();
        let head = Request::from_parts(head, ());
        let mut one = OneRequest { link: self, dialer, head, upload: Http2Upload::new(body) };
        let received = deadline.run(pin!(one.send())).await??;
        let ReceivedHead { response, sending, slot } = received;
        let slot = HeldSlot { slot, _share: share };
        let hold = if one.upload.is_finished() {
            StreamHold::sent(slot)
        } else {
            one.upload.forgets();
            StreamHold::uploading(one.upload, sending, self.timeouts, slot)
        };
        let length = content_length(response.headers());
        let mut response = response.map(|stream| Http2Body::new(stream, length, hold));
        hop_by_hop::strip(response.headers_mut());
        Ok(Reply::Response(response))
    }

    /// Opens a WebSocket with an extended CONNECT (RFC 8441 section 4). The response is one of
    /// HTTP/1.1, as if the app had switched protocols.
    async fn open_tunnel(
        &self,
        dialer: &AppDialer,
        request: Request<RequestBody>,
        share: HeldShare,
    ) -> Result<Reply<Http2Body>, Error> {
        let mut request = self.prepare(request)?.map(|_| ());
        let headers = request.headers_mut();
        headers.remove(CONNECTION);
        let protocol = headers.remove(UPGRADE);
        let key = headers.remove(SEC_WEBSOCKET_KEY).ok_or(Error::UpgradeToH2c)?;
        let is_websocket =
            protocol.is_some_and(|it| it.as_bytes().eq_ignore_ascii_case(b"websocket"));
        if !is_websocket || *request.method() != Method::GET {
            return Err(Error::UpgradeToH2c);
        }
        *request.method_mut() = Method::CONNECT;
        request.extensions_mut().insert(Protocol::from_static("websocket"));
        let slot = self.pool.take(dialer, true).await?;
        let opened = match extended_connect(slot, request.clone()).await {
            Err(AttemptError::NotProcessed(_)) => {
                extended_connect(self.pool.open(dialer).await?, request).await
            }
            opened => opened,
        };
        let ReceivedHead { mut response, mut sending, slot } = opened?;
        hop_by_hop::strip(response.headers_mut());
        if !response.status().is_success() {
            // Fails only if the app has ended the stream.
            drop(sending.send_data(Bytes::new(), true));
            let length = content_length(response.headers());
            let hold = StreamHold::sent(HeldSlot { slot, _share: share });
            return Ok(Reply::Response(response.map(|it| Http2Body::new(it, length, hold))));
        }
        let accept = HeaderValue::try_from(accept_of(&key)).map_err(|_| Error::Upgrade)?;
        response.headers_mut().insert(SEC_WEBSOCKET_ACCEPT, accept);
        response.headers_mut().insert(UPGRADE, HeaderValue::from_static("websocket"));
        let (head, receiving) = response.into_parts();
        let tunnel = AppTunnel::new(Http2Tunnel::new(receiving, sending, slot), Bytes::new());
        Ok(Reply::Switched(Response::from_parts(head, ()), tunnel, share))
    }

    /// Turns a request into one of HTTP/2, with the framing of this hop.
    fn prepare(&self, mut request: Request<RequestBody>) -> Result<Request<RequestBody>, Error> {
        let path =
            request.uri().path_and_query().cloned().unwrap_or(PathAndQuery::from_static("/"));
        *request.uri_mut() = Uri::builder()
            .scheme(self.scheme.clone())
            .authority(self.authority_for(&request))
            .path_and_query(path)
            .build()?;
        request.headers_mut().remove(HOST);
        *request.version_mut() = Version::HTTP_2;
        let states_emptiness =
            matches!(*request.method(), Method::POST | Method::PUT | Method::PATCH);
        if let Some(length) = request.body().size_hint().exact()
            && (length > 0 || states_emptiness)
        {
            request.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(length));
        }
        Ok(request)
    }

    /// Returns the host for `:authority` in HTTP/2 (RFC 9113 section 8.3.1).
    fn authority_for(&self, request: &Request<RequestBody>) -> Authority {
        let host =
            request.headers().get(HOST).and_then(|it| Authority::try_from(it.as_bytes()).ok());
        host.unwrap_or_else(|| self.authority.clone())
    }
}

impl OneRequest<'_> {
    /// Sends the request, and at most once more.
    async fn send(&mut self) -> Result<ReceivedHead, Error> {
        let slot = self.link.pool.take(self.dialer, !self.upload.is_empty()).await?;
        let is_reused = slot.is_reused;
        let error = match self.attempt(slot).await {
            Ok(received) => return Ok(received),
            Err(error) => error,
        };
        let may_repeat = match &error {
            AttemptError::NotProcessed(_) => true,
            AttemptError::Ended(_) => is_reused && self.is_repeatable(),
            AttemptError::Other(_) => false,
        };
        if !may_repeat || !self.upload.rewind() {
            return Err(error.into());
        }
        let slot = self.link.pool.open(self.dialer).await?;
        Ok(self.attempt(slot).await?)
    }

    /// Whether the request may be sent again although the app may have processed it (RFC 9110
    /// section 9.2.2).
    fn is_repeatable(&self) -> bool {
        match *self.head.method() {
            Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE => self.upload.is_empty(),
            Method::PUT | Method::DELETE => self.upload.is_untouched(),
            _ => false,
        }
    }

    async fn attempt(&mut self, slot: StreamSlot) -> Result<ReceivedHead, AttemptError> {
        let mut sender = slot.connection.sender.clone();
        let sent = sender.send_request(self.head.clone(), self.upload.is_empty());
        let (response, mut sending) = slot.connection.sent(sent).map_err(AttemptError::unsent)?;
        drop(sender);
        let response = self.response(response, &mut sending, &slot).await?;
        Ok(ReceivedHead { response, sending, slot })
    }

    /// Sends the body until the response begins. While that is overdue, the app is asked whether it
    /// is still there.
    async fn response(
        &mut self,
        mut response: ResponseFuture,
        sending: &mut SendStream<Bytes>,
        slot: &StreamSlot,
    ) -> Result<Response<RecvStream>, AttemptError> {
        let connection = &slot.connection;
        let may_move = slot.is_reused && self.is_repeatable();
        let (upload, waits_for_client) = (&mut self.upload, AtomicBool::new(false));
        let mut exchange = pin!(poll_fn(|context| {
            let polled = upload.poll_send(sending, connection, context);
            let waits = polled.is_pending() && !upload.waits_for_app();
            waits_for_client.store(waits, Ordering::Relaxed);
            if let Poll::Ready(Err(Http2UploadError::Client(error))) = polled {
                return Poll::Ready(Err(AttemptError::Other(error)));
            }
            Pin::new(&mut response).poll(context).map_err(AttemptError::from)
        }));
        if let Ok(received) = timeout(OVERDUE_TIME, exchange.as_mut()).await {
            return received;
        }
        loop {
            if !waits_for_client.load(Ordering::Relaxed) {
                connection.is_overdue();
            }
            tokio::select! {
                biased;
                received = exchange.as_mut() => return received,
                () = connection.is_silent(), if may_move => {
                    return Err(AttemptError::Ended(io::ErrorKind::TimedOut.into()));
                }
                () = sleep(OVERDUE_TIME) => {}
            }
        }
    }
}

async fn extended_connect(
    slot: StreamSlot,
    request: Request<()>,
) -> Result<ReceivedHead, AttemptError> {
    let mut sender = slot.connection.sender.clone();
    if !sender.is_extended_connect_protocol_enabled() {
        return Err(AttemptError::Other(Error::UpgradeToH2c));
    }
    let sent = slot.connection.sent(sender.send_request(request, false));
    let (response, sending) = sent.map_err(AttemptError::unsent)?;
    Ok(ReceivedHead { response: response.await?, sending, slot })
}

/// The length that a response announces. h2 has compared it with the body.
fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}
