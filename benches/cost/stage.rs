//! Everything that runs side by side while requests are measured.

use crate::entrada::{self, Entrada, Place};
use crate::load::{Load, Size};
use crate::nginx::{self, App, Certificate, Proxy};
use crate::process::Process;
use crate::sign_in::{Browser, Emulator};
use crate::terminal::Outcome;
use crate::tools::Tools;
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, RootCertStore};
use std::fs;
use std::path::Path;
use std::sync::Arc;

/// Who is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contestant {
    /// `proxy_pass` and nothing else.
    Nginx,
    /// nginx that adds the same headers.
    NginxHeaders,
    /// nginx with its access log.
    NginxLogged,
    /// nginx with buffers for large bodies.
    NginxTuned,
    /// A signed-in person.
    Entrada,
    /// A stranger on a public path.
    EntradaPublic,
    /// A signed-in person, with the access log.
    EntradaLogged,
}

impl Contestant {
    /// As the table calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Nginx => "nginx, `proxy_pass`",
            Self::NginxHeaders => "nginx, the same headers added",
            Self::NginxLogged => "nginx, access log on",
            Self::NginxTuned => "nginx, large buffers",
            Self::Entrada => "Entrada, signed in",
            Self::EntradaPublic => "Entrada, public path",
            Self::EntradaLogged => "Entrada, signed in, access log on",
        }
    }

    /// Whether it needs our program.
    pub fn is_ours(self) -> bool {
        matches!(self, Self::Entrada | Self::EntradaPublic | Self::EntradaLogged)
    }

    /// Whom it is compared with: like with like.
    pub fn baseline(self) -> Self {
        if self == Self::EntradaLogged { Self::NginxLogged } else { Self::Nginx }
    }
}

/// Our side.
#[derive(Debug)]
struct Ours {
    clear: (Entrada, String),
    tls: (Entrada, String),
    logged: (Entrada, String),
    _emulator: Emulator,
}

/// All servers. Whoever is not driven costs nothing.
#[derive(Debug)]
pub struct Stage {
    /// The app behind all of them.
    pub app: App,
    bare: Proxy,
    headers: Proxy,
    logged: Proxy,
    tuned: Proxy,
    ours: Option<Ours>,
}

/// A cookie of ours where there is none, so that nginx reads as many bytes.
const STAND_IN: &str = "entrada=0123456789abcdefghijklmnopqrstuvwxyzABCDEFG";

impl Stage {
    /// Starts everything; without a binary, nginx alone.
    pub fn set(tools: &Tools, dir: &Path, binary: Option<&Path>) -> Outcome<Self> {
        let certificate = certificate(dir)?;
        let app = App::start(&tools.nginx, dir)?;
        let proxy = |kind| Proxy::start(&tools.nginx, dir, app.port, &certificate, kind);
        Ok(Self {
            bare: proxy(nginx::Kind::Bare)?,
            headers: proxy(nginx::Kind::Headers)?,
            logged: proxy(nginx::Kind::Logged)?,
            tuned: proxy(nginx::Kind::Tuned)?,
            ours: binary.map(|it| Ours::start(it, dir, app.port, &certificate)).transpose()?,
            app,
        })
    }

    /// Process, load and app of a round.
    pub fn round(&mut self, who: Contestant, tls: bool, size: Size, connections: u32) -> Outcome<(Load<'_>, &mut Process, &mut App)> {
        let folder = if who == Contestant::EntradaPublic { "/public" } else { "/app" };
        let (process, site, session) = if who.is_ours() {
            let ours = self.ours.as_mut().ok_or("there is no program to measure")?;
            let (entrada, session) = match (who, tls) {
                (Contestant::EntradaLogged, _) => &mut ours.logged,
                (_, true) => &mut ours.tls,
                (_, false) => &mut ours.clear,
            };
            (&mut entrada.process, &entrada.site, session.as_str())
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
        Ok((Load { site, folder, size, session, connections }, process, &mut self.app))
    }
}

impl Ours {
    fn start(binary: &Path, dir: &Path, app: u16, certificate: &Certificate) -> Outcome<Self> {
        let places = [entrada::Kind::Clear, entrada::Kind::Tls, entrada::Kind::Logged].map(|it| Place::choose(it, certificate));
        let [clear, tls, logged] = places;
        let (clear, tls, logged) = (clear?, tls?, logged?);
        let emulator = Emulator::start(binary, &[clear.redirect_uri(), tls.redirect_uri(), logged.redirect_uri()])?;
        let start = |place: &Place| -> Outcome<(Entrada, String)> {
            let entrada = Entrada::start(binary, dir, app, place, certificate, &emulator)?;
            let session = Browser::open(&entrada.site, &emulator)?.sign_in()?;
            Ok((entrada, session))
        };
        Ok(Self { clear: start(&clear)?, tls: start(&tls)?, logged: start(&logged)?, _emulator: emulator })
    }
}

/// Makes a certificate for `localhost`, and a client that believes it.
pub fn certificate(dir: &Path) -> Outcome<Certificate> {
    // The first call decides for the process.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
    let (chain, key) = (dir.join("tls.crt"), dir.join("tls.key"));
    fs::write(&chain, made.cert.pem())?;
    fs::write(&key, made.signing_key.serialize_pem())?;
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from(made.cert.der().to_vec()))?;
    let client = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    Ok(Certificate { chain, key, believed: Arc::new(client) })
}
