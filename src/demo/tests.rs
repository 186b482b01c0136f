use super::{Error, Options, serve};
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

/// A key of the test's own, its public half, and the id it is published under.
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

/// The demo, and where its keys come from.
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
        tokio::spawn(serve(listener, options(&format!("http://{keys}/jwks.json")), shutdown.clone()));
        Self { address, key, published, fetches, shutdown }
    }

    async fn asks(&self, request: Request<Full<Bytes>>) -> Response<Incoming> {
        let stream = TcpStream::connect(self.address).await.unwrap();
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
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

    /// The front page for somebody with that assertion.
    async fn page(&self, token: &str) -> String {
        self.gets("/", Some(token)).await.1
    }

    fn token(&self, change: impl FnOnce(&mut Value, &mut Value)) -> String {
        let (mut header, mut claims) = (header("first"), claims());
        change(&mut header, &mut claims);
        self.key.sign(&header, &claims)
    }
}

fn options(jwks_url: &str) -> Options {
    Options {
        assertion_header: "X-Entrada-Assertion".to_owned(),
        jwks_url: jwks_url.to_owned(),
        issuer: ISSUER.to_owned(),
        audience: ISSUER.to_owned(),
        sign_out_path: "/oauth2/sign_out".to_owned(),
        start_path: "/oauth2/start".to_owned(),
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
            tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service));
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

/// The names of the steps of that state, off the page.
fn steps(html: &str, state: &str) -> Vec<String> {
    let begin = format!("<li class=\"{state}\">");
    html.split(&begin).skip(1).map(|it| it.split_once("<b>").unwrap().1.split_once("</b>").unwrap().0.to_owned()).collect()
}

fn is_nobody(html: &str) -> bool {
    html.contains("Not verified") && !html.contains("Hello, Maya") && !html.contains("Sign out</button>")
}

#[tokio::test]
async fn a_person_with_a_true_assertion_is_greeted_and_sees_every_step() {
    let world = World::start().await;
    let html = world.page(&world.token(|_, _| {})).await;
    assert!(html.contains("<h1>Hello, Maya Okafor</h1>") && !html.contains("Not verified"), "{html}");
    let all = ["Header", "Three parts", "Type", "Algorithm", "Keys fetched", "Key found", "Signature", "Issuer", "Audience", "Not expired", "Already valid"];
    assert_eq!(steps(&html, "ok"), all);
}

#[tokio::test]
async fn each_way_an_assertion_can_be_wrong_fails_at_its_own_step() {
    type Change = fn(&mut Value, &mut Value);
    let cases: [(&str, Change); 15] = [
        ("Type", |header, _| header["typ"] = json!("JWT")),
        ("Type", |header, _| header["crit"] = json!(["exp"])),
        ("Algorithm", |header, _| header["alg"] = json!("none")),
        ("Algorithm", |header, _| header["alg"] = json!("HS256")),
        ("Key found", |header, _| header["kid"] = json!("other")),
        ("Key found", |header, _| header["kid"] = Value::Null),
        ("Issuer", |_, claims| claims["iss"] = json!("http://localhost:4181")),
        ("Issuer", |_, claims| claims["iss"] = json!([ISSUER])),
        ("Audience", |_, claims| claims["aud"] = json!("https://other.example")),
        ("Audience", |_, claims| claims["aud"] = json!([])),
        ("Not expired", |_, claims| claims["exp"] = json!(claims["iat"].as_u64().unwrap() - 600)),
        ("Not expired", |_, claims| claims["exp"] = Value::Null),
        ("Not expired", |_, claims| claims["exp"] = json!("9999999999")),
        ("Already valid", |_, claims| claims["nbf"] = json!(claims["iat"].as_u64().unwrap() + 600)),
        ("Already valid", |_, claims| claims["nbf"] = json!(-1)),
    ];
    let world = World::start().await;
    for (name, change) in cases {
        let html = world.page(&world.token(change)).await;
        assert_eq!(steps(&html, "failed"), [name]);
        assert!(is_nobody(&html), "{name}: {html}");
    }
}

