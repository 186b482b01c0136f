//! The admin listener: whether the process lives, whether it is ready, and its figures. One order only: that the sessions of a person end.

use super::connection::Handle;
use super::listener::Listener;
use super::revoke::revoke;
use super::serve::{Settings, serve};
use crate::config::server::Limits;
use crate::session::whom::{Ambiguous, Ended, Whom};
use crate::telemetry::metrics;
use crate::upstream::Tunnels;
use crate::wire::body::Body;
use crate::wire::peer::Peer;
use crate::wire::reply;
use http::header::{ALLOW, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

const TEXT: &str = "text/plain; charset=utf-8";

/// What there is to tell.
pub trait Source: Send + Sync + 'static {
    /// Whether requests can be served.
    ///
    /// # Errors
    /// The reasons why not.
    fn ready(&self) -> Result<(), Vec<String>>;

    /// The figures, in the text format of Prometheus.
    fn metrics(&self) -> String;

    /// Ends all sessions of a person; may take a while.
    ///
    /// # Errors
    /// Where several people are meant.
    fn revoke(&self, whom: &Whom) -> Result<Ended, Ambiguous>;
}

/// Serves `/healthz`, `/readyz`, `/metrics` and, where only this machine reaches it, `/sessions/revoke` until `over`; then everything here ends at once.
pub async fn serve_admin(listener: Listener, source: impl Source, over: CancellationToken) {
    let limits = Limits { header_bytes: 16 * 1024, header_timeout: Duration::from_secs(5), connections: 64, streams: 16, ..Limits::default() };
    let settings = Settings { limits, tls: None, grace: Duration::ZERO };
    let near = listener.local_addr().is_none_or(|it| it.ip().to_canonical().is_loopback());
    serve(vec![listener], settings, Admin { source: Arc::new(source), near }, Tunnels::new(), over).await;
}

struct Admin<S> {
    source: Arc<S>,
    near: bool,
}

impl<S> Clone for Admin<S> {
    fn clone(&self) -> Self {
        Self { source: Arc::clone(&self.source), near: self.near }
    }
}

impl<S: Source> Handle for Admin<S> {
    async fn handle(self, request: Request<Incoming>, _: Peer) -> Response<Body> {
        let known = matches!(request.uri().path(), "/healthz" | "/readyz" | "/metrics");
        if known && !matches!(*request.method(), Method::GET | Method::HEAD) {
            let mut refused = reply::empty(StatusCode::METHOD_NOT_ALLOWED);
            refused.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            return refused;
        }
        match request.uri().path() {
            "/healthz" => text(StatusCode::OK, TEXT, "ok\n".to_owned()),
            "/readyz" => match self.source.ready() {
                Ok(()) => text(StatusCode::OK, TEXT, "ready\n".to_owned()),
                Err(reasons) => text(StatusCode::SERVICE_UNAVAILABLE, TEXT, reasons.join("\n") + "\n"),
            },
            "/metrics" => text(StatusCode::OK, metrics::CONTENT_TYPE, self.source.metrics()),
            "/sessions/revoke" => {
                let source = Arc::clone(&self.source);
                revoke(move |whom: &Whom| source.revoke(whom), self.near, request).await
            }
            _ => reply::empty(StatusCode::NOT_FOUND),
        }
    }
}

fn text(status: StatusCode, kind: &'static str, text: String) -> Response<Body> {
    let mut out = reply::empty(status);
    out.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    *out.body_mut() = Body::full(text);
    out
}
