//! One connection, from its first byte to its last.

use super::body::{InFlightRequest, TrackedBody};
use super::heads::Heads;
use super::http2::{StreamExecutor, WatchedConnection};
use super::sockets::{CountedSocket, Transport};
use super::state::{ConnectionState, SweeperSignal};
use crate::config::server::ServerLimits;
use crate::wire::body::Body;
use crate::wire::peer::Peer;
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
use std::ops::DerefMut;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio_rustls::TlsAcceptor;

/// Answers requests. What it returns is sent as it is; an answer lasts until its body ends.
pub trait Handler: Clone + Send + Sync + 'static {
    /// Answers one request of `peer`. Dropped midway where the client goes.
    fn handle(self, request: Request<Incoming>, peer: Peer) -> impl Future<Output = Response<Body>> + Send;

    /// Answers a request whose head is too large.
    fn refuse(self, _: Request<Incoming>, _: Peer) -> Response<Body> {
        reply::empty(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE)
    }

    /// hyper has answered by itself what it could not read as a request.
    fn has_refused(self, _: &hyper::Error, _: Peer) {}
}

/// hyper's smallest buffer in bytes; it refuses less.
const MIN_BUFFER_BYTES: usize = 8 * 1024;
/// How many header fields hyper reads without memory from the heap for each request.
const INLINE_HEADERS: usize = 100;
/// What h2 may hold back for a slow client, in bytes for each stream; hyper holds a part of `MAX_PART_BYTES` beside it. Both are cut from what
/// was read from the app: a part keeps its whole read alive, and a second read waits in hyper's channel. A fast app is read in pieces of up to
/// 128 KiB (`MAX_HEAD_BYTES` in `upstream::connect`), so a client that reads nothing costs up to some 350 KiB for each stream.
const MAX_SEND_BUFFER_BYTES: usize = 16 * 1024;

/// How HTTP is spoken on every connection.
#[derive(Debug)]
pub(super) struct HttpProtocol {
    http1: http1::Builder,
    streams: u32,
    limits: HeadLimits,
    hsts: Option<HeaderValue>,
}

/// How large a head may be.
#[derive(Clone, Copy, Debug)]
struct HeadLimits {
    bytes: usize,
    headers: usize,
}

impl HeadLimits {
    /// hyper reads up to twice the bytes before it refuses, and over HTTP/2 any number of fields.
    fn exceeded(self, request: &Request<Incoming>) -> bool {
        let headers = request.headers();
        let target = request.uri().path_and_query().map_or(0, |it| it.as_str().len());
        // A colon, a space and the end of the line.
        let bytes = headers.iter().map(|it| it.0.as_str().len() + it.1.len() + 4).sum::<usize>() + target;
        headers.len() > self.headers || bytes > self.bytes
    }
}

impl HttpProtocol {
    /// hyper, held to the limits. It is given no timer on purpose, so all its own time-outs are off: each would arm a timer per
    /// request, and none of them sees a silent connection or half a preface. The sweeper bounds all of it.
    ///
    /// A client that closes its half of an HTTP/1.1 connection is taken to be gone (hyper's default): else nobody would notice a
    /// person who left while the app still works for her.
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
        let mut http2 = http2::Builder::new(StreamExecutor(Arc::clone(state)));
        http2
            .max_concurrent_streams(self.streams)
            .max_header_list_size(u32::try_from(self.limits.bytes).unwrap_or(u32::MAX))
            .max_send_buf_size(MAX_SEND_BUFFER_BYTES)
            .enable_connect_protocol();
        http2
    }
}

/// Serves a connection until it ends or the sweeper ends it.
pub(super) async fn serve<H: Handler>(protocol: Arc<HttpProtocol>, io: CountedSocket, tls: Option<TlsAcceptor>, handle: H, peer: Peer) {
    let state = Arc::clone(io.state());
    if let Some((transport, multiplexed)) = open(&state, io, tls).await {
        // RFC 6797 section 7.2: never in clear, where anyone on the way can write it.
        let hsts = protocol.hsts.clone().filter(|_| peer.tls);
        let service = HandlerService { handle: handle.clone(), state: Arc::clone(&state), peer, limits: protocol.limits, hsts };
        if multiplexed {
            let io = TokioIo::new(WatchedConnection::new(transport, Arc::clone(&state), state.multiplexes()));
            // In a box: an idle connection of HTTP/1.1 must not have room for it.
            let http = Box::pin(protocol.http2(&state).serve_connection(io, service));
            let _ = drive(&state, http, |it| it.graceful_shutdown()).await;
        } else {
            let http = pin!(protocol.http1.serve_connection(TokioIo::new(transport), service).with_upgrades());
            let ended = drive(&state, http, |it| it.graceful_shutdown()).await;
            if let Some(Err(error)) = ended
                && error.is_parse()
            {
                handle.has_refused(&error, peer);
            }
        }
    }
    state.is_over();
}

