//! The way to the app. Nothing goes through without identity headers, and the path that is sent is the permit's.
//!
//! Bodies stream both ways and are never held. What is hop-by-hop ends here before ours is written. The app's cookies and
//! our own are not this module's matter.

mod body;
mod coming;
mod connect;
mod error;
mod held;
mod hop;
mod patience;
mod pool;
mod stall;
mod told;
mod trip;
mod tunnel;
mod upgrade;

pub use error::{BadUpstream, Error, Fault};
pub use held::PermitCheck;
pub use trip::Trip;
pub use tunnel::Tunnels;

use crate::base::routes::Routes;
use crate::config::server::Limits;
use crate::config::upstream::{Destination, HostHeader, Upstream as Config};
use crate::headers::identity::IdentityHeaders;
use crate::wire::body::Body;
use body::{Outgoing, Progress};
use coming::Coming;
use connect::Dial;
use held::{Held, UnderWay};
use http::header::{COOKIE, EXPECT, HOST, TE};
use http::request::Parts;
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri, Version};
use hyper::body::Incoming;
use hyper::client::conn::http2;
use patience::Bound;
use pool::{Line, Pool, Rested, Returning};
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;
use upgrade::Upgrade;

/// About as many headers as we write into a request.
const OURS: usize = 20;

/// All apps behind us.
#[derive(Debug)]
pub struct Upstream {
    app: App,
    routes: Routes,
    /// Those of the routes, in their order.
    apps: Vec<App>,
    host: HostHeader,
    response_timeout: Duration,
    body_timeout: Duration,
    stream_timeout: Duration,
}

#[derive(Debug)]
struct App {
    dial: Dial,
    authority: Authority,
    host: HeaderValue,
    link: Link,
}

/// A request as it is about to be sent.
struct Leaving<'a> {
    app: &'a App,
    request: Request<Outgoing>,
    progress: Option<Progress>,
    /// Rare, and in a box: it is moved with every request.
    upgrade: Option<Box<(Upgrade, Trip)>>,
}

#[derive(Debug)]
enum Link {
    /// HTTP/1.1: a pool.
    One(Arc<Pool>),
    /// HTTP/2: one connection that all requests share.
    Two(Mutex<Option<http2::SendRequest<Outgoing>>>),
}

impl Upstream {
    /// Reads certificates; opens no connection.
    ///
    /// # Errors
    /// `BadUpstream` names the file that cannot be used.
    pub fn new(config: &Config, limits: &Limits) -> Result<Self, BadUpstream> {
        Ok(Self {
            app: App::new(&config.destination, config)?,
            routes: config.routes(),
            apps: config.routes.iter().map(|it| App::new(&it.destination, config)).collect::<Result<_, BadUpstream>>()?,
            host: config.host,
            response_timeout: config.response_timeout,
            body_timeout: limits.body_timeout,
            stream_timeout: limits.stream_timeout,
        })
    }

