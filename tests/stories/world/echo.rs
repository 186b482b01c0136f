//! The app behind the program: returns each request that it receives, and misbehaves on demand.

use super::echo_tunnels::{raw_upgrade, web_socket};
use bytes::Bytes;
use futures_util::StreamExt as _;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, StreamBody, combinators::BoxBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::json;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::TcpListener;

pub(super) type EchoBody = BoxBody<Bytes, Infallible>;

/// A running app.
pub struct EchoApp {
    pub address: SocketAddr,
    pub seen: Arc<EchoRecord>,
    task: tokio::task::JoinHandle<()>,
}

/// Statistics of the requests that the app has received.
#[derive(Default)]
pub struct EchoRecord {
    /// Number of requests.
    pub requests: AtomicUsize,
    /// Number of connections.
    pub connections: AtomicUsize,
    /// Number of requests whose responses are not completely sent.
    pub under_way: AtomicUsize,
    /// Number of bytes received of the current upload.
    pub bytes: AtomicU64,
    /// Releases a request to `/held`.
    pub released: tokio::sync::Notify,
    /// The request targets, in order.
    pub targets: Mutex<Vec<String>>,
}

impl EchoRecord {
    pub fn count(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }

    pub fn last_target(&self) -> String {
        self.targets.lock().unwrap().last().cloned().unwrap_or_default()
    }
}

impl EchoApp {
    pub async fn start() -> Self {
        // Uses its own port: the system could pick the one that the program was just given.
        let listener = TcpListener::bind(("127.0.0.1", super::free_port())).await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::<EchoRecord>::default();
        let task = tokio::spawn(serve(listener, Arc::clone(&seen)));
        Self { address, seen, task }
    }

    /// Serves the same app on a Unix socket.
    pub fn on_unix(&self, path: &std::path::Path) {
        let listener = tokio::net::UnixListener::bind(path).unwrap();
        let seen = Arc::clone(&self.seen);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(connection(TokioIo::new(stream), Arc::clone(&seen)));
            }
        });
    }

    /// Serves the same app over TLS.
    pub async fn on_tls(&self, config: rustls::ServerConfig) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (seen, acceptor) =
            (Arc::clone(&self.seen), tokio_rustls::TlsAcceptor::from(Arc::new(config)));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (seen, acceptor) = (Arc::clone(&seen), acceptor.clone());
                tokio::spawn(async move {
                    if let Ok(stream) = acceptor.accept(stream).await {
                        connection(TokioIo::new(stream), seen).await;
                    }
                });
            }
        });
        address
    }

    /// Stops the app: its port no longer accepts connections.
    pub fn dies(&self) {
        self.task.abort();
    }
}

impl Drop for EchoApp {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(listener: TcpListener, seen: Arc<EchoRecord>) {
    let mut connections = tokio::task::JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        seen.connections.fetch_add(1, Ordering::SeqCst);
        stream.set_nodelay(true).unwrap();
        connections.spawn(connection(TokioIo::new(stream), Arc::clone(&seen)));
    }
}

async fn connection(
    io: impl hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static,
    seen: Arc<EchoRecord>,
) {
    let service = service_fn(move |request| {
        let seen = Arc::clone(&seen);
        async move { Ok::<_, Infallible>(answer(request, seen).await) }
    });
    let mut builder = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
    builder.http2().enable_connect_protocol();
    drop(builder.serve_connection_with_upgrades(io, service).await);
}

