//! nginx stays in front and asks: the files of examples/nginx, as they lie there, before a real nginx.

use crate::outside;
use crate::world::browser::{FORM, NAVIGATION, SCRIPT, TestBrowser};
use crate::world::raw::{self, talk};
use crate::world::{RULES, World, WorldPlan, free_port};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures_util::{SinkExt as _, StreamExt as _};
use http::{HeaderMap, HeaderName};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::{self, Message};

/// nginx before a world.
struct NginxFront {
    address: SocketAddr,
    world: World,
    nginx: Child,
    _directory: tempfile::TempDir,
}

impl Drop for NginxFront {
    fn drop(&mut self) {
        let _ = self.nginx.kill();
        let _ = self.nginx.wait();
    }
}

impl NginxFront {
    /// `None` where there is no nginx.
    async fn start() -> Option<Self> {
        Self::with(|plan| plan).await
    }

    async fn with(change: impl FnOnce(WorldPlan) -> WorldPlan) -> Option<Self> {
        let program = outside::tool("nginx")?;
        let port = free_port();
        let plan = WorldPlan {
            public_url: Some(format!("http://localhost:{port}")),
            server: "trusted_proxies = [\"127.0.0.1\"]".into(),
            ..WorldPlan::default()
        };
        let world = World::with(change(plan)).await;
        let directory = tempfile::tempdir().unwrap();
        for file in ["nginx.conf", "entrada.conf", "entrada_headers.conf"] {
            let text =
                std::fs::read_to_string(outside::root().join("examples/nginx").join(file)).unwrap();
            std::fs::write(directory.path().join(file), ported(&text, port, &world)).unwrap();
        }
        let log = std::fs::File::create(directory.path().join("log")).unwrap();
        let nginx = Command::new(program)
            .arg("-p")
            .arg(directory.path())
            .arg("-c")
            .arg(directory.path().join("nginx.conf"))
            .args(["-g", "daemon off; master_process off; pid nginx.pid; error_log stderr;"])
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        let front = Self {
            address: SocketAddr::from(([127, 0, 0, 1], port)),
            world,
            nginx,
            _directory: directory,
        };
        for _ in 0..500 {
            if TcpStream::connect(front.address).await.is_ok() {
                return Some(front);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!(
            "nginx did not start: {}",
            std::fs::read_to_string(front._directory.path().join("log")).unwrap()
        );
    }

    fn browser(&self) -> TestBrowser {
        self.world.browser_at(self.address)
    }

    async fn signed_in(&self, person: &str) -> TestBrowser {
        let mut browser = self.browser();
        browser.visits("/").await;
        assert_eq!(browser.signs_in_as(person).await.status, 200);
        browser
    }

    fn host(&self) -> &str {
        self.world.public_url.split_once("://").unwrap().1
    }

    async fn raw(&self, line: &str, more: &str) -> String {
        talk(
            self.address,
            &format!("{line} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n{more}\r\n", self.host()),
        )
        .await
    }
}

/// The ports of the example are those of this world; and nothing is written outside of its folder.
fn ported(text: &str, port: u16, world: &World) -> String {
    let places = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|it| format!("{it}_temp_path {it};\n"));
    let ports =
        [("8080", port), ("4180", world.address.port()), ("3000", world.app.address.port())];
    // In two steps: a port of this world may begin like one of the example's.
    let marked = ports.iter().fold(text.to_owned(), |text, it| {
        text.replace(&format!("127.0.0.1:{}", it.0), &format!("<{}>", it.0))
    });
    let text = ports.iter().fold(marked, |text, it| {
        text.replace(&format!("<{}>", it.0), &format!("127.0.0.1:{}", it.1))
    });
    text.replace("http {\n", &format!("http {{\naccess_log off;\n{}", places.concat()))
}

#[test]
fn a_server_of_ones_own_needs_few_lines() {
    let text = std::fs::read_to_string(outside::root().join("examples/nginx/nginx.conf")).unwrap();
    let added = text.lines().filter(|it| it.trim_end().ends_with("# +")).count();
    assert!((1..=12).contains(&added), "{added}");
}

#[tokio::test]
async fn a_stranger_is_sent_to_sign_in_and_comes_back_to_his_page() {
    let Some(front) = NginxFront::start().await else { return };
    let mut maya = front.browser();
    let page = maya.visits("/reports/2026?month=11&sort=a%20b").await;
    assert!(page.is_the_sign_in_at_entra(), "{} {}", page.status, page.body);
    let page = maya.signs_in_as("maya@contoso.example").await;
    assert_eq!(page.path_and_query(), "/reports/2026?month=11&sort=a%20b");
    assert_eq!(page.app_heard("x-auth-request-user"), "00aa00aa-bb11-cc22-dd33-44ee44ee0001");
    assert_eq!(page.app_heard("x-auth-request-email"), "maya@contoso.example");
    assert_eq!(page.app_heard("x-auth-request-name"), "Maya Okafor");
    assert_eq!(page.app_heard("x-auth-request-roles"), "Admin");
    assert_eq!(page.app_heard("x-auth-request-groups").split(',').count(), 3);
    assert_eq!(page.app_heard("x-auth-request-tenant"), front.world.emulator.tenant_id());
    assert_eq!(page.app_heard("host"), front.host());
    assert_eq!(page.app_heard("x-forwarded-for"), "127.0.0.1");
    assert_eq!(front.world.app.seen.count(), 1, "nothing but what was let in reached the app");
    // And out again.
    maya.posts("/oauth2/sign_out", NAVIGATION, "").await;
    assert!(maya.visits("/reports").await.is_the_sign_in_at_entra());
}

#[tokio::test]
async fn a_rule_that_wants_a_stronger_proof_leads_through_entra_to_the_page() {
    let strong = "[[access.rule]]\npath = \"/strong/**\"\nallow = { acrs = [\"c1\"] }\n";
    let Some(front) =
        NginxFront::with(|plan| WorldPlan { more: format!("{RULES}{strong}"), ..plan }).await
    else {
        return;
    };
    let mut maya = front.signed_in("maya@contoso.example").await;
    let script = maya.asks("GET", "/strong/x", SCRIPT).await;
    assert_eq!((script.status, script.header("location")), (401, ""));
    assert!(
        script
            .header("www-authenticate")
            .starts_with("Bearer error=\"insufficient_claims\", claims=\""),
        "{}",
        script.header("www-authenticate")
    );
    let page = maya.asks("GET", "/strong/x", NAVIGATION).await;
    assert_eq!(
        (page.status, page.header("location")),
        (302, &*format!("{}/oauth2/start?rd=%2Fstrong%2Fx&acrs=c1", front.world.public_url))
    );
    let page = maya.visits("/strong/x").await;
    assert_eq!(
        (page.status, page.path_and_query()),
        (200, "/strong/x".to_owned()),
        "{}",
        page.body
    );
    assert!(
        page.way
            .iter()
            .any(|it| it.query_pairs().any(|it| it.0 == "claims" && it.1.contains("\"c1\"")))
    );
    assert_eq!(maya.asks("GET", "/strong/x", SCRIPT).await.status, 200);
    // A stranger is asked for it at once.
    let page = front.browser().asks("GET", "/strong/x", NAVIGATION).await;
    assert_eq!(
        page.header("location"),
        format!("{}/oauth2/start?rd=%2Fstrong%2Fx&acrs=c1", front.world.public_url)
    );
}

#[tokio::test]
async fn the_redirect_is_not_stored_and_a_script_hears_401() {
    let Some(front) = NginxFront::start().await else { return };
    let mut maya = front.browser();
    let page = maya.asks("GET", "/x", NAVIGATION).await;
    assert_eq!((page.status, page.header("cache-control")), (302, "no-store"));
    assert_eq!(page.header("location"), format!("{}/oauth2/start?rd=%2Fx", front.world.public_url));
    assert_eq!(maya.asks("HEAD", "/x", NAVIGATION).await.status, 302);
    let form = maya.posts("/x", FORM, "typed=1").await;
    let api = maya.asks("GET", "/api/x", NAVIGATION).await;
    let script = maya.asks("GET", "/x", SCRIPT).await;
    let prefetch = maya
        .asks(
            "GET",
            "/x",
            &[("accept", "text/html"), ("sec-fetch-mode", "navigate"), ("sec-purpose", "prefetch")],
        )
        .await;
    for page in [
        form,
        api,
        script,
        prefetch,
        maya.asks("OPTIONS", "/x", SCRIPT).await,
        maya.asks("DELETE", "/x", SCRIPT).await,
    ] {
        assert_eq!(
            (page.status, page.header("location"), page.header("cache-control")),
            (401, "", "no-store")
        );
        assert_eq!(page.header("www-authenticate"), "Entrada realm=\"app\"");
    }
    assert_eq!(front.world.app.seen.count(), 0);
}

#[tokio::test]
async fn the_assertion_verifies() {
    let Some(front) = NginxFront::start().await else { return };
    let mut maya = front.signed_in("maya@contoso.example").await;
    let assertion = maya.visits("/x").await.app_heard("x-entrada-assertion");
    let keys = maya.asks("GET", "/oauth2/jwks.json", SCRIPT).await.json();
    let header = jsonwebtoken::decode_header(&assertion).unwrap();
    let key = keys["keys"]
        .as_array()
        .unwrap()
        .iter()
        .find(|it| it["kid"] == header.kid.as_deref().unwrap())
        .unwrap();
    let key =
        jsonwebtoken::DecodingKey::from_jwk(&serde_json::from_value(key.clone()).unwrap()).unwrap();
    let mut rules = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::ES256);
    rules.set_audience(&[&front.world.public_url]);
    rules.set_issuer(&[&front.world.public_url]);
    let claims =
        jsonwebtoken::decode::<serde_json::Value>(&assertion, &key, &rules).unwrap().claims;
    assert_eq!(claims["email"], "maya@contoso.example");
    assert_eq!(claims["roles"], serde_json::json!(["Admin"]));
}

