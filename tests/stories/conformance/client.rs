//! A client of HTTP/1.1 or HTTP/2 that keeps what an ordinary client hides: the reason, trailers and
//! 1xx responses.

use super::exchange::{Answer, values};
use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::BodyExt as _;
use http_body_util::combinators::BoxBody;
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::net::TcpStream;

type ClientBody = BoxBody<Bytes, Infallible>;

const PATIENCE: Duration = Duration::from_secs(20);
/// Above the 100 KiB of the largest response.
const MAX_HEAD_BYTES: u32 = 256 * 1024;
const MAX_FIELDS: usize = 500;

pub enum Client {
    Http1(http1::SendRequest<ClientBody>),
    Http2(http2::SendRequest<ClientBody>),
}

impl Client {
    pub async fn http1(address: SocketAddr) -> Self {
        let stream = TokioIo::new(TcpStream::connect(address).await.unwrap());
        let mut builder = http1::Builder::new();
        builder.max_headers(MAX_FIELDS).max_buf_size(MAX_HEAD_BYTES as usize);
        let (sender, connection) = builder.handshake(stream).await.unwrap();
        tokio::spawn(connection.with_upgrades());
        Self::Http1(sender)
    }

    pub async fn http2(address: SocketAddr) -> Self {
        let stream = TokioIo::new(TcpStream::connect(address).await.unwrap());
        let mut builder = http2::Builder::new(TokioExecutor::new());
        builder.max_header_list_size(MAX_HEAD_BYTES);
        let (sender, connection) = builder.handshake(stream).await.unwrap();
        tokio::spawn(connection);
        Self::Http2(sender)
    }

    async fn send(
        &mut self,
        request: Request<ClientBody>,
    ) -> Result<Response<Incoming>, hyper::Error> {
        match self {
            Self::Http1(sender) => {
                sender.ready().await?;
                sender.send_request(request).await
            }
            Self::Http2(sender) => sender.send_request(request).await,
        }
    }

    /// The whole response, or why there is none.
    pub async fn ask(&mut self, request: Request<ClientBody>) -> Result<Answer, String> {
        match tokio::time::timeout(PATIENCE, self.asked(request)).await {
            Ok(outcome) => outcome.map_err(|error| format!("{error:?}")),
            Err(_) => Err(format!("nothing within {PATIENCE:?}")),
        }
    }

    async fn asked(&mut self, mut request: Request<ClientBody>) -> Result<Answer, hyper::Error> {
        let interim = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&interim);
        hyper::ext::on_informational(&mut request, move |_| {
            counted.fetch_add(1, Ordering::Relaxed);
        });
        let over_http1 = matches!(self, Self::Http1(_));
        let (parts, body) = self.send(request).await?.into_parts();
        let canonical = parts.status.canonical_reason().unwrap_or_default().to_owned();
        let reason = parts
            .extensions
            .get::<hyper::ext::ReasonPhrase>()
            .map_or(canonical, |it| String::from_utf8_lossy(it.as_bytes()).into_owned());
        let collected = body.collect().await?;
        Ok(Answer {
            status: parts.status.as_u16(),
            reason: over_http1.then_some(reason),
            trailers: values(collected.trailers().unwrap_or(&HeaderMap::new())),
            fields: parts.headers,
            body: collected.to_bytes(),
            interim: interim.load(Ordering::Relaxed),
        })
    }
}
