//! What a request lives through; the only place where the modules meet.
//!
//! Nothing here opens a way to the app but `proxy`, and it has none without a permit.

mod authenticate;
mod callback;
mod facts;
mod forward_auth;
mod front_channel;
mod groups;
mod information;
mod line;
mod loops;
mod native;
mod organization;
mod origin;
mod proxy;
mod recent;
mod recheck;
mod refusal;
mod refused;
mod route;
mod setup;
mod sign_in;
mod sign_out;
mod step_up;
mod words;

use crate::sidecar::Sidecar;
use crate::wire::body::Body;
use crate::wire::forwarded;
use crate::wire::inbound::{Inbound, asker, language};
use crate::wire::peer::Peer;
use crate::wire::reply;
use facts::Facts;
use futures_util::FutureExt as _;
use futures_util::future::Either;
use http::header::EXPECT;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Version};
use http_body_util::BodyExt as _;
use hyper::body::{Body as _, Incoming};
use line::Line;
use refusal::Refusal;
use route::Route;
use std::sync::Arc;
use std::time::{Duration, Instant};

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The status that is logged where the client left before the answer, as nginx does; it is never sent.
const CLIENT_LEFT: u16 = 499;
/// The largest body that is heard out although nobody needs it, in bytes, and how long that may take.
const UNHEARD: u64 = 64 * 1024;
const UNHEARD_TIME: Duration = Duration::from_secs(1);

/// Answers a request.
///
/// hyper drops the future of a request when its client disconnects, even before it is polled for the first time where the end of the
/// connection comes along with the request. What can end somebody's access runs in a task of its own, which no client can cancel.
pub fn handle(house: Arc<Sidecar>, request: Request<Incoming>, peer: Peer) -> impl Future<Output = Response<Body>> + Send {
    let background = house.lasting.background.clone();
    let route = Route::of_path(request.uri().path(), &house.site, house.native.is_some());
    let permit = route.waits_for_database().then(|| Arc::clone(&house.lasting.detached).try_acquire_owned());
    let answer = respond(house, request, peer);
    // Beyond the bound a client can cancel its own request again.
    if !route.can_end_access() || matches!(permit, Some(Err(_))) {
        return Either::Left(answer);
    }
    let task = background.spawn(answer.map(move |answer| {
        drop(permit);
        answer
    }));
    Either::Right(async move { task.await.unwrap_or_else(|_| reply::empty(StatusCode::INTERNAL_SERVER_ERROR)) })
}

/// The request is taken apart before anything waits: an `async fn` has room for its arguments twice.
fn respond(house: Arc<Sidecar>, request: Request<Incoming>, peer: Peer) -> impl Future<Output = Response<Body>> + Send {
    let (parts, body) = request.into_parts();
    let mut arrived = Arrived { house, parts, peer, began: Instant::now(), begun: false };
    // Whoever needs it takes it.
    let mut body = Some(body);
    async move {
        arrived.begun = true;
        let Arrived { house, parts, peer, began, .. } = &mut arrived;
        let (house, began) = (&**house, *began);
        let mut inbound = match Inbound::read(parts, peer, &house.trust, house.strictness, &house.lasting.ids) {
            Ok(inbound) => inbound,
            Err(refused) => return unread(house, parts, peer, began, Refusal::Unread(refused)),
        };
        warn_of_untrusted_proxy(house, &parts.headers, &inbound);
        let route = Route::of(&inbound.target, &house.site, house.native.is_some());
        if route != Route::App {
            inbound.language = language(&parts.headers);
        }
        let mut logged = LoggedRequest { house, inbound: &inbound, route, began, facts: Facts::default(), status: None };
        let facts = &mut logged.facts;
        let outcome = match route {
            _ if !is_asked(house, &inbound, route) => Err(Refusal::Misdirected),
            // The one that counts goes by itself; the others are in a box, so that it does not carry the room they need.
            Route::App => proxy::proxy(house, &inbound, parts, &mut body, facts).await,
            _ => Box::pin(answer(house, &inbound, route, parts, &mut body, facts)).await,
        };
        let mut response = outcome.unwrap_or_else(|refusal| {
            facts.cause = Some(refusal.cause());
            refusal.answer(house, inbound.asker, language(&parts.headers), inbound.reference())
        });
        response.headers_mut().insert(X_REQUEST_ID, inbound.request_id.clone());
        if let Some(body) = body.filter(|it| is_heard_out(parts, it)) {
            Box::pin(hear_out(body)).await;
        }
        logged.status = Some(response.status());
        response
    }
}

