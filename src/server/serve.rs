//! Accepts and serves connections, and drains them at shutdown.

use super::connection::{self, Handler, HttpProtocol};
use super::listener::Listener;
use super::sockets::{AcceptedSocket, CountedSocket};
use super::sweep::{ConnectionRegistry, ServerPhase};
use super::tls::ServerCertificates;
use crate::config::server::{PeerSet, ServerLimits};
use crate::telemetry::metrics::Metrics;
use crate::upstream::TunnelTracker;
use crate::wire::handles;
use crate::wire::peer::Peer;
use std::future::Future;
use std::io::{self, Write as _};
use std::net::{Shutdown, SocketAddr};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The response for a client that exceeds the connection limit.
const TOO_MANY_CONNECTIONS: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 5\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: 48\r\n\
cache-control: no-store\r\nconnection: close\r\n\r\nToo many connections. Try again in a few seconds";
/// Pause after an accept error, which is usually a temporary lack of file handles.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// How long connections whose handshake has begun may still arrive at a listener that leaves new
/// ones to another process. Shorter than the second after which clients repeat the first segment.
const HANDSHAKE_TIME: Duration = Duration::from_millis(300);
/// How long connections may take to end after the deadline.
const GRACE_AFTER_DEADLINE: Duration = Duration::from_secs(1);

/// The settings of a server.
#[derive(Clone, Debug)]
pub struct ServerSettings {
    /// Limits on all wait times and sizes.
    pub limits: ServerLimits,
    /// The certificates, if TLS is terminated here, on TCP.
    pub tls: Option<ServerCertificates>,
    /// `max-age` of `Strict-Transport-Security` over TLS, if it is sent.
    pub hsts: Option<Duration>,
    /// Load balancers whose connections must begin with a PROXY protocol header.
    pub proxy_protocol: PeerSet,
    /// How long active requests may take to finish after `shutdown`.
    pub grace: Duration,
    /// The metrics that count connections that are not served.
    pub metrics: Arc<Metrics>,
}

/// Serves until `shutdown`, then drains: no new connections are accepted, idle ones are closed, and
/// active requests and tunnels may finish within the grace period. After that, remaining
/// connections are closed.
pub async fn serve<H: Handler>(
    listeners: Vec<Listener>,
    settings: ServerSettings,
    handle: H,
    tunnels: TunnelTracker,
    shutdown: CancellationToken,
) {
    let over = CancellationToken::new();
    // Also applies if this future is dropped early.
    let _over = over.clone().drop_guard();
    let front = Arc::new(SharedState {
        registry: Arc::new(ConnectionRegistry::new()),
        protocol: Arc::new(HttpProtocol::new(&settings.limits, settings.hsts)),
        connection_permits: Arc::new(Semaphore::new(
            settings.limits.connections.min(handles::max_connections()).min(Semaphore::MAX_PERMITS),
        )),
        metrics: settings.metrics,
        proxy_protocol: settings.proxy_protocol,
        warned_of_proxy_header: AtomicBool::new(false),
        tls: settings.tls.as_ref().map(ServerCertificates::acceptor),
        tasks: TaskTracker::new(),
        handle,
    });
    tokio::spawn(
        over.clone()
            .run_until_cancelled_owned(Arc::clone(&front.registry).sweep(settings.limits.clone())),
    );
    if let Some(certificates) = settings.tls {
        tokio::spawn(over.clone().run_until_cancelled_owned(certificates.watch()));
    }
    let mut accepting = JoinSet::new();
    for listener in listeners {
        accepting.spawn(accept(listener, Arc::clone(&front), shutdown.clone()));
    }
    shutdown.cancelled().await;
    while accepting.join_next().await.is_some() {}
    front.drain(settings.grace, &tunnels).await;
}

/// The state that all listeners share.
struct SharedState<H> {
    registry: Arc<ConnectionRegistry>,
    protocol: Arc<HttpProtocol>,
    connection_permits: Arc<Semaphore>,
    tls: Option<TlsAcceptor>,
    metrics: Arc<Metrics>,
    proxy_protocol: PeerSet,
    warned_of_proxy_header: AtomicBool,
    tasks: TaskTracker,
    handle: H,
}

