//! Forwards requests to the app. Every request carries identity headers, and the path is taken from
//! the permit.
//!
//! Bodies are streamed in both directions and never buffered. Hop-by-hop headers are removed before
//! Entrada's are written. This module does not handle cookies.

mod app_origin;
mod connect;
mod connection_permits;
mod deadline;
mod error;
mod forwarded_headers;
mod grpc;
mod held_permit;
mod hop_by_hop;
mod http1;
mod http2;
mod https;
mod link;
mod proxy_context;
mod reply;
mod request_body;
mod response_body;
mod response_ending;
mod share;
mod stall;
mod tunnel;
mod upgrade;

pub use error::{BadUpstream, Error, FaultSide};
pub use held_permit::PermitCheck;
pub use proxy_context::ProxyContext;
pub use share::ShareKey;
pub use tunnel::TunnelTracker;

use crate::base::routes::PathRoutes;
use crate::config::server::ServerLimits;
use crate::config::upstream::{HostHeader, UpstreamConfig as Config, UpstreamRoute};
use crate::headers::identity::IdentityHeaders;
use crate::telemetry::metrics::Metrics;
use crate::wire::body::Body;
use deadline::RequestDeadline;
use held_permit::{HeldPermit, UnderWay};
use http::header::{COOKIE, EXPECT, HOST, TE};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Request, Response, Uri, Version};
use hyper::body::{Body as _, Incoming};
use link::{AppTimeouts, Link, ReplyBody};
use reply::Reply;
use request_body::{BodyProgress, BodyTimeouts, RequestBody};
use response_body::ResponseBody;
use response_ending::ResponseEnding;
use share::{APP_SHARES, AppShares, HeldShare, StreamShares};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use upgrade::UpgradeProtocol;

/// Approximate number of headers that Entrada adds to a request.
const ADDED_HEADERS_ESTIMATE: usize = 20;

/// Approximate size of Entrada's fields in a head of HTTP/1.1, most of it the assertion.
const OWN_FIELDS_ESTIMATE_BYTES: usize = 2048;

/// All apps behind Entrada.
#[derive(Debug)]
pub struct Upstream {
    app: Link,
    routes: PathRoutes,
    /// The apps of the routes, in their order.
    apps: Vec<Link>,
    host: HostHeader,
    stream_shares: &'static StreamShares,
    metrics: Arc<Metrics>,
}

/// A request that is ready to be sent.
struct OutgoingRequest<'a> {
    app: &'a Link,
    request: Request<RequestBody>,
    own_fields: Vec<u8>,
    progress: Option<BodyProgress>,
    response_timeout: Duration,
    /// Whether it leaves as HTTP/2.
    uses_http2: bool,
    /// Boxed because upgrades are rare and this value is moved with every request.
    upgrade: Option<Box<UpgradeRequest>>,
}

/// An upgrade that the client requests.
struct UpgradeRequest {
    protocol: UpgradeProtocol,
    context: ProxyContext,
}

impl Upstream {
    /// Reads the certificates. Opens no connection.
    ///
    /// # Errors
    /// `BadUpstream` names the file that cannot be used.
    pub fn new(
        config: &Config,
        limits: &ServerLimits,
        metrics: Arc<Metrics>,
    ) -> Result<Self, BadUpstream> {
        let timeouts = AppTimeouts::new(config, limits);
        let of_route = |route: &UpstreamRoute| {
            Link::new(&route.destination, config, timeouts.of_route(route.timeouts), &metrics)
        };
        Ok(Self {
            app: Link::new(&config.destination, config, timeouts, &metrics)?,
            routes: config.routes(),
            apps: config.routes.iter().map(of_route).collect::<Result<_, BadUpstream>>()?,
            host: config.host,
            stream_shares: StreamShares::of_process(limits.stream_bytes),
            metrics,
        })
    }