/// Every name that Entrada speaks under, or that another product does and apps believe.
const NAMES: &[&str] = &[
    "x-auth-request-user",
    "x-auth-request-preferred-username",
    "x-auth-request-email",
    "x-auth-request-name",
    "x-auth-request-groups",
    "x-auth-request-groups-truncated",
    "x-auth-request-roles",
    "x-auth-request-tenant",
    "x-auth-request-redirect",
    "x-auth-request-access-token",
    "x-forwarded-user",
    "x-forwarded-preferred-username",
    "x-forwarded-email",
    "x-forwarded-name",
    "x-forwarded-groups",
    "x-forwarded-groups-truncated",
    "x-forwarded-roles",
    "x-forwarded-tenant",
    "x-forwarded-access-token",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-forwarded-port",
    "x-forwarded-prefix",
    "x-forwarded-server",
    "forwarded",
    "x-real-ip",
    "x-request-id",
    "x-entrada-assertion",
    "x-entrada-cookie",
    "x-entrada-person",
    "x-entrada-role",
    "x-entrada-organization",
    "x-ms-client-principal",
    "x-ms-client-principal-id",
    "x-ms-client-principal-name",
    "x-ms-client-principal-idp",
    "x-ms-token-aad-id-token",
    "x-ms-token-aad-access-token",
    "x-ms-token-aad-refresh-token",
    "x-ms-token-aad-expires-on",
    "x-original-method",
];

