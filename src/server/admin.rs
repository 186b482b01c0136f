//! The admin listener: whether the process lives, whether it is ready, its figures, and what an operator orders.

use super::api::{self, ApiCall, ApiContext, ApiError, UnknownCall};
use super::connection::Handler;
use super::gate::AdminGate;
use super::listener::Listener;
use super::revoke::revoke;
use super::serve::{ServerSettings, serve};
use super::sweep::MAX_REFUSED_CONNECTIONS;
use crate::base::secret::Secret;
use crate::base::site::Site;
use crate::config::server::ServerLimits;
use crate::directory::Directory;
use crate::session::person::{AmbiguousPerson, EndedSessions, PersonSelector};
use crate::telemetry::metrics;
use crate::upstream::TunnelTracker;
use crate::wire::body::Body;
use crate::wire::handles::RESERVED_HANDLES;
use crate::wire::peer::Peer;
use crate::wire::reply;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Request, Response, StatusCode};
use hyper::body::Incoming;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Connections to the admin listener at a time.
const MAX_CONNECTIONS: usize = 64;

// Those, and the refused ones of both kinds of listeners, leave a quarter of the reserve.
const _: () = assert!((MAX_CONNECTIONS + 2 * MAX_REFUSED_CONNECTIONS) as u64 <= RESERVED_HANDLES / 4 * 3);

const PLAIN_TEXT: &str = "text/plain; charset=utf-8";

/// What there is to tell, and who follows orders.
pub trait AdminSource: Send + Sync + 'static {
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
    fn revoke(&self, whom: &PersonSelector) -> Result<EndedSessions, AmbiguousPerson>;

    /// Who says it may give orders from wherever, as the newest configuration has it; without one, this machine may.
    fn token(&self) -> Option<Secret>;

    /// Organizations and their people, where there is a directory.
    fn directory(&self) -> Option<Directory>;

    /// Our public address.
    fn site(&self) -> Site;

    /// Whether `[entra] federated_token` names a token that organizations may prove themselves by.
    fn has_federated_token(&self) -> bool;
}

/// Serves health, figures and orders until `over`; then everything here ends at once.
pub async fn serve_admin(listener: Listener, source: impl AdminSource, over: CancellationToken) {
    let limits =
        ServerLimits { header_bytes: 16 * 1024, header_timeout: Duration::from_secs(5), connections: MAX_CONNECTIONS, streams: 16, ..ServerLimits::default() };
    // Figures of its own, which nobody reads: those that are published tell of people's connections.
    let settings = ServerSettings { limits, tls: None, hsts: None, grace: Duration::ZERO, metrics: Arc::default() };
    let near = listener.local_addr().is_none_or(|it| it.ip().to_canonical().is_loopback());
    serve(vec![listener], settings, AdminHandler { source: Arc::new(source), is_local: near }, TunnelTracker::new(), over).await;
}

struct AdminHandler<S> {
    source: Arc<S>,
    is_local: bool,
}

impl<S> Clone for AdminHandler<S> {
    fn clone(&self) -> Self {
        Self { source: Arc::clone(&self.source), is_local: self.is_local }
    }
}

impl<S: AdminSource> Handler for AdminHandler<S> {
    /// In a task of its own: a client that disconnects cancels no sign-out.
    fn handle(self, request: Request<Incoming>, _: Peer) -> impl Future<Output = Response<Body>> + Send {
        let task = tokio::spawn(self.respond(request));
        async move { task.await.unwrap_or_else(|_| ApiError::Broken.answer()) }
    }
}

impl<S: AdminSource> AdminHandler<S> {
    async fn respond(self, request: Request<Incoming>) -> Response<Body> {
        let (parts, body) = request.into_parts();
        let (call, name) = match api::find(parts.method.as_str(), parts.uri.path()) {
            Ok(it) => it,
            Err(UnknownCall::Path) => return ApiError::Path.answer(),
            Err(UnknownCall::Method(allowed)) => return ApiError::Method(allowed).answer(),
        };
        match call {
            ApiCall::Health => text(StatusCode::OK, PLAIN_TEXT, "ok\n".to_owned()),
            ApiCall::Ready => match self.source.ready() {
                Ok(()) => text(StatusCode::OK, PLAIN_TEXT, "ready\n".to_owned()),
                Err(reasons) => text(StatusCode::SERVICE_UNAVAILABLE, PLAIN_TEXT, reasons.join("\n") + "\n"),
            },
            ApiCall::Metrics => text(StatusCode::OK, metrics::CONTENT_TYPE, self.source.metrics()),
            ApiCall::OpenApi => text(StatusCode::OK, "application/json", api::OPENAPI.to_owned()),
            order => {
                let gate = AdminGate { is_local: self.is_local, token: self.source.token() };
                if let Err(shut) = gate.judge(&parts) {
                    return ApiError::from(shut).answer();
                }
                if order == ApiCall::Revoke {
                    let source = Arc::clone(&self.source);
                    return revoke(move |whom: &PersonSelector| source.revoke(whom), &parts, body).await;
                }
                let Some(directory) = self.source.directory() else { return ApiError::NoDirectory.answer() };
                let desk = ApiContext { directory, site: self.source.site(), has_federated_token: self.source.has_federated_token() };
                let answer = Box::pin(api::follow(&desk, order, &name, &parts, body)).await;
                answer.unwrap_or_else(|refused| refused.answer())
            }
        }
    }
}

fn text(status: StatusCode, kind: &'static str, text: String) -> Response<Body> {
    let mut out = reply::empty(status);
    out.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    *out.body_mut() = Body::full(text);
    out
}
