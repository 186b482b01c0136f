//! Apps that nobody here wrote: each receives the same requests directly and through the program,
//! and the responses are compared field by field (`docs/reference/http.md` says what may differ).

mod apps;
mod client;
mod exchange;

use crate::path::authority;
use crate::world::{World, WorldPlan};
use apps::ForeignApp;
use client::Client;
use exchange::{Answer, Exchange, Upload};
use http::Method;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Fields that the program adds to every response.
const ADDED: &[&str] = &["x-request-id"];

/// The story of an app.
struct Conformance {
    app: ForeignApp,
    world: World,
    problems: Vec<String>,
}

impl Conformance {
    async fn of(app: ForeignApp) -> Self {
        let plan = WorldPlan {
            upstream: format!("url = \"{}://{}\"", app.scheme, app.address),
            ..WorldPlan::default()
        };
        Self { app, world: World::with(plan).await, problems: Vec::new() }
    }

    fn host(&self) -> String {
        authority(&self.world).to_owned()
    }

    /// Sends a request on a connection of its own.
    async fn ask(
        &self,
        exchange: &Exchange,
        address: SocketAddr,
        over_http2: bool,
    ) -> Result<Answer, String> {
        let (path, host) = (format!("/public/{}", exchange.path), self.host());
        if over_http2 {
            let uri = format!("http://{host}{path}");
            return Client::http2(address).await.ask(exchange.request(&uri, None)).await;
        }
        Client::http1(address).await.ask(exchange.request(&path, Some(&host))).await
    }

    async fn ask_directly(&self, exchange: &Exchange) -> Result<Answer, String> {
        self.ask(exchange, self.app.address, self.app.scheme == "h2c").await
    }

    /// Every exchange, directly and through the program over both versions.
    async fn compares(&mut self) {
        for exchange in exchange::all() {
            if self.app.lacks.contains(&exchange.path) {
                continue;
            }
            let direct = self.ask_directly(&exchange).await.unwrap();
            let name = exchange.name();
            assert_eq!(direct.status, exchange.status, "the app itself, {name}: {direct:.400?}");
            if self.app.scheme == "http" && exchange.method != Method::HEAD {
                assert_eq!(direct.shape(), exchange.shape, "the app itself, {name}");
            }
            assert_eq!(direct.trailers.len(), if name == "GET trailers" { 2 } else { 0 }, "{name}");
            if self.app.scheme == "http" {
                assert_eq!(direct.interim, usize::from(name == "GET early-hints"), "{name}");
            }
            for over_http2 in [false, true] {
                let version = if over_http2 { "HTTP/2" } else { "HTTP/1.1" };
                match self.ask(&exchange, self.world.address, over_http2).await {
                    Ok(passed) => self.notes(&format!("{name}, {version}"), &direct, passed),
                    Err(error) => self.problems.push(format!("{name}, {version}: {error}")),
                }
            }
        }
    }

    fn notes(&mut self, name: &str, direct: &Answer, mut passed: Answer) {
        for field in ADDED {
            passed.fields.remove(*field);
        }
        let found = direct.differences(&passed);
        self.problems.extend(found.into_iter().map(|it| format!("{name}: {it}")));
    }

    /// A response that comes before the upload has arrived reaches the client: the app does not
    /// read the rest, and may close the connection at once.
    async fn refuses_early(&mut self) {
        let exchange = Exchange {
            path: "early",
            method: Method::POST,
            upload: Upload::Length(4 << 20),
            status: 413,
            shape: exchange::Shape::Length,
        };
        for over_http2 in [false, true] {
            for attempt in 1..=5 {
                let answer = self.ask(&exchange, self.world.address, over_http2).await;
                let status = answer.as_ref().map(|it| it.status);
                if status != Ok(413) {
                    let name = format!("early, attempt {attempt}, HTTP/2: {over_http2}");
                    self.problems.push(format!("{name}: {status:?}"));
                }
            }
        }
    }

