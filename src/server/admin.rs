//! The admin listener: whether the process lives, whether it is ready, its figures, and what an operator orders.

use super::api::{self, Call, Desk, NoCall, Refused};
use super::connection::Handle;
use super::gate::Gate;
use super::listener::Listener;
use super::revoke::revoke;
use super::serve::{Settings, serve};
use super::sweep::MOST_REFUSED;
use crate::base::secret::Secret;
use crate::base::site::Site;
use crate::config::server::Limits;
use crate::directory::Directory;
use crate::session::whom::{Ambiguous, Ended, Whom};
use crate::telemetry::metrics;
use crate::upstream::Tunnels;
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
const _: () = assert!((MAX_CONNECTIONS + 2 * MOST_REFUSED) as u64 <= RESERVED_HANDLES / 4 * 3);

const TEXT: &str = "text/plain; charset=utf-8";

/// What there is to tell, and who follows orders.
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
pub async fn serve_admin(listener: Listener, source: impl Source, over: CancellationToken) {
    let limits = Limits { header_bytes: 16 * 1024, header_timeout: Duration::from_secs(5), connections: MAX_CONNECTIONS, streams: 16, ..Limits::default() };
    // Figures of its own, which nobody reads: those that are published tell of people's connections.
    let settings = Settings { limits, tls: None, hsts: None, grace: Duration::ZERO, metrics: Arc::default() };
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
    /// In a task of its own: a client that disconnects cancels no sign-out.
    fn handle(self, request: Request<Incoming>, _: Peer) -> impl Future<Output = Response<Body>> + Send {
        let task = tokio::spawn(self.respond(request));
        async move { task.await.unwrap_or_else(|_| Refused::Broken.answer()) }
    }
}

impl<S: Source> Admin<S> {
    async fn respond(self, request: Request<Incoming>) -> Response<Body> {
        let (parts, body) = request.into_parts();
        let (call, name) = match api::find(parts.method.as_str(), parts.uri.path()) {
            Ok(it) => it,
            Err(NoCall::Path) => return Refused::Path.answer(),
            Err(NoCall::Method(allowed)) => return Refused::Method(allowed).answer(),
        };
        match call {
            Call::Health => text(StatusCode::OK, TEXT, "ok\n".to_owned()),
            Call::Ready => match self.source.ready() {
                Ok(()) => text(StatusCode::OK, TEXT, "ready\n".to_owned()),
                Err(reasons) => text(StatusCode::SERVICE_UNAVAILABLE, TEXT, reasons.join("\n") + "\n"),
            },
            Call::Metrics => text(StatusCode::OK, metrics::CONTENT_TYPE, self.source.metrics()),
            Call::OpenApi => text(StatusCode::OK, "application/json", api::OPENAPI.to_owned()),
            order => {
                let gate = Gate { near: self.near, token: self.source.token() };
                if let Err(shut) = gate.judge(&parts) {
                    return Refused::from(shut).answer();
                }
                if order == Call::Revoke {
                    let source = Arc::clone(&self.source);
                    return revoke(move |whom: &Whom| source.revoke(whom), &parts, body).await;
                }
                let Some(directory) = self.source.directory() else { return Refused::NoDirectory.answer() };
                let desk = Desk { directory, site: self.source.site(), has_federated_token: self.source.has_federated_token() };
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
