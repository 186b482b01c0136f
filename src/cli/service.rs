//! The running service: the house, its listeners, and how it is reloaded and drained.

use crate::base::secret::Secret;
use crate::base::site::Site;
use crate::config::Config;
use crate::config::server::Listen;
use crate::directory::Directory;
use crate::directory::change::SIGNED_OUT;
use crate::entra::Entra;
use crate::flow;
use crate::server::admin::{self, Source};
use crate::server::tls::{self, Certificates};
use crate::server::{self, Handle, Listener, Settings};
use crate::session::whom::{Ambiguous, Ended, Whom};
use crate::sidecar::watch::Watch;
use crate::sidecar::{self, Lasting, Sidecar, expiry};
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
const REACH: Duration = Duration::from_secs(3);

/// A house that can be furnished anew while people live in it.
#[derive(Debug)]
pub struct Service {
    house: ArcSwap<Sidecar>,
    /// As it was at the start: what needs a restart goes on as it stands here.
    begun: Config,
    keeping: Mutex<CancellationToken>,
    draining: CancellationToken,
    /// Opens the orders of the admin listener, as the newest configuration has it.
    admin_token: ArcSwapOption<Secret>,
    /// Ends what is watched in the directory.
    watching: CancellationToken,
}

/// Where a service listens, and the certificate it shows there.
#[derive(Debug)]
pub struct Bound {
    /// For people.
    pub data: Vec<Listener>,
    /// For health, readiness and figures.
    pub admin: Vec<Listener>,
    /// Where we terminate TLS.
    pub tls: Option<Certificates>,
}

