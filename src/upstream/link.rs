//! One app behind Entrada: its address, and how a request is sent to it.

use super::connect::AppDialer;
use super::deadline::RequestDeadline;
use super::error::{BadUpstream, Error};
use super::http1::{Http1Body, Http1Link, UploadTimeouts};
use super::http2::{Http2Body, Http2Link};
use super::reply::Reply;
use super::request_body::RequestBody;
use super::share::HeldShare;
use crate::config::upstream::{AppAddress, UpstreamConfig as Config};
use crate::telemetry::metrics::Metrics;
use crate::wire::body::BoxError;
use bytes::Bytes;
use http::uri::Authority;
use http::{HeaderValue, Request};
use http_body::{Body, Frame, SizeHint};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// The connections to one app.
#[derive(Debug)]
pub(super) struct Link {
    dialer: AppDialer,
    /// The app's own host, for `host = "upstream"`.
    pub(super) host: HeaderValue,
    protocol: Protocol,
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
        timeouts: UploadTimeouts,
        metrics: &Arc<Metrics>,
    ) -> Result<Self, BadUpstream> {
        let text = match to {
            AppAddress::Http { host, port }
            | AppAddress::H2c { host, port }
            | AppAddress::Https { host, port } => authority(host, *port),
            AppAddress::Unix(_) => "localhost".to_owned(),
        };
        let bad = || BadUpstream::Name(text.clone());
        let protocol = if matches!(to, AppAddress::H2c { .. }) {
            let authority = Authority::try_from(text.as_str()).map_err(|_| bad())?;
            Protocol::Http2(Http2Link::new(authority, timeouts))
        } else {
            Protocol::Http1(Http1Link::new(Http1Settings {
                timeouts,
                header_case: config.header_case,
                metrics: Arc::clone(metrics),
            }))
        };
        let host = HeaderValue::from_str(&text).map_err(|_| bad())?;
        Ok(Self { dialer: AppDialer::new(to, config)?, host, protocol })
    }

    /// Whether requests leave as HTTP/2.
    pub(super) fn is_http2(&self) -> bool {
        matches!(self.protocol, Protocol::Http2(_))
    }

    /// Sends a request and returns the head of its response. `upgrades` says whether the request
    /// asks to switch protocols. `request.version()` is the client's version. `share` counts the
    /// request until its response has ended.
    ///
    /// # Errors
    /// `Error` if the app returned no usable response.
    pub(super) fn send<'a>(
        &'a self,
        request: Request<RequestBody>,
        upgrades: bool,
        deadline: RequestDeadline<'a>,
        share: HeldShare,
    ) -> impl Future<Output = Result<Reply<ReplyBody>, Error>> + Send + use<'a> {
        match &self.protocol {
            Protocol::Http1(link) => Sending::Http1 {
                sending: link.send(&self.dialer, request, upgrades, deadline, share),
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
