//! The demo as a phone: it walks the sign-in of a native app (RFC 8252) one step at a time, and shows what is asked and what comes back.
//!
//! It knows the issuer's address, its own client id and the standards, as any app on a phone would. What it was given is kept here, not in the
//! browser, which stands for the phone's system browser.

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

/// Walks that are kept at a time; the oldest goes.
const MAX_PHONE_VISITS: usize = 32;
/// The longest form in bytes.
const MAX_FORM_BYTES: usize = 4096;
/// The cookie that tells one walk from another.
const PHONE_COOKIE: &str = "phone";

/// A client that is registered for the phone, with the redirect URI `http://127.0.0.1/phone/back`, whose port is free (RFC 8252 7.3).
#[derive(Clone, Debug)]
pub struct PhoneClient {
    /// `client_id`.
    pub client_id: String,
    /// The authorization server (RFC 8414).
    pub issuer: String,
    /// Where verifiers and states come from.
    pub random: RandomSource,
}

/// The phone.
#[derive(Debug)]
pub(super) struct DemoPhone {
    build: PhoneBuild,
    random: RandomSource,
    /// Host and port of the demo itself.
    own: String,
    walks: Mutex<VecDeque<(String, PhoneVisit)>>,
}

/// What the phone answers: a page, or something that is whole already.
pub(super) enum PhoneAnswer {
    Page(Value),
    Whole(DemoReply),
}

impl DemoPhone {
    /// That of a demo that listens there.
    pub(super) fn new(it: PhoneClient, own: SocketAddr) -> Self {
        let place = PhoneBuild { client_id: it.client_id, issuer: it.issuer, redirect_uri: format!("http://{own}/phone/back") };
        Self { build: place, random: it.random, own: own.to_string(), walks: Mutex::default() }
    }

    /// Answers below `/phone`.
    pub(super) async fn answer(&self, request: Request<Incoming>) -> PhoneAnswer {
        if request.headers().get(HOST).is_none_or(|it| it.as_bytes() != self.own.as_bytes()) {
            // Behind the sign-in: a phone is another device, which is not.
            return PhoneAnswer::Page(context! { elsewhere => format!("http://{}/phone", self.own) });
        }
        let (head, body) = request.into_parts();
        match (&head.method, head.uri.path()) {
            (&Method::GET | &Method::HEAD, "/phone") => PhoneAnswer::Page(self.shown(&head.headers)),
            (&Method::GET, "/phone/back") => {
                let query = head.uri.query().unwrap_or_default().to_owned();
                self.advance(&head.headers, async |walk, place| walk.return_with(place, &query)).await
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
            _ => PhoneAnswer::Whole(web::text(StatusCode::NOT_FOUND, "The phone has no such page.\n")),
        }
    }

    /// A new walk; that before is forgotten with its cookie.
    async fn start(&self, typed: &str) -> PhoneAnswer {
        let walk = PhoneVisit::start(&self.build, typed, &self.random).await;
        let id = self.random.text::<18>();
        let mut walks = self.lock();
        walks.truncate(MAX_PHONE_VISITS - 1);
        walks.push_front((id.clone(), walk));
        drop(walks);
        let mut out = to_the_page();
        // Lax: the way back from the authorization server comes from another site, and brings it.
        let cookie = HeaderValue::from_str(&format!("{PHONE_COOKIE}={id}; Path=/phone; HttpOnly; SameSite=Lax"));
        out.headers_mut().extend(cookie.ok().map(|it| (SET_COOKIE, it)));
        PhoneAnswer::Whole(out)
    }

    /// The next step of the walk that the browser is on; without one, the first page.
    async fn advance(&self, headers: &HeaderMap, step: impl AsyncFnOnce(&mut PhoneVisit, &PhoneBuild)) -> PhoneAnswer {
        let found = visit_id(headers).and_then(|id| self.lock().iter().find(|it| it.0 == id).cloned());
        if let Some((id, mut walk)) = found {
            step(&mut walk, &self.build).await;
            if let Some(kept) = self.lock().iter_mut().find(|it| it.0 == id) {
                kept.1 = walk;
            }
        }
        PhoneAnswer::Whole(to_the_page())
    }

    fn shown(&self, headers: &HeaderMap) -> Value {
        let walk = visit_id(headers).and_then(|id| self.lock().iter().find(|it| it.0 == id).map(|it| it.1.clone()));
        walk.map_or_else(|| context! { steps => Vec::<Value>::new(), next => "begin" }, |it| it.shown(&self.build))
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<(String, PhoneVisit)>> {
        self.walks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn visit_id(headers: &HeaderMap) -> Option<&str> {
    let cookies = headers.get_all(COOKIE).iter().filter_map(|it| it.to_str().ok()).flat_map(|it| it.split(';'));
    cookies.filter_map(|it| it.trim().split_once('=')).find(|it| it.0 == PHONE_COOKIE).map(|it| it.1)
}

/// What the person typed into the app, as a form says it.
async fn typed(body: Incoming) -> String {
    let bytes = Limited::new(body, MAX_FORM_BYTES).collect().await.map(|it| it.to_bytes()).unwrap_or_default();
    let field = url::form_urlencoded::parse(&bytes).find(|it| it.0 == "identifier").map(|it| it.1.trim().to_owned());
    field.unwrap_or_default()
}

fn to_the_page() -> DemoReply {
    let mut out = web::reply(StatusCode::SEE_OTHER, "text/plain; charset=utf-8", Body::full(Bytes::new()));
    out.headers_mut().insert(LOCATION, HeaderValue::from_static("/phone"));
    out
}

fn only_posts() -> DemoReply {
    let mut out = web::text(StatusCode::METHOD_NOT_ALLOWED, "Begin at /phone.\n");
    out.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
    out
}
