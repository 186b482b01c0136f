//! The demo as a phone, against a server that knows one code and one refresh token at a time.

use super::*;
use crate::demo::phone::PhoneClient;

/// The requests that the server received, and its responses.
struct Server {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<(String, String)>>>,
}

impl Server {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::<Mutex<Vec<(String, String)>>>::default();
        let received = Arc::clone(&asked);
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let received = Arc::clone(&received);
                let service = service_fn(move |request: Request<Incoming>| {
                    let received = Arc::clone(&received);
                    async move {
                        let path = request.uri().path().to_owned();
                        let bearer = request
                            .headers()
                            .get("authorization")
                            .map(|it| it.to_str().unwrap().to_owned());
                        let body = String::from_utf8(
                            request.into_body().collect().await.unwrap().to_bytes().to_vec(),
                        )
                        .unwrap();
                        let (status, json) = answer(address, &path, &body, bearer.as_deref());
                        received.lock().unwrap().push((path, body));
                        Ok::<_, std::convert::Infallible>(
                            Response::builder()
                                .status(status)
                                .body(Full::new(Bytes::from(json.to_string())))
                                .unwrap(),
                        )
                    }
                });
                tokio::spawn(
                    hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service),
                );
            }
        });
        Self { address, asked }
    }

    fn last(&self, path: &str) -> std::collections::HashMap<String, String> {
        let asked = self.asked.lock().unwrap();
        let (_, body) = asked.iter().rev().find(|it| it.0 == path).unwrap();
        url::form_urlencoded::parse(body.as_bytes()).into_owned().collect()
    }
}

fn answer(own: SocketAddr, path: &str, body: &str, bearer: Option<&str>) -> (u16, Value) {
    let at = |path: &str| format!("http://{own}{path}");
    let tokens = |number: u32| json!({"access_token": format!("access-{number}"), "refresh_token": format!("refresh-{number}"), "token_type": "Bearer"});
    match path {
        "/.well-known/oauth-authorization-server" => (
            200,
            json!({"issuer": at(""), "authorization_endpoint": at("/a"), "token_endpoint": at("/t"), "revocation_endpoint": at("/r")}),
        ),
        "/t" if body.contains("code=the-code") => (200, tokens(1)),
        "/t" if body.contains("refresh_token=refresh-1") => (200, tokens(2)),
        "/echo" if bearer == Some("Bearer access-1") => {
            (200, json!({"headers": [["x-entrada-role", "worker"], ["accept", "x"]]}))
        }
        "/r" => (200, json!({})),
        _ => (400, json!({"error": "invalid_grant"})),
    }
}

/// A browser that walks through the phone's pages.
struct Walker {
    own: SocketAddr,
    cookie: String,
    language: &'static str,
    _shutdown: tokio_util::sync::DropGuard,
}

impl Walker {
    async fn at(issuer: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (own, shutdown) = (listener.local_addr().unwrap(), CancellationToken::new());
        let random = crate::seal::random::system();
        let phone = PhoneClient {
            client_id: "demo-phone".to_owned(),
            issuer: format!("http://{issuer}"),
            random,
        };
        tokio::spawn(serve(
            listener,
            DemoOptions { phone: Some(phone), ..options("http://127.0.0.1:9/") },
            shutdown.clone(),
        ));
        Self { own, cookie: String::new(), language: "en", _shutdown: shutdown.drop_guard() }
    }

    /// Sends a request and returns the resulting page.
    async fn does(&mut self, method: &str, path: &str, body: &str) -> String {
        let seen = self.asks(method, path, body, &self.own.to_string()).await;
        assert_eq!(
            (seen.status(), seen.headers()["location"].to_str().unwrap()),
            (StatusCode::SEE_OTHER, "/phone"),
            "{path}"
        );
        if let Some(cookie) = seen.headers().get("set-cookie") {
            self.cookie = cookie.to_str().unwrap().split(';').next().unwrap().to_owned();
        }
        text(self.asks("GET", "/phone", "", &self.own.to_string()).await).await
    }

    async fn asks(&self, method: &str, path: &str, body: &str, host: &str) -> Response<Incoming> {
        let stream = TcpStream::connect(self.own).await.unwrap();
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", host)
            .header("cookie", &self.cookie)
            .header("accept-language", self.language);
        sender
            .send_request(request.body(Full::new(Bytes::from(body.to_owned()))).unwrap())
            .await
            .unwrap()
    }
}

/// Returns the address to which the page sends the browser.
fn address(html: &str) -> url::Url {
    let address = html.split_once("class=\"button\" href=\"").unwrap().1.split_once('"').unwrap().0;
    url::Url::parse(&address.replace("&amp;", "&").replace("&#x2f;", "/")).unwrap()
}

