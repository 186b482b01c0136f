//! What a request lives through; the only place where the modules meet.
//!
//! Nothing here opens a way to the app but `proxy`, and it has none without a permit.

mod authenticate;
mod callback;
mod facts;
mod forward_auth;
mod front_channel;
mod information;
mod line;
mod origin;
mod proxy;
mod refusal;
mod route;
mod sign_in;
mod sign_out;
mod words;

use crate::sidecar::Sidecar;
use crate::wire::body::Body;
use crate::wire::inbound::{Inbound, asker};
use crate::wire::peer::Peer;
use facts::Facts;
use http::{HeaderName, HeaderValue, Request, Response};
use hyper::body::Incoming;
use line::Line;
use refusal::Refusal;
use route::Route;
use std::time::Instant;

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Answers a request.
pub async fn handle(house: &Sidecar, request: Request<Incoming>, peer: Peer) -> Response<Body> {
    let began = Instant::now();
    let (mut parts, body) = request.into_parts();
    let inbound = match Inbound::read(&parts, &peer, &house.trust, house.strictness, &house.lasting.ids) {
        Ok(inbound) => inbound,
        Err(refused) => return unread(house, &parts, &peer, began, Refusal::Unread(refused)),
    };
    let route = Route::of(&inbound.target, &house.site);
    let mut facts = Facts::default();
    let outcome = match route {
        _ if !is_asked(house, &inbound, route) => Err(Refusal::Misdirected),
        // The one that counts goes by itself; the others are in a box, so that it does not carry the room they need.
        Route::App => proxy::proxy(house, &inbound, &mut parts, body, &mut facts).await,
        _ => Box::pin(answer(house, &inbound, route, Request::from_parts(parts, body), &mut facts)).await,
    };
    let mut response = outcome.unwrap_or_else(|refusal| {
        facts.cause = Some(refusal.cause());
        refusal.answer(house, inbound.asker, inbound.reference())
    });
    response.headers_mut().insert(X_REQUEST_ID, inbound.request_id.clone());
    Line::of(&inbound, route, &facts).write(house, response.status(), began);
    response
}

/// Whether the host that was asked is one that this route answers to.
fn is_asked(house: &Sidecar, inbound: &Inbound, route: Route) -> bool {
    route.is_for_any_host() || house.site.is_host(inbound.host.to_str().unwrap_or_default())
}

async fn answer(house: &Sidecar, inbound: &Inbound, route: Route, request: Request<Incoming>, facts: &mut Facts) -> Result<Response<Body>, Refusal> {
    match route {
        Route::ForwardAuth => forward_auth::nginx(house, request.headers(), inbound, facts),
        Route::Start => sign_in::start(house, inbound, request.headers()).await,
        Route::SignIn => sign_in::page(house, inbound, request.headers()).await,
        Route::Callback => callback::callback(house, inbound, request, facts).await,
        Route::SignOut => sign_out::sign_out(house, inbound, request.headers()),
        Route::FrontChannel => front_channel::logout(house, inbound).await,
        Route::UserInfo => information::user(house, inbound, request.headers(), facts),
        Route::Session => information::session(house, inbound, request.headers(), facts),
        Route::Keys => information::keys(house, inbound, request.headers()),
        Route::App | Route::Nothing => Err(Refusal::NotFound),
    }
}

/// A request whose head has no single reading; nothing of its target is repeated, not even in the log.
fn unread(house: &Sidecar, parts: &http::request::Parts, peer: &Peer, began: Instant, refusal: Refusal) -> Response<Body> {
    let reference = String::from_utf8_lossy(&house.lasting.ids.next()).into_owned();
    let cause = refusal.cause();
    let mut response = refusal.answer(house, asker(&parts.method, &parts.headers), &reference);
    if let Ok(value) = HeaderValue::from_str(&reference) {
        response.headers_mut().insert(X_REQUEST_ID, value);
    }
    let line = Line {
        reference: &reference,
        method: parts.method.as_str(),
        path: "",
        route: "refused",
        rule: None,
        user: None,
        client: peer.ip(),
        cause: Some(&cause),
    };
    line.write(house, response.status(), began);
    response
}