#[tokio::test]
async fn what_a_client_makes_up_never_arrives() {
    let Some(front) = NginxFront::start().await else { return };
    let ines = front.signed_in("ines@contoso.example").await;
    let mut names: Vec<String> = Vec::new();
    for name in NAMES {
        let shouted = name.to_uppercase();
        names.extend([
            (*name).to_owned(),
            shouted,
            name.replace('-', "_"),
            name.replacen('-', "_", 1),
            name.replace('-', "."),
            name.replace('-', "~"),
        ]);
    }
    let lies: Vec<String> = names.iter().map(|it| format!("{it}: planted\r\n")).collect();
    // nginx takes so many at a time.
    for lies in lies.chunks(40) {
        for (path, cookie) in [
            ("/x", ines.cookie_header()),
            ("/public/x", ines.cookie_header()),
            ("/public/x", String::new()),
            ("/live/public", ines.cookie_header()),
        ] {
            let answer = front
                .raw(&format!("GET {path}"), &format!("Cookie: {cookie}\r\n{}", lies.concat()))
                .await;
            assert_eq!(raw::status(&answer), 200, "{answer}");
            assert!(!answer.contains("planted"), "{path}: {answer}");
        }
    }
    // A person without an e-mail address has none, and a stranger is nobody, whoever he says he is.
    let mut stranger = front.browser();
    let page = stranger
        .asks(
            "GET",
            "/public/x",
            &[("x-auth-request-user", "maya"), ("x-auth-request-email", "maya@contoso.example")],
        )
        .await;
    assert_eq!(page.status, 200);
    let heard = page.json()["headers"].to_string();
    assert!(
        !heard.contains("x-auth-request")
            && !heard.contains("assertion")
            && !heard.contains("maya"),
        "{heard}"
    );
}

