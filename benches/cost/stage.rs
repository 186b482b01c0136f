//! All servers that run side by side while requests are measured.

use crate::entrada::{self, EntradaFolder, EntradaProcess};
use crate::load::{LoadRun, LoadSize};
use crate::nginx::{self, BenchCertificate, NginxApp, NginxProxy};
use crate::others::OtherProxy;
use crate::process::ChildProcess;
use crate::sign_in::{BenchBrowser, EmulatorProcess};
use crate::terminal::BenchOutcome;
use crate::tools::BenchTools;
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, RootCertStore};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The contestants of the benchmark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contestant {
    /// nginx with `proxy_pass` only.
    Nginx,
    /// nginx that adds the same headers.
    NginxHeaders,
    /// nginx with its access log.
    NginxLogged,
    /// nginx with buffers for large bodies.
    NginxTuned,
    /// Entrada with a signed-in person.
    Entrada,
    /// Entrada with an anonymous client on a public path.
    EntradaPublic,
    /// Entrada with a signed-in person and the access log.
    EntradaLogged,
    /// Entrada with a signed-in person whose session is sealed in the browser.
    EntradaCookie,
    /// A build of Entrada without profile-guided optimization.
    EntradaPlain,
    /// haproxy, which only forwards.
    Haproxy,
    /// Envoy, which only forwards.
    Envoy,
    /// Envoy, which verifies a token.
    EnvoyJwt,
}

impl Contestant {
    /// Returns the name in the table.
    pub fn name(self) -> &'static str {
        match self {
            Self::Nginx => "nginx, `proxy_pass`",
            Self::NginxHeaders => "nginx, the same headers added",
            Self::NginxLogged => "nginx, access log on",
            Self::NginxTuned => "nginx, large buffers",
            Self::Entrada => "Entrada, signed in",
            Self::EntradaPublic => "Entrada, public path",
            Self::EntradaLogged => "Entrada, signed in, access log on",
            Self::EntradaCookie => "Entrada, signed in, sessions in cookies",
            Self::EntradaPlain => "Entrada, signed in, plain release build",
            Self::Haproxy => "haproxy",
            Self::Envoy => "Envoy",
            Self::EnvoyJwt => "Envoy, `jwt_authn`",
        }
    }

    /// Returns whether it needs Entrada.
    pub fn is_ours(self) -> bool {
        matches!(
            self,
            Self::Entrada
                | Self::EntradaPublic
                | Self::EntradaLogged
                | Self::EntradaCookie
                | Self::EntradaPlain
        )
    }

    /// Returns the session store, if it is not the usual one.
    pub fn store(self) -> Option<&'static str> {
        STORES.iter().find(|it| it.0 == self).map(|it| it.1)
    }

    /// Returns the contestant that it is compared with; both do the same work.
    pub fn baseline(self) -> Self {
        if self == Self::EntradaLogged { Self::NginxLogged } else { Self::Nginx }
    }
}

/// The session stores that are compared with memory.
const STORES: [(Contestant, &str); 1] = [(Contestant::EntradaCookie, "cookie")];

/// The length of the longest record that a browser keeps, in characters. One of this length is sent
/// with each request: a process that has the session does not open it, whatever it is.
const RECORD_CHARS: usize = 3114;

/// One variant of Entrada under measurement.
#[derive(Debug)]
struct EntradaVariant {
    clear: (EntradaProcess, String),
    tls: (EntradaProcess, String),
    logged: (EntradaProcess, String),
    stores: Vec<(Contestant, (EntradaProcess, String))>,
    plain: Option<(EntradaProcess, String)>,
    _emulator: EmulatorProcess,
}

/// All servers. A server without load costs nothing.
#[derive(Debug)]
pub struct BenchStage {
    /// The app behind all of them.
    pub app: NginxApp,
    bare: NginxProxy,
    headers: NginxProxy,
    logged: NginxProxy,
    tuned: NginxProxy,
    ours: Option<EntradaVariant>,
    others: Vec<(Contestant, OtherProxy)>,
}

/// The builds of Entrada to measure.
#[derive(Debug)]
pub struct BenchBinaries<'a> {
    /// The one that the figures are about.
    pub distributed: &'a Path,
    /// One without profile-guided optimization.
    pub plain: Option<PathBuf>,
}

/// A cookie of the same length as Entrada's, for requests without one, so that nginx reads the same
/// number of bytes.
const STAND_IN: &str = "entrada-41800=0123456789abcdefghijklmnopqrstuvwxyzABCDEFG";

impl BenchStage {
    /// Starts all servers; without a binary, only nginx.
    pub fn set(
        tools: &BenchTools,
        dir: &Path,
        binaries: Option<&BenchBinaries<'_>>,
    ) -> BenchOutcome<Self> {
        let certificate = certificate(dir)?;
        let app = NginxApp::start(&tools.nginx, dir)?;
        let proxy = |kind| NginxProxy::start(&tools.nginx, dir, app.port, &certificate, kind);
        Ok(Self {
            bare: proxy(nginx::NginxKind::Bare)?,
            headers: proxy(nginx::NginxKind::Headers)?,
            logged: proxy(nginx::NginxKind::Logged)?,
            tuned: proxy(nginx::NginxKind::Tuned)?,
            ours: binaries
                .map(|it| EntradaVariant::start(it, dir, app.port, &certificate))
                .transpose()?,
            others: others(tools, dir, app.port)?,
            app,
        })
    }

