//! One sidecar with an Entra emulator, an app and a signed-in person.

use super::answers;
use super::app::App;
use super::operand::Names;
use super::script::Script;
use crate::world::browser::{NAVIGATION, TestBrowser};
use crate::world::company;
use crate::world::samples::{CONTOSO, MAYA};
use crate::world::{World, WorldPlan};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderMap;
use jsonwebtoken::jwk::JwkSet;
use std::collections::{BTreeMap, HashSet};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

/// Time without data after which the responses of a connection count as complete.
const QUIET_TIME: Duration = Duration::from_millis(60);
/// The same, after the last request has its response.
const QUIET_TIME_AFTER_LAST: Duration = Duration::from_millis(5);
/// Pause between the parts of an input.
const PAUSE: Duration = Duration::from_millis(2);
/// Maximum time for one input.
const MAX_TIME: Duration = Duration::from_secs(3);
/// Maximum number of bytes that one connection may receive.
const MAX_RECEIVED_BYTES: usize = 4 * 1024 * 1024;
/// Prefixes and whole names of headers that carry an identity.
const IDENTITY_PREFIXES: [&str; 4] =
    ["x-entrada-", "x-auth-request-", "x-ms-client-principal", "x-ms-token-"];
const IDENTITY_NAMES: [&str; 9] = [
    "x-forwarded-user",
    "x-forwarded-preferred-username",
    "x-forwarded-email",
    "x-forwarded-name",
    "x-forwarded-groups",
    "x-forwarded-roles",
    "x-forwarded-tenant",
    "x-forwarded-groups-truncated",
    "x-forwarded-access-token",
];
const ASSERTION: &str = "x-entrada-assertion";

pub struct Scene {
    pub world: World,
    pub app: App,
    pub browser: TestBrowser,
    /// Values that inputs can name.
    pub names: Names,
    /// The person's identity headers, without the assertion.
    pub identity: BTreeMap<String, Vec<String>>,
    keys: JwkSet,
    verified: HashSet<String>,
    full: bool,
}

impl Scene {
    /// Starts a scene. With `full`, it has trusted proxies, a directory of companies, native
    /// clients, and an HTTP/2 app.
    pub async fn start(full: bool) -> Self {
        let app = App::start().await;
        // An HTTP/2 app receives trailers too.
        let upstream = format!("url = \"{}://{}\"", if full { "h2c" } else { "http" }, app.address);
        let headers = "send = [\"x-forwarded\", \"x-auth-request\"]".to_owned();
        let plan = if full { company::full() } else { WorldPlan::default() };
        let world = World::with(WorldPlan { upstream, headers, ..plan }).await;
        let mut browser = world.browser();
        let keys =
            serde_json::from_str(&browser.asks("GET", "/oauth2/jwks.json", NAVIGATION).await.body)
                .unwrap();
        let (names, identity) = (Names::new(), BTreeMap::new());
        let mut scene =
            Self { world, app, browser, names, identity, keys, verified: HashSet::new(), full };
        scene.sign_in().await;
        scene
    }

    /// Signs the person in, and stores the resulting values that inputs can name.
    pub async fn sign_in(&mut self) {
        let start = if self.full {
            "/oauth2/start?organization=contoso&rd=/ordinary"
        } else {
            "/oauth2/start?rd=/ordinary"
        };
        self.browser = self.world.browser();
        let begun = self.browser.asks("GET", start, NAVIGATION).await;
        let location = url::Url::parse(begun.header("location")).unwrap();
        let state = location.query_pairs().find(|it| it.0 == "state").unwrap().1.into_owned();
        let mut pending = begun
            .headers
            .get_all("set-cookie")
            .iter()
            .filter_map(|it| it.to_str().ok()?.split(';').next());
        let browser = format!("{}=", self.browser.with_port("entrada-b"));
        let pending = pending.rfind(|it| it.starts_with(&browser)).unwrap().to_owned();
        self.browser.visits(start).await;
        let page = self.browser.signs_in_as(MAYA).await;
        assert_eq!((page.status, page.header(answers::MARKER)), (200, "1"), "{}", page.body);
        let reached = self.app.take().requests.pop().unwrap();
        let (assertions, identity) = identity(&reached.headers);
        self.identity = identity;
        let [assertion] = assertions.as_slice() else { panic!("{reached:?}") };
        self.is_of_the_person(assertion);
        let head = format!(
            r#"{{"alg":"ES256","typ":"at+jwt","kid":"{}"}}"#,
            jsonwebtoken::decode_header(assertion).unwrap().kid.unwrap()
        );
        let pass = format!(
            "{}.{}.{}",
            URL_SAFE_NO_PAD.encode(head),
            assertion.split('.').nth(1).unwrap(),
            "A".repeat(86)
        );
        let last = if pending.ends_with('A') { "B" } else { "A" };
        let sealed = format!("{}{last}", &pending[..pending.len() - 1]);
        let (host, session) = (
            format!("localhost:{}", self.world.address.port()),
            self.browser.cookie("entrada").unwrap(),
        );
        let known = [
            ("host", host),
            ("cookie", self.browser.with_port("entrada")),
            ("session", session),
            ("pending", pending),
            ("state", state),
            ("sealed", sealed),
            ("pass", pass),
            ("assertion", assertion.clone()),
        ];
        self.names = known.into_iter().collect();
    }

