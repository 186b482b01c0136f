//! Apps that frame their responses in unusual ways, and requests whose framing differs from hop to
//! hop: what one side says about a body never reaches the other.

use super::authority;
use crate::world::raw::{ask2, http2, talk};
use crate::world::{World, WorldPlan};
use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::Full;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// An app that sends the same bytes to every request, and keeps what it received.
pub struct RawApp {
    pub address: SocketAddr,
    received: Arc<Mutex<Vec<String>>>,
}

impl RawApp {
    /// With `requests`, the app closes each connection after so many responses. `{self}` in the
    /// response stands for its address.
    pub fn that_says(response: String, requests: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let response = response.replace("{self}", &address.to_string());
        let received = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&received);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (mut stream, response, kept) =
                    (stream.unwrap(), response.clone(), Arc::clone(&kept));
                std::thread::spawn(move || {
                    for _ in 0..requests {
                        let Some(request) = request(&mut stream) else { return };
                        kept.lock().unwrap().push(request);
                        if stream.write_all(response.as_bytes()).is_err() {
                            return;
                        }
                    }
                });
            }
        });
        Self { address, received }
    }

    pub async fn world(&self) -> World {
        self.world_with("").await
    }

    /// A world with further lines of `[upstream]`.
    pub async fn world_with(&self, lines: &str) -> World {
        World::with(WorldPlan {
            upstream: format!("url = \"http://{}\"\n{lines}", self.address),
            ..WorldPlan::default()
        })
        .await
    }

    pub fn last(&self) -> String {
        self.received.lock().unwrap().last().unwrap().clone()
    }
}

/// Reads a request: the head, and a body of chunks or with a length.
fn request(stream: &mut TcpStream) -> Option<String> {
    let (mut read, mut byte) = (Vec::new(), [0]);
    let is_whole = |read: &[u8]| {
        let text = String::from_utf8_lossy(read).to_ascii_lowercase();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
        if head.contains("transfer-encoding: chunked") {
            return body.contains("0\r\n") && body.ends_with("\r\n\r\n");
        }
        let length = head.split("content-length: ").nth(1).and_then(|it| it.lines().next());
        length.is_none_or(|it| body.len() >= it.parse().unwrap())
    };
    while !is_whole(&read) {
        if stream.read(&mut byte).ok()? == 0 {
            return None;
        }
        read.push(byte[0]);
    }
    Some(String::from_utf8(read).unwrap())
}

/// The response as an HTTP/2 client receives it.
pub async fn over_http2(world: &World, method: Method, body: &'static str) -> Response<String> {
    let uri = format!("http://{}/public/x", authority(world));
    let request = Request::builder().method(method).uri(uri);
    let mut sender = http2(world.address).await;
    ask2(&mut sender, request.body(Full::new(Bytes::from(body))).unwrap()).await
}

pub async fn over_http1(world: &World) -> String {
    let host = authority(world);
    talk(
        world.address,
        &format!("GET /public/x HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"),
    )
    .await
}

#[tokio::test]
async fn contradictory_framing_arrives_whole_or_not_at_all_over_both_versions() {
    let chunks = "transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
    for (head, status) in [
        (format!("content-length: 3\r\n{chunks}"), 200),
        (format!("content-length: 99\r\n{chunks}"), 200),
        ("content-length: 5, 5\r\n\r\nhello".to_owned(), 200),
        ("content-length: 5\r\ncontent-length: 5\r\n\r\nhello".to_owned(), 200),
        ("content-length: 5\r\ncontent-length: 4\r\n\r\nhello".to_owned(), 502),
        ("transfer-encoding: gzip, chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n".to_owned(), 502),
        ("transfer-encoding: chunked, identity\r\n\r\n5\r\nhello\r\n0\r\n\r\n".to_owned(), 502),
    ] {
        let app = RawApp::that_says(format!("HTTP/1.1 200 OK\r\n{head}"), 1);
        let world = app.world().await;
        let response = over_http2(&world, Method::GET, "").await;
        assert_eq!(response.status(), status, "{head:?}");
        let page = over_http1(&world).await;
        assert!(page.starts_with(&format!("HTTP/1.1 {status} ")), "{head:?}: {page}");
        if status == 200 {
            assert_eq!(response.body(), "hello", "{head:?}");
            assert!(page.contains("hello"), "{head:?}: {page}");
            let lengths = page.to_ascii_lowercase().matches("content-length").count();
            let chunked = page.to_ascii_lowercase().matches("transfer-encoding").count();
            assert_eq!(lengths + chunked, 1, "{page}");
        }
    }
}