    /// The app retires each connection after seven requests: no client notices, whatever the
    /// method.
    async fn retires_connections(&mut self) {
        let upload = if self.app.lacks.contains(&"upload") { "length" } else { "upload" };
        let host = self.host();
        for over_http2 in [false, true] {
            let mut client = if over_http2 {
                Client::http2(self.world.address).await
            } else {
                Client::http1(self.world.address).await
            };
            for at in 0..40 {
                let post = upload == "upload" && at % 3 == 0;
                let exchange = Exchange {
                    path: if post { upload } else { "length" },
                    method: if post { Method::POST } else { Method::GET },
                    upload: if post { Upload::Length(1000) } else { Upload::None },
                    status: 200,
                    shape: exchange::Shape::Length,
                };
                let path = format!("/public/{}", exchange.path);
                let request = if over_http2 {
                    exchange.request(&format!("http://{host}{path}"), None)
                } else {
                    exchange.request(&path, Some(&host))
                };
                match client.ask(request).await {
                    Ok(answer) if answer.status == 200 => {}
                    other => self.problems.push(format!("request {at} of 40: {other:.300?}")),
                }
            }
        }
    }

    /// After 101, bytes pass both ways.
    async fn upgrades(&mut self) {
        for address in [self.app.address, self.world.address] {
            let mut stream = TcpStream::connect(address).await.unwrap();
            let host = self.host();
            let head = format!(
                "GET /public/upgrade HTTP/1.1\r\nHost: {host}\r\n\
                 Connection: Upgrade\r\nUpgrade: echo\r\n\r\n"
            );
            stream.write_all(head.as_bytes()).await.unwrap();
            let mut read = String::new();
            let outcome = tokio::time::timeout(Duration::from_secs(5), async {
                let mut buffer = [0; 4096];
                let mut sent = false;
                while !read.ends_with("after the upgrade") {
                    let count = stream.read(&mut buffer).await.unwrap();
                    assert!(count > 0, "closed after {read:?}");
                    read.push_str(&String::from_utf8_lossy(&buffer[..count]));
                    if read.contains("\r\n\r\n") && !sent {
                        sent = true;
                        stream.write_all(b"after the upgrade").await.unwrap();
                    }
                }
            });
            if outcome.await.is_err() || !read.starts_with("HTTP/1.1 101 ") {
                self.problems.push(format!("upgrade at {address}: {read:?}"));
            }
        }
    }

    /// The list of every app.
    async fn runs(mut self) {
        self.compares().await;
        if !self.app.lacks.contains(&"early") {
            self.refuses_early().await;
        }
        self.retires_connections().await;
        if !self.app.lacks.contains(&"upgrade") {
            self.upgrades().await;
        }
        assert!(self.problems.is_empty(), "{:#?}", self.problems);
    }
}

macro_rules! conforms {
    ($name:ident, $app:ident) => {
        #[tokio::test(flavor = "multi_thread")]
        async fn $name() {
            let Some(app) = ForeignApp::$app().await else { return };
            Conformance::of(app).await.runs().await;
        }
    };
}

conforms!(node_s_http_answers_as_if_asked_directly, node);
conforms!(python_s_http_server_answers_as_if_asked_directly, http_server);
conforms!(uvicorn_answers_as_if_asked_directly, uvicorn);
conforms!(hypercorn_answers_as_if_asked_directly, hypercorn);
conforms!(hypercorn_over_http2_answers_as_if_asked_directly, hypercorn_over_http2);
conforms!(nginx_answers_as_if_asked_directly, nginx);
conforms!(apache_httpd_answers_as_if_asked_directly, apache);
conforms!(go_s_net_http_answers_as_if_asked_directly, go);
conforms!(go_s_net_http_over_http2_answers_as_if_asked_directly, go_over_http2);
conforms!(tomcat_answers_as_if_asked_directly, tomcat);