    /// Sends the bytes of an input, and returns the bytes received.
    pub async fn exchange(&self, script: &Script) -> Vec<u8> {
        let (mut reads, mut writes) =
            TcpStream::connect(self.world.address).await.unwrap().into_split();
        let sends = async {
            for part in &script.parts {
                // The other side may close the connection before everything is sent.
                if writes.write_all(part).await.is_err() {
                    break;
                }
                tokio::time::sleep(PAUSE).await;
            }
            std::future::pending::<()>().await;
        };
        let receives = async {
            let (mut received, began, mut quiet) = (Vec::new(), Instant::now(), QUIET_TIME * 2);
            while began.elapsed() < MAX_TIME {
                match timeout(quiet, reads.read_buf(&mut received)).await {
                    Ok(Ok(1..)) => {}
                    _ => break,
                }
                assert!(received.len() <= MAX_RECEIVED_BYTES, "an answer without an end");
                quiet = if script.http2 && is_over(&received, script.last_stream) {
                    QUIET_TIME_AFTER_LAST
                } else {
                    QUIET_TIME
                };
            }
            received
        };
        tokio::select! {
            () = sends => Vec::new(),
            received = receives => received,
        }
    }

    /// Checks that the assertion is signed by Entrada, is valid now, and belongs to the person.
    pub fn is_of_the_person(&mut self, assertion: &str) {
        if self.verified.contains(assertion) {
            return;
        }
        let header = jsonwebtoken::decode_header(assertion).unwrap();
        assert_eq!(header.typ.as_deref(), Some("entrada+jwt"));
        let key = jsonwebtoken::DecodingKey::from_jwk(
            self.keys.find(header.kid.as_deref().unwrap()).unwrap(),
        )
        .unwrap();
        let mut rules = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::ES256);
        rules.set_audience(&[&self.world.public_url]);
        rules.set_issuer(&[&self.world.public_url]);
        rules.set_required_spec_claims(&["exp", "nbf", "aud", "iss", "sub"]);
        let claims =
            jsonwebtoken::decode::<serde_json::Value>(assertion, &key, &rules).unwrap().claims;
        assert_eq!(
            (claims["oid"].as_str(), claims["tid"].as_str()),
            (Some("00aa00aa-bb11-cc22-dd33-44ee44ee0001"), Some(CONTOSO))
        );
        self.verified.insert(assertion.to_owned());
    }

    /// Checks that the app receives none of Entrada's cookies, and that the client's address comes
    /// from Entrada alone.
    pub fn is_of_this_way(&self, headers: &HeaderMap) {
        let lines = headers
            .get_all("cookie")
            .iter()
            .map(|it| String::from_utf8_lossy(it.as_bytes()).into_owned());
        for pair in lines.collect::<Vec<_>>().iter().flat_map(|it| it.split(';')) {
            let name = pair.split('=').next().unwrap_or_default().trim();
            let ours = name.strip_prefix("__Host-").unwrap_or(name).strip_prefix("entrada");
            assert!(
                !ours.is_some_and(|it| it.is_empty() || it.starts_with('-')) || !pair.contains('='),
                "{headers:?}"
            );
        }
        if !self.full {
            for (name, value) in [("x-forwarded-for", "127.0.0.1"), ("x-forwarded-proto", "http")] {
                assert_eq!(
                    headers.get_all(name).iter().collect::<Vec<_>>(),
                    [value],
                    "{headers:?}"
                );
            }
            let host = headers
                .get("host")
                .and_then(|it| it.to_str().ok())
                .unwrap_or_default()
                .to_ascii_lowercase();
            let port = self.world.address.port();
            assert!(
                host == format!("localhost:{port}") || host == format!("127.0.0.1:{port}"),
                "{headers:?}"
            );
        }
    }
}

fn is_over(received: &[u8], last: u32) -> bool {
    answers::is_given_up(received) || answers::http2(received).get(&last).is_some_and(|it| it.1)
}

/// Returns the assertions, and every other header with an identity, named as an app may read them.
pub fn identity(headers: &HeaderMap) -> (Vec<String>, BTreeMap<String, Vec<String>>) {
    let (mut assertions, mut others) = (Vec::new(), BTreeMap::<_, Vec<_>>::new());
    for (name, value) in headers {
        let read: String = name
            .as_str()
            .chars()
            .map(|it| if it.is_ascii_alphanumeric() { it.to_ascii_lowercase() } else { '-' })
            .collect();
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        if name == ASSERTION {
            assertions.push(value);
        } else if IDENTITY_NAMES.contains(&read.as_str())
            || IDENTITY_PREFIXES.iter().any(|it| read.starts_with(it))
        {
            others.entry(name.as_str().to_owned()).or_default().push(value);
        }
    }
    (assertions, others)
}
