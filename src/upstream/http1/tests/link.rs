//! Whole requests over real connections, to apps that do what they like.

use crate::config::upstream::HeaderCase;
use crate::upstream::connect::AppDialer;
use crate::upstream::connection_permits::ConnectionPermits;
use crate::upstream::deadline::RequestDeadline;
use crate::upstream::error::Error;
use crate::upstream::http1::{Http1Body, Http1Link, Http1Settings, UploadTimeouts};
use crate::upstream::reply::Reply;
use crate::upstream::request_body::RequestBody;
use crate::upstream::share::HeldShare;
use http::{Method, Request};
use http_body_util::BodyExt as _;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

const TIMEOUT: Duration = Duration::from_secs(10);
const TIMEOUTS: UploadTimeouts = UploadTimeouts { silence: TIMEOUT, after_response: TIMEOUT };

fn settings() -> Http1Settings {
    Http1Settings { timeouts: TIMEOUTS, header_case: HeaderCase::Lower, metrics: Arc::default() }
}

/// An app that a thread plays, and the link to it.
struct App {
    link: Http1Link,
    dialer: AppDialer,
}

impl App {
    /// `plays` is called with each connection and its number.
    fn that(plays: impl Fn(usize, TcpStream) + Send + Sync + Copy + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || {
            for (number, stream) in listener.incoming().enumerate() {
                std::thread::spawn(move || plays(number, stream.unwrap()));
            }
        });
        let dialer = AppDialer::of_local(port, TIMEOUT, ConnectionPermits::of_process());
        Self { link: Http1Link::new(settings()), dialer }
    }

    async fn asks(
        &self,
        request: Request<RequestBody>,
        upgrades: bool,
    ) -> Result<Reply<Http1Body>, Error> {
        let deadline = RequestDeadline::new(TIMEOUT, None);
        self.link.send(&self.dialer, request, b"", upgrades, deadline, HeldShare::none()).await
    }

    async fn answers(&self, method: Method) -> Result<(u16, String), Error> {
        self.reads(request(method, &[]), false).await
    }

    /// Status and body, read to its end: only then is a connection used again.
    async fn reads(
        &self,
        request: Request<RequestBody>,
        upgrades: bool,
    ) -> Result<(u16, String), Error> {
        let Reply::Response(response) = self.asks(request, upgrades).await? else { panic!("101") };
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        Ok((status, String::from_utf8(body.to_vec()).unwrap()))
    }
}

fn request(method: Method, headers: &[(&str, &str)]) -> Request<RequestBody> {
    let mut builder = Request::builder().method(method).uri("/x").header("host", "app");
    for (name, value) in headers {
        builder = builder.header(*name, *value);
    }
    builder.body(RequestBody::empty()).unwrap()
}

/// Reads the head of a request. Returns nothing at the end of the stream.
fn head(stream: &mut TcpStream) -> Option<String> {
    let (mut read, mut byte) = (Vec::new(), [0]);
    while !read.ends_with(b"\r\n\r\n") {
        if stream.read(&mut byte).ok()? == 0 {
            return None;
        }
        read.push(byte[0]);
    }
    Some(String::from_utf8(read).unwrap())
}

fn says(stream: &mut TcpStream, response: &str) {
    stream.write_all(response.as_bytes()).unwrap();
}

const HI: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi";

#[tokio::test]
async fn a_connection_is_used_again() {
    let app = App::that(|number, mut stream| {
        while head(&mut stream).is_some() {
            let response = format!("HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n{number}");
            says(&mut stream, &response);
        }
    });
    for _ in 0..3 {
        assert_eq!(app.answers(Method::POST).await.unwrap().1, "0");
    }
}

/// The app closes each connection after its first response, while the next request is on its way.
#[tokio::test]
async fn a_request_that_may_be_repeated_goes_again_and_no_other() {
    let app = App::that(|_, mut stream| {
        head(&mut stream);
        says(&mut stream, HI);
        head(&mut stream);
    });
    for method in [Method::GET, Method::HEAD, Method::OPTIONS, Method::PUT, Method::DELETE] {
        for _ in 0..3 {
            let answered = app.answers(method.clone()).await;
            assert!(answered.is_ok(), "{method}: {answered:?}");
        }
    }
    // Twice without a fault in between: the second is on a connection that the app closes.
    let outcomes = [app.answers(Method::POST).await, app.answers(Method::POST).await];
    assert!(outcomes.iter().any(Result::is_err), "{outcomes:?}");
}

/// The runtime does not see the bytes before the request is sent: nothing is awaited.
#[tokio::test]
async fn what_an_app_sends_unasked_is_nobodys_response() {
    for first in [HI, "HTTP/1.1 204 No Content\r\n\r\n", "HTTP/1.1 304 Not Modified\r\n\r\n"] {
        let stray = "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil";
        let (sender, sent) = std::sync::mpsc::channel();
        let sender: &'static _ = Box::leak(Box::new(std::sync::Mutex::new(sender)));
        let app = App::that(move |number, mut stream| {
            head(&mut stream);
            says(&mut stream, if number == 0 { first } else { HI });
            if number == 0 {
                std::thread::sleep(Duration::from_millis(30));
                says(&mut stream, stray);
                sender.lock().unwrap().send(()).unwrap();
            }
            head(&mut stream);
        });
        app.answers(Method::GET).await.unwrap();
        sent.recv().unwrap();
        assert_eq!(app.answers(Method::GET).await.unwrap().1, "hi", "{first}");
    }
}

/// The app speaks another protocol on the connection from then on, but says 200.
#[tokio::test]
async fn a_connection_that_carried_an_upgrade_is_never_used_again() {
    let app = App::that(|number, mut stream| {
        while head(&mut stream).is_some() {
            let response = format!("HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n{number}");
            says(&mut stream, &response);
        }
    });
    let upgrade = request(Method::GET, &[("upgrade", "x"), ("connection", "upgrade")]);
    assert_eq!(app.reads(upgrade, true).await.unwrap(), (200, "0".to_owned()));
    assert_eq!(app.answers(Method::GET).await.unwrap().1, "1");
}

/// NTLM authenticates the connection: the next person's request would be the first one's.
#[tokio::test]
async fn a_connection_that_is_authenticated_is_nobody_elses() {
    let app = App::that(|number, mut stream| {
        while let Some(head) = head(&mut stream) {
            let challenge =
                if head.contains("challenge") { "www-authenticate: Negotiate\r\n" } else { "" };
            let response =
                format!("HTTP/1.1 200 OK\r\n{challenge}content-length: 1\r\n\r\n{number}");
            says(&mut stream, &response);
        }
    });
    for (at, header) in [("authorization", "NTLM abc"), ("x", "challenge")].iter().enumerate() {
        app.reads(request(Method::GET, &[*header]), false).await.unwrap();
        assert_eq!(app.answers(Method::GET).await.unwrap().1, (at + 1).to_string());
    }
}
