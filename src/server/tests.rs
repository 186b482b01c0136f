//! Tests with real sockets and with limits short enough to wait for.

mod answers;
mod bounds;
mod life;
mod rest;
mod tls;

use super::admin::{AdminSource, serve_admin};
use super::tls::ServerCertificates;
use super::{Handler, Listener, ServerSettings, serve};
use crate::config::server::{ListenAddress, PeerSet, ServerLimits, TlsFiles};
use crate::upstream::TunnelTracker;
use crate::wire::body::{Body, BoxError};
use crate::wire::peer::Peer;
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Empty, Full};
use hyper::body::{Frame, Incoming};
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::net::SocketAddr;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixStream};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

const HEADER: Duration = Duration::from_millis(400);
const IDLE: Duration = Duration::from_millis(900);
const BODY: Duration = Duration::from_millis(700);
/// How late an end may come after its limit on a busy machine.
const LATE: Duration = Duration::from_millis(1500);

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// `/`: returns the client; `/slow`: 10 parts, 200 ms apart; `/big`: more than any buffer holds;
/// `/late`: a response after 600 ms; `/upgrade`: an echo; `/refuse`: a response without reading the
/// body.
#[derive(Clone)]
struct App;

struct Parts {
    left: usize,
    part: Bytes,
    rest: Pin<Box<tokio::time::Sleep>>,
    every: Duration,
}

fn parts(left: usize, part: Bytes, every: Duration) -> Body {
    Body::stream(Parts { left, part, rest: Box::pin(tokio::time::sleep(every)), every })
}

impl http_body::Body for Parts {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        if !self.every.is_zero() {
            std::task::ready!(self.rest.as_mut().poll(context));
            let next = tokio::time::Instant::now() + self.every;
            self.rest.as_mut().reset(next);
        }
        self.left -= 1;
        Poll::Ready(Some(Ok(Frame::data(self.part.clone()))))
    }
}

impl Handler for App {
    async fn handle(self, mut request: Request<Incoming>, peer: Peer) -> Response<Body> {
        match request.uri().path() {
            "/slow" => {
                Response::new(parts(10, Bytes::from_static(b"part."), Duration::from_millis(200)))
            }
            "/long" => {
                Response::new(parts(100, Bytes::from_static(b"part."), Duration::from_millis(200)))
            }
            "/big" => {
                Response::new(parts(4096, Bytes::from(vec![b'x'; 16 * 1024]), Duration::ZERO))
            }
            "/late" => {
                tokio::time::sleep(Duration::from_millis(600)).await;
                Response::new(Body::full("late"))
            }
            "/upgrade" => {
                let upgrade = hyper::upgrade::on(&mut request);
                tokio::spawn(async move {
                    let mut stream = TokioIo::new(upgrade.await.unwrap());
                    let mut bytes = [0; 64];
                    while let Ok(count @ 1..) = stream.read(&mut bytes).await {
                        stream.write_all(&bytes[..count]).await.unwrap();
                    }
                });
                let over_h2 = request.version() == http::Version::HTTP_2;
                let mut out = Response::new(Body::empty());
                if !over_h2 {
                    *out.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
                    out.headers_mut().insert("connection", "upgrade".parse().unwrap());
                    out.headers_mut().insert("upgrade", "echo".parse().unwrap());
                }
                out
            }
            "/refuse" => {
                let mut out = Response::new(Body::full("no"));
                *out.status_mut() = StatusCode::UNAUTHORIZED;
                out
            }
            "/count" => {
                let count = request.into_body().collect().await.map_or(0, |it| it.to_bytes().len());
                Response::new(Body::full(count.to_string()))
            }
            _ => Response::new(Body::full(format!(
                "address={} tls={}",
                peer.address.is_some(),
                peer.tls
            ))),
        }
    }
}

struct World {
    address: SocketAddr,
    shutdown: CancellationToken,
    served: JoinHandle<()>,
}

fn limits() -> ServerLimits {
    ServerLimits {
        header_timeout: HEADER,
        idle_timeout: IDLE,
        body_timeout: BODY,
        ..ServerLimits::default()
    }
}

/// Limits longer than any test: a connection that ends within a few seconds ended for another
/// reason.
fn patient() -> ServerLimits {
    ServerLimits {
        header_timeout: Duration::from_secs(60),
        idle_timeout: Duration::from_secs(60),
        ..limits()
    }
}

fn start_with(limits: ServerLimits, tls: Option<ServerCertificates>, grace: Duration) -> World {
    let listeners = Listener::bind(&ListenAddress::Tcp("127.0.0.1:0".parse().unwrap())).unwrap();
    let address = listeners[0].local_addr().unwrap();
    let shutdown = CancellationToken::new();
    let settings = ServerSettings {
        limits,
        tls,
        hsts: None,
        proxy_protocol: PeerSet::default(),
        grace,
        metrics: Arc::default(),
    };
    let served =
        tokio::spawn(serve(listeners, settings, App, TunnelTracker::new(), shutdown.clone()));
    World { address, shutdown, served }
}

fn start() -> World {
    start_with(limits(), None, Duration::from_secs(5))
}

impl World {
    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    async fn ask(&self, bytes: &[u8]) -> TcpStream {
        let mut stream = self.connect().await;
        stream.write_all(bytes).await.unwrap();
        stream
    }
}

/// Reads one response with a known length and leaves the connection open.
async fn answer(stream: &mut TcpStream) -> String {
    let mut text = String::new();
    loop {
        let mut bytes = [0; 1024];
        let count = stream.read(&mut bytes).await.unwrap();
        assert!(count > 0, "closed after {text:?}");
        text.push_str(std::str::from_utf8(&bytes[..count]).unwrap());
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head
            .lines()
            .find_map(|it| it.strip_prefix("content-length: "))
            .unwrap()
            .parse()
            .unwrap();
        if body.len() >= length {
            return text;
        }
    }
}

/// Returns how long the other side takes to close. Reads the data that it still sends.
async fn closes(stream: &mut (impl tokio::io::AsyncRead + Unpin)) -> Duration {
    let begin = Instant::now();
    let mut bytes = vec![0; 64 * 1024];
    while let Ok(Ok(count)) = tokio::time::timeout(Duration::from_secs(20), stream.read(&mut bytes))
        .await
        .map_err(|_| panic!("never closed"))
    {
        if count == 0 {
            break;
        }
    }
    begin.elapsed()
}

#[track_caller]
fn in_time(took: Duration, bound: Duration) {
    // The start is measured here, after the data was sent.
    let least = bound.saturating_sub(Duration::from_millis(20));
    assert!(took >= least, "closed after {took:?}, before {bound:?}");
    assert!(took <= bound + LATE, "closed after {took:?}, long after {bound:?}");
}

type Sender = hyper::client::conn::http2::SendRequest<Full<Bytes>>;

async fn http2<T>(io: T) -> (Sender, impl Future<Output = hyper::Result<()>> + Send + 'static)
where
    T: hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static,
{
    hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.unwrap()
}

async fn text(answer: Response<Incoming>) -> String {
    String::from_utf8(answer.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
}