/// A request as it arrived. hyper drops its future before the first poll where the end of the connection comes along with the request:
/// then it is logged by this.
struct Arrived {
    house: Arc<Sidecar>,
    parts: Parts,
    peer: Peer,
    began: Instant,
    begun: bool,
}

impl Drop for Arrived {
    fn drop(&mut self) {
        if self.begun {
            return;
        }
        let Self { house, parts, peer, began, .. } = self;
        match Inbound::read(parts, peer, &house.trust, house.strictness, &house.lasting.ids) {
            Ok(inbound) => {
                let route = Route::of(&inbound.target, &house.site, house.native.is_some());
                drop(LoggedRequest { house, inbound: &inbound, route, began: *began, facts: Facts::default(), status: None });
            }
            Err(refused) => {
                let reference = String::from_utf8_lossy(&house.lasting.ids.next()).into_owned();
                Line::unread(&reference, parts.method.as_str(), peer, &Refusal::Unread(refused).cause()).write(house, CLIENT_LEFT, *began);
            }
        }
    }
}

/// A request that is logged when it is over, also when it is dropped since its client left before the head of the answer.
struct LoggedRequest<'a> {
    house: &'a Sidecar,
    inbound: &'a Inbound,
    route: Route,
    began: Instant,
    facts: Facts,
    /// Of the answer, once there is one.
    status: Option<StatusCode>,
}

impl Drop for LoggedRequest<'_> {
    fn drop(&mut self) {
        let status = self.status.map_or_else(
            || {
                self.facts.cause.get_or_insert_with(|| "client disconnected before the response".to_owned());
                CLIENT_LEFT
            },
            |it| it.as_u16(),
        );
        Line::of(self.inbound, self.route, &self.facts).write(self.house, status, self.began);
    }
}

/// Warns of a front proxy that is not trusted: all its clients have its address then, and share one limit on guesses. The value of the
/// header is not logged, since anybody can send it.
fn warn_of_untrusted_proxy(house: &Sidecar, headers: &HeaderMap, inbound: &Inbound) {
    let peer = inbound.way.peer;
    if inbound.way.trusted || !house.untrusted_proxies.check() {
        return;
    }
    if let Some(header) = forwarded::ignored_header(headers).filter(|_| house.untrusted_proxies.is_new(peer)) {
        let peer = peer.map_or_else(|| "a unix socket".to_owned(), |it| it.to_string());
        tracing::warn!(
            peer,
            header,
            "ignored a header from an untrusted proxy: all its clients count as one address; if it is your proxy, add its address to server.trusted_proxies"
        );
    }
}

/// Whether the host that was asked is one that this route answers to.
fn is_asked(house: &Sidecar, inbound: &Inbound, route: Route) -> bool {
    route.is_for_any_host() || house.site.is_host(inbound.host.to_str().unwrap_or_default())
}

/// Over HTTP/2 a short body that says its length is heard before an answer that needs none of it: only its end shows whether the request
/// was well-formed at all, and one that was not is reset by hyper (RFC 9113 section 8.1.1). Every other is answered at once, which section
/// 8.1 allows: nobody waits for an upload that is refused, for a stream that may never end, or for whoever asked first (`Expect`).
fn is_heard_out(parts: &Parts, body: &Incoming) -> bool {
    let short = || body.size_hint().exact().is_some_and(|it| (1..=UNHEARD).contains(&it));
    parts.version == Version::HTTP_2 && !body.is_end_stream() && short() && !parts.headers.contains_key(EXPECT)
}

