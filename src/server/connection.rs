//! Serves one connection, from its first byte to its last.

use super::body::{InFlightRequest, TrackedBody};
use super::head_limits::HeadLimits;
use super::heads::QueuedHeads;
use super::http2::{StreamExecutor, WatchedConnection};
use super::lent_transport::TransportHome;
use super::sockets::{CountedSocket, Transport};
use super::state::{ConnectionState, SweeperSignal};
use crate::config::server::ServerLimits;
use crate::wire::body::Body;
use crate::wire::peer::Peer;
use crate::wire::proxy_protocol::{self, MAX_HEADER_BYTES, ProxyHeader};
use crate::wire::reply;
use http::header::STRICT_TRANSPORT_SECURITY;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use hyper::body::{Body as _, Incoming};
use hyper::server::conn::{http1, http2};
use hyper::service::Service;
use hyper_util::rt::TokioIo;
use pin_project_lite::pin_project;
use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::ops::DerefMut;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead as _, AsyncWrite as _, ReadBuf};
use tokio_rustls::TlsAcceptor;

/// Handles requests. The response is sent unchanged and lasts until its body ends.
pub trait Handler: Clone + Send + Sync + 'static {
    /// Handles one request of `peer`. The future is dropped if the client disconnects.
    fn handle(
        self,
        request: Request<Incoming>,
        peer: Peer,
    ) -> impl Future<Output = Response<Body>> + Send;

    /// Responds to a request whose head is too large.
    fn refuse(self, _: Request<Incoming>, _: Peer) -> Response<Body> {
        reply::empty(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE)
    }

    /// Called when hyper has rejected a request that it could not parse.
    fn has_refused(self, _: &hyper::Error, _: Peer) {}
}

/// hyper's minimum buffer size, in bytes.
const MIN_BUFFER_BYTES: usize = 8 * 1024;
/// Number of header fields that hyper reads without a heap allocation for each request.
const INLINE_HEADERS: usize = 100;
/// Part of a response that h2 may hold back for a slow client, in bytes for each stream; hyper
/// holds a part of `MAX_PART_BYTES` in addition. A part keeps the whole read alive from which it
/// was cut: at most `MAX_READ_BYTES_FOR_HTTP2` (`upstream::http1`) from an HTTP/1.1 app.
const MAX_SEND_BUFFER_BYTES: usize = 16 * 1024;

/// How much of a request body a client may send before it is read, in bytes for each HTTP/2 stream,
/// and for all streams of a connection. Each stream has a whole window of its own, so that an
/// upload that stalls does not use up the window of the others.
const MAX_UPLOAD_WINDOW_BYTES: u32 = 64 * 1024;
const MIN_UPLOAD_WINDOW_BYTES: u32 = 16 * 1024;
const MAX_CONNECTION_WINDOW_BYTES: u32 = 8 * 1024 * 1024;
/// The window of each connection at its start.
const INITIAL_WINDOW_BYTES: u32 = 65_535;

/// The HTTP settings of all connections.
#[derive(Debug)]
pub(super) struct HttpProtocol {
    http1: http1::Builder,
    streams: u32,
    limits: HeadLimits,
    hsts: Option<HeaderValue>,
}

impl HttpProtocol {
    /// Configures hyper with the limits. hyper gets no timer on purpose, so all its own timeouts
    /// are off: each would need a timer for every request, and none of them detects a silent
    /// connection or an incomplete preface. The sweeper limits all of these.
    ///
    /// If a client closes its half of an HTTP/1.1 connection, it counts as disconnected (hyper's
    /// default). Otherwise, a person who left would not be noticed while the app still works on
    /// their request.
    pub(super) fn new(limits: &ServerLimits, hsts: Option<Duration>) -> Self {
        let mut http1 = http1::Builder::new();
        http1.header_read_timeout(None).max_buf_size(limits.header_bytes.max(MIN_BUFFER_BYTES));
        if limits.headers != INLINE_HEADERS {
            http1.max_headers(limits.headers);
        }
        Self {
            http1,
            streams: limits.streams,
            limits: HeadLimits { bytes: limits.header_bytes, headers: limits.headers },
            hsts: hsts.and_then(strict_transport),
        }
    }

    fn http2(&self, state: &Arc<ConnectionState>) -> http2::Builder<StreamExecutor> {
        let streams = self.streams.max(1);
        let window = (MAX_CONNECTION_WINDOW_BYTES / streams)
            .clamp(MIN_UPLOAD_WINDOW_BYTES, MAX_UPLOAD_WINDOW_BYTES);
        let all_windows = window.saturating_mul(streams).min(MAX_CONNECTION_WINDOW_BYTES);
        let mut http2 = http2::Builder::new(StreamExecutor(Arc::clone(state)));
        http2
            .initial_stream_window_size(window)
            // The window of a connection cannot be smaller (RFC 9113 section 6.9.2).
            .initial_connection_window_size(all_windows.max(INITIAL_WINDOW_BYTES))
            .max_concurrent_streams(self.streams)
            // h2 counts 32 bytes more for each field (RFC 9113 section 6.5.2). The exact limit is
            // that of `HeadLimits`, the same as over HTTP/1.1.
            .max_header_list_size(u32::try_from(2 * self.limits.bytes).unwrap_or(u32::MAX))
            .max_send_buf_size(MAX_SEND_BUFFER_BYTES)
            .enable_connect_protocol();
        http2
    }
}

