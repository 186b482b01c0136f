//! The app behind the program: it responds to every request with 200 immediately, and records the
//! requests.

use super::answers::MARKER;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::TcpListener;

/// Maximum time to read a body before the response.
const MAX_BODY_TIME: Duration = Duration::from_millis(20);

/// A request that reached the app.
#[derive(Debug)]
pub struct Reached {
    pub method: Method,
    pub target: String,
    pub headers: HeaderMap,
}

/// The requests that the app received.
#[derive(Debug, Default)]
pub struct Received {
    pub requests: Vec<Reached>,
    /// Trailers in the request bodies.
    pub trailers: Vec<HeaderMap>,
}

/// The running app.
pub struct App {
    pub address: SocketAddr,
    received: Arc<Mutex<Received>>,
}

impl App {
    pub async fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", crate::world::free_port())).await.unwrap();
        let (address, received) =
            (listener.local_addr().unwrap(), Arc::<Mutex<Received>>::default());
        let kept = Arc::clone(&received);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let kept = Arc::clone(&kept);
                let service = service_fn(move |request| answer(request, Arc::clone(&kept)));
                tokio::spawn(async move {
                    auto::Builder::new(TokioExecutor::new())
                        .serve_connection(TokioIo::new(stream), service)
                        .await
                        .is_ok()
                });
            }
        });
        Self { address, received }
    }

    /// Returns everything received since the previous call.
    pub fn take(&self) -> Received {
        std::mem::take(&mut self.received.lock().unwrap())
    }
}

async fn answer(
    request: Request<Incoming>,
    kept: Arc<Mutex<Received>>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (parts, body) = request.into_parts();
    let target = parts
        .uri
        .path_and_query()
        .map_or_else(|| parts.uri.to_string(), |it| it.as_str().to_owned());
    kept.lock().unwrap().requests.push(Reached {
        method: parts.method,
        target,
        headers: parts.headers,
    });
    if let Ok(Ok(body)) = tokio::time::timeout(MAX_BODY_TIME, body.collect()).await {
        kept.lock().unwrap().trailers.extend(body.trailers().cloned());
    }
    let mut response = Response::new(Full::from("app"));
    response.headers_mut().insert(MARKER, HeaderValue::from_static("1"));
    Ok(response)
}
