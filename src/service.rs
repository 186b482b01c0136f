//! The running process: its configuration, its listeners, and how it reloads and drains.

use crate::base::secret::Secret;
use crate::base::site::Site;
use crate::config::Config;
use crate::config::server::ListenAddress;
use crate::directory::Directory;
use crate::directory::change::SIGNED_OUT;
use crate::entra::Entra;
use crate::flow;
use crate::server::admin::{self, AdminSource};
use crate::server::tls::{self, ServerCertificates};
use crate::server::{self, Handler, Listener, ServerSettings};
use crate::session::person::{AmbiguousPerson, EndedSessions, PersonSelector};
use crate::sidecar::watch::DirectoryWatch;
use crate::sidecar::{self, Process, Sidecar, expiry};
use crate::wire::body::Body;
use crate::wire::handles;
use crate::wire::peer::Peer;
use arc_swap::{ArcSwap, ArcSwapOption};
use http::{Request, Response};
use hyper::body::Incoming;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How long a reloaded configuration may take to reach Entra before it is used all the same.
const ENTRA_REACH_TIMEOUT: Duration = Duration::from_secs(3);

/// A sidecar whose configuration can be replaced while it serves.
#[derive(Debug)]
pub struct Service {
    sidecar: ArcSwap<Sidecar>,
    /// As it was at the start: what needs a restart goes on as it stands here.
    initial: Config,
    keeping: Mutex<CancellationToken>,
    draining: CancellationToken,
    /// Opens the orders of the admin listener, as the newest configuration has it.
    admin_token: ArcSwapOption<Secret>,
    /// Ends what is watched in the directory.
    watching: CancellationToken,
}

/// Where a service listens, and the certificate it shows there.
#[derive(Debug)]
pub struct BoundListener {
    /// For people.
    pub data: Vec<Listener>,
    /// For health, readiness and figures.
    pub admin: Vec<Listener>,
    /// Where we terminate TLS.
    pub tls: Option<ServerCertificates>,
}

/// Why a service cannot be reached.
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
    /// Binds what the configuration names.
    ///
    /// # Errors
    /// The listener that cannot be bound, or the file of the certificate that cannot be used, and why.
    pub fn new(config: &Config) -> Result<Self, BindError> {
        let bind = |it: &ListenAddress| Listener::bind(it).map_err(|error| BindError::Listen(it.clone(), error));
        let tls = config.server.tls.as_ref().map(ServerCertificates::load).transpose()?;
        let mut data = Vec::new();
        for listen in &config.server.listen {
            data.extend(bind(listen)?);
        }
        Ok(Self { data, admin: bind(&config.server.admin_listen)?, tls })
    }
}

impl Service {
    /// Furnishes the house and begins to ask Entra for its keys. The strings are warnings for the operator.
    ///
    /// # Errors
    /// The section that cannot be used.
    pub fn start(config: &Config, process: Process) -> Result<(Arc<Self>, Vec<String>), sidecar::Error> {
        let (sidecar, mut warnings) = Sidecar::new(config, process)?;
        warnings.extend(too_many_connections(config.server.limits.connections));
        let keeping = keep_fresh(&sidecar.entra);
        sidecar.process.newest.store(Some(Arc::new(sidecar.authorities())));
        let watching = watch(&sidecar.process);
        let (sidecar, begun, keeping) = (ArcSwap::from_pointee(sidecar), config.clone(), Mutex::new(keeping));
        let admin_token = ArcSwapOption::new(config.server.admin_token.clone().map(Arc::new));
        Ok((Arc::new(Self { sidecar, initial: begun, keeping, draining: CancellationToken::new(), admin_token, watching }), warnings))
    }

    /// Serves until `shutdown`, then drains.
    pub async fn serve(self: Arc<Self>, bound: BoundListener, shutdown: CancellationToken) {
        let server = self.initial.server.clone();
        let grace = server.shutdown_grace;
        let Process { tunnels, background, directory, clock, metrics, .. } = Process::clone(&self.sidecar.load().process);
        let settings = ServerSettings { limits: server.limits, tls: bound.tls, hsts: server.hsts, grace, metrics };
        let over = CancellationToken::new();
        for listener in bound.admin {
            tokio::spawn(admin::serve_admin(listener, AdminState(Arc::clone(&self)), over.clone()));
        }
        let own = {
            let service = Arc::clone(&self);
            move || service.sidecar.load().entra.credential_ends()
        };
        tokio::spawn(expiry::warn(directory.clone(), own, clock, over.clone()));
        let draining = self.draining.clone();
        let told = shutdown.clone();
        let deadline = tokio::spawn(async move {
            told.cancelled().await;
            draining.cancel();
            Instant::now() + grace
        });
        server::serve(bound.data, settings, RequestHandler(Arc::clone(&self)), tunnels, shutdown).await;
        finish(&background, deadline.await.ok()).await;
        lock(&self.keeping).cancel();
        self.watching.cancel();
        if let Some(directory) = &directory {
            directory.close().await;
        }
        over.cancel();
    }

    /// Takes a new configuration. Sessions stay; the strings are warnings, and the keys that need a restart.
    ///
    /// # Errors
    /// The section that cannot be used; the old house stays as it is.
    pub async fn reload(&self, config: &Config) -> Result<Vec<String>, sidecar::Error> {
        let process = Process::clone(&self.sidecar.load().process);
        let (sidecar, mut warnings) = Sidecar::new(config, process)?;
        warnings.extend(needs_restart(&self.initial, config));
        let old = self.sidecar.load_full();
        sidecar.entra.inherit(&old.entra);
        if let (Some(new), Some(old)) = (&sidecar.organizations, &old.organizations) {
            new.inherit(old);
        }
        let keeping = keep_fresh(&sidecar.entra);
        // While the new one reaches for Entra, the old one goes on signing people in.
        let _ = tokio::time::timeout(ENTRA_REACH_TIMEOUT, reached(&sidecar.entra)).await;
        sidecar.process.newest.store(Some(Arc::new(sidecar.authorities())));
        self.sidecar.store(Arc::new(sidecar));
        self.admin_token.store(config.server.admin_token.clone().map(Arc::new));
        std::mem::replace(&mut *lock(&self.keeping), keeping).cancel();
        Ok(warnings)
    }