/// Serves a connection until it ends or the sweeper ends it.
pub(super) async fn serve<H: Handler>(
    protocol: Arc<HttpProtocol>,
    io: CountedSocket,
    tls: Option<TlsAcceptor>,
    handle: H,
    peer: Peer,
) {
    let state = Arc::clone(io.state());
    if let Some((transport, multiplexed)) = open(&state, io, tls).await {
        // RFC 6797 section 7.2: never sent in cleartext, where anyone on the network path can
        // modify it.
        let hsts = protocol.hsts.clone().filter(|_| peer.tls);
        let service = HandlerService {
            handle: handle.clone(),
            state: Arc::clone(&state),
            peer,
            limits: protocol.limits,
            hsts,
        };
        if multiplexed {
            let io = TokioIo::new(WatchedConnection::new(
                transport,
                Arc::clone(&state),
                state.multiplexes(),
            ));
            // Boxed, so that an idle HTTP/1.1 connection does not reserve space for it.
            let http = Box::pin(protocol.http2(&state).serve_connection(io, service));
            let _ = drive(&state, http, hyper::server::conn::http2::Connection::graceful_shutdown)
                .await;
        } else {
            serve_http1(&protocol, &state, transport, service).await;
        }
    }
    state.is_over();
}

/// Serves an HTTP/1.1 connection. While it is idle for longer, hyper's memory is given back.
async fn serve_http1<H: Handler>(
    protocol: &HttpProtocol,
    state: &ConnectionState,
    mut transport: Transport,
    service: HandlerService<H>,
) {
    let home = TransportHome::default();
    loop {
        let io = TokioIo::new(home.lend(transport));
        // Boxed, so that it can be given back.
        let mut http =
            Box::pin(protocol.http1.serve_connection(io, service.clone()).with_upgrades());
        let graceful_shutdown =
            hyper::server::conn::http1::UpgradeableConnection::graceful_shutdown;
        match drive(state, http.as_mut(), graceful_shutdown).await {
            DriveEnd::Rests => {}
            DriveEnd::Finished(Err(error)) if error.is_parse() => {
                return service.handle.has_refused(&error, service.peer);
            }
            DriveEnd::Finished(_) | DriveEnd::Dropped => return,
        }
        drop(http);
        let Some(resting) = home.take() else { return };
        transport = resting;
        let arrived =
            until_signaled(state, |context| transport.poll_arrival(context).map(Some)).await;
        if arrived != Some(true) {
            return shut_down(state, transport).await;
        }
        state.ends_rest();
    }
}

/// Ends a connection without requests, in order.
async fn shut_down(state: &ConnectionState, mut transport: Transport) {
    poll_fn(|context| match state.poll_signal(context) {
        SweeperSignal::Drop => Poll::Ready(()),
        // A client that has disconnected does not read this.
        _ => Pin::new(&mut transport).poll_shutdown(context).map(drop),
    })
    .await;
}

/// Why a connection is no longer driven.
enum DriveEnd<T> {
    Finished(T),
    /// The sweeper ended it.
    Dropped,
    /// It is idle, and should give its memory back.
    Rests,
}

/// Drives a connection to its end. Connection errors are ignored, because the client causes them.
async fn drive<C: Future>(
    state: &ConnectionState,
    mut http: Pin<impl DerefMut<Target = C>>,
    close: fn(Pin<&mut C>),
) -> DriveEnd<C::Output> {
    let mut closing = false;
    poll_fn(|context| {
        match state.poll_signal(context) {
            SweeperSignal::Drop => return Poll::Ready(DriveEnd::Dropped),
            SweeperSignal::Nothing if state.begins_rest() => return Poll::Ready(DriveEnd::Rests),
            SweeperSignal::Close if !closing => {
                closing = true;
                close(http.as_mut());
            }
            SweeperSignal::Close | SweeperSignal::Nothing => {}
        }
        let queued = state.heads().map_or(0, QueuedHeads::queued);
        let polled = http.as_mut().poll(context).map(DriveEnd::Finished);
        if let Some(streams) = state.streams() {
            streams.settle(!state.is_full());
        }
        if let Some(heads) = state.heads() {
            heads.was_driven(queued, state.is_full());
        }
        polled
    })
    .await
}

