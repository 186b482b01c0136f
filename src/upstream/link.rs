//! One app behind Entrada: its address, and how a request is sent to it.

use super::connect::AppDialer;
use super::deadline::RequestDeadline;
use super::error::{BadUpstream, Error};
use super::http1::{Http1Body, Http1Link, Http1Settings, UploadTimeouts};
use super::http2::{Http2Body, Http2Link};
use super::reply::Reply;
use super::request_body::RequestBody;
use super::share::HeldShare;
use crate::config::server::ServerLimits;
use crate::config::upstream::{AppAddress, RouteTimeouts, UpstreamConfig as Config};
use crate::telemetry::metrics::Metrics;
use crate::wire::body::BoxError;
use bytes::Bytes;
use http::uri::Authority;
use http::{HeaderValue, Request};
use http_body::{Body, Frame, SizeHint};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
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
        let protocol = if matches!(to, AppAddress::H2c { .. }) {
            let authority = Authority::try_from(text.as_str()).map_err(|_| bad())?;
            Protocol::Http2(Http2Link::new(authority, uploads))
        } else {
            Protocol::Http1(Http1Link::new(Http1Settings {
                timeouts: uploads,
                header_case: config.header_case,
                metrics: Arc::clone(metrics),
            }))
        };
        let host = HeaderValue::from_str(&text).map_err(|_| bad())?;
        let dialer = AppDialer::new(to, config, timeouts.connect)?;
        Ok(Self { dialer, host, timeouts, protocol })
    }

    /// Whether Entrada's own fields are written as a block, and not one by one among the headers.
    pub(super) fn takes_own_fields(&self) -> bool {
        match &self.protocol {
            Protocol::Http1(link) => link.takes_own_fields(),
            Protocol::Http2(_) => false,
        }
    }

    /// Whether requests leave as HTTP/2.
    pub(super) fn is_http2(&self) -> bool {
        matches!(self.protocol, Protocol::Http2(_))
    }

    /// Sends a request and returns the head of its response. `upgrades` says whether the request
    /// asks to switch protocols. `own_fields` follow the headers if `takes_own_fields`.
    /// `request.version()` is the client's version. `share` counts the
    /// request until its response has ended.
    ///
    /// # Errors
    /// `Error` if the app returned no usable response.
    pub(super) fn send<'a>(
        &'a self,
        request: Request<RequestBody>,
        own_fields: Vec<u8>,
        upgrades: bool,
        deadline: RequestDeadline<'a>,
        share: HeldShare,
    ) -> impl Future<Output = Result<Reply<ReplyBody>, Error>> + Send + use<'a> {
        match &self.protocol {
            Protocol::Http1(link) => Sending::Http1 {
                sending: link.send(&self.dialer, request, &own_fields, upgrades, deadline, share),
            },
            Protocol::Http2(link) => Sending::Http2 {
                sending: Box::pin(link.send(&self.dialer, request, upgrades, deadline, share)),
            },
        }
    }
}

fn authority(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

pin_project_lite::pin_project! {
    /// One of two futures.
    #[project = SendingProjection]
    enum Sending<One, Two> {
        Http1 { #[pin] sending: One },
        Http2 { #[pin] sending: Two },
    }
}

impl<One, Two> Future for Sending<One, Two>
where
    One: Future<Output = Result<Reply<Http1Body>, Error>>,
    Two: Future<Output = Result<Reply<Http2Body>, Error>>,
{
    type Output = Result<Reply<ReplyBody>, Error>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project() {
            SendingProjection::Http1 { sending } => {
                sending.poll(context).map_ok(|reply| reply.map(ReplyBody::Http1))
            }
            SendingProjection::Http2 { sending } => {
                sending.poll(context).map_ok(|reply| reply.map(ReplyBody::Http2))
            }
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
