mod app;
mod keys;
mod live;
mod phone;
mod verify;

use super::{DemoOptions, Error, serve};
use crate::base::clock::Clock;
use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::Message;
use tokio_util::sync::CancellationToken;

const ISSUER: &str = "http://localhost:4180";

/// The test's own key, its public half, and the ID under which it is published.
struct Key {
    pair: EcdsaKeyPair,
    kid: &'static str,
}

impl Key {
    fn new(kid: &'static str) -> Self {
        Self { pair: EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap(), kid }
    }

    fn public(&self) -> Value {
        let point = self.pair.public_key().as_ref();
        let text = |bytes| URL_SAFE_NO_PAD.encode(bytes);
        json!({"kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": self.kid, "x": text(&point[1..33]), "y": text(&point[33..])})
    }

    fn sign(&self, header: &Value, claims: &Value) -> String {
        let text = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", text(header), text(claims));
        let signature = self.pair.sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

/// The demo and the server of its keys.
struct World {
    address: SocketAddr,
    key: Key,
    published: Arc<Mutex<String>>,
    fetches: Arc<AtomicUsize>,
    shutdown: CancellationToken,
}

impl Drop for World {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

impl World {
    async fn start() -> Self {
        let key = Key::new("first");
        let published = Arc::new(Mutex::new(json!({"keys": [key.public()]}).to_string()));
        let fetches = Arc::new(AtomicUsize::new(0));
        let keys = publish(Arc::clone(&published), Arc::clone(&fetches)).await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, shutdown) = (listener.local_addr().unwrap(), CancellationToken::new());
        tokio::spawn(serve(
            listener,
            options(&format!("http://{keys}/jwks.json")),
            shutdown.clone(),
        ));
        Self { address, key, published, fetches, shutdown }
    }

    async fn asks(&self, request: Request<Full<Bytes>>) -> Response<Incoming> {
        let stream = TcpStream::connect(self.address).await.unwrap();
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        sender.send_request(request).await.unwrap()
    }

    async fn gets(&self, path: &str, token: Option<&str>) -> (StatusCode, String) {
        let mut request = Request::get(path).header("host", "localhost:4180");
        if let Some(token) = token {
            request = request.header("x-entrada-assertion", token);
        }
        let response = self.asks(request.body(Full::default()).unwrap()).await;
        (response.status(), text(response).await)
    }

    /// Returns the front page for a person with this assertion.
    async fn page(&self, token: &str) -> String {
        self.gets("/", Some(token)).await.1
    }

    fn token(&self, change: impl FnOnce(&mut Value, &mut Value)) -> String {
        let (mut header, mut claims) = (header("first"), claims());
        change(&mut header, &mut claims);
        self.key.sign(&header, &claims)
    }
}

fn options(jwks_url: &str) -> DemoOptions {
    DemoOptions {
        assertion_header: "X-Entrada-Assertion".to_owned(),
        jwks_url: jwks_url.to_owned(),
        issuer: ISSUER.to_owned(),
        audience: ISSUER.to_owned(),
        sign_out_path: "/oauth2/sign_out".to_owned(),
        start_path: "/oauth2/start".to_owned(),
        phone: None,
        clock: Clock::system(),
    }
}

async fn publish(document: Arc<Mutex<String>>, fetches: Arc<AtomicUsize>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            fetches.fetch_add(1, Ordering::Relaxed);
            let document = document.lock().unwrap().clone();
            let service = service_fn(move |_| {
                let answer = Response::new(Full::new(Bytes::from(document.clone())));
                async { Ok::<_, std::convert::Infallible>(answer) }
            });
            tokio::spawn(
                hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service),
            );
        }
    });
    address
}

fn header(kid: &str) -> Value {
    json!({"alg": "ES256", "typ": "entrada+jwt", "kid": kid})
}

fn claims() -> Value {
    let now = Clock::system().now();
    json!({
        "iss": ISSUER, "aud": ISSUER, "sub": "o.t", "oid": "00aa00aa-bb11-cc22-dd33-44ee44ee0001", "tid": "aaaabbbb-0000-cccc-1111-dddd2222eeee",
        "name": "Maya Okafor", "preferred_username": "maya@contoso.example", "email": "maya@contoso.example", "roles": ["Admin"],
        "groups": ["0a1b2c3d-0000-4000-8000-000000000001", "0a1b2c3d-0000-4000-8000-000000000002", "0a1b2c3d-0000-4000-8000-000000000003"],
        "sid": "q7Jm2xV0bT4", "jti": "8s1Zc0yWq3E", "auth_time": now - 120, "iat": now - 8, "nbf": now - 8, "exp": now + 292,
    })
}

async fn text(response: Response<Incoming>) -> String {
    String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
}

/// Returns the names of the steps in this state on the page.
fn steps(html: &str, state: &str) -> Vec<String> {
    let begin = format!("<li class=\"{state}\">");
    html.split(&begin)
        .skip(1)
        .map(|it| it.split_once("<b>").unwrap().1.split_once("</b>").unwrap().0.to_owned())
        .collect()
}

fn is_nobody(html: &str) -> bool {
    html.contains("Not verified")
        && !html.contains("Hello, Maya")
        && !html.contains("Sign out</button>")
}