    /// Sends on what was judged, and brings back what the app answers. The head is emptied.
    ///
    /// It is dressed before anything waits: an `async fn` has room for its arguments twice, and what is in it is moved. The answer lasts no
    /// longer than `check` says.
    ///
    /// # Errors
    /// `Error` where nothing usable came back.
    pub fn forward<C: PermitCheck>(
        &self,
        parts: &mut Parts,
        body: Incoming,
        identity: IdentityHeaders,
        trip: Trip,
        check: C,
    ) -> impl Future<Output = Result<Response<Body>, Error>> + Send + use<'_, C> {
        let request_id = trip.request_id.clone();
        let Leaving { app, request, progress, upgrade } = self.leaving(parts, body, &identity, trip, &check);
        let held = Held::new(identity, check, request_id);
        async move {
            let under_way = held.as_ref().map(|it| it as &dyn UnderWay);
            match &app.link {
                Link::Two(_) if upgrade.is_some() => Err(Error::UpgradeToH2c),
                Link::Two(shared) => {
                    let mut bound = Bound::new(self.response_timeout, progress.as_ref()).telling(under_way);
                    let sent = bound.hold(Box::pin(app.send_two(shared, request)).as_mut()).await?;
                    let response = sent.map_err(|error| error.or_client(progress.as_ref().and_then(Progress::broke)))?;
                    still_in_time(held.as_ref(), bound.began())?;
                    Ok(self.coming(response, None, held))
                }
                Link::One(pool) => {
                    let bound = Bound::new(self.response_timeout, progress.as_ref()).telling(under_way);
                    let began = bound.began();
                    let (response, line) = app.send_one(pool, request, bound).await?;
                    still_in_time(held.as_ref(), began)?;
                    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
                        return self.switch(*upgrade.ok_or(Error::Upgrade)?, response, held);
                    }
                    Ok(self.coming(response, Some(Returning::new(Arc::clone(pool), line, progress)), held))
                }
            }
        }
    }

    fn leaving<C: PermitCheck>(&self, parts: &mut Parts, body: Incoming, identity: &IdentityHeaders, trip: Trip, check: &C) -> Leaving<'_> {
        let app = self.routes.find(identity.target()).and_then(|it| self.apps.get(it)).unwrap_or(&self.app);
        let (body, progress) = Outgoing::new(body, self.body_timeout, identity, check, &trip.request_id);
        let mut request = Request::new(body);
        std::mem::swap(request.method_mut(), &mut parts.method);
        std::mem::swap(request.headers_mut(), &mut parts.headers);
        std::mem::swap(request.extensions_mut(), &mut parts.extensions);
        // The permit's, byte for byte.
        *request.uri_mut() = Uri::from(identity.target().path_and_query().clone());
        let upgrade = if trip.upgrade { Upgrade::of(&mut request, &trip.request_id) } else { None };
        self.dress(request.headers_mut(), app, identity, &trip);
        if let Some(upgrade) = &upgrade {
            upgrade.ask(&mut request);
        }
        Leaving { app, request, progress, upgrade: upgrade.map(|it| Box::new((it, trip))) }
    }

    /// From a client's headers to those that the app gets. The order matters: what `Connection` names goes before ours is written.
    fn dress(&self, headers: &mut HeaderMap, app: &App, identity: &IdentityHeaders, trip: &Trip) {
        let trailers = matches!(app.link, Link::Two(_)) && hop::takes_trailers(headers);
        hop::strip(headers);
        // One growth instead of two.
        headers.reserve(OURS);
        // The client was told to go on when its body was first asked for: after it was let in.
        headers.remove(EXPECT);
        join_cookies(headers);
        identity.apply(headers);
        told::write(headers, trip);
        if trailers {
            headers.insert(TE, HeaderValue::from_static("trailers"));
        }
        let host = match self.host {
            HostHeader::Preserve => trip.host.clone(),
            HostHeader::Upstream => app.host.clone(),
        };
        headers.insert(HOST, host);
    }

    fn coming<C: PermitCheck>(&self, response: Response<Incoming>, returning: Option<Returning>, held: Option<Held<C>>) -> Response<Body> {
        let (mut parts, body) = response.into_parts();
        hop::strip(&mut parts.headers);
        // The version is a neighbor's matter as well.
        parts.version = Version::HTTP_11;
        parts.extensions.clear();
        Response::from_parts(parts, Body::stream(Coming::new(body, self.stream_timeout, returning, held)))
    }

    fn switch<C: PermitCheck>(&self, (upgrade, trip): (Upgrade, Trip), response: Response<Incoming>, held: Option<Held<C>>) -> Result<Response<Body>, Error> {
        let (answer, client, app) = upgrade.switched(response)?;
        trip.tunnels.join(client, app, held.map(Held::into_ends), self.stream_timeout);
        Ok(answer.map(|()| Body::empty()))
    }
}

impl App {
    fn new(to: &Destination, config: &Config) -> Result<Self, BadUpstream> {
        let text = match to {
            Destination::Http { host, port } | Destination::H2c { host, port } | Destination::Https { host, port } => authority(host, *port),
            Destination::Unix(_) => "localhost".to_owned(),
        };
        let link = if matches!(to, Destination::H2c { .. }) { Link::Two(Mutex::default()) } else { Link::One(Arc::default()) };
        let host = HeaderValue::from_str(&text).map_err(|_| BadUpstream::Name(text.clone()))?;
        let authority = Authority::try_from(text.as_str()).map_err(|_| BadUpstream::Name(text.clone()))?;
        Ok(Self { dial: Dial::new(to, config)?, authority, host, link })
    }

