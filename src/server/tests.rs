//! Stories over real sockets, with bounds short enough to wait for.

use super::admin::{Source, serve_admin};
use super::tls::Certificates;
use super::{Handle, Listener, Settings, serve};
use crate::config::server::{Limits, Listen, TlsFiles};
use crate::upstream::Tunnels;
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
/// How much later than its bound an end may be on a busy machine.
const LATE: Duration = Duration::from_millis(1500);

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// `/`: who asks; `/slow`: 10 parts, 200 ms apart; `/big`: more than any buffer holds; `/late`: an answer after 600 ms;
/// `/upgrade`: an echo; `/refuse`: an answer that does not read the body.
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

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
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

impl Handle for App {
    async fn handle(self, mut request: Request<Incoming>, peer: Peer) -> Response<Body> {
        match request.uri().path() {
            "/slow" => Response::new(parts(10, Bytes::from_static(b"part."), Duration::from_millis(200))),
            "/long" => Response::new(parts(100, Bytes::from_static(b"part."), Duration::from_millis(200))),
            "/big" => Response::new(parts(4096, Bytes::from(vec![b'x'; 16 * 1024]), Duration::ZERO)),
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
            _ => Response::new(Body::full(format!("address={} tls={}", peer.address.is_some(), peer.tls))),
        }
    }
}

struct World {
    address: SocketAddr,
    shutdown: CancellationToken,
    served: JoinHandle<()>,
}

fn limits() -> Limits {
    Limits { header_timeout: HEADER, idle_timeout: IDLE, body_timeout: BODY, ..Limits::default() }
}

fn start_with(limits: Limits, tls: Option<Certificates>, grace: Duration) -> World {
    let listeners = Listener::bind(&Listen::Tcp("127.0.0.1:0".parse().unwrap())).unwrap();
    let address = listeners[0].local_addr().unwrap();
    let shutdown = CancellationToken::new();
    let settings = Settings { limits, tls, grace };
    let served = tokio::spawn(serve(listeners, settings, App, Tunnels::new(), shutdown.clone()));
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

/// Reads one answer whose length is told, and leaves the connection open.
async fn answer(stream: &mut TcpStream) -> String {
    let mut text = String::new();
    loop {
        let mut bytes = [0; 1024];
        let count = stream.read(&mut bytes).await.unwrap();
        assert!(count > 0, "closed after {text:?}");
        text.push_str(std::str::from_utf8(&bytes[..count]).unwrap());
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|it| it.strip_prefix("content-length: ")).unwrap().parse().unwrap();
        if body.len() >= length {
            return text;
        }
    }
}

/// How long until the other side closes; what it still says is read.
async fn closes(stream: &mut (impl tokio::io::AsyncRead + Unpin)) -> Duration {
    let begin = Instant::now();
    let mut bytes = vec![0; 64 * 1024];
    while let Ok(Ok(count)) = tokio::time::timeout(Duration::from_secs(20), stream.read(&mut bytes)).await.map_err(|_| panic!("never closed")) {
        if count == 0 {
            break;
        }
    }
    begin.elapsed()
}

#[track_caller]
fn in_time(took: Duration, bound: Duration) {
    // The begin is measured here, after what was sent.
    let least = bound.saturating_sub(Duration::from_millis(20));
    assert!(took >= least, "closed after {took:?}, before {bound:?}");
    assert!(took <= bound + LATE, "closed after {took:?}, long after {bound:?}");
}

#[tokio::test]
async fn whoever_never_sends_a_whole_head_is_closed_after_the_header_timeout() {
    let world = start();
    let mut taking = tokio::task::JoinSet::new();
    for sent in [&b""[..], b"P", b"GET / HTTP/1.1\r\nHost: a\r\nX", b"PRI * HTTP/2.0\r\n", PREFACE] {
        let mut stream = world.ask(sent).await;
        taking.spawn(async move { (sent, closes(&mut stream).await) });
    }
    while let Some(Ok((sent, took))) = taking.join_next().await {
        println!("{:?} {took:?}", String::from_utf8_lossy(sent));
        in_time(took, HEADER);
    }
}

