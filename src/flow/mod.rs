//! Processes a request from start to end. The other modules are combined only here.
//!
//! Only `proxy` forwards requests to the app, and only with a permit.

mod admission;
mod authenticate;
mod bearer;
mod callback;
mod exchange;
mod facts;
mod forward_auth;
mod front_channel;
mod logo;
mod native;
mod origin;
mod proxy;
mod refusal;
mod refusal_actions;
mod refused_sign_in;
mod request_line;
mod route;
mod session_info;
mod session_record;
mod setup;
mod sign_in;
mod sign_in_url;
mod sign_out;
mod upkeep;

use crate::base::target::MAX_TARGET_BYTES;
use crate::sidecar::Sidecar;
use crate::sidecar::app::App;
use crate::wire::body::Body;
use crate::wire::forwarded;
use crate::wire::inbound::{InboundRequest, kind_of_caller, language};
use crate::wire::peer::Peer;
use crate::wire::reply;
use exchange::Exchange;
use facts::RequestFacts;
use futures_util::FutureExt as _;
use futures_util::future::Either;
use http::header::EXPECT;
use http::request::Parts;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri, Version,
};
use http_body_util::BodyExt as _;
use hyper::body::{Body as _, Incoming};
use refusal::Refusal;
use request_line::RequestLine;
use route::Route;
use std::sync::Arc;
use std::time::{Duration, Instant};

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The status that is logged if the client disconnects before the response, as nginx does. It is
/// never sent.
const STATUS_CLIENT_LEFT: u16 = 499;
/// The largest request body, in bytes, that is read and discarded, and the maximum time for it.
const MAX_DISCARDED_BODY_BYTES: u64 = 64 * 1024;
const DISCARD_TIMEOUT: Duration = Duration::from_secs(1);

/// Handles a request.
///
/// hyper drops a request's future when its client disconnects, even before the first poll if the
/// end of the connection arrives together with the request. Requests that can end someone's access
/// therefore run in their own task, which a client cannot cancel; so do callbacks, because Entra
/// redeems a code only once, and the browser may send the same callback again.
pub fn handle(
    sidecar: Arc<Sidecar>,
    request: Request<Incoming>,
    peer: Peer,
) -> impl Future<Output = Response<Body>> + Send {
    let background = sidecar.process.background.clone();
    let route = Route::of_path(request.uri().path(), &app(&sidecar).site, sidecar.native.is_some());
    let permits = match route {
        Route::Callback => Some(&sidecar.process.detached_callbacks),
        _ => route.waits_for_database().then_some(&sidecar.process.detached),
    };
    let permit = permits.map(|it| Arc::clone(it).try_acquire_owned());
    let answer = respond(sidecar, request, peer);
    // Above this limit, requests run without their own task, so a client can cancel its own
    // request.
    if !route.runs_to_its_end() || matches!(permit, Some(Err(_))) {
        return Either::Left(answer);
    }
    let task = background.spawn(answer.map(move |answer| {
        drop(permit);
        answer
    }));
    Either::Right(async move {
        task.await.unwrap_or_else(|_| reply::empty(StatusCode::INTERNAL_SERVER_ERROR))
    })
}

/// Returns the app that a request is for; nothing else in `flow` chooses one. There is only one app,
/// so it does not depend on the request.
fn app(sidecar: &Sidecar) -> &App {
    &sidecar.app
}

/// Splits the request before the first await, because an `async fn` reserves space for its
/// arguments twice.
fn respond(
    sidecar: Arc<Sidecar>,
    request: Request<Incoming>,
    peer: Peer,
) -> impl Future<Output = Response<Body>> + Send {
    let (parts, body) = request.into_parts();
    let mut arrived = ArrivedRequest { sidecar, parts, peer, began: Instant::now(), begun: false };
    // The step that needs the body takes it.
    let mut body = Some(body);
    async move {
        arrived.begun = true;
        let ArrivedRequest { sidecar, parts, peer, began, .. } = &mut arrived;
        let (sidecar, began) = (&**sidecar, *began);
        let app = app(sidecar);
        let inbound = match InboundRequest::read(
            parts,
            peer,
            &sidecar.trust,
            sidecar.strictness,
            &sidecar.process.ids,
        ) {
            Ok(inbound) => inbound,
            Err(refused) => return unread(sidecar, parts, peer, began, Refusal::Unread(refused)),
        };
        warn_of_untrusted_proxy(sidecar, &parts.headers, &inbound);
        let route = Route::of(&inbound.target, &app.site, sidecar.native.is_some());
        let mut logged = LoggedRequest {
            sidecar,
            inbound: &inbound,
            route,
            started_at: began,
            facts: RequestFacts::default(),
            status: None,
        };
        let facts = &mut logged.facts;
        let outcome = match route {
            _ if !is_host_of_route(app, &inbound, route) => Err(Refusal::Misdirected),
            // The hot path is polled inline. The other routes are boxed, so that their futures do
            // not enlarge it.
            Route::App => proxy::proxy(sidecar, app, &inbound, parts, &mut body, facts).await,
            _ => {
                Box::pin(answer(
                    &Exchange { sidecar, app, inbound: &inbound, headers: &parts.headers },
                    route,
                    &mut body,
                    facts,
                ))
                .await
            }
        };
        let mut response = outcome.unwrap_or_else(|refusal| {
            let refusal = refusal_actions::add(app, &inbound, facts, refusal);
            facts.cause = Some(refusal.cause());
            if refusal.is_of_sign_in(route.is_of_sign_in()) {
                refusal.record(sidecar, app, inbound.reference());
            }
            Exchange { sidecar, app, inbound: &inbound, headers: &parts.headers }.refuse(refusal)
        });
        Exchange { sidecar, app, inbound: &inbound, headers: &parts.headers }
            .renew_record(facts.session.as_ref(), &mut response);
        // A page that is repeated shows the reference of its own request.
        let request_id = facts.answered_as.take().unwrap_or_else(|| inbound.request_id.clone());
        response.headers_mut().insert(X_REQUEST_ID, request_id);
        if let Some(body) = body.filter(|it| is_discardable(parts, it)) {
            Box::pin(discard_body(body)).await;
        }
        logged.status = Some(response.status());
        response
    }
}