async fn hear_out(mut body: Incoming) {
    let to_the_end = async { while let Some(Ok(_)) = body.frame().await {} };
    // Whoever is slower has the answer before the end.
    let _ = tokio::time::timeout(UNHEARD_TIME, to_the_end).await;
}

async fn answer(
    house: &Sidecar,
    inbound: &Inbound,
    route: Route,
    parts: &Parts,
    body: &mut Option<Incoming>,
    facts: &mut Facts,
) -> Result<Response<Body>, Refusal> {
    let headers = &parts.headers;
    match route {
        Route::ForwardAuth => forward_auth::nginx(house, headers, inbound, facts).await,
        Route::Start => sign_in::start(house, inbound, headers).await,
        Route::SignIn => sign_in::page(house, inbound, headers, body).await,
        Route::Callback => callback::callback(house, inbound, headers, body, facts).await,
        Route::SignOut => sign_out::sign_out(house, inbound, headers),
        Route::FrontChannel => front_channel::logout(house, inbound).await,
        Route::UserInfo => information::user(house, inbound, headers, facts).await,
        Route::Session => information::session(house, inbound, headers, facts),
        Route::Refresh => information::refresh(house, inbound, headers, facts).await,
        Route::Keys => information::keys(house, inbound, headers),
        Route::NativeMetadata => native::metadata::metadata(house, inbound),
        Route::NativeAuthorize => native::authorize::authorize(house, inbound, headers, body, facts).await,
        Route::NativeToken => native::token::token(house, inbound, headers, body, facts).await,
        Route::NativeRevoke => native::revoke::revoke(house, inbound, headers, body, facts).await,
        Route::NativeKeys => native::token::keys(house, inbound),
        Route::SetUp => setup::set_up(house, inbound, headers, body, facts).await,
        Route::App | Route::Nothing => Err(Refusal::NotFound),
    }
}

/// A request whose head has no single reading; nothing of its target is repeated, not even in the log.
fn unread(house: &Sidecar, parts: &Parts, peer: &Peer, began: Instant, refusal: Refusal) -> Response<Body> {
    let reference = String::from_utf8_lossy(&house.lasting.ids.next()).into_owned();
    let cause = refusal.cause();
    let mut response = refusal.answer(house, asker(&parts.method, &parts.headers), language(&parts.headers), &reference);
    if let Ok(value) = HeaderValue::from_str(&reference) {
        response.headers_mut().insert(X_REQUEST_ID, value);
    }
    Line::unread(&reference, parts.method.as_str(), peer, &cause).write(house, response.status().as_u16(), began);
    response
}

/// Answers a request whose head is too large. No page is made for it: such a head costs enough.
pub fn refuse(house: &Sidecar, method: &Method, peer: &Peer) -> Response<Body> {
    let (reference, began) = (String::from_utf8_lossy(&house.lasting.ids.next()).into_owned(), Instant::now());
    let mut response = reply::empty(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
    if let Ok(value) = HeaderValue::from_str(&reference) {
        response.headers_mut().insert(X_REQUEST_ID, value);
    }
    Line::unread(&reference, method.as_str(), peer, "the request head is too large").write(house, response.status().as_u16(), began);
    response
}

/// Logs what hyper has answered by itself, since it could not read it as a request. Of hyper's errors only fixed words are written.
pub fn has_refused(house: &Sidecar, error: &hyper::Error, peer: &Peer) {
    let status = if error.is_parse_too_large() { StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE } else { StatusCode::BAD_REQUEST };
    let reference = String::from_utf8_lossy(&house.lasting.ids.next()).into_owned();
    Line::unread(&reference, "", peer, &format!("the request cannot be read: {error}")).write(house, status.as_u16(), Instant::now());
}