/// A connection that breaks is the client's matter.
async fn drive<C: Future>(state: &ConnectionState, mut http: Pin<impl DerefMut<Target = C>>, close: fn(Pin<&mut C>)) -> Option<C::Output> {
    let mut closing = false;
    poll_fn(|context| {
        match state.poll_signal(context) {
            SweeperSignal::Drop => return Poll::Ready(None),
            SweeperSignal::Close if !closing => {
                closing = true;
                close(http.as_mut());
            }
            SweeperSignal::Close | SweeperSignal::Nothing => {}
        }
        let queued = state.heads().map_or(0, Heads::queued);
        let polled = http.as_mut().poll(context).map(Some);
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

/// Shakes hands, where there is TLS, and finds out whether HTTP/2 is spoken: by ALPN, or in clear by its preface.
async fn open(state: &ConnectionState, mut io: CountedSocket, tls: Option<TlsAcceptor>) -> Option<(Transport, bool)> {
    let Some(tls) = tls else {
        let multiplexed = until_signaled(state, |context| io.poll_preface(context).map(Result::ok)).await?;
        return Some((Transport::Clear(io), multiplexed));
    };
    // In a box: what only the handshake needs must not stay with an idle connection.
    let mut handshake = Box::pin(tls.accept(io));
    let stream = until_signaled(state, |context| handshake.as_mut().poll(context).map(Result::ok)).await?;
    let multiplexed = stream.get_ref().1.alpn_protocol() == Some(b"h2");
    Some((Transport::Tls(Box::new(stream)), multiplexed))
}

/// Nothing is under way yet, so whatever the sweeper says is the end.
async fn until_signaled<T>(state: &ConnectionState, mut poll: impl FnMut(&mut Context<'_>) -> Poll<Option<T>>) -> Option<T> {
    poll_fn(|context| match state.poll_signal(context) {
        SweeperSignal::Nothing => poll(context),
        SweeperSignal::Close | SweeperSignal::Drop => Poll::Ready(None),
    })
    .await
}

/// The handler, as hyper calls it.
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
    /// In a box of its own for each request: hyper keeps room for one inline otherwise, and an idle connection would pay for it.
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let under_way = InFlightRequest::begin(&self.state, !request.body().is_end_stream());
        if self.limits.exceeded(&request) {
            let mut refused = self.handle.clone().refuse(request, self.peer);
            add_hsts(&mut refused, self.hsts.as_ref());
            under_way.queues_head(refused.headers());
            return Box::pin(std::future::ready(Ok(refused.map(|it| TrackedBody::new(it, Some(under_way))))));
        }
        let connects = request.method() == Method::CONNECT;
        let (handling, hsts) = (self.handle.clone().handle(request, self.peer), self.hsts.clone());
        Box::pin(Answer { handling, under_way: Some(under_way), connects, hsts })
    }
}

pin_project! {
    /// An answer in the making. Written by hand: an `async` block that waits for a future from outside has room for it twice.
    struct Answer<F> {
        #[pin]
        handling: F,
        under_way: Option<InFlightRequest>,
        connects: bool,
        hsts: Option<HeaderValue>,
    }
}

impl<F: Future<Output = Response<Body>>> Future for Answer<F> {
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

/// `Strict-Transport-Security`, for the host that was asked alone.
fn strict_transport(max_age: Duration) -> Option<HeaderValue> {
    HeaderValue::from_str(&format!("max-age={}", max_age.as_secs())).ok()
}

/// Tells browsers to come by TLS only, unless the app told them so itself: of two, only the first counts (RFC 6797 section 8.1).
fn add_hsts(answer: &mut Response<Body>, hsts: Option<&HeaderValue>) {
    if let Some(hsts) = hsts {
        answer.headers_mut().entry(STRICT_TRANSPORT_SECURITY).or_insert_with(|| hsts.clone());
    }
}