/// A request as it arrived. hyper drops its future before the first poll if the end of the
/// connection arrives together with the request. This type logs it in that case.
struct ArrivedRequest {
    sidecar: Arc<Sidecar>,
    parts: Parts,
    peer: Peer,
    began: Instant,
    begun: bool,
}

impl Drop for ArrivedRequest {
    fn drop(&mut self) {
        if self.begun {
            return;
        }
        let Self { sidecar, parts, peer, began, .. } = self;
        match InboundRequest::read(
            parts,
            peer,
            &sidecar.trust,
            sidecar.strictness,
            &sidecar.process.ids,
        ) {
            Ok(inbound) => {
                let route =
                    Route::of(&inbound.target, &app(sidecar).site, sidecar.native.is_some());
                drop(LoggedRequest {
                    sidecar,
                    inbound: &inbound,
                    route,
                    started_at: *began,
                    facts: RequestFacts::default(),
                    status: None,
                });
            }
            Err(refused) => {
                let reference = String::from_utf8_lossy(&sidecar.process.ids.next()).into_owned();
                RequestLine::unread(
                    &reference,
                    parts.method.as_str(),
                    peer,
                    &Refusal::Unread(refused).cause(),
                )
                .write(sidecar, STATUS_CLIENT_LEFT, *began);
            }
        }
    }
}

/// A request that is logged when it is over, even if it is dropped because its client disconnected
/// before the response head.
struct LoggedRequest<'a> {
    sidecar: &'a Sidecar,
    inbound: &'a InboundRequest,
    route: Route,
    started_at: Instant,
    facts: RequestFacts,
    /// The status of the response, once there is one.
    status: Option<StatusCode>,
}

impl Drop for LoggedRequest<'_> {
    fn drop(&mut self) {
        let status = self.status.map_or_else(
            || {
                self.facts
                    .cause
                    .get_or_insert_with(|| "client disconnected before the response".to_owned());
                STATUS_CLIENT_LEFT
            },
            |it| it.as_u16(),
        );
        RequestLine::of(self.inbound, self.route, &self.facts).write(
            self.sidecar,
            status,
            self.started_at,
        );
    }
}

/// Warns about a front proxy that is not trusted: all its clients then share its address, and with
/// it one limit on guesses. The value of the header is not logged, since any client can send it.
fn warn_of_untrusted_proxy(sidecar: &Sidecar, headers: &HeaderMap, inbound: &InboundRequest) {
    let peer = inbound.origin.peer;
    // A client that a load balancer names is no proxy of the operator.
    if inbound.origin.trusted
        || inbound.origin.has_proxy_header
        || !sidecar.untrusted_proxies.check()
    {
        return;
    }
    if let Some(header) =
        forwarded::ignored_header(headers).filter(|_| sidecar.untrusted_proxies.is_new(peer))
    {
        let peer = peer.map_or_else(|| "a unix socket".to_owned(), |it| it.to_string());
        tracing::warn!(
            peer,
            header,
            "ignored a header from an untrusted proxy: all its clients count as one address; if it is your proxy, add its address to server.trusted_proxies"
        );
    }
}

/// Whether this route accepts the request's host.
fn is_host_of_route(app: &App, inbound: &InboundRequest, route: Route) -> bool {
    route.is_for_any_host() || app.site.is_host(inbound.host.to_str().unwrap_or_default())
}

