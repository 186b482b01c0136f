//! One app behind Entrada: its address, and how a request is sent to it.

use super::connect::AppDialer;
use super::deadline::RequestDeadline;
use super::error::{BadUpstream, Error};
use super::grpc;
use super::http1::{Http1Body, Http1Link, Http1Settings, UploadTimeouts};
use super::http2::{Http2Body, Http2Link};
use super::https::HttpsLinks;
use super::reply::Reply;
use super::request_body::RequestBody;
use super::share::HeldShare;
use crate::config::server::ServerLimits;
use crate::config::upstream::{AppAddress, RouteTimeouts, UpstreamConfig as Config};
use crate::telemetry::metrics::Metrics;
use crate::wire::body::BoxError;
use bytes::Bytes;
use http::uri::{Authority, Scheme};
use http::{HeaderMap, HeaderValue, Request};
use http_body::{Body, Frame, SizeHint};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

/// The connections to one app.
#[derive(Debug)]
pub(super) struct Link {
    dialer: AppDialer,
    /// The app's own host, for `host = "upstream"`.
    pub(super) host: HeaderValue,
    pub(super) timeouts: AppTimeouts,
    protocol: Protocol,
}

/// The timeouts of one app.
#[derive(Clone, Copy, Debug)]
pub(super) struct AppTimeouts {
    /// Until a connection is open.
    pub(super) connect: Duration,
    /// Until the response begins.
    pub(super) response: Duration,
    /// In which a response or a tunnel is silent.
    pub(super) stream: Duration,
    /// In which a client sends nothing of its body while the app waits for the request.
    pub(super) body: Duration,
}

impl AppTimeouts {
    /// Returns those of the apps without timeouts of their own.
    pub(super) fn new(config: &Config, limits: &ServerLimits) -> Self {
        Self {
            connect: config.connect_timeout,
            response: config.response_timeout,
            stream: limits.stream_timeout,
            body: limits.body_timeout,
        }
    }

    /// Returns those of a route.
    pub(super) fn of_route(self, route: RouteTimeouts) -> Self {
        Self {
            connect: route.connect.unwrap_or(self.connect),
            response: route.response.unwrap_or(self.response),
            stream: route.stream.unwrap_or(self.stream),
            body: self.body,
        }
    }
}

#[derive(Debug)]
enum Protocol {
    Http1(Http1Link),
    Http2(Http2Link),
    Https(Box<HttpsLinks>),
}

/// The body of a response, from either protocol.
#[derive(Debug)]
pub(super) enum ReplyBody {
    Http1(Http1Body),
    Http2(Http2Body),
}

impl Link {
    /// Opens no connection.
    pub(super) fn new(
        to: &AppAddress,
        config: &Config,
        timeouts: AppTimeouts,
        metrics: &Arc<Metrics>,
    ) -> Result<Self, BadUpstream> {
        let uploads = UploadTimeouts { silence: timeouts.stream, after_response: timeouts.body };
        let text = match to {
            AppAddress::Http { host, port }
            | AppAddress::H2c { host, port }
            | AppAddress::Https { host, port } => authority(host, *port),
            AppAddress::Unix(_) => "localhost".to_owned(),
        };
        let bad = || BadUpstream::Name(text.clone());
        let authority = Authority::try_from(text.as_str()).map_err(|_| bad())?;
        let host = HeaderValue::from_str(&text).map_err(|_| bad())?;
        let dialer = AppDialer::new(to, config, timeouts.connect)?;
        let http1 = || {
            Http1Link::new(Http1Settings {
                timeouts: uploads,
                header_case: config.header_case,
                metrics: Arc::clone(metrics),
            })
        };
        let protocol = match to {
            AppAddress::H2c { .. } => {
                Protocol::Http2(Http2Link::new(Scheme::HTTP, authority, uploads))
            }
            AppAddress::Https { .. } => {
                Protocol::Https(Box::new(HttpsLinks::new(&dialer, authority, http1(), uploads)))
            }
            AppAddress::Http { .. } | AppAddress::Unix(_) => Protocol::Http1(http1()),
        };
        Ok(Self { dialer, host, timeouts, protocol })
    }

    /// Whether Entrada's own fields are written as a block, and not one by one among the headers. The
    /// protocol of an https app may be known only when the request is sent.
    pub(super) fn takes_own_fields(&self) -> bool {
        match &self.protocol {
            Protocol::Http1(link) => link.takes_own_fields(),
            Protocol::Http2(_) | Protocol::Https(_) => false,
        }
    }