#[tokio::test]
async fn a_list_of_audiences_will_do_if_the_app_is_among_them() {
    let world = World::start().await;
    let html = world.page(&world.token(|_, claims| claims["aud"] = json!(["https://other.example", ISSUER]))).await;
    assert!(html.contains("Hello, Maya Okafor"));
}

#[tokio::test]
async fn a_signature_of_another_key_or_over_other_claims_fails() {
    let world = World::start().await;
    let stranger = Key::new("first").sign(&header("first"), &claims());
    let token = world.token(|_, _| {});
    let (front, signature) = token.rsplit_once('.').unwrap();
    let (head, _) = front.split_once('.').unwrap();
    let mut admin = claims();
    admin["name"] = json!("Maya the Great");
    let swapped = format!("{head}.{}.{signature}", URL_SAFE_NO_PAD.encode(admin.to_string()));
    let unsigned = format!("{front}.");
    let zero = format!("{front}.{}", URL_SAFE_NO_PAD.encode([0; 64]));
    for token in [stranger, swapped, unsigned, zero] {
        let html = world.page(&token).await;
        assert_eq!(steps(&html, "failed"), ["Signature"]);
        assert!(is_nobody(&html), "{html}");
    }
}

#[tokio::test]
async fn the_public_key_as_a_shared_secret_opens_nothing() {
    let world = World::start().await;
    let mut head = header("first");
    head["alg"] = json!("HS256");
    let text = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", text(&head), text(&claims()));
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, world.key.pair.public_key().as_ref()), signed.as_bytes());
    let html = world.page(&format!("{signed}.{}", URL_SAFE_NO_PAD.encode(tag))).await;
    assert_eq!(steps(&html, "failed"), ["Algorithm"]);
    assert_eq!(steps(&html, "skipped"), ["Signature"]);
    assert!(is_nobody(&html));
}

#[tokio::test]
async fn what_is_no_token_and_what_stands_there_twice_is_refused() {
    let world = World::start().await;
    for token in ["", "x", "a.b", "a.b.c", "e30.e30", "e30.W10.", &"a".repeat(20_000)] {
        let html = world.page(token).await;
        assert_eq!(steps(&html, "failed").len(), 1, "{token}");
        assert!(is_nobody(&html), "{token}");
    }
    let token = world.token(|_, _| {});
    let twice = Request::get("/").header("host", "h").header("x-entrada-assertion", &token).header("x-entrada-assertion", &token);
    let html = text(world.asks(twice.body(Full::default()).unwrap()).await).await;
    assert_eq!(steps(&html, "failed"), ["Header"]);
    assert!(is_nobody(&html));
}

#[tokio::test]
async fn without_an_assertion_nobody_is_greeted_whatever_other_headers_say() {
    let world = World::start().await;
    let request = Request::get("/").header("host", "h").header("x-forwarded-name", "Maya Okafor").body(Full::default()).unwrap();
    let html = text(world.asks(request).await).await;
    assert!(is_nobody(&html) && html.contains("No assertion came"), "{html}");
    assert!(html.contains("<dt>x-forwarded-name</dt><dd>Maya Okafor</dd>"));
}