/// Over HTTP/2, a short body with a known length is read before a response that does not need it:
/// only the end of the body shows whether the request was well-formed, and hyper resets a malformed
/// one (RFC 9113 section 8.1.1). All other requests get their response at once, which section 8.1
/// allows. A refused upload, an endless stream or a client that waits for permission (`Expect`) is
/// not waited for.
fn is_discardable(parts: &Parts, body: &Incoming) -> bool {
    let short =
        || body.size_hint().exact().is_some_and(|it| (1..=MAX_DISCARDED_BODY_BYTES).contains(&it));
    parts.version == Version::HTTP_2
        && !body.is_end_stream()
        && short()
        && !parts.headers.contains_key(EXPECT)
}

async fn discard_body(mut body: Incoming) {
    let to_the_end = async { while let Some(Ok(_)) = body.frame().await {} };
    // Slower clients get the response before the end of their body.
    let _ = tokio::time::timeout(DISCARD_TIMEOUT, to_the_end).await;
}

async fn answer(
    exchange: &Exchange<'_>,
    route: Route,
    body: &mut Option<Incoming>,
    facts: &mut RequestFacts,
) -> Result<Response<Body>, Refusal> {
    if route.is_of_sign_in() {
        // The steps of a sign-in look at live sessions only. If the store does not answer, the
        // person signs in anew.
        let _ = exchange.load_session().await;
    }
    match route {
        Route::ForwardAuth => forward_auth::answer_nginx(exchange, facts).await,
        Route::Start => sign_in::pages::start(exchange).await,
        Route::SignIn => sign_in::pages::page(exchange, body).await,
        Route::Callback => callback::callback(exchange, body, facts).await,
        Route::SignOut => sign_out::sign_out(exchange).await,
        Route::FrontChannel => front_channel::logout(exchange).await,
        Route::UserInfo => session_info::user(exchange, facts).await,
        Route::Session => session_info::session(exchange, facts).await,
        Route::Refresh => session_info::refresh(exchange, facts).await,
        Route::Keys => session_info::keys(exchange),
        Route::Logo => logo::logo(exchange),
        Route::NativeMetadata => native::metadata::metadata(exchange),
        Route::NativeAuthorize => native::authorize::authorize(exchange, body, facts).await,
        Route::NativeToken => native::token::token(exchange, body, facts).await,
        Route::NativeRevoke => native::revoke::revoke(exchange, body, facts).await,
        Route::NativeKeys => native::token::keys(exchange),
        Route::SetUp => setup::set_up(exchange, body, facts).await,
        Route::App | Route::Nothing => Err(Refusal::NotFound),
    }
}

/// Handles a request whose head is ambiguous. Its target is not repeated, not even in the log.
fn unread(
    sidecar: &Sidecar,
    parts: &Parts,
    peer: &Peer,
    began: Instant,
    refusal: Refusal,
) -> Response<Body> {
    let reference = String::from_utf8_lossy(&sidecar.process.ids.next()).into_owned();
    let cause = refusal.cause();
    let mut response = refusal.answer(
        sidecar,
        app(sidecar),
        kind_of_caller(&parts.method, &parts.headers),
        language(&parts.headers),
        &reference,
    );
    if let Ok(value) = HeaderValue::from_str(&reference) {
        response.headers_mut().insert(X_REQUEST_ID, value);
    }
    RequestLine::unread(&reference, parts.method.as_str(), peer, &cause).write(
        sidecar,
        response.status().as_u16(),
        began,
    );
    response
}

/// Responds to a request whose head is too large. The response has no page, because such a head is
/// expensive enough.
pub fn refuse(sidecar: &Sidecar, method: &Method, uri: &Uri, peer: &Peer) -> Response<Body> {
    let (reference, began) =
        (String::from_utf8_lossy(&sidecar.process.ids.next()).into_owned(), Instant::now());
    let target = uri.path_and_query().map_or(0, |it| it.as_str().len());
    let status = if target > MAX_TARGET_BYTES {
        StatusCode::URI_TOO_LONG
    } else {
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE
    };
    let mut response = reply::empty(status);
    if let Ok(value) = HeaderValue::from_str(&reference) {
        response.headers_mut().insert(X_REQUEST_ID, value);
    }
    RequestLine::unread(&reference, method.as_str(), peer, "the request head is too large").write(
        sidecar,
        response.status().as_u16(),
        began,
    );
    response
}

/// Logs a request that hyper rejected itself because it could not parse it. Only fixed texts are
/// logged for hyper's errors.
pub fn has_refused(sidecar: &Sidecar, error: &hyper::Error, peer: &Peer) {
    let status = if error.is_parse_too_large() {
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE
    } else {
        StatusCode::BAD_REQUEST
    };
    let reference = String::from_utf8_lossy(&sidecar.process.ids.next()).into_owned();
    RequestLine::unread(&reference, "", peer, &format!("the request cannot be read: {error}"))
        .write(sidecar, status.as_u16(), Instant::now());
}
