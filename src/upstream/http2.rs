//! HTTP/2 in cleartext towards the app, with prior knowledge (RFC 9113 section 3.3).

use super::connect::AppDialer;
use super::deadline::RequestDeadline;
use super::error::Error;
use super::hop_by_hop;
use super::http1::MAX_HEAD_BYTES;
use super::reply::Reply;
use super::request_body::{BodyProgress, RequestBody};
use http::header::HOST;
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{Method, Request, Response, Uri, Version};
use hyper::body::Incoming;
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::pin::pin;
use std::sync::{Mutex, PoisonError};

/// One connection for all requests to the app.
#[derive(Debug)]
pub(super) struct Http2Link {
    shared: Mutex<Option<SendRequest<RequestBody>>>,
    authority: Authority,
}

impl Http2Link {
    pub(super) fn new(authority: Authority) -> Self {
        Self { shared: Mutex::default(), authority }
    }

    /// Sends a request and returns the head of its response.
    pub(super) async fn send(
        &self,
        dialer: &AppDialer,
        request: Request<RequestBody>,
        upgrades: bool,
        mut deadline: RequestDeadline<'_>,
    ) -> Result<Reply<Incoming>, Error> {
        if upgrades {
            return Err(Error::UpgradeToH2c);
        }
        let progress = deadline.progress();
        let sent = deadline.run(pin!(self.send_shared(dialer, request))).await?;
        let mut response =
            sent.map_err(|error| error.or_client(progress.and_then(BodyProgress::broke)))?;
        hop_by_hop::strip(response.headers_mut());
        Ok(Reply::Response(response))
    }

    async fn send_shared(
        &self,
        dialer: &AppDialer,
        mut request: Request<RequestBody>,
    ) -> Result<Response<Incoming>, Error> {
        let path =
            request.uri().path_and_query().cloned().unwrap_or(PathAndQuery::from_static("/"));
        *request.uri_mut() = Uri::builder()
            .scheme(Scheme::HTTP)
            .authority(self.authority_for(&request))
            .path_and_query(path)
            .build()?;
        request.headers_mut().remove(HOST);
        *request.version_mut() = Version::HTTP_2;
        if let Some(mut sender) = self.live() {
            let spare = repeatable(&request);
            match sender.try_send_request(request).await {
                Ok(response) => return Ok(response),
                Err(mut error) => {
                    request = error
                        .take_message()
                        .or(spare)
                        .ok_or_else(|| Error::of_hyper(error.into_error()))?;
                }
            }
        }
        // Two concurrent requests without a connection open one each. The later one is kept.
        let mut sender = connect(dialer).await?;
        *self.shared.lock().unwrap_or_else(PoisonError::into_inner) = Some(sender.clone());
        sender.send_request(request).await.map_err(Error::of_hyper)
    }

    fn live(&self) -> Option<SendRequest<RequestBody>> {
        let shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        shared.clone().filter(|it| !it.is_closed())
    }

    /// Returns the host for `:authority` in HTTP/2 (RFC 9113 section 8.3.1).
    fn authority_for(&self, request: &Request<RequestBody>) -> Authority {
        let host =
            request.headers().get(HOST).and_then(|it| Authority::try_from(it.as_bytes()).ok());
        host.unwrap_or_else(|| self.authority.clone())
    }
}

async fn connect(dialer: &AppDialer) -> Result<SendRequest<RequestBody>, Error> {
    let io = dialer.open().await?;
    let mut builder = Builder::new(TokioExecutor::new());
    // No PINGs: gRPC servers end a connection for those that they did not ask for.
    builder.max_header_list_size(u32::try_from(MAX_HEAD_BYTES).unwrap_or(u32::MAX));
    let (sender, connection) =
        builder.handshake(TokioIo::new(io)).await.map_err(Error::of_hyper)?;
    tokio::spawn(async move { drop(connection.await) });
    Ok(sender)
}

/// Returns a copy of a request that may be repeated (RFC 9110 section 9.2.2) and has no body.
fn repeatable(request: &Request<RequestBody>) -> Option<Request<RequestBody>> {
    let idempotent = matches!(
        *request.method(),
        Method::GET | Method::HEAD | Method::OPTIONS | Method::PUT | Method::DELETE
    );
    if !idempotent || !http_body::Body::is_end_stream(request.body()) {
        return None;
    }
    let mut copy = Request::new(RequestBody::empty());
    copy.method_mut().clone_from(request.method());
    copy.uri_mut().clone_from(request.uri());
    *copy.version_mut() = request.version();
    copy.headers_mut().clone_from(request.headers());
    Some(copy)
}