/// What the example has to blank is what the program owns: a new name may not be forgotten there.
#[test]
fn every_name_of_ours_is_set_or_blanked_by_the_example() {
    let text = std::fs::read_to_string(outside::root().join("examples/nginx/entrada_headers.conf"))
        .unwrap()
        .to_lowercase();
    let set: Vec<_> = text
        .lines()
        .filter_map(|it| it.strip_prefix("proxy_set_header ")?.split(' ').next())
        .collect();
    for name in NAMES {
        assert!(set.contains(name), "{name}");
    }
    for name in entrada::config::headers::OWNED_NAMES {
        assert!(set.contains(&name), "{name}");
    }
    for prefix in entrada::config::headers::OWNED_PREFIXES {
        assert!(set.iter().any(|it| it.starts_with(prefix)), "{prefix}");
    }
}

#[tokio::test]
async fn our_cookies_stay_between_browser_and_entrada() {
    let Some(front) = NginxFront::start().await else { return };
    let mut maya = front.signed_in("maya@contoso.example").await;
    maya.plants("theme", "dark");
    maya.plants("cart", "7");
    let page = maya.visits("/x").await;
    let mut heard: Vec<_> = page.app_heard("cookie").split("; ").map(str::to_owned).collect();
    heard.sort();
    assert_eq!(heard, ["cart=7", "theme=dark"]);
    let answer = front.raw("GET /public/x", "").await;
    assert!(!answer.contains("\"cookie\""), "{answer}");
}

#[tokio::test]
async fn a_forged_question_opens_nothing() {
    let Some(front) = NginxFront::start().await else { return };
    let tom = front.signed_in("tom@contoso.example").await;
    let before = front.world.app.seen.count();
    let public = format!("{}/public/x", front.world.public_url);
    for lie in [
        format!("X-Original-URL: {public}\r\n"),
        "X-Original-URI: /public/x\r\n".to_owned(),
        format!(
            "X-Original-URL: {public}\r\nX-Original-URI: /public/x\r\nX-Original-Method: GET\r\n"
        ),
        format!("X_Original_URL: {public}\r\n"),
        "X-Forwarded-Uri: /public/x\r\nX-Forwarded-Method: GET\r\n".to_owned(),
        "X-Forwarded-Host: evil.example\r\nX-Forwarded-For: 127.0.0.1\r\n".to_owned(),
        "Connection: X-Original-URL, X-Original-Method\r\n".to_owned(),
    ] {
        let lie = lie.replace("Connection: X", "Connection: close, X");
        let stranger = front.raw("GET /admin/x", &lie).await;
        assert_eq!(raw::status(&stranger), 401, "{lie}: {stranger}");
        let unfit =
            front.raw("GET /admin/x", &format!("{lie}Cookie: {}\r\n", tom.cookie_header())).await;
        assert_eq!(raw::status(&unfit), 403, "{lie}: {unfit}");
    }
    assert_eq!(front.world.app.seen.count(), before);
}

