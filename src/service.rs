//! The running process: its configuration and listeners, reload and shutdown.

mod restart_keys;
mod stop;

use crate::base::secret::Secret;
use crate::base::site::Site;
use crate::config::Config;
use crate::config::server::ListenAddress;
use crate::directory::Directory;
use crate::directory::change::SIGNED_OUT;
use crate::entra::EntraRegistration;
use crate::flow;
use crate::server::admin::{self, AdminSource};
use crate::server::tls::{self, ServerCertificates};
use crate::server::{self, Handler, Listener, ServerSettings};
use crate::session::person::{AmbiguousPerson, EndedSessions, PersonSelector};
use crate::session::store::SessionStore;
use crate::sidecar::domain_prover::DomainProver;
use crate::sidecar::watch::DirectoryWatch;
use crate::sidecar::{self, Process, Sidecar, expiry};
use crate::wire::body::Body;
use crate::wire::handles;
use crate::wire::peer::Peer;
use arc_swap::{ArcSwap, ArcSwapOption};
use http::{Request, Response};
use hyper::body::Incoming;
use restart_keys::needs_restart;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use stop::{StopPlan, finish, save_sessions};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Maximum time that a reloaded configuration, or a process that listens beside another, waits for
/// Entra.
const ENTRA_REACH_TIMEOUT: Duration = Duration::from_secs(3);

/// A sidecar whose configuration can be replaced while it serves requests.
#[derive(Debug)]
pub struct Service {
    sidecar: ArcSwap<Sidecar>,
    /// The configuration from the start: keys that need a restart keep their values from here.
    initial: Config,
    draining: CancellationToken,
    /// The token for the admin API, from the newest configuration.
    admin_token: ArcSwapOption<Secret>,
    /// Stops watching the directory for changes, the snapshots of sessions, and the session store.
    watching: CancellationToken,
    /// Keeps the connection to the session store, and writes the last changes at the end.
    store: Mutex<Option<JoinHandle<()>>>,
}

/// The bound listeners of a service and its TLS certificate.
#[derive(Debug)]
pub struct BoundListener {
    /// Listeners for people's requests.
    pub data: Vec<Listener>,
    /// Listeners for health, readiness and metrics.
    pub admin: Vec<Listener>,
    /// The certificates, if we terminate TLS.
    pub tls: Option<ServerCertificates>,
}

/// The reason why a service cannot listen.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// A listener cannot be bound.
    #[error("cannot listen on {0}: {1}")]
    Listen(ListenAddress, std::io::Error),
    /// The certificate or its key cannot be used.
    #[error("[server] tls: {0}")]
    Tls(#[from] tls::Error),
}

impl BoundListener {
    /// Binds the listeners that the configuration names.
    ///
    /// # Errors
    /// Returns the listener that cannot be bound, or the certificate file that cannot be used, with
    /// the cause.
    pub fn new(config: &Config) -> Result<Self, BindError> {
        let bind = |it: &ListenAddress| {
            let bound = if config.server.reuse_port {
                Listener::bind_beside_others(it)
            } else {
                Listener::bind(it)
            };
            bound.map_err(|error| BindError::Listen(it.clone(), error))
        };
        let tls = config.server.tls.as_ref().map(ServerCertificates::load).transpose()?;
        let mut data = Vec::new();
        for listen in &config.server.listen {
            data.extend(bind(listen)?);
        }
        Ok(Self { data, admin: bind(&config.server.admin_listen)?, tls })
    }
}

impl Service {
    /// Creates the sidecar and starts to fetch Entra's keys. The returned strings are warnings for
    /// the operator.
    ///
    /// # Errors
    /// Returns the section that cannot be used.
    pub fn start(
        config: &Config,
        process: Process,
    ) -> Result<(Arc<Self>, Vec<String>), sidecar::Error> {
        let (sidecar, mut warnings) = Sidecar::new(config, process)?;
        warnings.extend(too_many_connections(config.server.limits.connections));
        sidecar.entra.keep_fresh();
        sidecar.process.newest.store(Some(Arc::new(sidecar.registrations())));
        let watching = watch(&sidecar.process);
        if let Some(folder) = sidecar.process.folder.clone() {
            let metrics = Arc::clone(&sidecar.process.metrics);
            let report = move |is_failing| metrics.sessions_unsaved(is_failing);
            let interval = config.session.snapshot_interval;
            tokio::spawn(folder.run(interval, watching.clone(), report));
        }
        let store = keep_store(&sidecar.process, watching.clone());
        let (sidecar, begun) = (ArcSwap::from_pointee(sidecar), config.clone());
        let admin_token = ArcSwapOption::new(config.server.admin_token.clone().map(Arc::new));
        Ok((
            Arc::new(Self {
                sidecar,
                initial: begun,
                draining: CancellationToken::new(),
                admin_token,
                watching,
                store: Mutex::new(store),
            }),
            warnings,
        ))
    }

