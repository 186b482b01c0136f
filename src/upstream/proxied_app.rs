//! One app behind Entrada: its address, its connections, and how a request is sent to it.

use super::connect::AppDialer;
use super::deadline::RequestDeadline;
use super::error::{BadUpstream, Error};
use super::pool::{ConnectionPool, PooledConnection, WasIdle};
use super::request_body::RequestBody;
use crate::config::upstream::{AppAddress, UpstreamConfig as Config};
use http::header::HOST;
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderValue, Method, Request, Response, Uri, Version};
use hyper::body::Incoming;
use hyper::client::conn::http2;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};

#[derive(Debug)]
pub(super) struct ProxiedApp {
    dial: AppDialer,
    authority: Authority,
    pub(super) host: HeaderValue,
    pub(super) link: AppLink,
}

#[derive(Debug)]
pub(super) enum AppLink {
    /// HTTP/1.1: a pool of connections.
    One(Arc<ConnectionPool>),
    /// HTTP/2: one connection for all requests.
    Two(Mutex<Option<http2::SendRequest<RequestBody>>>),
}

impl ProxiedApp {
    pub(super) fn new(to: &AppAddress, config: &Config) -> Result<Self, BadUpstream> {
        let text = match to {
            AppAddress::Http { host, port }
            | AppAddress::H2c { host, port }
            | AppAddress::Https { host, port } => authority(host, *port),
            AppAddress::Unix(_) => "localhost".to_owned(),
        };
        let link = if matches!(to, AppAddress::H2c { .. }) {
            AppLink::Two(Mutex::default())
        } else {
            AppLink::One(Arc::default())
        };
        let host = HeaderValue::from_str(&text).map_err(|_| BadUpstream::Name(text.clone()))?;
        let authority =
            Authority::try_from(text.as_str()).map_err(|_| BadUpstream::Name(text.clone()))?;
        Ok(Self { dial: AppDialer::new(to, config)?, authority, host, link })
    }

    pub(super) fn send_one<'a>(
        &'a self,
        pool: &'a Arc<ConnectionPool>,
        mut request: Request<RequestBody>,
        mut deadline: RequestDeadline<'a>,
    ) -> impl Future<Output = Result<(Response<Incoming>, PooledConnection), Error>> + Send {
        *request.version_mut() = Version::HTTP_11;
        async move {
            while let Some((mut connection, WasIdle(rested))) = pool.take(deadline.started_at()) {
                if !connection.sender.is_ready()
                    && deadline
                        .run_with_timer(&mut connection.timer, pin!(connection.sender.ready()))
                        .await?
                        .is_err()
                {
                    continue;
                }
                // A copy is expensive, and the app does not close a connection in constant use as
                // idle.
                let spare = if rested { repeatable(&request).map(Box::new) } else { None };
                match deadline
                    .run_with_timer(
                        &mut connection.timer,
                        pin!(connection.sender.try_send_request(request)),
                    )
                    .await?
                {
                    Ok(response) => return Ok((response, connection)),
                    // The app had closed the connection. A request that was not sent, or that may
                    // be repeated, is sent once more on a new connection.
                    Err(mut error) => {
                        let again = error.take_message().or(spare.map(|it| *it));
                        request = again.ok_or_else(|| Error::of_hyper(error.into_error()))?;
                    }
                }
                break;
            }
            // Boxed because connecting is rare: otherwise its space would be moved with every
            // request.
            Box::pin(self.connect(request, deadline)).await
        }
    }

    async fn connect(
        &self,
        request: Request<RequestBody>,
        mut deadline: RequestDeadline<'_>,
    ) -> Result<(Response<Incoming>, PooledConnection), Error> {
        let mut sender = deadline.run(pin!(self.dial.http1())).await??;
        let mut timer = deadline.timer();
        let response = deadline
            .run_with_timer(&mut timer, pin!(sender.send_request(request)))
            .await?
            .map_err(Error::of_hyper)?;
        Ok((response, PooledConnection { sender, timer }))
    }

    pub(super) async fn send_two(
        &self,
        shared: &Mutex<Option<http2::SendRequest<RequestBody>>>,
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
        let live = || {
            shared
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clone()
                .filter(|it| !it.is_closed())
        };
        if let Some(mut sender) = live() {
            let spare = repeatable(&request);
            match sender.try_send_request(request).await {
                Ok(response) => return Ok(response),
                Err(mut error) => {
                    request = error
                        .take_message()
                        .or(spare)
                        .ok_or_else(|| Error::of_hyper(error.into_error()))?
                }
            }
        }
        // Two concurrent requests without a connection open one each. The later one is kept.
        let mut sender = self.dial.http2().await?;
        *shared.lock().unwrap_or_else(PoisonError::into_inner) = Some(sender.clone());
        sender.send_request(request).await.map_err(Error::of_hyper)
    }

    /// Returns the host for `:authority` in HTTP/2 (RFC 9113 section 8.3.1).
    fn authority_for(&self, request: &Request<RequestBody>) -> Authority {
        let host =
            request.headers().get(HOST).and_then(|it| Authority::try_from(it.as_bytes()).ok());
        host.unwrap_or_else(|| self.authority.clone())
    }
}

fn authority(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

/// Returns a copy of a request that may be repeated (RFC 9110 section 9.2.2) and has no body.
fn repeatable(request: &Request<RequestBody>) -> Option<Request<RequestBody>> {
    let idempotent = matches!(
        *request.method(),
        Method::GET | Method::HEAD | Method::OPTIONS | Method::PUT | Method::DELETE
    );
    if !idempotent
        || !http_body::Body::is_end_stream(request.body())
        || request.headers().contains_key(http::header::UPGRADE)
    {
        return None;
    }
    let mut copy = Request::new(RequestBody::empty());
    copy.method_mut().clone_from(request.method());
    copy.uri_mut().clone_from(request.uri());
    *copy.version_mut() = request.version();
    copy.headers_mut().clone_from(request.headers());
    Some(copy)
}