/// Why a service cannot be reached.
#[derive(Debug, thiserror::Error)]
pub enum NotBound {
    /// A listener cannot be bound.
    #[error("cannot listen on {0}: {1}")]
    Listen(Listen, std::io::Error),
    /// The certificate or its key cannot be used.
    #[error("[server] tls: {0}")]
    Tls(#[from] tls::Error),
}

impl Bound {
    /// Binds what the configuration names.
    ///
    /// # Errors
    /// The listener that cannot be bound, or the file of the certificate that cannot be used, and why.
    pub fn new(config: &Config) -> Result<Self, NotBound> {
        let bind = |it: &Listen| Listener::bind(it).map_err(|error| NotBound::Listen(it.clone(), error));
        let tls = config.server.tls.as_ref().map(Certificates::load).transpose()?;
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
    pub fn start(config: &Config, lasting: Lasting) -> Result<(Arc<Self>, Vec<String>), sidecar::Error> {
        let (house, mut warnings) = Sidecar::new(config, lasting)?;
        warnings.extend(too_many_connections(config.server.limits.connections));
        let keeping = keep(&house.entra);
        house.lasting.newest.store(Some(Arc::new(house.authorities())));
        let watching = watch(&house.lasting);
        let (house, begun, keeping) = (ArcSwap::from_pointee(house), config.clone(), Mutex::new(keeping));
        let admin_token = ArcSwapOption::new(config.server.admin_token.clone().map(Arc::new));
        Ok((Arc::new(Self { house, begun, keeping, draining: CancellationToken::new(), admin_token, watching }), warnings))
    }

    /// Serves until `shutdown`, then drains.
    pub async fn serve(self: Arc<Self>, bound: Bound, shutdown: CancellationToken) {
        let server = self.begun.server.clone();
        let grace = server.shutdown_grace;
        let Lasting { tunnels, background, directory, clock, metrics, .. } = Lasting::clone(&self.house.load().lasting);
        let settings = Settings { limits: server.limits, tls: bound.tls, hsts: server.hsts, grace, metrics };
        let over = CancellationToken::new();
        for listener in bound.admin {
            tokio::spawn(admin::serve_admin(listener, Ready(Arc::clone(&self)), over.clone()));
        }
        let own = {
            let service = Arc::clone(&self);
            move || service.house.load().entra.credential_ends()
        };
        tokio::spawn(expiry::warn(directory.clone(), own, clock, over.clone()));
        let draining = self.draining.clone();
        let told = shutdown.clone();
        let deadline = tokio::spawn(async move {
            told.cancelled().await;
            draining.cancel();
            Instant::now() + grace
        });
        server::serve(bound.data, settings, Answering(Arc::clone(&self)), tunnels, shutdown).await;
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
        let lasting = Lasting::clone(&self.house.load().lasting);
        let (house, mut warnings) = Sidecar::new(config, lasting)?;
        warnings.extend(needs_restart(&self.begun, config));
        let old = self.house.load_full();
        house.entra.inherit(&old.entra);
        if let (Some(new), Some(old)) = (&house.organizations, &old.organizations) {
            new.inherit(old);
        }
        let keeping = keep(&house.entra);
        // While the new one reaches for Entra, the old one goes on signing people in.
        let _ = tokio::time::timeout(REACH, reached(&house.entra)).await;
        house.lasting.newest.store(Some(Arc::new(house.authorities())));
        self.house.store(Arc::new(house));
        self.admin_token.store(config.server.admin_token.clone().map(Arc::new));
        std::mem::replace(&mut *lock(&self.keeping), keeping).cancel();
        Ok(warnings)
    }

    /// The house as it stands.
    pub fn house(&self) -> Arc<Sidecar> {
        self.house.load_full()
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

fn keep(entra: &Arc<Entra>) -> CancellationToken {
    let stop = CancellationToken::new();
    tokio::spawn(Arc::clone(entra).keep_fresh(stop.clone()));
    stop
}

/// Lets the sessions follow what is changed in the directory, where there is one.
fn watch(lasting: &Lasting) -> CancellationToken {
    let stop = CancellationToken::new();
    let Lasting { directory, store, metrics, clock, random, .. } = lasting.clone();
    if let Some(directory) = directory {
        tokio::spawn(Watch::new(directory, store, metrics, clock, random).keep(stop.clone()));
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
struct Answering(Arc<Service>);

impl Handle for Answering {
    fn handle(self, request: Request<Incoming>, peer: Peer) -> impl Future<Output = Response<Body>> + Send {
        flow::handle(self.0.house.load_full(), request, peer)
    }

    fn refuse(self, request: Request<Incoming>, peer: Peer) -> Response<Body> {
        flow::refuse(&self.0.house.load(), request.method(), &peer)
    }

    fn has_refused(self, error: &hyper::Error, peer: Peer) {
        flow::has_refused(&self.0.house.load(), error, &peer);
    }
}

struct Ready(Arc<Service>);

impl Source for Ready {
    fn ready(&self) -> Result<(), Vec<String>> {
        if self.0.draining.is_cancelled() {
            return Err(vec!["draining".to_owned()]);
        }
        let house = self.0.house.load();
        // Each organization has an Entra of its own, reached when it is first needed; the database is open.
        if house.organizations.is_some() { Ok(()) } else { house.entra.ready().map_err(|it| vec![it]) }
    }

    fn metrics(&self) -> String {
        let house = self.0.house.load();
        house.lasting.metrics.text(house.lasting.store.count(), house.entra.rests() > 0, house.lasting.log.dropped())
    }

    fn revoke(&self, whom: &Whom) -> Result<Ended, Ambiguous> {
        let house = self.0.house.load();
        let ended = house.lasting.store.revoke(whom)?;
        // A phone that rests has no session here, but its sign-in is to end too.
        let account = ended.person.map(|it| (it.oid, Some(it.tid))).or_else(|| whom.account());
        if let (Some((oid, tid)), Some(directory)) = (account, house.lasting.directory.clone()) {
            house.lasting.background.spawn(async move {
                if let Err(cause) = directory.end_families_of_account(oid, tid, SIGNED_OUT).await {
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
        self.0.house.load().lasting.directory.clone()
    }

    fn site(&self) -> Site {
        self.0.house.load().site.clone()
    }

    fn has_federated_token(&self) -> bool {
        self.0.house.load().organizations.as_ref().is_some_and(|it| it.has_federated_token())
    }
}