    /// Forwards the judged request and returns the app's response. Empties the request head.
    ///
    /// The headers are written before the first await: an `async fn` reserves space for its
    /// arguments twice, and its content is moved. The response continues only as long as `check`
    /// allows.
    ///
    /// # Errors
    /// `Error` if the app returned no usable response.
    pub fn forward<C: PermitCheck>(
        &self,
        parts: &mut Parts,
        body: Incoming,
        identity: IdentityHeaders,
        proxy_context: ProxyContext,
        check: C,
    ) -> impl Future<Output = Result<Response<Body>, Error>> + Send + use<'_, C> {
        let (request_id, key) = (proxy_context.request_id.clone(), proxy_context.share);
        let public = self.hides_app().then(|| proxy_context.public_origin());
        let upload = self.upload_share(parts.version, &body, key);
        let mut outgoing = self.leaving(parts, body, &identity, proxy_context, &check);
        let held = HeldPermit::new(identity, check, request_id.clone());
        async move {
            if let Some(upload) = upload {
                // Does not wait, because the client's data would wait too.
                outgoing.request.body_mut().counts_in(upload.ok_or(Error::ShareUsedUp)?);
            }
            let OutgoingRequest { app, progress, response_timeout, uses_http2, .. } = outgoing;
            let shares = self.shares(uses_http2);
            let share = match shares.try_enter(key) {
                Some(share) => share,
                None => wait_for_share(shares, key, app.timeouts.response, held.as_ref()).await?,
            };
            let OutgoingRequest { request, own_fields, upgrade, .. } = outgoing;
            let under_way = held.as_ref().map(|it| it as &dyn UnderWay);
            let deadline =
                RequestDeadline::new(response_timeout, progress.as_ref()).telling(under_way);
            let (began, upgrades) = (deadline.started_at(), upgrade.is_some());
            let sending = app.send(request, own_fields, upgrades, uses_http2, deadline, share);
            let reply = sending.await?;
            still_in_time(held.as_ref(), began)?;
            if let Some(progress) = &progress {
                progress.has_response();
            }
            match reply {
                // RFC 8441 section 5: any 2xx would open the client's WebSocket.
                Reply::Response(response)
                    if response.status().is_success()
                        && upgrade.as_ref().is_some_and(|it| it.protocol.is_extended_connect()) =>
                {
                    Err(Error::Upgrade)
                }
                Reply::Response(mut response) => {
                    if let Some(public) = public {
                        app_origin::replace(response.headers_mut(), &app.host, &public);
                    }
                    let ending = ResponseEnding::new(Arc::clone(&self.metrics), request_id);
                    Ok(coming(response, app.timeouts.stream, held, ending))
                }
                Reply::Switched(head, tunnel, share) => {
                    let UpgradeRequest { protocol, context } = *upgrade.ok_or(Error::Upgrade)?;
                    let (answer, client) = protocol.switched(head)?;
                    let (ends, tunnels) = (held.map(HeldPermit::into_ends), context.tunnels);
                    tunnels.join(client, tunnel, ends, app.timeouts.stream, share);
                    Ok(answer.map(|()| Body::empty()))
                }
            }
        }
    }

    /// Whether the app does not know its public address.
    fn hides_app(&self) -> bool {
        self.host == HostHeader::Upstream
    }

    /// Requests to an app of HTTP/1.1 have a connection each, and those to one of HTTP/2 a stream.
    fn shares(&self, uses_http2: bool) -> &'static AppShares {
        if uses_http2 { &self.stream_shares.responses } else { &APP_SHARES }
    }

    /// Counts a body that a client sends over HTTP/2. Returns `Some(None)` if there are too many.
    #[allow(clippy::option_option, reason = "whether it counts, and whether there is room")]
    fn upload_share(
        &self,
        version: Version,
        body: &Incoming,
        key: ShareKey,
    ) -> Option<Option<HeldShare>> {
        let counts = version == Version::HTTP_2 && !body.is_end_stream();
        counts.then(|| self.stream_shares.uploads.try_enter(key))
    }

    fn leaving<C: PermitCheck>(
        &self,
        parts: &mut Parts,
        body: Incoming,
        identity: &IdentityHeaders,
        proxy_context: ProxyContext,
        check: &C,
    ) -> OutgoingRequest<'_> {
        let app = self
            .routes
            .find(identity.target())
            .and_then(|it| self.apps.get(it))
            .unwrap_or(&self.app);
        let timeouts = BodyTimeouts {
            before_response: app.timeouts.body,
            after_response: app.timeouts.stream,
        };
        let (body, progress) =
            RequestBody::new(body, timeouts, identity, check, &proxy_context.request_id);
        let mut request = Request::new(body);
        *request.version_mut() = parts.version;
        std::mem::swap(request.method_mut(), &mut parts.method);
        std::mem::swap(request.headers_mut(), &mut parts.headers);
        std::mem::swap(request.extensions_mut(), &mut parts.extensions);
        // The permit's target, byte for byte.
        *request.uri_mut() = Uri::from(identity.target().path_and_query().clone());
        let upgrade = if proxy_context.upgrade {
            UpgradeProtocol::of(&mut request, &proxy_context.request_id)
        } else {
            None
        };
        let uses_http2 = app.uses_http2(request.headers());
        let own_fields =
            self.dress(request.headers_mut(), app, uses_http2, identity, &proxy_context);
        if let Some(upgrade) = &upgrade {
            upgrade.write_request(&mut request);
        }
        let called = if uses_http2 { grpc::timeout(request.headers()) } else { None };
        let response_timeout =
            called.map_or(app.timeouts.response, |timeout| timeout.min(app.timeouts.stream));
        OutgoingRequest {
            app,
            request,
            own_fields,
            progress,
            response_timeout,
            uses_http2,
            upgrade: upgrade
                .map(|it| Box::new(UpgradeRequest { protocol: it, context: proxy_context })),
        }
    }

    /// Turns the client's headers into the app's. The order matters: headers that `Connection`
    /// names are removed before Entrada's are written. Returns Entrada's fields for a head of
    /// HTTP/1.1, to which they are appended; over HTTP/2, they are among `headers`.
    fn dress(
        &self,
        headers: &mut HeaderMap,
        app: &Link,
        uses_http2: bool,
        identity: &IdentityHeaders,
        proxy_context: &ProxyContext,
    ) -> Vec<u8> {
        let trailers = uses_http2 && hop_by_hop::takes_trailers(headers);
        hop_by_hop::strip(headers);
        // The client receives 100 Continue when its body is first read, which is after admission.
        headers.remove(EXPECT);
        join_cookies(headers);
        identity.strip(headers);
        let own = if app.takes_own_fields() {
            let mut own = Vec::with_capacity(OWN_FIELDS_ESTIMATE_BYTES);
            identity.append(&mut own);
            forwarded_headers::append(&mut own, headers, proxy_context);
            own
        } else {
            // Allocates once instead of twice.
            headers.reserve(ADDED_HEADERS_ESTIMATE);
            identity.insert(headers);
            forwarded_headers::insert(headers, proxy_context);
            Vec::new()
        };
        if trailers {
            headers.insert(TE, HeaderValue::from_static("trailers"));
        }
        let host = match self.host {
            HostHeader::Preserve => proxy_context.host.clone(),
            HostHeader::Upstream => app.host.clone(),
        };
        headers.insert(HOST, host);
        own
    }
}

