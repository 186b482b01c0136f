//! The demo as a phone: it walks the sign-in of a native app (RFC 8252) one step at a time, and shows what is asked and what comes back.
//!
//! It knows the issuer's address, its own client id and the standards, as any app on a phone would. What it was given is kept here, not in the
//! browser, which stands for the phone's system browser.

mod answer;
mod step;
mod walk;

use super::web::{self, Reply};
use crate::base::random::Random;
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
use walk::{Place, Walk};

/// Walks that are kept at a time; the oldest goes.
const MOST_WALKS: usize = 32;
/// The longest form in bytes.
const MOST_FORM: usize = 4096;
/// The cookie that tells one walk from another.
const NAME: &str = "phone";

/// A client that is registered for the phone, with the redirect URI `http://127.0.0.1/phone/back`, whose port is free (RFC 8252 7.3).
#[derive(Clone, Debug)]
pub struct Registered {
    /// `client_id`.
    pub client_id: String,
    /// The authorization server (RFC 8414).
    pub issuer: String,
    /// Where verifiers and states come from.
    pub random: Random,
}

/// The phone.
#[derive(Debug)]
pub(super) struct Phone {
    place: Place,
    random: Random,
    /// Host and port of the demo itself.
    own: String,
    walks: Mutex<VecDeque<(String, Walk)>>,
}

/// What the phone answers: a page, or something that is whole already.
pub(super) enum Answer {
    Page(Value),
    Whole(Reply),
}

impl Phone {
    /// That of a demo that listens there.
    pub(super) fn new(it: Registered, own: SocketAddr) -> Self {
        let place = Place { client_id: it.client_id, issuer: it.issuer, redirect_uri: format!("http://{own}/phone/back") };
        Self { place, random: it.random, own: own.to_string(), walks: Mutex::default() }
    }

    /// Answers below `/phone`.
    pub(super) async fn answer(&self, request: Request<Incoming>) -> Answer {
        if request.headers().get(HOST).is_none_or(|it| it.as_bytes() != self.own.as_bytes()) {
            // Behind the sign-in: a phone is another device, which is not.
            return Answer::Page(context! { elsewhere => format!("http://{}/phone", self.own) });
        }
        let (head, body) = request.into_parts();
        match (&head.method, head.uri.path()) {
            (&Method::GET | &Method::HEAD, "/phone") => Answer::Page(self.shown(&head.headers)),
            (&Method::GET, "/phone/back") => {
                let query = head.uri.query().unwrap_or_default().to_owned();
                self.goes_on(&head.headers, async |walk, place| walk.comes_back(place, &query)).await
            }
            (&Method::POST, path) => self.posted(path, &head.headers, body).await,
            _ => Answer::Whole(only_posts()),
        }
    }

    async fn posted(&self, path: &str, headers: &HeaderMap, body: Incoming) -> Answer {
        match path {
            "/phone/begin" => {
                let typed = typed(body).await;
                self.begins(&typed).await
            }
            "/phone/token" => self.goes_on(headers, Walk::redeems).await,
            "/phone/call" => self.goes_on(headers, Walk::calls).await,
            "/phone/refresh" => self.goes_on(headers, Walk::refreshes).await,
            "/phone/revoke" => self.goes_on(headers, Walk::revokes).await,
            _ => Answer::Whole(web::text(StatusCode::NOT_FOUND, "The phone has no such page.\n")),
        }
    }

    /// A new walk; that before is forgotten with its cookie.
    async fn begins(&self, typed: &str) -> Answer {
        let walk = Walk::begin(&self.place, typed, &self.random).await;
        let id = self.random.text::<18>();
        let mut walks = self.lock();
        walks.truncate(MOST_WALKS - 1);
        walks.push_front((id.clone(), walk));
        drop(walks);
        let mut out = to_the_page();
        // Lax: the way back from the authorization server comes from another site, and brings it.
        let cookie = HeaderValue::from_str(&format!("{NAME}={id}; Path=/phone; HttpOnly; SameSite=Lax"));
        out.headers_mut().extend(cookie.ok().map(|it| (SET_COOKIE, it)));
        Answer::Whole(out)
    }

    /// The next step of the walk that the browser is on; without one, the first page.
    async fn goes_on(&self, headers: &HeaderMap, step: impl AsyncFnOnce(&mut Walk, &Place)) -> Answer {
        let found = walk_of(headers).and_then(|id| self.lock().iter().find(|it| it.0 == id).cloned());
        if let Some((id, mut walk)) = found {
            step(&mut walk, &self.place).await;
            if let Some(kept) = self.lock().iter_mut().find(|it| it.0 == id) {
                kept.1 = walk;
            }
        }
        Answer::Whole(to_the_page())
    }

    fn shown(&self, headers: &HeaderMap) -> Value {
        let walk = walk_of(headers).and_then(|id| self.lock().iter().find(|it| it.0 == id).map(|it| it.1.clone()));
        walk.map_or_else(|| context! { steps => Vec::<Value>::new(), next => "begin" }, |it| it.shown(&self.place))
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<(String, Walk)>> {
        self.walks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn walk_of(headers: &HeaderMap) -> Option<&str> {
    let cookies = headers.get_all(COOKIE).iter().filter_map(|it| it.to_str().ok()).flat_map(|it| it.split(';'));
    cookies.filter_map(|it| it.trim().split_once('=')).find(|it| it.0 == NAME).map(|it| it.1)
}

/// What the person typed into the app, as a form says it.
async fn typed(body: Incoming) -> String {
    let bytes = Limited::new(body, MOST_FORM).collect().await.map(|it| it.to_bytes()).unwrap_or_default();
    let field = url::form_urlencoded::parse(&bytes).find(|it| it.0 == "identifier").map(|it| it.1.trim().to_owned());
    field.unwrap_or_default()
}

fn to_the_page() -> Reply {
    let mut out = web::reply(StatusCode::SEE_OTHER, "text/plain; charset=utf-8", Body::full(Bytes::new()));
    out.headers_mut().insert(LOCATION, HeaderValue::from_static("/phone"));
    out
}

fn only_posts() -> Reply {
    let mut out = web::text(StatusCode::METHOD_NOT_ALLOWED, "Begin at /phone.\n");
    out.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
    out
}
