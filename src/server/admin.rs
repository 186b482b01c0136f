//! The admin listener: liveness, readiness, metrics, and the admin API.

use super::api::{self, ApiCall, ApiContext, ApiError, UnknownCall};
use super::connection::Handler;
use super::gate::AdminGate;
use super::listener::Listener;
use super::revoke::revoke;
use super::serve::{ServerSettings, serve};
use super::sweep::MAX_REFUSED_CONNECTIONS;
use crate::base::secret::Secret;
use crate::base::site::Site;
use crate::config::server::{PeerSet, ServerLimits};
use crate::directory::Directory;
use crate::session::person::{AmbiguousPerson, EndedSessions, PersonSelector};
use crate::sidecar::domain_prover::DomainProver;
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

/// Maximum number of connections to the admin listener.
const MAX_ADMIN_CONNECTIONS: usize = 64;

// These connections, together with the refused ones of both kinds of listeners, leave a quarter of
// the reserve.
const _: () = assert!(
    (MAX_ADMIN_CONNECTIONS + 2 * MAX_REFUSED_CONNECTIONS) as u64 <= RESERVED_HANDLES / 4 * 3
);

const PLAIN_TEXT: &str = "text/plain; charset=utf-8";

/// The source of the admin listener's information and the handler of its commands.
pub trait AdminSource: Send + Sync + 'static {
    /// Checks whether requests can be served.
    ///
    /// # Errors
    /// The reasons why they cannot be served.
    fn ready(&self) -> Result<(), Vec<String>>;

    /// What an operator should know about a process that is ready, one line each.
    fn notes(&self) -> Vec<String>;

    /// The metrics, in the Prometheus text format.
    fn metrics(&self) -> String;

    /// Ends all sessions of a person. May take a while, so it is called on a thread that may block.
    ///
    /// # Errors
    /// `AmbiguousPerson` if several people match.
    fn revoke(&self, selector: &PersonSelector) -> Result<EndedSessions, AmbiguousPerson>;

    /// The token that allows the use of the admin API from any machine, from the newest
    /// configuration. Without one, only this machine may use it.
    fn token(&self) -> Option<Secret>;

    /// The organizations and their people, if there is a directory.
    fn directory(&self) -> Option<Directory>;

    /// What proves the domains of organizations, if there is a directory.
    fn domains(&self) -> Option<DomainProver>;

    /// Entrada's public address.
    fn site(&self) -> Site;

    /// Whether `[entra] federated_token` names a token that organizations may use as their
    /// credential.
    fn has_federated_token(&self) -> bool;
}

/// Serves health checks, metrics and the admin API until `over`; then all its connections end at
/// once.
pub async fn serve_admin(listener: Listener, source: impl AdminSource, over: CancellationToken) {
    let limits = ServerLimits {
        header_bytes: 16 * 1024,
        header_timeout: Duration::from_secs(5),
        connections: MAX_ADMIN_CONNECTIONS,
        streams: 16,
        ..ServerLimits::default()
    };
    // Separate metrics that are not published: the published ones count only the connections of
    // people.
    let settings = ServerSettings {
        limits,
        tls: None,
        hsts: None,
        proxy_protocol: PeerSet::default(),
        grace: Duration::ZERO,
        metrics: Arc::default(),
    };
    let near = listener.local_addr().is_none_or(|it| it.ip().to_canonical().is_loopback());
    serve(
        vec![listener],
        settings,
        AdminHandler { source: Arc::new(source), is_local: near },
        TunnelTracker::new(),
        over,
    )
    .await;
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
    /// Runs in its own task, so that a client that disconnects does not cancel a sign-out.
    fn handle(
        self,
        request: Request<Incoming>,
        _: Peer,
    ) -> impl Future<Output = Response<Body>> + Send {
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
                Ok(()) => {
                    let lines = std::iter::once("ready".to_owned()).chain(self.source.notes());
                    let body = lines.map(|it| it + "\n").collect();
                    text(StatusCode::OK, PLAIN_TEXT, body)
                }
                Err(reasons) => {
                    text(StatusCode::SERVICE_UNAVAILABLE, PLAIN_TEXT, reasons.join("\n") + "\n")
                }
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
                    return revoke(
                        move |selector: &PersonSelector| source.revoke(selector),
                        &parts,
                        body,
                    )
                    .await;
                }
                let (Some(directory), Some(domains)) =
                    (self.source.directory(), self.source.domains())
                else {
                    return ApiError::NoDirectory.answer();
                };
                let desk = ApiContext {
                    directory,
                    domains,
                    site: self.source.site(),
                    has_federated_token: self.source.has_federated_token(),
                };
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
