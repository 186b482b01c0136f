//! One connection, from its first byte to its last.

use super::body::{InFlight, Tracked};
use super::io::{Noted, Transport};
use super::state::{State, Told};
use crate::config::server::Limits;
use crate::wire::body::Body;
use crate::wire::peer::Peer;
use crate::wire::reply;
use http::{Method, Request, Response, StatusCode, Version};
use hyper::body::{Body as _, Incoming};
use hyper::service::Service;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use std::convert::Infallible;
use std::future::{Future, poll_fn, ready};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use tokio_rustls::TlsAcceptor;

/// Answers requests. What it returns is sent as it is; an answer lasts until its body ends.
pub trait Handle: Clone + Send + Sync + 'static {
    /// Answers one request of `peer`. Dropped midway where the client goes.
    fn handle(&self, request: Request<Incoming>, peer: Peer) -> impl Future<Output = Response<Body>> + Send;
}

/// hyper's smallest buffer in bytes; it refuses less.
const LEAST_BUFFER: usize = 8 * 1024;
/// How many header fields hyper reads without memory from the heap for each request.
const INLINE_HEADERS: usize = 100;
/// What an HTTP/2 stream may hold back for a slow client, in bytes.
const SEND_BUFFER: usize = 64 * 1024;

/// How HTTP is spoken on every connection.
#[derive(Debug)]
pub(super) struct Protocol {
    http: auto::Builder<TokioExecutor>,
    headers: usize,
}

impl Protocol {
    /// hyper, held to the limits. It is given no timer on purpose, so all its own time-outs are off: each would arm a timer per
    /// request, and none of them sees a silent connection or half a preface. The sweeper bounds all of it.
    ///
    /// A client that closes its half of an HTTP/1.1 connection is taken to be gone (hyper's default): else nobody would notice a
    /// person who left while the app still works for her.
    pub(super) fn new(limits: &Limits) -> Self {
        let mut http = auto::Builder::new(TokioExecutor::new());
        http.http1().header_read_timeout(None).max_buf_size(limits.header_bytes.max(LEAST_BUFFER));
        if limits.headers != INLINE_HEADERS {
            http.http1().max_headers(limits.headers);
        }
        http.http2()
            .max_concurrent_streams(limits.streams)
            .max_header_list_size(u32::try_from(limits.header_bytes).unwrap_or(u32::MAX))
            .max_send_buf_size(SEND_BUFFER)
            .enable_connect_protocol();
        Self { http, headers: limits.headers }
    }
}

/// Serves a connection until it ends or the sweeper ends it.
pub(super) async fn serve<H: Handle>(protocol: Arc<Protocol>, io: Noted, tls: Option<TlsAcceptor>, handle: H, peer: Peer) {
    let state = Arc::clone(io.state());
    if let Some(transport) = transport(&state, io, tls).await {
        let service = Answering { handle, state: Arc::clone(&state), peer, headers: protocol.headers };
        let mut http = pin!(protocol.http.serve_connection_with_upgrades(TokioIo::new(transport), service));
        let mut closing = false;
        poll_fn(|context| {
            match state.told(context) {
                Told::Drop => return Poll::Ready(()),
                Told::Close if !closing => {
                    closing = true;
                    http.as_mut().graceful_shutdown();
                }
                Told::Close | Told::Nothing => {}
            }
            // A connection that breaks is the client's matter.
            http.as_mut().poll(context).map(|_| ())
        })
        .await;
    }
    state.is_over();
}

/// Shakes hands, where there is TLS. In a box: what only the handshake needs must not stay with an idle connection.
async fn transport(state: &State, io: Noted, tls: Option<TlsAcceptor>) -> Option<Transport> {
    let Some(tls) = tls else { return Some(Transport::Clear(io)) };
    let mut handshake = Box::pin(tls.accept(io));
    poll_fn(|context| match state.told(context) {
        Told::Nothing => handshake.as_mut().poll(context).map(Result::ok),
        Told::Close | Told::Drop => Poll::Ready(None),
    })
    .await
    .map(|it| Transport::Tls(Box::new(it)))
}

/// The handler, as hyper calls it.
struct Answering<H> {
    handle: H,
    state: Arc<State>,
    peer: Peer,
    headers: usize,
}

impl<H: Handle> Service<Request<Incoming>> for Answering<H> {
    type Response = Response<Tracked>;
    type Error = Infallible;
    /// In a box of its own for each request: hyper keeps room for one inline otherwise, and an idle connection would pay for it.
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let multiplexed = request.version() == Version::HTTP_2;
        let under_way = InFlight::begin(&self.state, multiplexed, !request.body().is_end_stream());
        // HTTP/2 has a bound on the bytes of a header list only.
        if request.headers().len() > self.headers {
            let refused = reply::empty(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
            return Box::pin(ready(Ok(refused.map(|it| Tracked::new(it, under_way)))));
        }
        let (handle, peer) = (self.handle.clone(), self.peer);
        Box::pin(async move {
            let tunnel = multiplexed && request.method() == Method::CONNECT;
            let answer = handle.handle(request, peer).await;
            if tunnel && answer.status().is_success() {
                under_way.state().tunnels();
            }
            Ok(answer.map(|it| Tracked::new(it, under_way)))
        })
    }
}