/// Reads the PROXY protocol header at the beginning of a connection, and nothing behind it. Returns
/// `None` if it is not valid or does not arrive in time.
pub(super) async fn read_proxy_header(
    mut io: CountedSocket,
) -> Option<(CountedSocket, Option<SocketAddr>)> {
    let state = Arc::clone(io.state());
    let mut header = [0; MAX_HEADER_BYTES];
    let mut filled = 0;
    let client = loop {
        let needed = match proxy_protocol::parse(header.get(..filled)?).ok()? {
            ProxyHeader::Complete(client) => break client,
            ProxyHeader::AtLeast(count) => header.get_mut(filled..count)?,
        };
        let mut buffer = ReadBuf::new(needed);
        until_signaled(&state, |context| {
            Pin::new(&mut io).poll_read(context, &mut buffer).map(Result::ok)
        })
        .await?;
        match buffer.filled().len() {
            0 => return None,
            count => filled += count,
        }
    };
    Some((io, client))
}

/// Performs the TLS handshake, if TLS is configured, and detects HTTP/2: with ALPN, or in cleartext
/// from its preface.
async fn open(
    state: &ConnectionState,
    mut io: CountedSocket,
    tls: Option<TlsAcceptor>,
) -> Option<(Transport, bool)> {
    let Some(tls) = tls else {
        let multiplexed =
            until_signaled(state, |context| io.poll_preface(context).map(Result::ok)).await?;
        return Some((Transport::Clear(io), multiplexed));
    };
    // Boxed, so that an idle connection does not keep the space that only the handshake needs.
    let mut handshake = Box::pin(tls.accept(io));
    let stream =
        until_signaled(state, |context| handshake.as_mut().poll(context).map(Result::ok)).await?;
    let multiplexed = stream.get_ref().1.alpn_protocol() == Some(b"h2");
    Some((Transport::Tls(Box::new(stream)), multiplexed))
}

/// Polls until the sweeper signals. No request is in progress yet, so any signal ends the
/// connection.
async fn until_signaled<T>(
    state: &ConnectionState,
    mut poll: impl FnMut(&mut Context<'_>) -> Poll<Option<T>>,
) -> Option<T> {
    poll_fn(|context| match state.poll_signal(context) {
        SweeperSignal::Nothing => poll(context),
        SweeperSignal::Close | SweeperSignal::Drop => Poll::Ready(None),
    })
    .await
}

/// The handler as a hyper service.
#[derive(Clone)]
struct HandlerService<H> {
    handle: H,
    state: Arc<ConnectionState>,
    peer: Peer,
    limits: HeadLimits,
    hsts: Option<HeaderValue>,
}

impl<H: Handler> Service<Request<Incoming>> for HandlerService<H> {
    type Response = Response<TrackedBody>;
    type Error = Infallible;
    /// Boxed for each request: otherwise hyper reserves space for one inline, which every idle
    /// connection would pay for.
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let under_way = InFlightRequest::begin(&self.state, !request.body().is_end_stream());
        if self.limits.exceeded(&request) {
            let mut refused = self.handle.clone().refuse(request, self.peer);
            add_hsts(&mut refused, self.hsts.as_ref());
            under_way.queues_head(refused.headers());
            return Box::pin(std::future::ready(Ok(
                refused.map(|it| TrackedBody::new(it, Some(under_way)))
            )));
        }
        let connects = request.method() == Method::CONNECT;
        let (handling, hsts) = (self.handle.clone().handle(request, self.peer), self.hsts.clone());
        Box::pin(PendingResponse { handling, under_way: Some(under_way), connects, hsts })
    }
}

pin_project! {
    /// A response in preparation. Written by hand, because an `async` block that awaits a captured
    /// future reserves space for it twice.
    struct PendingResponse<F> {
        #[pin]
        handling: F,
        under_way: Option<InFlightRequest>,
        connects: bool,
        hsts: Option<HeaderValue>,
    }
}

impl<F: Future<Output = Response<Body>>> Future for PendingResponse<F> {
    type Output = Result<Response<TrackedBody>, Infallible>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let mut answer = ready!(this.handling.poll(context));
        add_hsts(&mut answer, this.hsts.as_ref());
        let under_way = this.under_way.take();
        if let Some(under_way) = &under_way {
            under_way.queues_head(answer.headers());
            if *this.connects && answer.status().is_success() {
                under_way.becomes_tunnel();
            }
        }
        Poll::Ready(Ok(answer.map(|it| TrackedBody::new(it, under_way))))
    }
}

/// Returns `Strict-Transport-Security` without subdomains: for the requested host only.
fn strict_transport(max_age: Duration) -> Option<HeaderValue> {
    HeaderValue::from_str(&format!("max-age={}", max_age.as_secs())).ok()
}

/// Adds `Strict-Transport-Security`, unless the app sent its own: of two headers, only the first
/// counts (RFC 6797 section 8.1).
fn add_hsts(answer: &mut Response<Body>, hsts: Option<&HeaderValue>) {
    if let Some(hsts) = hsts {
        answer.headers_mut().entry(STRICT_TRANSPORT_SECURITY).or_insert_with(|| hsts.clone());
    }
}