async fn answer(request: Request<Incoming>, seen: Arc<EchoRecord>) -> Response<EchoBody> {
    seen.requests.fetch_add(1, Ordering::SeqCst);
    let target = request.uri().path_and_query().map_or("", |it| it.as_str()).to_owned();
    seen.targets.lock().unwrap().push(target.clone());
    let path = request.uri().path().to_owned();
    let last = path.rsplit('/').next().unwrap_or_default();
    match last {
        "ws" => web_socket(request),
        "raw-upgrade" => raw_upgrade(request),
        "events" => events(),
        "held" => {
            seen.released.notified().await;
            said(request, seen).await
        }
        "never" => std::future::pending().await,
        "slow" => {
            tokio::time::sleep(Duration::from_millis(1500)).await;
            said(request, seen).await
        }
        "half" => half(),
        "download" => download(&target, RequestGuard::begin(&seen)),
        "grpc" => trailers(request).await,
        "talk" => talk(request),
        "sets-cookies" => {
            let mut response = said(request, seen).await;
            for line in [
                "theirs=1; Path=/",
                "entrada=planted; Path=/",
                "__Host-entrada=planted; Path=/; Secure",
                "entrada-4180-b=x",
            ] {
                response.headers_mut().append("set-cookie", HeaderValue::from_static(line));
            }
            response
        }
        "hop" => {
            let mut response = said(request, seen).await;
            for (name, value) in [
                ("connection", "x-private"),
                ("x-private", "1"),
                ("keep-alive", "timeout=9"),
                ("proxy-authenticate", "Basic"),
            ] {
                response.headers_mut().append(name, HeaderValue::from_static(value));
            }
            response
        }
        "own-hsts" => {
            let mut response = said(request, seen).await;
            response.headers_mut().insert(
                "strict-transport-security",
                HeaderValue::from_static("max-age=1; includeSubDomains"),
            );
            response
        }
        "challenge" | "challenge-always" | "challenge-other" => {
            challenge(request, seen, last == "challenge").await
        }
        "large-head" => {
            let mut response = status(StatusCode::NO_CONTENT, "");
            for it in 0..10 {
                response.headers_mut().append(
                    "x-large",
                    HeaderValue::from_str(&it.to_string().repeat(1000)).unwrap(),
                );
            }
            response
        }
        "teapot" => status(StatusCode::IM_A_TEAPOT, "short and stout"),
        _ => said(request, seen).await,
    }
}

fn full(text: impl Into<Bytes>) -> EchoBody {
    Full::new(text.into()).boxed()
}

pub(super) fn status(status: StatusCode, text: &'static str) -> Response<EchoBody> {
    let mut response = Response::new(full(text));
    *response.status_mut() = status;
    response
}

async fn said(request: Request<Incoming>, seen: Arc<EchoRecord>) -> Response<EchoBody> {
    let (parts, mut body) = request.into_parts();
    let (mut bytes, mut trailers) = (0u64, Vec::new());
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else { break };
        if let Some(data) = frame.data_ref() {
            bytes += data.len() as u64;
            seen.bytes.store(bytes, Ordering::SeqCst);
        }
        if let Some(more) = frame.trailers_ref() {
            trailers = pairs(more);
        }
    }
    let text = json!({
        "method": parts.method.as_str(),
        "target": parts.uri.path_and_query().map(http::uri::PathAndQuery::as_str),
        "authority": parts.uri.authority().map(http::uri::Authority::as_str),
        "version": format!("{:?}", parts.version),
        "headers": pairs(&parts.headers),
        "trailers": trailers,
        "bytes": bytes,
    });
    let mut response = Response::new(full(text.to_string()));
    response.headers_mut().insert("content-type", HeaderValue::from_static("application/json"));
    response
}

/// Asks for step-up authentication with the challenge in the client's header `x-story-challenge`,
/// unless `helps` is set and the assertion names `c1`; `{other}` in it is replaced with a different
/// value each time.
async fn challenge(
    request: Request<Incoming>,
    seen: Arc<EchoRecord>,
    helps: bool,
) -> Response<EchoBody> {
    let header = |name: &str| request.headers().get(name).map(|it| it.to_str().unwrap().to_owned());
    let claims = header("x-entrada-assertion").map(|it| {
        jsonwebtoken::dangerous::insecure_decode::<serde_json::Value>(&it).unwrap().claims
    });
    if helps && claims.is_some_and(|it| it["acrs"] == json!(["c1"])) {
        return said(request, seen).await;
    }
    let other =
        format!(r#"{{"access_token":{{"nbf":{{"essential":true,"value":"{}"}}}}}}"#, seen.count());
    let other = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, other);
    let mut response = status(StatusCode::UNAUTHORIZED, "the app wants more");
    for line in
        header("x-story-challenge").unwrap_or_default().replace("{other}", &other).split(" // ")
    {
        response.headers_mut().append("www-authenticate", HeaderValue::from_str(line).unwrap());
    }
    response.headers_mut().append("set-cookie", HeaderValue::from_static("of-the-app=1; Path=/"));
    response
}

