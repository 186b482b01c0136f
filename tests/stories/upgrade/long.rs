//! What is under way when the program is told to end: an answer that streams, an upload, and a
//! WebSocket.

use crate::flood::FloodedProgram;
use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use http::Request;
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::Frame;
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_tungstenite::tungstenite::Message;

const PART: usize = 1000;
const PART_INTERVAL: Duration = Duration::from_millis(100);

/// Three requests that take long.
pub struct LongRequests {
    stream: JoinHandle<Instant>,
    upload: JoinHandle<(u16, usize)>,
    socket: JoinHandle<Instant>,
}

/// How they ended.
pub struct LongEnds {
    /// When the last part of the stream arrived.
    pub stream: Instant,
    /// Status, and bytes that the app received.
    pub upload: (u16, usize),
    /// When the last message came back.
    pub socket: Instant,
}

impl LongRequests {
    /// Starts them; the upload takes that long.
    pub async fn start(program: &FloodedProgram, cookie: &str, upload: Duration) -> Self {
        let stream = tokio::spawn(events(program, cookie).await);
        let socket = tokio::spawn(messages(program, cookie).await);
        let upload = tokio::spawn(uploads(program, cookie, upload).await);
        Self { stream, upload, socket }
    }

    pub async fn ended(self) -> LongEnds {
        LongEnds {
            stream: self.stream.await.unwrap(),
            upload: self.upload.await.unwrap(),
            socket: self.socket.await.unwrap(),
        }
    }
}

async fn events(
    program: &FloodedProgram,
    cookie: &str,
) -> impl Future<Output = Instant> + Send + use<> {
    let mut stream = TcpStream::connect(program.address).await.unwrap();
    let request =
        format!("GET /events HTTP/1.1\r\nHost: {}\r\nCookie: {cookie}\r\n\r\n", program.host);
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut buffer = [0; 4096];
    let count = stream.read(&mut buffer).await.unwrap();
    assert!(buffer[..count].starts_with(b"HTTP/1.1 200"));
    async move {
        let mut last = Instant::now();
        while stream.read(&mut buffer).await.is_ok_and(|it| it > 0) {
            last = Instant::now();
        }
        last
    }
}

async fn messages(
    program: &FloodedProgram,
    cookie: &str,
) -> impl Future<Output = Instant> + Send + use<> {
    use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
    let mut request = format!("ws://{}/ws", program.host).into_client_request().unwrap();
    request.headers_mut().insert("cookie", cookie.parse().unwrap());
    let stream = TcpStream::connect(program.address).await.unwrap();
    let (mut socket, _) = tokio_tungstenite::client_async(request, stream).await.unwrap();
    async move {
        let mut last = Instant::now();
        loop {
            if socket.send(Message::text("still here")).await.is_err() {
                return last;
            }
            match socket.next().await {
                Some(Ok(message)) if message.is_text() => last = Instant::now(),
                _ => return last,
            }
            tokio::time::sleep(PART_INTERVAL).await;
        }
    }
}

async fn uploads(
    program: &FloodedProgram,
    cookie: &str,
    time: Duration,
) -> impl Future<Output = (u16, usize)> + Send + use<> {
    let parts = usize::try_from(time.as_millis() / PART_INTERVAL.as_millis()).unwrap();
    let body = futures_util::stream::unfold(0, move |sent| async move {
        if sent > 0 {
            tokio::time::sleep(PART_INTERVAL).await;
        }
        let part = Frame::data(Bytes::from(vec![b'u'; PART]));
        (sent < parts).then_some((Ok::<_, Infallible>(part), sent + 1))
    });
    let stream = TcpStream::connect(program.address).await.unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let request = Request::post("/upload")
        .header("host", &program.host)
        .header("cookie", cookie)
        .body(StreamBody::new(Box::pin(body)))
        .unwrap();
    async move {
        let response = sender.send_request(request).await.unwrap();
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let body: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
        let bytes = body["bytes"].as_u64().unwrap_or_default();
        (status, usize::try_from(bytes).unwrap())
    }
}

/// The bytes of an upload that takes that long.
pub fn upload_bytes(time: Duration) -> usize {
    usize::try_from(time.as_millis() / PART_INTERVAL.as_millis()).unwrap() * PART
}