    /// Serves requests until `shutdown` is canceled, then drains.
    pub async fn serve(self: Arc<Self>, bound: BoundListener, shutdown: CancellationToken) {
        let server = self.initial.server.clone();
        let grace = server.shutdown_grace;
        let Process { tunnels, background, directory, folder, clock, metrics, .. } =
            Process::clone(&self.sidecar.load().process);
        let settings = ServerSettings {
            limits: server.limits.clone(),
            tls: bound.tls,
            hsts: server.hsts,
            proxy_protocol: server.proxy_protocol.clone(),
            grace,
            metrics,
        };
        let over = CancellationToken::new();
        let admin_over = over.child_token();
        for listener in bound.admin {
            let state = AdminState(Arc::clone(&self));
            tokio::spawn(admin::serve_admin(listener, state, admin_over.clone()));
        }
        let own = {
            let service = Arc::clone(&self);
            move || service.sidecar.load().entra.credential_ends()
        };
        tokio::spawn(expiry::warn(directory.clone(), own, clock, over.clone()));
        if let Some(folder) = &folder {
            folder.listens();
        }
        let closing = CancellationToken::new();
        let deadline = tokio::spawn({
            let (draining, closing) = (self.draining.clone(), closing.clone());
            let (folder, background) = (folder.clone(), background.clone());
            let stop = StopPlan { server, folder, background, admin_over };
            async move {
                shutdown.cancelled().await;
                draining.cancel();
                stop.wait().await;
                closing.cancel();
                Instant::now() + grace
            }
        });
        server::serve(bound.data, settings, RequestHandler(Arc::clone(&self)), tunnels, closing)
            .await;
        finish(&background, deadline.await.ok()).await;
        self.sidecar.load().tenants.stop();
        self.watching.cancel();
        // Nobody can end a session that is being saved.
        over.cancel();
        save_sessions(folder).await;
        let store = self.store.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(store) = store {
            // It limits its own time.
            let _ = store.await;
        }
        if let Some(directory) = &directory {
            directory.close().await;
        }
    }

    /// Switches to a new configuration. Sessions are kept; the returned strings are warnings,
    /// including the keys that need a restart.
    ///
    /// # Errors
    /// Returns the section that cannot be used; the old configuration stays in use.
    pub async fn reload(&self, config: &Config) -> Result<Vec<String>, sidecar::Error> {
        let process = Process::clone(&self.sidecar.load().process);
        let (sidecar, mut warnings) = Sidecar::new(config, process)?;
        sidecar.process.rotate_session_secrets(config);
        warnings.extend(needs_restart(&self.initial, config));
        let old = self.sidecar.load_full();
        sidecar.entra.inherit(&old.entra);
        if let (Some(new), Some(old)) = (&sidecar.organizations, &old.organizations) {
            new.inherit(old);
        }
        sidecar.entra.keep_fresh();
        // While the new sidecar connects to Entra, the old one continues to sign people in.
        let _ = tokio::time::timeout(ENTRA_REACH_TIMEOUT, reached(&sidecar.entra)).await;
        sidecar.process.newest.store(Some(Arc::new(sidecar.registrations())));
        self.sidecar.store(Arc::new(sidecar));
        self.admin_token.store(config.server.admin_token.clone().map(Arc::new));
        old.tenants.stop();
        Ok(warnings)
    }

    /// Waits until Entra was reached, for at most 3 seconds: until then, nobody can sign in.
    pub async fn reached(&self) {
        let sidecar = self.sidecar();
        let _ = tokio::time::timeout(ENTRA_REACH_TIMEOUT, reached(&sidecar.entra)).await;
    }

    /// The sidecar with the current configuration.
    pub fn sidecar(&self) -> Arc<Sidecar> {
        self.sidecar.load_full()
    }
}

/// Starts to apply changes in the directory to the sessions, if there is a directory.
fn watch(process: &Process) -> CancellationToken {
    let stop = CancellationToken::new();
    if let Some(directory) = process.directory.clone() {
        tokio::spawn(DirectoryWatch::new(process.watched(directory)).run(stop.clone()));
    }
    stop
}