    /// Returns whether a contestant is there.
    pub fn has(&self, who: Contestant) -> bool {
        match who {
            Contestant::EntradaPlain => self.ours.as_ref().is_some_and(|it| it.plain.is_some()),
            Contestant::Haproxy | Contestant::Envoy | Contestant::EnvoyJwt => {
                self.others.iter().any(|it| it.0 == who)
            }
            it => !it.is_ours() || self.ours.is_some(),
        }
    }

    /// Returns the load, the process and the app of a round.
    pub fn round(
        &mut self,
        who: Contestant,
        tls: bool,
        size: LoadSize,
        connections: u32,
    ) -> BenchOutcome<(LoadRun<'_>, &mut ChildProcess, &mut NginxApp)> {
        let folder = if who == Contestant::EntradaPublic { "/public" } else { "/app" };
        let (process, site, session) = if who.is_ours() {
            let ours = self.ours.as_mut().ok_or("there is no program to measure")?;
            let (entrada, session) = match (who, tls) {
                (Contestant::EntradaLogged, _) => &mut ours.logged,
                (it, _) if it.store().is_some() => {
                    let found = ours.stores.iter_mut().find(|store| store.0 == it);
                    &mut found.ok_or("this store was not started")?.1
                }
                (Contestant::EntradaPlain, _) => {
                    ours.plain.as_mut().ok_or("there is no second build")?
                }
                (_, true) => &mut ours.tls,
                (_, false) => &mut ours.clear,
            };
            (&mut entrada.process, &entrada.site, session.as_str())
        } else if let Some((_, other)) = self.others.iter_mut().find(|it| it.0 == who) {
            let session = other.session.as_deref().unwrap_or(STAND_IN);
            (&mut other.process, &other.site, session)
        } else {
            let proxy = match who {
                Contestant::NginxHeaders => &mut self.headers,
                Contestant::NginxLogged => &mut self.logged,
                Contestant::NginxTuned => &mut self.tuned,
                _ => &mut self.bare,
            };
            (&mut proxy.process, if tls { &proxy.tls } else { &proxy.clear }, STAND_IN)
        };
        let session = (who != Contestant::EntradaPublic).then_some(session);
        Ok((LoadRun { site, folder, size, session, connections }, process, &mut self.app))
    }
}

impl EntradaVariant {
    fn start(
        binaries: &BenchBinaries<'_>,
        dir: &Path,
        app: u16,
        certificate: &BenchCertificate,
    ) -> BenchOutcome<Self> {
        use entrada::EntradaKind::{Clear, Logged, Store, Tls};
        let binary = binaries.distributed;
        let [clear, tls, logged, plain] =
            [Clear, Tls, Logged, Clear].map(|it| EntradaFolder::choose(it, certificate));
        let (clear, tls, logged, plain) = (clear?, tls?, logged?, plain?);
        let stores = STORES.map(|it| (it.0, EntradaFolder::choose(Store(it.1), certificate)));
        let stores = stores
            .into_iter()
            .map(|(who, place)| Ok((who, place?)))
            .collect::<BenchOutcome<Vec<_>>>()?;
        let places =
            [&clear, &tls, &logged, &plain].into_iter().chain(stores.iter().map(|it| &it.1));
        let redirect_uris: Vec<_> = places.map(EntradaFolder::redirect_uri).collect();
        let emulator = EmulatorProcess::start(binary, &redirect_uris)?;
        let start = |binary: &Path, place: &EntradaFolder| -> BenchOutcome<_> {
            let entrada = EntradaProcess::start(binary, dir, app, place, certificate, &emulator)?;
            let session = BenchBrowser::open(&entrada.site, &emulator)?.sign_in()?;
            Ok((entrada, session))
        };
        Ok(Self {
            clear: start(binary, &clear)?,
            tls: start(binary, &tls)?,
            logged: start(binary, &logged)?,
            stores: stores
                .iter()
                .map(|(who, place)| Ok((*who, with_record(*who, start(binary, place)?))))
                .collect::<BenchOutcome<_>>()?,
            plain: binaries.plain.as_ref().map(|it| start(it, &plain)).transpose()?,
            _emulator: emulator,
        })
    }
}

/// Adds the longest record to the cookie of a session, if its store has records.
fn with_record(
    who: Contestant,
    (process, session): (EntradaProcess, String),
) -> (EntradaProcess, String) {
    if who != Contestant::EntradaCookie {
        return (process, session);
    }
    let name = session.split_once('=').map_or("", |it| it.0);
    let record = "A".repeat(RECORD_CHARS);
    (process, format!("{session}; {name}-s={record}"))
}

/// Starts the proxies that are installed beside nginx.
fn others(tools: &BenchTools, dir: &Path, app: u16) -> BenchOutcome<Vec<(Contestant, OtherProxy)>> {
    let mut out = Vec::new();
    if let Some(haproxy) = &tools.haproxy {
        out.push((Contestant::Haproxy, OtherProxy::haproxy(haproxy, dir, app)?));
    }
    if let Some(envoy) = &tools.envoy {
        out.push((Contestant::Envoy, OtherProxy::envoy(envoy, dir, app)?));
        out.push((Contestant::EnvoyJwt, OtherProxy::envoy_jwt(envoy, dir, app)?));
    }
    Ok(out)
}

/// Creates a certificate for `localhost`, and a client that trusts it.
pub fn certificate(dir: &Path) -> BenchOutcome<BenchCertificate> {
    // Only the first call takes effect in a process.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
    let (chain, key) = (dir.join("tls.crt"), dir.join("tls.key"));
    fs::write(&chain, made.cert.pem())?;
    fs::write(&key, made.signing_key.serialize_pem())?;
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from(made.cert.der().to_vec()))?;
    let client = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    Ok(BenchCertificate { chain, key, believed: Arc::new(client) })
}