/// Waits until other requests of the same connection and address have ended. Boxed because it is
/// rare.
fn wait_for_share<'a, C: PermitCheck>(
    shares: &'static AppShares,
    key: ShareKey,
    timeout: Duration,
    held: Option<&'a HeldPermit<C>>,
) -> Pin<Box<dyn Future<Output = Result<HeldShare, Error>> + Send + 'a>> {
    let began = Instant::now();
    Box::pin(async move {
        let share = shares.enter(key, timeout).await?;
        still_in_time(held, began)?;
        Ok(share)
    })
}

fn coming<C: PermitCheck>(
    response: Response<ReplyBody>,
    timeout: Duration,
    held: Option<HeldPermit<C>>,
    ending: ResponseEnding,
) -> Response<Body> {
    let (mut parts, body) = response.into_parts();
    // The version applies to one hop only.
    parts.version = Version::HTTP_11;
    Response::from_parts(parts, Body::stream(ResponseBody::new(body, timeout, held, ending)))
}

fn still_in_time<C: PermitCheck>(
    held: Option<&HeldPermit<C>>,
    began: Instant,
) -> Result<(), Error> {
    if held.is_some_and(|it| it.expired_before_answer(began)) {
        Err(Error::SessionEnded)
    } else {
        Ok(())
    }
}

/// Joins cookie lines: HTTP/2 may send one cookie per line, but HTTP/1.1 apps expect a single line
/// (RFC 9113 section 8.2.3).
fn join_cookies(headers: &mut HeaderMap) {
    let mut lines = headers.get_all(COOKIE).iter();
    let (Some(_), Some(_)) = (lines.next(), lines.next()) else { return };
    let lines: Vec<_> = headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if let Ok(joined) = HeaderValue::from_bytes(&lines.join(&b"; "[..])) {
        headers.insert(COOKIE, joined);
    }
}