/// Accepts connections until `shutdown`, and then those that the kernel has already accepted: it
/// would reset them when the listener is closed.
async fn accept<H: Handler>(
    listener: Listener,
    front: Arc<SharedState<H>>,
    shutdown: CancellationToken,
) {
    let tls = front.tls.clone().filter(|_| listener.may_be_tls());
    let admit = |(socket, address)| {
        let tls = tls.clone();
        let peer = Peer::of_socket(address, tls.is_some());
        front.admit(socket, peer, tls);
    };
    accept_until(&listener, &front.metrics, admit, shutdown.cancelled()).await;
    if listener.leave_to_others() {
        let handshakes = tokio::time::sleep(HANDSHAKE_TIME);
        accept_until(&listener, &front.metrics, admit, handshakes).await;
    }
    listener.close().into_iter().for_each(admit);
}

async fn accept_until(
    listener: &Listener,
    metrics: &Metrics,
    admit: impl Fn((AcceptedSocket, Option<SocketAddr>)),
    end: impl Future<Output = ()>,
) {
    let mut end = std::pin::pin!(end);
    let mut failing = false;
    loop {
        let accepted = tokio::select! {
            biased;
            () = &mut end => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok(accepted) => {
                failing = false;
                admit(accepted);
            }
            // The client closed the connection before it was accepted.
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset
                ) => {}
            Err(error) => {
                metrics.connection_refused("accept_error");
                if !failing {
                    tracing::error!(%error, "cannot accept connections");
                }
                failing = true;
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

impl<H: Handler> SharedState<H> {
    fn admit(self: &Arc<Self>, socket: AcceptedSocket, peer: Peer, tls: Option<TlsAcceptor>) {
        let Ok(place) = Arc::clone(&self.connection_permits).try_acquire_owned() else {
            self.metrics.connection_refused("limit");
            // No TLS handshake for a refusal: attackers could use it to cause expensive work.
            return self.registry.refuse(if tls.is_some() { None } else { refuse(socket) });
        };
        let noted = CountedSocket::new(socket, self.registry.enter(), place);
        if self.proxy_protocol.contains(peer.socket) {
            self.tasks.spawn(Arc::clone(self).serve_named(noted, peer, tls));
        } else {
            self.tasks.spawn(self.serve(noted, peer, tls));
        }
    }

    fn serve(
        &self,
        socket: CountedSocket,
        peer: Peer,
        tls: Option<TlsAcceptor>,
    ) -> impl Future<Output = ()> + Send + use<H> {
        connection::serve(Arc::clone(&self.protocol), socket, tls, self.handle.clone(), peer)
    }

    /// Serves a connection of a load balancer, which names the client first.
    async fn serve_named(
        self: Arc<Self>,
        socket: CountedSocket,
        peer: Peer,
        tls: Option<TlsAcceptor>,
    ) {
        if let Some((socket, client)) = Box::pin(connection::read_proxy_header(socket)).await {
            self.serve(socket, peer.or_named(client), tls).await;
        } else {
            self.metrics.connection_refused("proxy_header");
            if !self.warned_of_proxy_header.swap(true, Ordering::Relaxed) {
                tracing::warn!(
                    peer = peer.socket.map(tracing::field::display),
                    "closed a connection without a valid PROXY protocol header: send one from this address, or remove it from server.proxy_protocol; later ones are only counted"
                );
            }
        }
    }

    async fn drain(&self, grace: Duration, tunnels: &TunnelTracker) {
        self.tasks.close();
        self.registry.enter_phase(ServerPhase::Draining);
        let finished = async {
            self.tasks.wait().await;
            // Only after the tasks: a request that finishes may have become a tunnel.
            tunnels.wait().await;
        };
        if tokio::time::timeout(grace, finished).await.is_ok() {
            return;
        }
        tunnels.end();
        self.registry.enter_phase(ServerPhase::Ending);
        let ended = async {
            self.tasks.wait().await;
            tunnels.wait().await;
        };
        if tokio::time::timeout(GRACE_AFTER_DEADLINE, ended).await.is_err() {
            tracing::warn!(
                connections = self.tasks.len(),
                "closed connections that did not finish in time"
            );
        }
    }
}

/// Responds that the connection limit is reached. The buffer of a new socket accepts the few bytes
/// at once; if not, the response is dropped.
fn refuse(socket: AcceptedSocket) -> Option<OwnedFd> {
    let fd = socket.into_fd().ok()?;
    let socket = socket2::Socket::from(fd);
    (&socket).write_all(TOO_MANY_CONNECTIONS).ok()?;
    socket.shutdown(Shutdown::Write).ok()?;
    Some(socket.into())
}