    /// The house as it stands.
    pub fn sidecar(&self) -> Arc<Sidecar> {
        self.sidecar.load_full()
    }
}

/// Whoever asks Entra hears its answer, within what is left of the grace: a refresh token that was redeemed is not to be lost.
async fn finish(background: &TaskTracker, deadline: Option<Instant>) {
    background.close();
    let left = deadline.map_or(Duration::ZERO, |it| it.saturating_duration_since(Instant::now()));
    if tokio::time::timeout(left, background.wait()).await.is_err() {
        tracing::warn!(pending = background.len(), "shut down while calls to Entra were pending");
    }
}

fn keep_fresh(entra: &Arc<Entra>) -> CancellationToken {
    let stop = CancellationToken::new();
    tokio::spawn(Arc::clone(entra).keep_fresh(stop.clone()));
    stop
}

/// Lets the sessions follow what is changed in the directory, where there is one.
fn watch(process: &Process) -> CancellationToken {
    let stop = CancellationToken::new();
    let Process { directory, store, metrics, clock, random, .. } = process.clone();
    if let Some(directory) = directory {
        tokio::spawn(DirectoryWatch::new(directory, store, metrics, clock, random).run(stop.clone()));
    }
    stop
}

async fn reached(entra: &Entra) {
    while entra.ready().is_err() {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A limit that the system does not back would leave clients waiting instead of refused.
fn too_many_connections(wanted: usize) -> Option<String> {
    let backed = handles::max_connections();
    let hint = "raise the limit of open files (ulimit -Hn, or LimitNOFILE= in systemd) to twice the connections plus 256";
    (backed < wanted).then(|| format!("server.limits.connections is {wanted}, but the limit of open files allows {backed} connections: {hint}"))
}

/// Keys whose change is seen only after a restart.
fn needs_restart(old: &Config, new: &Config) -> Vec<String> {
    let (before, after) = (&old.session, &new.session);
    let changed = [
        ("server.listen", old.server.listen != new.server.listen),
        ("server.admin_listen", old.server.admin_listen != new.server.admin_listen),
        ("server.limits", old.server.limits != new.server.limits),
        ("server.tls", (&old.server.tls, old.server.hsts) != (&new.server.tls, new.server.hsts)),
        ("server.shutdown_grace", old.server.shutdown_grace != new.server.shutdown_grace),
        ("session.idle", before.idle != after.idle),
        ("session.lifetime", before.lifetime != after.lifetime),
        ("session.capacity", before.capacity != after.capacity),
        ("session.per_person", before.per_person != after.per_person),
        ("directory", directory_of(old) != directory_of(new)),
        ("telemetry", old.telemetry != new.telemetry),
    ];
    changed.into_iter().filter(|it| it.1).map(|it| format!("{} changed; restart entrada to apply it", it.0)).collect()
}

/// `[directory]` and every `[[organization]]` as text that tells one from another; it is never shown.
fn directory_of(config: &Config) -> Option<(String, Vec<&str>)> {
    let directory = config.directory.as_ref()?;
    Some((format!("{directory:?}"), directory.secrets().collect()))
}

#[derive(Clone, Debug)]
struct RequestHandler(Arc<Service>);

impl Handler for RequestHandler {
    fn handle(self, request: Request<Incoming>, peer: Peer) -> impl Future<Output = Response<Body>> + Send {
        flow::handle(self.0.sidecar.load_full(), request, peer)
    }

    fn refuse(self, request: Request<Incoming>, peer: Peer) -> Response<Body> {
        flow::refuse(&self.0.sidecar.load(), request.method(), &peer)
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
        // Each organization has an Entra of its own, reached when it is first needed; the database is open.
        if sidecar.organizations.is_some() { Ok(()) } else { sidecar.entra.ready().map_err(|it| vec![it]) }
    }

    fn metrics(&self) -> String {
        let sidecar = self.0.sidecar.load();
        sidecar.process.metrics.text(sidecar.process.store.count(), sidecar.entra.rests() > 0, sidecar.process.log.dropped())
    }

    fn revoke(&self, whom: &PersonSelector) -> Result<EndedSessions, AmbiguousPerson> {
        let sidecar = self.0.sidecar.load();
        let ended = sidecar.process.store.revoke(whom)?;
        // A phone that rests has no session here, but its sign-in is to end too.
        let account = ended.person.map(|it| (it.oid, Some(it.tid))).or_else(|| whom.account());
        if let (Some((oid, tid)), Some(directory)) = (account, sidecar.process.directory.clone()) {
            sidecar.process.background.spawn(async move {
                if let Err(cause) = directory.end_sign_ins_of_account(oid, tid, SIGNED_OUT).await {
                    tracing::error!(%cause, "sign-ins on native clients not ended");
                }
            });
        }
        Ok(ended)
    }

    fn token(&self) -> Option<Secret> {
        self.0.admin_token.load().as_deref().cloned()
    }

    fn directory(&self) -> Option<Directory> {
        self.0.sidecar.load().process.directory.clone()
    }

    fn site(&self) -> Site {
        self.0.sidecar.load().site.clone()
    }

    fn has_federated_token(&self) -> bool {
        self.0.sidecar.load().organizations.as_ref().is_some_and(|it| it.has_federated_token())
    }
}