    /// Whether a request with these headers leaves as HTTP/2.
    pub(super) fn uses_http2(&self, headers: &HeaderMap) -> bool {
        match &self.protocol {
            Protocol::Http1(_) => false,
            Protocol::Http2(_) => true,
            Protocol::Https(links) => links.offers_only_http2() || grpc::is_call(headers),
        }
    }

    /// Sends a request and returns the head of its response. `own_fields` follow its headers if
    /// `takes_own_fields`. `upgrades` says whether the request asks to switch protocols,
    /// `uses_http2` is what the method of that name said. `request.version()` is the client's
    /// version. `share` counts the request until its response has ended.
    ///
    /// # Errors
    /// `Error` if the app returned no usable response.
    pub(super) fn send<'a>(
        &'a self,
        request: Request<RequestBody>,
        own_fields: Vec<u8>,
        upgrades: bool,
        uses_http2: bool,
        deadline: RequestDeadline<'a>,
        share: HeldShare,
    ) -> impl Future<Output = Result<Reply<ReplyBody>, Error>> + Send + use<'a> {
        let dialer = &self.dialer;
        match &self.protocol {
            Protocol::Http1(link) => Sending::Http1 {
                sending: link.send(dialer, request, &own_fields, upgrades, deadline, share),
                links: None,
            },
            Protocol::Http2(link) => Sending::Boxed {
                sending: Box::pin(async move {
                    let sent = link.send(dialer, request, upgrades, deadline, share).await;
                    sent.map(|reply| reply.map(ReplyBody::Http2))
                }),
            },
            Protocol::Https(links) if links.offers_http1() && !uses_http2 => Sending::Http1 {
                sending: links.http1.send(dialer, request, b"", upgrades, deadline, share),
                links: Some(links),
            },
            Protocol::Https(links) => Sending::Boxed {
                sending: Box::pin(async move {
                    let request =
                        HttpsRequest { links, dialer, request, upgrades, deadline, share };
                    let sent = request.send(uses_http2).await;
                    links.checks(&sent);
                    sent
                }),
            },
        }
    }
}

fn authority(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

/// A request to an https app.
struct HttpsRequest<'a> {
    links: &'a HttpsLinks,
    dialer: &'a AppDialer,
    request: Request<RequestBody>,
    upgrades: bool,
    deadline: RequestDeadline<'a>,
    share: HeldShare,
}

impl HttpsRequest<'_> {
    /// Sends the request over HTTP/2 if it must, or if the app offers nothing else.
    async fn send(self, uses_http2: bool) -> Result<Reply<ReplyBody>, Error> {
        let Self { links, dialer, request, upgrades, mut deadline, share } = self;
        if !uses_http2 {
            let timer = deadline.timer();
            deadline.run(pin!(links.learn(dialer, timer))).await??;
        }
        if uses_http2 || links.offers_only_http2() {
            let sent =
                links.http2.send(&links.http2_dialer, request, upgrades, deadline, share).await?;
            return Ok(sent.map(ReplyBody::Http2));
        }
        let sent = links.http1.send(dialer, request, b"", upgrades, deadline, share).await?;
        Ok(sent.map(ReplyBody::Http1))
    }
}

pin_project_lite::pin_project! {
    /// A request under way. Only the most common case is not boxed.
    #[project = SendingProjection]
    enum Sending<'a, One> {
        Http1 { #[pin] sending: One, links: Option<&'a HttpsLinks> },
        Boxed { sending: BoxedSending<'a> },
    }
}

type BoxedSending<'a> = Pin<Box<dyn Future<Output = Result<Reply<ReplyBody>, Error>> + Send + 'a>>;

impl<One> Future for Sending<'_, One>
where
    One: Future<Output = Result<Reply<Http1Body>, Error>>,
{
    type Output = Result<Reply<ReplyBody>, Error>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project() {
            SendingProjection::Http1 { sending, links } => {
                let sent = ready!(sending.poll(context));
                if let Some(links) = links {
                    links.checks(&sent);
                }
                Poll::Ready(sent.map(|reply| reply.map(ReplyBody::Http1)))
            }
            SendingProjection::Boxed { sending } => sending.as_mut().poll(context),
        }
    }
}

impl Body for ReplyBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match self.get_mut() {
            Self::Http1(body) => Pin::new(body).poll_frame(context),
            Self::Http2(body) => Pin::new(body).poll_frame(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Http1(body) => body.is_end_stream(),
            Self::Http2(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Http1(body) => body.size_hint(),
            Self::Http2(body) => body.size_hint(),
        }
    }
}