#[tokio::test]
async fn many_fields_and_a_reason_of_its_own_reach_the_client() {
    let fields: String = (0..300).map(|at| format!("x-{at}: {at}\r\n")).collect();
    let app = RawApp::that_says(
        format!("HTTP/1.1 299 Mostly Fine\r\n{fields}content-length: 0\r\n\r\n"),
        9,
    );
    let world = app.world().await;
    let page = over_http1(&world).await;
    assert!(
        page.starts_with("HTTP/1.1 299 Mostly Fine\r\n") && page.contains("x-299: 299"),
        "{page}"
    );
    let response = over_http2(&world, Method::GET, "").await;
    assert_eq!(response.headers().get("x-299").unwrap(), "299");
}

#[tokio::test]
async fn bodies_of_every_method_reach_the_app_and_an_empty_one_has_a_length() {
    let app = RawApp::that_says("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n".to_owned(), 9);
    let world = app.world().await;
    let host = authority(&world).to_owned();
    for method in ["GET", "DELETE", "POST"] {
        let chunks = format!(
            "{method} /public/x HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\
             Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
        );
        assert!(talk(world.address, &chunks).await.starts_with("HTTP/1.1 200 "));
        assert!(app.last().ends_with("5\r\nhello\r\n0\r\n\r\n"), "{}", app.last());
    }
    over_http2(&world, Method::POST, "").await;
    assert!(app.last().contains("content-length: 0\r\n"), "{}", app.last());
    over_http2(&world, Method::GET, "").await;
    assert!(!app.last().contains("content-length"), "{}", app.last());
}

#[tokio::test]
async fn an_app_that_retires_its_connections_costs_nobody_a_page() {
    let app = RawApp::that_says("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi".to_owned(), 3);
    let world = app.world().await;
    let uri = format!("http://{}/public/x", authority(&world));
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let (mut sender, uri) = (http2(world.address).await, uri.clone());
        tasks.spawn(async move {
            let mut failed = 0;
            for _ in 0..50 {
                let request = Request::get(&uri).body(Full::default()).unwrap();
                failed += u32::from(ask2(&mut sender, request).await.status() != 200);
            }
            failed
        });
    }
    assert_eq!(tasks.join_all().await.iter().sum::<u32>(), 0, "of 400");
}

/// A trailer is seen after the decision: an app that merges trailers into its headers would act on
/// what was never judged.
#[tokio::test]
async fn trailers_that_would_change_how_a_request_is_read_do_not_reach_the_app() {
    let app = RawApp::that_says("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n".to_owned(), 9);
    let world = app.world().await;
    let host = authority(&world).to_owned();
    let request = format!(
        "POST /public/x HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\
         Trailer: X-Checksum, Cookie, Host, Authorization, Content-Length\r\n\
         Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nX-Checksum: 1\r\nCookie: entrada=x\r\n\
         Host: evil\r\nAuthorization: Basic x\r\nContent-Length: 9\r\nX-Unannounced: 1\r\n\r\n"
    );
    assert!(talk(world.address, &request).await.starts_with("HTTP/1.1 200 "));
    let received = app.last();
    assert!(received.ends_with("\r\n0\r\nx-checksum: 1\r\n\r\n"), "{received}");
}

/// RFC 8441 section 5: any 2xx would open a WebSocket that leads nowhere.
#[tokio::test]
async fn an_app_that_answers_a_web_socket_of_http2_with_a_page_opens_none() {
    let app = RawApp::that_says("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi".to_owned(), 9);
    let world = app.world().await;
    let request = Request::builder()
        .method(Method::CONNECT)
        .extension(hyper::ext::Protocol::from_static("websocket"))
        .uri(format!("http://{}/public/x", authority(&world)))
        .header("sec-websocket-version", "13")
        .body(Full::default())
        .unwrap();
    let response = ask2(&mut http2(world.address).await, request).await;
    assert_eq!(response.status(), 502);
}