/// Starts to keep the connection to the session store, if it is outside the process.
fn keep_store(process: &Process, stop: CancellationToken) -> Option<JoinHandle<()>> {
    let SessionStore::Redis(store) = process.store.as_ref() else { return None };
    let metrics = Arc::clone(&process.metrics);
    let report = move |is_down| metrics.session_store_unreachable(is_down);
    Some(tokio::spawn(Arc::clone(store).run(stop, report)))
}

async fn reached(entra: &EntraRegistration) {
    while entra.ready().is_err() {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Warns about a connection limit above the system's limit: clients would wait instead of being
/// rejected.
fn too_many_connections(wanted: usize) -> Option<String> {
    let backed = handles::max_connections();
    let hint = "raise the limit of open files (ulimit -Hn, or LimitNOFILE= in systemd) to twice the connections plus 256";
    (backed < wanted).then(|| format!("server.limits.connections is {wanted}, but the limit of open files allows {backed} connections: {hint}"))
}

#[derive(Clone, Debug)]
struct RequestHandler(Arc<Service>);

impl Handler for RequestHandler {
    fn handle(
        self,
        request: Request<Incoming>,
        peer: Peer,
    ) -> impl Future<Output = Response<Body>> + Send {
        flow::handle(self.0.sidecar.load_full(), request, peer)
    }

    fn refuse(self, request: Request<Incoming>, peer: Peer) -> Response<Body> {
        flow::refuse(&self.0.sidecar.load(), request.method(), request.uri(), &peer)
    }

    fn has_refused(self, error: &hyper::Error, peer: Peer) {
        flow::has_refused(&self.0.sidecar.load(), error, &peer);
    }
}

struct AdminState(Arc<Service>);

impl AdminSource for AdminState {
    fn ready(&self) -> Result<(), Vec<String>> {
        if self.0.draining.is_cancelled() {
            return Err(vec!["draining".to_owned()]);
        }
        let sidecar = self.0.sidecar.load();
        if !sidecar.process.store.has_connected() {
            return Err(vec!["the session store has not been reached".to_owned()]);
        }
        // Each organization has its own Entra, which is contacted on first use; the database is
        // open.
        if sidecar.organizations.is_some() {
            Ok(())
        } else {
            sidecar.entra.ready().map_err(|it| vec![it])
        }
    }

    fn notes(&self) -> Vec<String> {
        self.0.initial.session.store.cannot().map(str::to_owned).into_iter().collect()
    }

    fn metrics(&self) -> String {
        let sidecar = self.0.sidecar.load();
        sidecar.process.metrics.text(
            sidecar.process.live.count(),
            sidecar.entra.backoff_seconds() > 0,
            sidecar.process.log.dropped(),
        )
    }

    fn revoke(&self, selector: &PersonSelector) -> Result<EndedSessions, AmbiguousPerson> {
        let sidecar = self.0.sidecar.load();
        let store = &sidecar.process.store;
        let (runtime, live) = (Handle::current(), &sidecar.process.live);
        let person = runtime.block_on(store.select(live, selector))?;
        let sessions = person.map_or(0, |it| runtime.block_on(store.end_by_person(it)));
        // A phone that is not in use has no session here, but its sign-in must end too.
        let account = person.map(|it| (it.oid, Some(it.tid))).or_else(|| selector.account());
        if let (Some((oid, tid)), Some(directory)) = (account, sidecar.process.directory.clone()) {
            sidecar.process.background.spawn(async move {
                if let Err(cause) = directory.end_sign_ins_of_account(oid, tid, SIGNED_OUT).await {
                    tracing::error!(%cause, "sign-ins on native clients not ended");
                }
            });
        }
        Ok(EndedSessions { person, sessions })
    }

    fn token(&self) -> Option<Secret> {
        self.0.admin_token.load().as_deref().cloned()
    }

    fn directory(&self) -> Option<Directory> {
        self.0.sidecar.load().process.directory.clone()
    }

    fn domains(&self) -> Option<DomainProver> {
        let sidecar = self.0.sidecar.load();
        sidecar.process.directory.as_ref().map(|_| sidecar.domains.clone())
    }

    fn site(&self) -> Site {
        self.0.sidecar.load().app.site.clone()
    }

    fn has_federated_token(&self) -> bool {
        self.0.sidecar.load().organizations.as_ref().is_some_and(|it| it.has_federated_token())
    }
}