#[tokio::test]
async fn the_rules_decide_by_the_path_and_method_that_were_asked() {
    let Some(front) = NginxFront::start().await else { return };
    let mut maya = front.signed_in("maya@contoso.example").await;
    let mut tom = front.signed_in("tom@contoso.example").await;
    assert_eq!(maya.visits("/admin/x").await.status, 200);
    assert_eq!(tom.visits("/admin/x").await.status, 403);
    assert_eq!(maya.visits("/group/x").await.status, 200);
    assert_eq!(tom.visits("/group/x").await.status, 403);
    assert_eq!(maya.visits("/nobody/x").await.status, 403);
    assert_eq!(maya.asks("GET", "/read/x", SCRIPT).await.status, 200);
    assert_eq!(maya.asks("HEAD", "/read/x", SCRIPT).await.status, 200);
    assert_eq!(maya.asks("DELETE", "/read/x", SCRIPT).await.status, 403);
    assert_eq!(front.browser().visits("/public/x").await.status, 200);
    // More groups than Entra lists, and Graph does not tell them: nobody guesses.
    front.world.emulator.control().graph(entrada::emulator::GraphFault::Forbidden, 1);
    let mut grace = front.signed_in("grace@contoso.example").await;
    assert_eq!(grace.visits("/group/x").await.status, 403);
    let log = front.world.logged().await;
    assert!(
        log.contains("\"route\":\"forward_auth\"") && log.contains("groups that are unknown"),
        "{log}"
    );
}

#[tokio::test]
async fn a_path_that_nginx_and_the_app_read_differently_is_refused() {
    let Some(front) = NginxFront::start().await else { return };
    let maya = front.signed_in("maya@contoso.example").await;
    let before = front.world.app.seen.count();
    let cookie = format!("Cookie: {}\r\n", maya.cookie_header());
    for target in [
        "/public/../admin/x",
        "/public/%2e%2e/admin/x",
        "/public//x",
        "/public/..%2fadmin",
        "/public/x;/../admin",
        "/public/%5c..%5cadmin",
        "/a%252e",
        "//admin/x",
    ] {
        for headers in ["", &cookie] {
            let status = raw::status(&front.raw(&format!("GET {target}"), headers).await);
            assert_eq!(status, 403, "{target}");
        }
    }
    assert_eq!(front.world.app.seen.count(), before);
    // What is judged is byte for byte what the app sees.
    let answer = front.raw("GET /%E2%82%AC/%20x?y=//..%2f&z=%00", &cookie).await;
    assert!(answer.contains("\"target\":\"/%E2%82%AC/%20x?y=//..%2f&z=%00\""), "{answer}");
}

#[tokio::test]
async fn nobody_but_nginx_asks_the_question() {
    let Some(front) = NginxFront::start().await else { return };
    let maya = front.signed_in("maya@contoso.example").await;
    let forged = format!(
        "Cookie: {}\r\nX-Original-URL: {}/x\r\nX-Original-Method: GET\r\n",
        maya.cookie_header(),
        front.world.public_url
    );
    for path in [
        "/oauth2/auth",
        "/oauth2/auth/nginx",
        "/oauth2//auth",
        "/oauth2/%61uth",
        "/x/../oauth2/auth",
        "/oauth2/./auth",
        "/oauth2/auth?x",
        "/oauth2/AUTH",
        "/oauth2/auth/",
    ] {
        let answer = front.raw(&format!("GET {path}"), &forged).await;
        assert!(matches!(raw::status(&answer), 400 | 404), "{path}: {answer}");
        assert!(!answer.to_lowercase().contains("assertion"), "{path}: {answer}");
    }
}

#[tokio::test]
async fn a_caller_that_is_not_trusted_is_no_front_proxy() {
    let Some(front) = NginxFront::with(|plan| WorldPlan {
        server: "trusted_proxies = [\"192.0.2.1\"]".into(),
        ..plan
    })
    .await
    else {
        return;
    };
    let mut maya = front.browser();
    assert_eq!(maya.asks("GET", "/public/x", NAVIGATION).await.status, 403);
    assert!(front.world.logged().await.contains("not one of [server] trusted_proxies"));
    assert_eq!(front.world.app.seen.count(), 0);
}

#[tokio::test]
async fn another_site_of_the_same_nginx_is_not_judged_by_our_rules() {
    let Some(front) = NginxFront::start().await else { return };
    let answer = talk(
        front.address,
        "GET /public/x HTTP/1.1\r\nHost: other.example\r\nConnection: close\r\n\r\n",
    )
    .await;
    assert_eq!(raw::status(&answer), 403);
    let answer = talk(front.address, "GET /public/x HTTP/1.0\r\nConnection: close\r\n\r\n").await;
    assert_eq!(raw::status(&answer), 403);
    assert_eq!(front.world.app.seen.count(), 0);
}