#[tokio::test]
async fn keys_are_kept_and_asked_for_again_when_a_new_one_signs() {
    let world = World::start().await;
    for _ in 0..3 {
        assert!(world.page(&world.token(|_, _| {})).await.contains("Hello, Maya"));
    }
    assert_eq!(world.fetches.load(Ordering::Relaxed), 1);
    let second = Key::new("second");
    *world.published.lock().unwrap() = json!({"keys": [second.public(), world.key.public()]}).to_string();
    tokio::time::sleep(Duration::from_millis(1100)).await;
    assert!(world.page(&second.sign(&header("second"), &claims())).await.contains("Hello, Maya"));
    assert!(world.page(&world.token(|_, _| {})).await.contains("Hello, Maya"));
    assert_eq!(world.fetches.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn unknown_kids_do_not_make_the_demo_ask_more_than_once_a_second() {
    let world = World::start().await;
    for _ in 0..20 {
        let html = world.page(&world.token(|header, _| header["kid"] = json!("other"))).await;
        assert_eq!(steps(&html, "failed"), ["Key found"]);
    }
    assert!(world.fetches.load(Ordering::Relaxed) <= 3, "{:?}", world.fetches);
}

#[tokio::test]
async fn a_key_set_that_is_too_large_or_none_is_said_so() {
    for document in ["{}".to_owned(), format!("{{\"keys\":[\"{}\"]}}", "x".repeat(70_000))] {
        let world = World::start().await;
        *world.published.lock().unwrap() = document;
        let html = world.page(&world.token(|_, _| {})).await;
        assert_eq!(steps(&html, "failed"), ["Keys fetched"]);
        assert_eq!(steps(&html, "skipped"), ["Key found", "Signature"]);
        assert!(is_nobody(&html));
    }
}

#[tokio::test]
async fn words_of_claims_and_headers_stay_text() {
    let world = World::start().await;
    let token = world.token(|_, claims| {
        for name in ["name", "email", "preferred_username"] {
            claims[name] = json!("<x-entrada>\"'");
        }
        claims["roles"] = json!(["<x-entrada>"]);
        claims["groups"] = json!(["<x-entrada>"]);
    });
    for path in ["/", "/admin", "/public", "/upload"] {
        let request = Request::get(path).header("host", "<x-entrada>").header("x-entrada-assertion", &token).header("x-name", "<x-entrada>");
        let html = text(world.asks(request.body(Full::default()).unwrap()).await).await;
        assert!(!html.contains("<x-entrada"), "{html}");
    }
}

#[tokio::test]
async fn every_answer_has_a_policy_and_is_not_guessed_at() {
    let world = World::start().await;
    for path in ["/", "/admin", "/public/x", "/websocket", "/stream", "/upload", "/nothing", "/ws", "/events", "/echo", "/download?bytes=3", "/download"] {
        let response = world.asks(Request::get(path).header("host", "h").body(Full::default()).unwrap()).await;
        let headers = response.headers();
        assert!(headers["content-security-policy"].to_str().unwrap().starts_with("default-src 'none'"), "{path}");
        assert_eq!(headers["x-content-type-options"], "nosniff", "{path}");
        assert_eq!(response.status() == StatusCode::NOT_FOUND, path == "/nothing", "{path}");
    }
}

#[tokio::test]
async fn the_admin_and_public_pages_say_who_is_there() {
    let world = World::start().await;
    let token = world.token(|_, _| {});
    assert!(world.gets("/admin", Some(&token)).await.1.contains("<b>Maya Okafor</b>"));
    assert!(world.gets("/admin/x", None).await.1.contains("Not verified"));
    assert!(world.gets("/public", Some(&token)).await.1.contains("<b>Maya Okafor</b>"));
    assert!(world.gets("/public", None).await.1.contains("Nobody is signed in"));
    assert_eq!(world.gets("/publicity", None).await.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn the_echo_says_what_arrived() {
    let world = World::start().await;
    let request = Request::put("/echo?a=%2F").header("host", "h").header("x-two", "1").header("x-two", "2").body(Full::new(Bytes::from("12345"))).unwrap();
    let said: Value = serde_json::from_str(&text(world.asks(request).await).await).unwrap();
    assert_eq!((&said["method"], &said["path"], &said["query"], &said["bytes"]), (&json!("PUT"), &json!("/echo"), &json!("a=%2F"), &json!(5)));
    let two: Vec<_> = said["headers"].as_array().unwrap().iter().filter(|it| it[0] == "x-two").map(|it| it[1].clone()).collect();
    assert_eq!(two, [json!("1"), json!("2")]);
}

#[tokio::test]
async fn http_2_with_prior_knowledge_is_answered() {
    let world = World::start().await;
    let stream = TcpStream::connect(world.address).await.unwrap();
    let (mut sender, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let request = Request::get("http://localhost:4180/echo").body(Full::<Bytes>::default()).unwrap();
    let said: Value = serde_json::from_str(&text(sender.send_request(request).await.unwrap()).await).unwrap();
    assert_eq!(said["version"], "HTTP/2.0");
}

#[tokio::test]
async fn the_socket_says_back_what_it_hears_and_closes_at_the_end() {
    let world = World::start().await;
    let stream = TcpStream::connect(world.address).await.unwrap();
    let (mut socket, _) = tokio_tungstenite::client_async("ws://localhost:4180/ws", stream).await.unwrap();
    for message in [Message::text("Zoë"), Message::binary(vec![0, 255])] {
        socket.send(message.clone()).await.unwrap();
        assert_eq!(socket.next().await.unwrap().unwrap(), message);
    }
    world.shutdown.cancel();
    assert!(matches!(socket.next().await, Some(Ok(Message::Close(_)))));
}

#[tokio::test]
async fn the_socket_hears_no_message_past_its_limit() {
    let world = World::start().await;
    let stream = TcpStream::connect(world.address).await.unwrap();
    let (mut socket, _) = tokio_tungstenite::client_async("ws://localhost:4180/ws", stream).await.unwrap();
    let _ = socket.send(Message::text("x".repeat(70_000))).await;
    assert!(!matches!(socket.next().await, Some(Ok(Message::Text(_)))));
}

#[tokio::test]
async fn what_is_no_handshake_gets_426() {
    let world = World::start().await;
    let whole =
        [("upgrade", "websocket"), ("connection", "keep-alive, Upgrade"), ("sec-websocket-version", "13"), ("sec-websocket-key", "AAAAAAAAAAAAAAAAAAAAAA==")];
    for missing in 0..=whole.len() {
        let mut request = Request::get("/ws").header("host", "h");
        for (_, (name, value)) in whole.iter().enumerate().filter(|it| it.0 != missing) {
            request = request.header(*name, *value);
        }
        let status = world.asks(request.body(Full::default()).unwrap()).await.status();
        let expected = if missing == whole.len() { StatusCode::SWITCHING_PROTOCOLS } else { StatusCode::UPGRADE_REQUIRED };
        assert_eq!(status, expected, "without {:?}", whole.get(missing));
    }
}

#[tokio::test]
async fn events_arrive_one_by_one_and_end_with_the_demo() {
    let world = World::start().await;
    let response = world.asks(Request::get("/events").header("host", "h").body(Full::default()).unwrap()).await;
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let mut body = response.into_body();
    let begun = Instant::now();
    for tick in 0..3 {
        let event = body.frame().await.unwrap().unwrap().into_data().unwrap();
        let event = std::str::from_utf8(&event).unwrap();
        assert!(event.starts_with(&format!("id: {tick}\ndata: {{\"tick\":{tick},\"time\":")) && event.ends_with("}\n\n"), "{event}");
        assert!(begun.elapsed() >= Duration::from_millis(900) * tick, "tick {tick} came after {:?}", begun.elapsed());
    }
    world.shutdown.cancel();
    assert!(body.frame().await.is_none());
}

#[tokio::test]
async fn an_upload_is_counted() {
    let world = World::start().await;
    let body = Bytes::from(vec![b'x'; 5_000_000]);
    let request = Request::post("/upload").header("host", "h").body(Full::new(body.clone())).unwrap();
    assert_eq!(text(world.asks(request).await).await, "{\"bytes\":5000000}");
    let request = Request::post("/upload").header("host", "h").header("accept", "text/html,*/*").body(Full::new(body)).unwrap();
    assert!(text(world.asks(request).await).await.contains("<h1>5000000 bytes came</h1>"));
}

#[tokio::test]
async fn a_download_has_exactly_the_bytes_that_were_asked_for() {
    let world = World::start().await;
    for bytes in [0_usize, 1, 65_536, 10_000_001] {
        let response = world.asks(Request::get(format!("/download?bytes={bytes}")).header("host", "h").body(Full::default()).unwrap()).await;
        assert_eq!(response.headers()["content-length"], bytes.to_string());
        assert_eq!(text(response).await.len(), bytes);
    }
    for path in ["/download?bytes=-1", "/download?bytes=99999999999999", "/download?bytes=x"] {
        assert_eq!(world.gets(path, None).await.0, StatusCode::BAD_REQUEST);
    }
}

#[tokio::test]
async fn other_methods_are_refused_with_those_that_are_allowed() {
    let world = World::start().await;
    let response = world.asks(Request::delete("/").header("host", "h").body(Full::default()).unwrap()).await;
    assert_eq!((response.status(), &response.headers()["allow"]), (StatusCode::METHOD_NOT_ALLOWED, &"GET, HEAD".parse().unwrap()));
}

#[tokio::test]
async fn the_demo_serves_nobody_but_this_machine() {
    let listener = TcpListener::bind("0.0.0.0:0").await.unwrap();
    let outcome = serve(listener, options("http://127.0.0.1:1/jwks.json"), CancellationToken::new()).await;
    assert!(matches!(outcome, Err(Error::NotLoopback(_))));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let outcome = serve(listener, options("http://192.0.2.1/jwks.json"), CancellationToken::new()).await;
    assert!(matches!(outcome, Err(Error::Keys(_))));
}

/// Also what `tests/outside/pages.mjs` looks at.
#[tokio::test]
async fn all_pages_are_written_to_the_target_folder_to_be_looked_at() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("target/pages-of-the-demo");
    std::fs::create_dir_all(&folder).unwrap();
    let world = World::start().await;
    let (maya, forged) = (world.token(|_, _| {}), world.token(|_, claims| claims["aud"] = json!("https://other.example")));
    let pages = [
        ("index", "/", Some(&maya)),
        ("index-forged", "/", Some(&forged)),
        ("index-bare", "/", None),
        ("admin", "/admin", Some(&maya)),
        ("public", "/public", None),
        ("websocket", "/websocket", Some(&maya)),
        ("stream", "/stream", Some(&maya)),
        ("upload", "/upload", Some(&maya)),
        ("not-found", "/nothing", Some(&maya)),
    ];
    for (name, path, token) in pages {
        let mut request = Request::get(path);
        if let Some(token) = token {
            for (name, value) in [("x-entrada-assertion", token.as_str()), ("x-forwarded-name", "Maya Okafor"), ("x-forwarded-roles", "Admin")] {
                request = request.header(name, value);
            }
            request = request.header("x-forwarded-user", "00aa00aa-bb11-cc22-dd33-44ee44ee0001").header("x-forwarded-email", "maya@contoso.example");
        }
        let request = request
            .header("host", "localhost:4180")
            .header("x-forwarded-for", "127.0.0.1")
            .header("x-forwarded-proto", "http")
            .header("x-request-id", "4bf92f3577b34da6a3ce929d0e0e4736")
            .header("accept", "text/html,application/xhtml+xml")
            .header("user-agent", "Mozilla/5.0 (X11; Linux x86_64) Chrome/142.0");
        let html = text(world.asks(request.body(Full::default()).unwrap()).await).await;
        assert!(html.trim_end().ends_with("</html>") && html.matches("<h1>").count() == 1, "{name}");
        std::fs::write(folder.join(format!("{name}.html")), html).unwrap();
    }
}