#[tokio::test]
async fn a_head_that_drips_ends_after_the_header_timeout_in_all() {
    let world = start();
    let mut stream = world.ask(b"GET / HTTP/1.1\r\n").await;
    let begin = Instant::now();
    for _ in 0..200 {
        tokio::time::sleep(Duration::from_millis(25)).await;
        if stream.write_all(b"x").await.is_err() {
            break;
        }
    }
    in_time(begin.elapsed(), HEADER);
}

#[tokio::test]
async fn a_second_head_that_drips_ends_too() {
    let world = start();
    let mut stream = world.ask(GET).await;
    answer(&mut stream).await;
    stream.write_all(b"GET / HT").await.unwrap();
    in_time(closes(&mut stream).await, HEADER);
}

#[tokio::test]
async fn a_connection_at_rest_is_closed_after_the_idle_timeout() {
    let world = start();
    let mut stream = world.ask(GET).await;
    assert!(answer(&mut stream).await.starts_with("HTTP/1.1 200 OK\r\n"));
    tokio::time::sleep(HEADER + Duration::from_millis(200)).await;
    stream.write_all(GET).await.unwrap();
    assert!(answer(&mut stream).await.ends_with("address=true tls=false"));
    in_time(closes(&mut stream).await, IDLE);
}

#[tokio::test]
async fn a_head_that_begins_like_http2_loses_no_byte() {
    let world = start();
    for head in ["PRINT", "P", "POST"] {
        let mut stream = world.ask(b"P").await;
        for byte in head.bytes().skip(1).chain(*b" /count HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc") {
            tokio::time::sleep(Duration::from_millis(2)).await;
            stream.write_all(&[byte]).await.unwrap();
        }
        assert!(answer(&mut stream).await.ends_with("\r\n\r\n3"), "{head}");
    }
    let mut stream = world.connect().await;
    for part in [&PREFACE[..1], &PREFACE[1..20], &PREFACE[20..], b"\0\0\0\x04\0\0\0\0\0"] {
        tokio::time::sleep(Duration::from_millis(20)).await;
        stream.write_all(part).await.unwrap();
    }
    // A frame of settings comes back.
    let mut frame = [0; 9];
    stream.read_exact(&mut frame).await.unwrap();
    assert_eq!(frame[3], 4);
}

#[tokio::test]
async fn requests_in_a_row_are_answered_in_order() {
    let world = start();
    let mut stream = world.ask(&[b"GET /late HTTP/1.1\r\nHost: a\r\n\r\n", GET].concat()).await;
    let mut text = answer(&mut stream).await;
    if !text.contains("address=") {
        text.push_str(&answer(&mut stream).await);
    }
    assert!(text.find("late").unwrap() < text.find("address=true").unwrap());
}

