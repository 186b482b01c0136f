//! The demo as a phone: it walks through the sign-in of a native app (RFC 8252) one step at a time,
//! and shows each request and response.
//!
//! It knows the issuer's address, its own client ID and the standards, like any app on a phone. It
//! keeps its tokens itself; the browser, which stands for the phone's system browser, does not have
//! them.

mod answer;
mod step;
mod visit;

use super::web::{self, DemoReply};
use crate::base::random::RandomSource;
use crate::wire::body::Body;
use bytes::Bytes;
use http::header::{ALLOW, COOKIE, HOST, LOCATION, SET_COOKIE};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use minijinja::context;
use minijinja::value::Value;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use visit::{PhoneBuild, PhoneVisit};

/// Maximum number of stored walks; beyond it, the oldest is removed.
const MAX_PHONE_VISITS: usize = 32;
/// Maximum size of a form, in bytes.
const MAX_PHONE_FORM_BYTES: usize = 4096;
/// The cookie that distinguishes walks.
const PHONE_COOKIE: &str = "phone";

/// A client registered for the phone, with the redirect URI `http://127.0.0.1/phone/back`, which
/// matches any port (RFC 8252 7.3).
#[derive(Clone, Debug)]
pub struct PhoneClient {
    /// The client ID.
    pub client_id: String,
    /// The authorization server (RFC 8414).
    pub issuer: String,
    /// The source of verifiers and states.
    pub random: RandomSource,
}

/// The emulated phone.
#[derive(Debug)]
pub(super) struct DemoPhone {
    build: PhoneBuild,
    random: RandomSource,
    /// Host and port of the demo itself.
    own: String,
    walks: Mutex<VecDeque<(String, PhoneVisit)>>,
}

/// A response from the phone: a page to render, or a complete response.
pub(super) enum PhoneAnswer {
    Page(Value),
    Whole(DemoReply),
}

impl DemoPhone {
    /// Creates the phone of a demo that listens on `own`.
    pub(super) fn new(it: PhoneClient, own: SocketAddr) -> Self {
        let place = PhoneBuild {
            client_id: it.client_id,
            issuer: it.issuer,
            redirect_uri: format!("http://{own}/phone/back"),
        };
        Self { build: place, random: it.random, own: own.to_string(), walks: Mutex::default() }
    }

    /// Responds to requests below `/phone`.
    pub(super) async fn answer(&self, request: Request<Incoming>) -> PhoneAnswer {
        if request.headers().get(HOST).is_none_or(|it| it.as_bytes() != self.own.as_bytes()) {
            // The request came through the sign-in. A phone is another device and connects to the
            // demo directly.
            return PhoneAnswer::Page(
                context! { elsewhere => format!("http://{}/phone", self.own) },
            );
        }
        let (head, body) = request.into_parts();
        match (&head.method, head.uri.path()) {
            (&Method::GET | &Method::HEAD, "/phone") => {
                PhoneAnswer::Page(self.shown(&head.headers))
            }
            (&Method::GET, "/phone/back") => {
                let query = head.uri.query().unwrap_or_default().to_owned();
                self.advance(&head.headers, async |walk, place| walk.return_with(place, &query))
                    .await
            }
            (&Method::POST, path) => self.posted(path, &head.headers, body).await,
            _ => PhoneAnswer::Whole(only_posts()),
        }
    }

    async fn posted(&self, path: &str, headers: &HeaderMap, body: Incoming) -> PhoneAnswer {
        match path {
            "/phone/begin" => {
                let typed = typed(body).await;
                self.start(&typed).await
            }
            "/phone/token" => self.advance(headers, PhoneVisit::redeems).await,
            "/phone/call" => self.advance(headers, PhoneVisit::calls).await,
            "/phone/refresh" => self.advance(headers, PhoneVisit::refreshes).await,
            "/phone/revoke" => self.advance(headers, PhoneVisit::revokes).await,
            _ => PhoneAnswer::Whole(web::text(
                StatusCode::NOT_FOUND,
                "The phone has no such page.\n",
            )),
        }
    }

    /// Starts a new walk; the previous one is forgotten together with its cookie.
    async fn start(&self, typed: &str) -> PhoneAnswer {
        let walk = PhoneVisit::start(&self.build, typed, &self.random).await;
        let id = self.random.text::<18>();
        let mut walks = self.lock();
        walks.truncate(MAX_PHONE_VISITS - 1);
        walks.push_front((id.clone(), walk));
        drop(walks);
        let mut out = to_the_page();
        // `Lax`: the redirect from the authorization server comes from another site and must carry
        // it.
        let cookie = HeaderValue::from_str(&format!(
            "{PHONE_COOKIE}={id}; Path=/phone; HttpOnly; SameSite=Lax"
        ));
        out.headers_mut().extend(cookie.ok().map(|it| (SET_COOKIE, it)));
        PhoneAnswer::Whole(out)
    }

    /// Takes the next step of the browser's walk; without a walk, shows the first page.
    async fn advance(
        &self,
        headers: &HeaderMap,
        step: impl AsyncFnOnce(&mut PhoneVisit, &PhoneBuild),
    ) -> PhoneAnswer {
        let found =
            visit_id(headers).and_then(|id| self.lock().iter().find(|it| it.0 == id).cloned());
        if let Some((id, mut walk)) = found {
            step(&mut walk, &self.build).await;
            if let Some(kept) = self.lock().iter_mut().find(|it| it.0 == id) {
                kept.1 = walk;
            }
        }
        PhoneAnswer::Whole(to_the_page())
    }

    fn shown(&self, headers: &HeaderMap) -> Value {
        let walk = visit_id(headers)
            .and_then(|id| self.lock().iter().find(|it| it.0 == id).map(|it| it.1.clone()));
        walk.map_or_else(
            || context! { steps => Vec::<Value>::new(), next => "begin" },
            |it| it.shown(&self.build),
        )
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<(String, PhoneVisit)>> {
        self.walks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn visit_id(headers: &HeaderMap) -> Option<&str> {
    let cookies = headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|it| it.to_str().ok())
        .flat_map(|it| it.split(';'));
    cookies
        .filter_map(|it| it.trim().split_once('='))
        .find(|it| it.0 == PHONE_COOKIE)
        .map(|it| it.1)
}

/// Reads the form in which the person typed into the app.
async fn typed(body: Incoming) -> String {
    let bytes = Limited::new(body, MAX_PHONE_FORM_BYTES)
        .collect()
        .await
        .map(http_body_util::Collected::to_bytes)
        .unwrap_or_default();
    let field = url::form_urlencoded::parse(&bytes)
        .find(|it| it.0 == "identifier")
        .map(|it| it.1.trim().to_owned());
    field.unwrap_or_default()
}

fn to_the_page() -> DemoReply {
    let mut out =
        web::reply(StatusCode::SEE_OTHER, "text/plain; charset=utf-8", Body::full(Bytes::new()));
    out.headers_mut().insert(LOCATION, HeaderValue::from_static("/phone"));
    out
}

fn only_posts() -> DemoReply {
    let mut out = web::text(StatusCode::METHOD_NOT_ALLOWED, "Begin at /phone.\n");
    out.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
    out
}