    fn send_one<'a>(
        &'a self,
        pool: &'a Arc<Pool>,
        mut request: Request<Outgoing>,
        mut bound: Bound<'a>,
    ) -> impl Future<Output = Result<(Response<Incoming>, Line), Error>> + Send {
        *request.version_mut() = Version::HTTP_11;
        async move {
            while let Some((mut line, Rested(rested))) = pool.take(bound.began()) {
                if !line.sender.is_ready() && bound.hold_by(&mut line.patience, pin!(line.sender.ready())).await?.is_err() {
                    continue;
                }
                // A copy costs; a connection in constant use is not closed for being idle.
                let spare = if rested { repeatable(&request).map(Box::new) } else { None };
                match bound.hold_by(&mut line.patience, pin!(line.sender.try_send_request(request))).await? {
                    Ok(response) => return Ok((response, line)),
                    // The app had closed it meanwhile: what was never sent, or may be sent twice, goes again, once, on a new connection.
                    Err(mut error) => {
                        let again = error.take_message().or(spare.map(|it| *it));
                        request = again.ok_or_else(|| Error::of_hyper(error.into_error()))?;
                    }
                }
                break;
            }
            // Connecting is rare, and in a box: the room it needs would be moved with every request.
            Box::pin(self.connect(request, bound)).await
        }
    }

    async fn connect(&self, request: Request<Outgoing>, mut bound: Bound<'_>) -> Result<(Response<Incoming>, Line), Error> {
        let mut sender = bound.hold(pin!(self.dial.http1())).await??;
        let mut patience = bound.patience();
        let response = bound.hold_by(&mut patience, pin!(sender.send_request(request))).await?.map_err(Error::of_hyper)?;
        Ok((response, Line { sender, patience }))
    }

    async fn send_two(&self, shared: &Mutex<Option<http2::SendRequest<Outgoing>>>, mut request: Request<Outgoing>) -> Result<Response<Incoming>, Error> {
        let path = request.uri().path_and_query().cloned().unwrap_or(PathAndQuery::from_static("/"));
        *request.uri_mut() = Uri::builder().scheme(Scheme::HTTP).authority(self.authority_for(&request)).path_and_query(path).build()?;
        request.headers_mut().remove(HOST);
        *request.version_mut() = Version::HTTP_2;
        let live = || shared.lock().unwrap_or_else(PoisonError::into_inner).clone().filter(|it| !it.is_closed());
        if let Some(mut sender) = live() {
            let spare = repeatable(&request);
            match sender.try_send_request(request).await {
                Ok(response) => return Ok(response),
                Err(mut error) => request = error.take_message().or(spare).ok_or_else(|| Error::of_hyper(error.into_error()))?,
            }
        }
        // Two requests that find none at the same moment open one each; the later one stays.
        let mut sender = self.dial.http2().await?;
        *shared.lock().unwrap_or_else(PoisonError::into_inner) = Some(sender.clone());
        sender.send_request(request).await.map_err(Error::of_hyper)
    }

    /// HTTP/2 says the host in `:authority` (RFC 9113 8.3.1).
    fn authority_for(&self, request: &Request<Outgoing>) -> Authority {
        let host = request.headers().get(HOST).and_then(|it| Authority::try_from(it.as_bytes()).ok());
        host.unwrap_or_else(|| self.authority.clone())
    }
}

fn still_in_time<C: PermitCheck>(held: Option<&Held<C>>, began: Instant) -> Result<(), Error> {
    if held.is_some_and(|it| it.came_too_late(began)) { Err(Error::SessionEnded) } else { Ok(()) }
}

fn authority(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

/// A copy of a request that may be sent twice (RFC 9110 9.2.2) and has no body.
fn repeatable(request: &Request<Outgoing>) -> Option<Request<Outgoing>> {
    let idempotent = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS | Method::PUT | Method::DELETE);
    if !idempotent || !http_body::Body::is_end_stream(request.body()) || request.headers().contains_key(http::header::UPGRADE) {
        return None;
    }
    let mut copy = Request::new(Outgoing::empty());
    copy.method_mut().clone_from(request.method());
    copy.uri_mut().clone_from(request.uri());
    *copy.version_mut() = request.version();
    copy.headers_mut().clone_from(request.headers());
    Some(copy)
}

/// HTTP/2 may send a cookie a line; HTTP/1.1 apps expect one line (RFC 9113 8.2.3).
fn join_cookies(headers: &mut HeaderMap) {
    let mut lines = headers.get_all(COOKIE).iter();
    let (Some(_), Some(_)) = (lines.next(), lines.next()) else { return };
    let lines: Vec<_> = headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if let Ok(joined) = HeaderValue::from_bytes(&lines.join(&b"; "[..])) {
        headers.insert(COOKIE, joined);
    }
}