#[tokio::test]
async fn an_answer_that_takes_its_time_outlives_all_those_bounds() {
    let world = start();
    let mut stream = world.ask(b"GET /slow HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await;
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    assert_eq!(text.matches("part.").count(), 10);
    assert!(text.ends_with("0\r\n\r\n"));
}

#[tokio::test]
async fn a_client_that_takes_nothing_of_a_big_answer_is_dropped() {
    let world = start();
    let mut stream = world.ask(b"GET /big HTTP/1.1\r\nHost: a\r\n\r\n").await;
    tokio::time::sleep(BODY + LATE).await;
    let mut text = Vec::new();
    let read = stream.read_to_end(&mut text).await;
    assert!(text.len() < 60 << 20, "{} {read:?}", text.len());
}

#[tokio::test]
async fn a_client_that_reads_slowly_gets_all_of_a_big_answer() {
    let world = start();
    let mut stream = world.ask(b"GET /big HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await;
    let (mut total, begin) = (0, Instant::now());
    let mut bytes = vec![0; 1 << 20];
    loop {
        let count = stream.read(&mut bytes).await.unwrap();
        if count == 0 {
            break;
        }
        total += count;
        if begin.elapsed() < 2 * BODY {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    assert!(total > 64 << 20);
    assert!(begin.elapsed() > 2 * BODY, "it was not slow");
}

#[tokio::test]
async fn a_client_that_withholds_the_http2_window_is_dropped() {
    let world = start();
    let stream = world.connect().await;
    let mut builder = hyper::client::conn::http2::Builder::new(TokioExecutor::new());
    let (mut sender, connection) = builder.initial_stream_window_size(0).handshake::<_, Empty<Bytes>>(TokioIo::new(stream)).await.unwrap();
    let connection = tokio::spawn(connection);
    let begin = Instant::now();
    let response = sender.send_request(Request::get("http://a/big").body(Empty::new()).unwrap()).await.unwrap();
    let _ = connection.await.unwrap();
    in_time(begin.elapsed(), BODY);
    assert!(response.into_body().collect().await.is_err());
}

#[tokio::test]
async fn beyond_the_limit_it_is_a_quick_503_until_a_place_is_free() {
    let world = start_with(Limits { connections: 1, ..limits() }, None, Duration::ZERO);
    let mut first = world.ask(GET).await;
    answer(&mut first).await;
    let mut second = world.ask(GET).await;
    let begin = Instant::now();
    let mut text = String::new();
    second.read_to_string(&mut text).await.unwrap();
    assert!(begin.elapsed() < Duration::from_millis(300));
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 503 "));
    assert!(head.contains("retry-after: 5"));
    assert!(head.contains(&format!("content-length: {}\r\n", body.len())), "{text}");
    drop((first, second));
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(answer(&mut world.ask(GET).await).await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn an_upgraded_connection_outlives_the_idle_timeout_and_keeps_its_place() {
    let world = start_with(Limits { connections: 1, ..limits() }, None, Duration::ZERO);
    let mut stream = world.ask(b"GET /upgrade HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n").await;
    let mut head = [0; 1024];
    let count = stream.read(&mut head).await.unwrap();
    assert!(head[..count].starts_with(b"HTTP/1.1 101"));
    tokio::time::sleep(IDLE + Duration::from_millis(600)).await;
    stream.write_all(b"echo").await.unwrap();
    let mut bytes = [0; 4];
    stream.read_exact(&mut bytes).await.unwrap();
    assert_eq!(&bytes, b"echo");
    let mut text = String::new();
    world.ask(GET).await.read_to_string(&mut text).await.unwrap();
    assert!(text.starts_with("HTTP/1.1 503"));
}

#[tokio::test]
async fn the_refusal_of_an_upload_arrives_though_the_client_goes_on_sending() {
    let world = start();
    let mut stream = world.ask(b"POST /refuse HTTP/1.1\r\nHost: a\r\nContent-Length: 50000000\r\n\r\n").await;
    // Closed with unread bytes, the connection would be reset within the first of these.
    for _ in 0..20 {
        tokio::time::sleep(Duration::from_millis(10)).await;
        stream.write_all(&[0; 64 * 1024]).await.unwrap();
    }
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    assert!(text.starts_with("HTTP/1.1 401") && text.ends_with("no"), "{text}");
    // Whoever goes on forever is cut off.
    let begin = Instant::now();
    while stream.write_all(&[0; 1024]).await.is_ok() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(begin.elapsed() < HEADER + LATE);
}

#[tokio::test]
async fn a_body_that_was_asked_for_by_100_continue_arrives() {
    let world = start();
    let mut stream = world.ask(b"POST /count HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n").await;
    let mut bytes = [0; 25];
    stream.read_exact(&mut bytes).await.unwrap();
    assert_eq!(&bytes, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(b"abc").await.unwrap();
    assert!(answer(&mut stream).await.ends_with("\r\n\r\n3"));
}

#[tokio::test]
async fn a_head_of_too_many_bytes_is_refused_though_it_fits_a_buffer() {
    let world = start_with(Limits { header_bytes: 20_000, ..limits() }, None, Duration::ZERO);
    for (length, status) in [(19_000, 200), (21_000, 431), (39_000, 431), (100_000, 431)] {
        let mut stream = world.ask(format!("GET / HTTP/1.1\r\nHost: a\r\nx: {}\r\n\r\n", "x".repeat(length)).as_bytes()).await;
        assert!(answer(&mut stream).await.starts_with(&format!("HTTP/1.1 {status} ")), "{length}");
    }
}

#[tokio::test]
async fn too_many_header_fields_are_refused_over_both_versions() {
    let world = start_with(Limits { headers: 20, ..limits() }, None, Duration::ZERO);
    let head = format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "x: y\r\n".repeat(30));
    let mut text = String::new();
    world.ask(head.as_bytes()).await.read_to_string(&mut text).await.unwrap();
    assert!(text.starts_with("HTTP/1.1 431"), "{text}");
    let (mut sender, connection) = http2(TokioIo::new(world.connect().await)).await;
    tokio::spawn(connection);
    let mut request = Request::get("http://a/").body(Full::default()).unwrap();
    for _ in 0..30 {
        request.headers_mut().append("x", "y".parse().unwrap());
    }
    assert_eq!(sender.send_request(request).await.unwrap().status(), 431);
    assert_eq!(sender.send_request(Request::get("http://a/").body(Full::default()).unwrap()).await.unwrap().status(), 200);
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

#[tokio::test]
async fn http2_by_prior_knowledge_rests_and_is_closed_after_the_idle_timeout() {
    let world = start();
    let (mut sender, connection) = http2(TokioIo::new(world.connect().await)).await;
    let connection = tokio::spawn(connection);
    let get = || Request::get("http://a/").body(Full::default()).unwrap();
    assert_eq!(text(sender.send_request(get()).await.unwrap()).await, "address=true tls=false");
    tokio::time::sleep(HEADER + Duration::from_millis(200)).await;
    let slow = sender.send_request(Request::get("http://a/slow").body(Full::default()).unwrap()).await.unwrap();
    assert_eq!(text(slow).await, "part.".repeat(10));
    let begin = Instant::now();
    connection.await.unwrap().unwrap();
    in_time(begin.elapsed(), IDLE);
}

#[tokio::test]
async fn a_websocket_in_an_http2_stream_keeps_its_connection() {
    let world = start();
    let stream = world.connect().await;
    let (mut sender, connection) = http2(TokioIo::new(stream)).await;
    tokio::spawn(connection);
    let request = Request::connect("http://a/upgrade").extension(hyper::ext::Protocol::from_static("websocket")).body(Full::default()).unwrap();
    // The server's leave to use extended CONNECT arrives with its first settings.
    tokio::time::sleep(Duration::from_millis(100)).await;
    let answer = sender.send_request(request).await.unwrap();
    assert_eq!(answer.status(), 200);
    let mut tunnel = TokioIo::new(hyper::upgrade::on(answer).await.unwrap());
    tokio::time::sleep(IDLE + Duration::from_millis(600)).await;
    tunnel.write_all(b"echo").await.unwrap();
    let mut bytes = [0; 4];
    tunnel.read_exact(&mut bytes).await.unwrap();
    assert_eq!(&bytes, b"echo");
}

struct Files {
    directory: tempfile::TempDir,
    files: TlsFiles,
}

impl Files {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let files = TlsFiles { certificate: directory.path().join("tls.crt"), key: directory.path().join("tls.key") };
        let out = Self { directory, files };
        out.renew();
        out
    }

    fn renew(&self) {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        std::fs::write(&self.files.certificate, made.cert.pem()).unwrap();
        std::fs::write(&self.files.key, made.signing_key.serialize_pem()).unwrap();
    }

    fn spoil(&self) {
        let key = rcgen::KeyPair::generate().unwrap().serialize_pem();
        std::fs::write(&self.files.key, key).unwrap();
    }

    /// Believes in what lies there now, and in nothing else.
    async fn connect(&self, world: &World, alpn: &[u8]) -> std::io::Result<tokio_rustls::client::TlsStream<TcpStream>> {
        let mut config = rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots(&self.files.certificate))
            .with_no_client_auth();
        config.alpn_protocols = vec![alpn.to_vec()];
        let stream = world.connect().await;
        tokio_rustls::TlsConnector::from(Arc::new(config)).connect("localhost".try_into().unwrap(), stream).await
    }
}

fn roots(path: &Path) -> rustls::RootCertStore {
    use rustls::pki_types::pem::PemObject as _;
    let mut roots = rustls::RootCertStore::empty();
    roots.add(rustls::pki_types::CertificateDer::from_pem_file(path).unwrap()).unwrap();
    roots
}

#[tokio::test]
async fn tls_speaks_both_versions_by_alpn_and_prefers_the_hybrid_key_exchange() {
    let files = Files::new();
    let world = start_with(limits(), Some(Certificates::load(&files.files).unwrap()), Duration::ZERO);
    let stream = files.connect(&world, b"h2").await.unwrap();
    let group = stream.get_ref().1.negotiated_key_exchange_group().unwrap().name();
    assert_eq!(group, rustls::NamedGroup::X25519MLKEM768);
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let (mut sender, connection) = http2(TokioIo::new(stream)).await;
    tokio::spawn(connection);
    let get = Request::get("https://localhost/").body(Full::default()).unwrap();
    assert_eq!(text(sender.send_request(get).await.unwrap()).await, "address=true tls=true");

    let mut stream = files.connect(&world, b"http/1.1").await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
    stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut answered = String::new();
    stream.read_to_string(&mut answered).await.unwrap();
    assert!(answered.ends_with("tls=true"));
}

#[tokio::test]
async fn a_tls_handshake_that_stands_still_is_closed_after_the_header_timeout() {
    let files = Files::new();
    let world = start_with(limits(), Some(Certificates::load(&files.files).unwrap()), Duration::ZERO);
    for sent in [&b""[..], b"\x16\x03\x01"] {
        in_time(closes(&mut world.ask(sent).await).await, HEADER);
    }
    let mut silent = files.connect(&world, b"h2").await.unwrap();
    let took = closes(&mut silent).await;
    assert!(took <= HEADER + LATE, "{took:?}");
}

#[tokio::test]
async fn a_new_certificate_is_shown_while_old_connections_live_and_a_bad_pair_keeps_the_old() {
    let files = Files::new();
    let certificates = Certificates::load(&files.files).unwrap();
    let world = start_with(limits(), Some(certificates.clone()), Duration::ZERO);
    let mut old = files.connect(&world, b"http/1.1").await.unwrap();
    files.renew();
    assert!(files.connect(&world, b"http/1.1").await.is_err());
    certificates.reload().await;
    files.connect(&world, b"http/1.1").await.unwrap();
    files.spoil();
    certificates.reload().await;
    files.connect(&world, b"http/1.1").await.unwrap();
    std::fs::remove_file(&files.files.key).unwrap();
    certificates.reload().await;
    files.connect(&world, b"http/1.1").await.unwrap();
    old.write_all(GET).await.unwrap();
    let mut bytes = [0; 15];
    old.read_exact(&mut bytes).await.unwrap();
    assert_eq!(&bytes, b"HTTP/1.1 200 OK");
}

#[tokio::test]
async fn certificates_that_cannot_be_used_at_start_are_named() {
    let files = Files::new();
    let told = |files: &TlsFiles| Certificates::load(files).unwrap_err().to_string();
    files.spoil();
    let both = told(&files.files);
    assert!(both.contains("tls.crt") && both.contains("tls.key"), "{both}");
    std::fs::write(&files.files.key, "a secret, but no key").unwrap();
    let key = told(&files.files);
    assert!(key.contains("tls.key") && !key.contains("a secret"), "{key}");
    std::fs::write(&files.files.certificate, "").unwrap();
    assert!(told(&files.files).contains("tls.crt: holds no certificate"));
    let missing = TlsFiles { certificate: files.directory.path().join("nowhere"), ..files.files.clone() };
    assert!(told(&missing).contains("nowhere: No such file"));
}

#[tokio::test]
async fn the_drain_lets_an_answer_finish_and_closes_what_rests() {
    let world = start();
    let mut resting = world.ask(GET).await;
    answer(&mut resting).await;
    let mut half = world.ask(b"GET / HT").await;
    let mut silent = world.connect().await;
    let (mut sender, connection) = http2(TokioIo::new(world.connect().await)).await;
    let connection = tokio::spawn(connection);
    assert_eq!(sender.send_request(Request::get("http://a/").body(Full::default()).unwrap()).await.unwrap().status(), 200);
    let mut slow = world.ask(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n").await;
    tokio::time::sleep(Duration::from_millis(150)).await;

    let begin = Instant::now();
    world.shutdown.cancel();
    assert!(closes(&mut resting).await < Duration::from_millis(100));
    assert!(closes(&mut silent).await < Duration::from_millis(200));
    connection.await.unwrap().unwrap();
    closes(&mut half).await;
    assert!(begin.elapsed() < Duration::from_millis(600), "{:?}", begin.elapsed());
    assert!(TcpStream::connect(world.address).await.is_err());
    let mut text = String::new();
    slow.read_to_string(&mut text).await.unwrap();
    assert_eq!(text.matches("part.").count(), 10);
    world.served.await.unwrap();
    assert!(begin.elapsed() < Duration::from_secs(3));
}

#[tokio::test]
async fn the_drain_ends_at_its_deadline_whatever_goes_on() {
    let world = start_with(limits(), None, Duration::from_millis(700));
    let mut slow = world.ask(b"GET /long HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let (mut sender, connection) = http2(TokioIo::new(world.connect().await)).await;
    tokio::spawn(connection);
    let stream = sender.send_request(Request::get("http://a/long").body(Full::default()).unwrap()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    let begin = Instant::now();
    world.shutdown.cancel();
    world.served.await.unwrap();
    in_time(begin.elapsed(), Duration::from_millis(700));
    closes(&mut slow).await;
    assert!(stream.into_body().collect().await.is_err());
}

#[tokio::test]
async fn a_unix_socket_has_no_address_takes_over_a_dead_one_and_leaves_no_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("entrada.sock");
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    let listen = Listen::Unix(path.clone());
    let listeners = Listener::bind(&listen).unwrap();
    assert_eq!(Listener::bind(&listen).unwrap_err().kind(), std::io::ErrorKind::AddrInUse);
    let shutdown = CancellationToken::new();
    let settings = Settings { limits: limits(), tls: None, grace: Duration::ZERO };
    let served = tokio::spawn(serve(listeners, settings, App, Tunnels::new(), shutdown.clone()));
    let mut stream = UnixStream::connect(&path).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    assert!(text.ends_with("address=false tls=false"));
    shutdown.cancel();
    served.await.unwrap();
    assert!(!path.exists());
    std::fs::write(&path, "precious").unwrap();
    assert!(Listener::bind(&listen).is_err());
    assert_eq!(std::fs::read(&path).unwrap(), b"precious");
}

struct Told(Result<(), Vec<String>>);

impl Source for Told {
    fn ready(&self) -> Result<(), Vec<String>> {
        self.0.clone()
    }

    fn metrics(&self) -> String {
        "# EOF\n".to_owned()
    }
}

async fn admin(told: Result<(), Vec<String>>) -> World {
    let mut listeners = Listener::bind(&Listen::Tcp("127.0.0.1:0".parse().unwrap())).unwrap();
    let listener = listeners.pop().unwrap();
    let (address, shutdown) = (listener.local_addr().unwrap(), CancellationToken::new());
    let served = tokio::spawn(serve_admin(listener, Told(told), shutdown.clone()));
    World { address, shutdown, served }
}

#[tokio::test]
async fn the_admin_listener_tells_three_things_and_nothing_else() {
    let world = admin(Ok(())).await;
    let waiting = admin(Err(vec!["Entra was not reached yet".to_owned()])).await;
    let mut stream = world.connect().await;
    for (asked, status, told) in [
        ("GET /healthz", 200, "\r\n\r\nok\n"),
        ("GET /readyz", 200, "\r\n\r\nready\n"),
        ("GET /metrics", 200, "openmetrics-text"),
        ("GET /", 404, ""),
        ("GET /oauth2/start", 404, ""),
        ("POST /healthz", 405, "allow: GET, HEAD"),
    ] {
        stream.write_all(format!("{asked} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes()).await.unwrap();
        let text = answer(&mut stream).await;
        assert!(text.starts_with(&format!("HTTP/1.1 {status} ")) && text.contains(told), "{asked}: {text}");
    }
    let text = answer(&mut waiting.ask(b"GET /readyz HTTP/1.1\r\nHost: a\r\n\r\n").await).await;
    assert!(text.starts_with("HTTP/1.1 503") && text.ends_with("Entra was not reached yet\n"), "{text}");
    let mut text = String::new();
    let mut head = world.ask(b"HEAD /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await;
    head.read_to_string(&mut text).await.unwrap();
    assert!(text.starts_with("HTTP/1.1 200") && text.ends_with("\r\n\r\n"), "{text}");
    world.shutdown.cancel();
    tokio::time::timeout(Duration::from_secs(1), world.served).await.unwrap().unwrap();
}