fn asked(url: &url::Url, name: &str) -> Option<String> {
    url.query_pairs().find(|it| it.0 == name).map(|it| it.1.into_owned())
}

#[tokio::test]
async fn the_phone_speaks_the_language_of_its_browser() {
    let server = Server::start().await;
    let mut phone =
        Walker { language: "de-AT,de;q=0.9,en;q=0.5", ..Walker::at(server.address).await };
    let page = phone.does("POST", "/phone/begin", "identifier=contoso").await;
    for says in [
        "<html lang=\"de\">",
        "Anmeldung auf einem Telefon",
        "1. Die Metadaten lesen",
        "2. Den Browser öffnen",
        "Eine gewöhnliche Web-App",
    ] {
        assert!(page.contains(says), "{says}: {page}");
    }
    assert!(!page.contains("Read the metadata") && !page.contains("Done"), "{page}");
}

#[tokio::test]
async fn the_walk_is_that_of_a_native_app_and_shows_no_whole_token() {
    let server = Server::start().await;
    let mut phone = Walker::at(server.address).await;
    let page = phone.does("POST", "/phone/begin", "identifier=+contoso+").await;
    let url = address(&page);
    assert_eq!(
        (url.path(), asked(&url, "organization").as_deref(), asked(&url, "login_hint")),
        ("/a", Some("contoso"), None)
    );
    assert_eq!(asked(&url, "redirect_uri").unwrap(), format!("http://{}/phone/back", phone.own));
    let back = format!(
        "/phone/back?code=the-code&state={}&iss=http://{}",
        asked(&url, "state").unwrap(),
        server.address
    );
    assert!(phone.does("GET", &back, "").await.contains("3. The code is returned"));
    assert!(phone.does("POST", "/phone/token", "").await.contains("4. Exchange the code"));
    let sent = server.last("/t");
    let challenge =
        aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, sent["code_verifier"].as_bytes());
    assert_eq!(
        asked(&url, "code_challenge").unwrap(),
        base64::Engine::encode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, challenge)
    );
    let page = phone.does("POST", "/phone/call", "").await;
    assert!(
        page.contains("&quot;x-entrada-role&quot;: &quot;worker&quot;")
            && !page.contains("&quot;accept&quot;"),
        "{page}"
    );
    assert!(phone.does("POST", "/phone/refresh", "").await.contains("6. Refresh"));
    let page = phone.does("POST", "/phone/revoke", "").await;
    assert!(
        page.contains("7. Sign out")
            && page.contains("invalid_grant")
            && !page.contains(">Failed<"),
        "{page}"
    );
    assert_eq!(
        (server.last("/r")["token"].as_str(), server.last("/t")["refresh_token"].as_str()),
        ("refresh-2", "refresh-2")
    );
    // The walk is over: no further request is sent.
    let count = server.asked.lock().unwrap().len();
    phone.does("POST", "/phone/token", "").await;
    assert_eq!(server.asked.lock().unwrap().len(), count);
}

#[tokio::test]
async fn an_answer_that_was_not_asked_for_is_thrown_away() {
    let server = Server::start().await;
    for (state, issuer) in [(Some("another"), None), (None, Some("http://evil.example"))] {
        let mut phone = Walker::at(server.address).await;
        let url =
            address(&phone.does("POST", "/phone/begin", "identifier=maya%40contoso.example").await);
        assert_eq!(asked(&url, "login_hint").as_deref(), Some("maya@contoso.example"));
        let state = state.map_or_else(|| asked(&url, "state").unwrap(), str::to_owned);
        let issuer = issuer.map_or_else(|| format!("http://{}", server.address), str::to_owned);
        let page = phone
            .does("GET", &format!("/phone/back?code=the-code&state={state}&iss={issuer}"), "")
            .await;
        assert!(
            page.contains("the app discards the answer") && page.contains("Begin again"),
            "{page}"
        );
        phone.does("POST", "/phone/token", "").await;
        assert!(!server.asked.lock().unwrap().iter().any(|it| it.0 == "/t"));
    }
}

#[tokio::test]
async fn behind_the_sign_in_the_phone_is_elsewhere_and_without_a_client_there_is_none() {
    let server = Server::start().await;
    let phone = Walker::at(server.address).await;
    let page = text(phone.asks("GET", "/phone", "", "localhost:4180").await).await;
    assert!(
        page.contains(&format!("href=\"http:&#x2f;&#x2f;{}&#x2f;phone\"", phone.own))
            || page.contains(&format!("http://{}/phone", phone.own)),
        "{page}"
    );
    assert_eq!(World::start().await.gets("/phone", None).await.0, StatusCode::NOT_FOUND);
}