#[tokio::test]
async fn a_body_goes_to_the_app_and_not_to_entrada() {
    let Some(front) = NginxFront::start().await else { return };
    let mut maya = front.signed_in("maya@contoso.example").await;
    let body = "b".repeat(300_000);
    let page = maya.posts("/x", SCRIPT, &body).await;
    assert_eq!((page.status, page.json()["bytes"].as_u64()), (200, Some(300_000)), "{}", page.body);
    // A question with a body would be answered while the body is still coming, and the connection closed under it.
    let chunked = format!(
        "Cookie: {}\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n",
        maya.cookie_header()
    );
    let answer = front.raw("POST /x", &chunked).await;
    assert!(answer.contains("\"bytes\":5"), "{answer}");
}

#[tokio::test]
async fn a_web_socket_goes_through_and_not_from_another_site() {
    let Some(front) = NginxFront::start().await else { return };
    let maya = front.signed_in("maya@contoso.example").await;
    let own = front.world.public_url.clone();
    let mut socket = web_socket(&front, &maya.cookie_header(), Some(&own)).await.unwrap();
    socket.send(Message::text("hello")).await.unwrap();
    assert_eq!(socket.next().await.unwrap().unwrap(), Message::text("hello"));
    assert!(web_socket(&front, &maya.cookie_header(), None).await.is_ok());
    assert_eq!(
        web_socket(&front, &maya.cookie_header(), Some("https://evil.example")).await.unwrap_err(),
        403
    );
    assert_eq!(web_socket(&front, "", Some(&own)).await.unwrap_err(), 401);
}

async fn web_socket(
    front: &NginxFront,
    cookie: &str,
    origin: Option<&str>,
) -> Result<tokio_tungstenite::WebSocketStream<TcpStream>, u16> {
    use tungstenite::client::IntoClientRequest as _;
    let mut request = format!("ws://{}/live/ws", front.host()).into_client_request().unwrap();
    let mut more = HeaderMap::new();
    more.insert("cookie", cookie.parse().unwrap());
    if let Some(origin) = origin {
        more.insert(HeaderName::from_static("origin"), origin.parse().unwrap());
    }
    request.headers_mut().extend(more);
    match tokio_tungstenite::client_async(request, TcpStream::connect(front.address).await.unwrap())
        .await
    {
        Ok((socket, _)) => Ok(socket),
        Err(tungstenite::Error::Http(response)) => Err(response.status().as_u16()),
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test]
async fn while_entrada_is_down_nothing_is_open() {
    let Some(mut front) = NginxFront::start().await else { return };
    let mut maya = front.signed_in("maya@contoso.example").await;
    let before = front.world.app.seen.count();
    front.world.shutdown.cancel();
    front.world.served.take().unwrap().await.unwrap();
    for path in ["/x", "/public/x", "/live/x", "/admin/x"] {
        let page = maya.asks("GET", path, NAVIGATION).await;
        assert_eq!(page.status, 500, "{path}");
    }
    assert_eq!(front.world.app.seen.count(), before);
}

#[tokio::test]
async fn names_beyond_ascii_and_many_groups_fit_through() {
    let rules = format!("{RULES}\n[headers.assertion]\naudience = \"an app\"\n");
    let Some(front) = NginxFront::with(|plan| WorldPlan { more: rules, ..plan }).await else {
        return;
    };
    let mut zoe = front.signed_in("zoe@contoso.example").await;
    assert!(
        zoe.visits("/x")
            .await
            .app_heard("x-auth-request-name")
            .starts_with("Zo%C3%AB %C5%81ukasiewicz")
    );
    let mut grace = front.signed_in("grace@contoso.example").await;
    let page = grace.visits("/x").await;
    assert_eq!(page.app_heard("x-auth-request-groups-truncated"), "true");
    let claims = page
        .app_heard("x-entrada-assertion")
        .split('.')
        .nth(1)
        .map(|it| URL_SAFE_NO_PAD.decode(it).unwrap())
        .unwrap();
    assert_eq!(serde_json::from_slice::<serde_json::Value>(&claims).unwrap()["aud"], "an app");
    // Cookies of the app as large as nginx takes them.
    let cookie = format!("Cookie: {}; big={}\r\n", grace.cookie_header(), "c".repeat(7000));
    assert_eq!(raw::status(&front.raw("GET /x", &cookie).await), 200);
}