fn pairs(headers: &HeaderMap) -> Vec<[String; 2]> {
    headers
        .iter()
        .map(|(name, value)| {
            [name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()]
        })
        .collect()
}

fn stream(
    frames: impl futures_util::Stream<Item = Result<Frame<Bytes>, Infallible>> + Send + Sync + 'static,
) -> Response<EchoBody> {
    Response::new(BodyExt::boxed(StreamBody::new(frames)))
}

fn events() -> Response<EchoBody> {
    let ticks = futures_util::stream::unfold(0u32, |count| async move {
        if count > 0 {
            tokio::time::sleep(Duration::from_millis(150)).await;
        }
        Some((Ok(Frame::data(Bytes::from(format!("data: {count}\n\n")))), count + 1))
    });
    let mut response = stream(ticks);
    response.headers_mut().insert("content-type", HeaderValue::from_static("text/event-stream"));
    response
}

/// Returns a response that begins and then stalls.
fn half() -> Response<EchoBody> {
    let first = futures_util::stream::once(async { Ok(Frame::data(Bytes::from_static(b"begun"))) });
    stream(first.chain(futures_util::stream::pending()))
}

/// Counts a request as under way until its response has been sent or abandoned.
struct RequestGuard(Arc<EchoRecord>);

impl RequestGuard {
    fn begin(seen: &Arc<EchoRecord>) -> Self {
        seen.under_way.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(seen))
    }
}

impl Drop for RequestGuard {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Ordering::SeqCst);
    }
}

fn download(target: &str, under_way: RequestGuard) -> Response<EchoBody> {
    let size: u64 = target.split_once("bytes=").map_or(0, |it| it.1.parse().unwrap());
    const BLOCK: u64 = 64 * 1024;
    let block = Bytes::from(vec![b'x'; usize::try_from(BLOCK).unwrap()]);
    let frames = futures_util::stream::unfold(
        (size, block, under_way),
        |(left, block, under_way)| async move {
            let now = left.min(BLOCK);
            (now > 0).then(|| {
                (Ok(Frame::data(block.slice(..now as usize))), (left - now, block, under_way))
            })
        },
    );
    stream(frames)
}

/// Responds at once, and returns the parts of the request as they arrive.
fn talk(request: Request<Incoming>) -> Response<EchoBody> {
    let parts = futures_util::stream::unfold(request.into_body(), |mut body| async move {
        let frame = body.frame().await?.ok()?;
        Some((Ok(frame), body))
    });
    let hello =
        futures_util::stream::once(async { Ok(Frame::data(Bytes::from_static(b"hello "))) });
    stream(hello.chain(parts))
}

async fn trailers(request: Request<Incoming>) -> Response<EchoBody> {
    let te = request.headers().get("te").cloned();
    let bytes = request
        .into_body()
        .collect()
        .await
        .map(http_body_util::Collected::to_bytes)
        .unwrap_or_default();
    let mut end = HeaderMap::new();
    end.insert("grpc-status", HeaderValue::from_static("0"));
    let frames = [Ok(Frame::data(bytes)), Ok(Frame::trailers(end))];
    let mut response = stream(futures_util::stream::iter(frames));
    response.headers_mut().insert("content-type", HeaderValue::from_static("application/grpc"));
    response.headers_mut().insert("trailer", HeaderValue::from_static("grpc-status"));
    if let Some(te) = te {
        response.headers_mut().insert("x-te-heard", te);
    }
    response
}
