//! `[server]`: the listeners and the public address.

mod limits;
mod listeners;
mod peers;

pub(super) use limits::STREAM_TIMEOUT;
pub use limits::ServerLimits;
pub use listeners::ListenAddress;
pub use peers::{PeerSet, ProxyTrust, TrustedHeaders};

use super::address::is_domain;
use super::duration;
use super::problem::{InvalidValue, quote};
use super::section::{ConfigSection, LocatedValue};
use super::source::LocatedKey;
use crate::base::secret::Secret;
use crate::base::site::{BadSite, Site, split_authority};
use limits::limits;
use listeners::{judge_listeners, judge_reuse_port, listen};
use peers::{Peers, peers};
use std::path::PathBuf;
use std::time::Duration;

/// The parsed section `[server]`.
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// Listeners for requests from people.
    pub listen: Vec<ListenAddress>,
    /// Public address, prefix and redirect path.
    pub site: Site,
    /// Proxies whose forwarded headers are trusted.
    pub trust: ProxyTrust,
    /// Load balancers whose connections must begin with a PROXY protocol header.
    pub proxy_protocol: PeerSet,
    /// The admin listener.
    pub admin_listen: ListenAddress,
    /// The token that callers of the admin API must send, on any listener. Without it, the admin
    /// API is available only on a listener that is reachable from this machine alone.
    pub admin_token: Option<Secret>,
    /// Whether another process may listen at the same TCP ports.
    pub reuse_port: bool,
    /// Time after SIGTERM in which new connections are still accepted.
    pub shutdown_delay: Duration,
    /// Time that requests in progress get to finish after SIGTERM and the delay.
    pub shutdown_grace: Duration,
    /// Certificate and key, if we terminate TLS.
    pub tls: Option<TlsFiles>,
    /// `max-age` of `Strict-Transport-Security` over TLS that we terminate, in whole seconds; zero
    /// makes browsers forget it.
    pub hsts: Option<Duration>,
    /// Limits for timeouts and sizes.
    pub limits: ServerLimits,
}

/// Paths of the certificate chain and the private key, in PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate chain, leaf first.
    pub certificate: PathBuf,
    /// The private key.
    pub key: PathBuf,
}

/// The parts of `[server]` that could be read, including those that other sections must be
/// consistent with.
#[derive(Debug)]
pub(super) struct ServerDraft {
    pub(super) server: Option<ServerConfig>,
    pub(super) listen: Vec<LocatedValue<ListenAddress>>,
    pub(super) admin_listen: Option<LocatedValue<ListenAddress>>,
    /// Where `reuse_port = true` is written.
    pub(super) reuse_port: Option<LocatedKey>,
    /// The result of public URL, prefix and redirect path together.
    pub(super) site: Option<Site>,
}

/// Placeholder for a public URL that could not be read, so that paths are checked anyway. It is
/// never used, because there is a problem.
const UNREAD_PUBLIC_URL: &str = "https://unread.invalid";

/// Maximum `max-age` of `Strict-Transport-Security`: two years, as hstspreload.org recommends.
const MAX_HSTS: Duration = Duration::from_hours(730 * 24);

pub(super) fn read(
    section: &ConfigSection<'_>,
    redirect_path: Option<&LocatedValue<String>>,
) -> ServerDraft {
    let listen = section
        .key("listen", "Public listener: one address or a list")
        .list(&["127.0.0.1:4180"], listen);
    let admin_listen = section
        .key("admin_listen", "Admin listener: `/healthz`, `/readyz`, `/metrics` and the admin API")
        .parse_or("127.0.0.1:4181", self::listen);
    let admin_token = admin_token(section);
    let public_url = section
        .key(
            "public_url",
            "Required. The address that people type; redirect URI, cookies and the assertion's \
             issuer are derived from it",
        )
        .needed()
        .parse(public_url);
    let prefix = section
        .key("prefix", "Path prefix of Entrada's own pages")
        .parse_or("/oauth2", |it| path(it, "prefix"));
    let hosts = section
        .key(
            "hosts",
            "Host names in addition to that of `public_url`; requests with any other Host get 421",
        )
        .list(&[], host);
    let return_hosts = section
        .key("return_hosts", "Additional hosts that `rd` may lead to after signing in or out")
        .list(&[], return_host);
    let Peers { trust, proxy_protocol } = peers(section);
    let (shutdown_delay, shutdown_grace) = shutdown(section);
    let (tls, hsts) = section.inner("tls", |it| (certificate(it), hsts(it)));
    let limits = section.inner("limits", limits);
    judge_listeners(section, &listen, admin_listen.as_ref());
    let reuse_port = reuse_port(section, listen.iter().chain(&admin_listen));

    let own = prefix.as_ref().map_or("/oauth2", |it| &it.value);
    let redirect = redirect_path.map(|it| it.value.as_str());
    let site =
        Site::parse(public_url.as_ref().map_or(UNREAD_PUBLIC_URL, |it| &it.value), own, redirect)
            .ok();
    let site = site.map(|it| it.with_hosts(values(hosts), values(return_hosts)));
    let server = site.clone().zip(admin_listen.as_ref()).map(|(site, admin)| ServerConfig {
        listen: listen.iter().map(|it| it.value.clone()).collect(),
        site,
        trust,
        proxy_protocol,
        admin_listen: admin.value.clone(),
        admin_token,
        reuse_port: reuse_port.is_some(),
        shutdown_delay,
        shutdown_grace,
        tls,
        hsts,
        limits,
    });
    ServerDraft { server, listen, admin_listen, reuse_port, site }
}

/// Returns where `reuse_port = true` is written.
fn reuse_port<'a>(
    section: &ConfigSection<'_>,
    listeners: impl Iterator<Item = &'a LocatedValue<ListenAddress>>,
) -> Option<LocatedKey> {
    let reuse_port = section
        .key(
            "reuse_port",
            "Whether a new process can listen beside the old one during an upgrade \
             (`SO_REUSEPORT`, of the same user, also for `server.admin_listen`). Sessions in memory \
             are handed over with `session.snapshot`, which it requires",
        )
        .flag(false);
    let place = reuse_port.then(|| section.locate("reuse_port"))?;
    judge_reuse_port(section, &place, listeners);
    Some(place)
}

/// The delay and the grace period of a shutdown.
fn shutdown(section: &ConfigSection<'_>) -> (Duration, Duration) {
    let shutdown_delay = section
        .key(
            "shutdown_delay",
            "How long new connections are still accepted after SIGTERM, while `/readyz` already \
             answers 503: until a load balancer has noticed. Requests in progress may finish \
             afterwards. At least 2 s if `server.reuse_port` hands sessions over",
        )
        .duration(Duration::ZERO, Duration::ZERO..=Duration::from_mins(5));
    let shutdown_grace = section
        .key("shutdown_grace", "How long requests in progress may take to finish after SIGTERM")
        .duration(Duration::from_secs(30), Duration::ZERO..=Duration::from_hours(1));
    (shutdown_delay, shutdown_grace)
}

fn values<T>(found: Vec<LocatedValue<T>>) -> Vec<T> {
    found.into_iter().map(|it| it.value).collect()
}

fn public_url(text: &str) -> Result<String, InvalidValue> {
    let example = "write the address that people type, like https://app.example.com";
    match Site::parse(text, "/oauth2", None) {
        Ok(_) => Ok(text.to_owned()),
        Err(BadSite::NotHttps) => Err(InvalidValue::new(format!("{} is not https", quote(text)))
            .hint("also behind a TLS proxy, write the address that people see; http is allowed only for localhost")),
        Err(error) => Err(InvalidValue::new(error.to_string()).hint(example)),
    }
}

/// Parses one of our own paths: plain, and not the whole site.
pub(super) fn path(text: &str, name: &str) -> Result<String, InvalidValue> {
    let refused = || InvalidValue::new(format!("{} is not a valid {name}", quote(text)));
    if text.ends_with('/') {
        return Err(refused().hint(
            "write a path without a trailing slash, like /oauth2; \"/\" would cover the whole app",
        ));
    }
    match Site::parse(UNREAD_PUBLIC_URL, "/oauth2", Some(text)) {
        Ok(_) => Ok(text.to_owned()),
        Err(_) => Err(refused().hint("write a plain path that begins with \"/\", without query, dot segments or encoded characters")),
    }
}

fn host(text: &str) -> Result<String, InvalidValue> {
    let refused = || {
        InvalidValue::new(format!("{} is not a host name", quote(text)))
            .hint("write a name, with a port if needed, like alt.example.com or localhost:4180")
    };
    split_authority(text).map(|_| text.to_owned()).ok_or_else(refused)
}

fn return_host(text: &str) -> Result<String, InvalidValue> {
    let name = text.strip_prefix('.').unwrap_or(text);
    if is_domain(name) || name == "localhost" {
        return Ok(text.to_owned());
    }
    let invalid = InvalidValue::new(format!("{} is not a host name", quote(text)));
    Err(match text.strip_prefix('*') {
        Some(rest) => invalid.hint(format!("write {} for all names below it", quote(rest))),
        None => invalid.hint("write a name without scheme and port, like app.example.com, or .example.com for all names below it"),
    })
}

/// Reads a token: it must fit into a header unchanged and be too long to guess.
fn admin_token(section: &ConfigSection<'_>) -> Option<Secret> {
    let found = section
        .key(
            "admin_token",
            "Token for the admin API. If set, callers must send it, and may call from anywhere. \
             Without it, only processes on this machine have access, if `admin_listen` is a unix \
             socket or a loopback address",
        )
        .secret()?;
    let text = found.value.expose();
    if (32..=512).contains(&text.len()) && text.bytes().all(|it| it.is_ascii_graphic()) {
        return Some(found.value);
    }
    let invalid =
        InvalidValue::new("is not a token of 32 to 512 visible characters without spaces");
    section.add_problem(&found.place, invalid.hint("entrada secret prints a good one"));
    None
}

fn certificate(section: &ConfigSection<'_>) -> Option<TlsFiles> {
    let about = "Certificate chain, leaf first, to terminate TLS in Entrada; read again when it \
                 changes";
    tls(section, about)
}

/// Reads certificate and key, which are useful only together. `about` is the certificate's
/// documentation.
pub(super) fn tls(section: &ConfigSection<'_>, about: &'static str) -> Option<TlsFiles> {
    let certificate = section.key("certificate", about);
    let key = section.key("key", "Its private key; certificate and key must be set together");
    let written = (certificate.is_written(), key.is_written());
    let lacking = match written {
        (true, false) => Some(("key", "the certificate")),
        (false, true) => Some(("certificate", "the key")),
        _ => None,
    };
    if let Some((name, other)) = lacking {
        section.add_problem(
            &section.locate(name),
            InvalidValue::new(format!("is missing, but {other} is set"))
                .hint("write both, as PEM files, or neither"),
        );
    }
    let (certificate, key) = (certificate.file(), key.file());
    certificate.zip(key).map(|(certificate, key)| TlsFiles { certificate, key })
}

/// Reads `hsts`. `Strict-Transport-Security` is sent over TLS only (RFC 6797 section 7.2), so it
/// needs a certificate.
fn hsts(section: &ConfigSection<'_>) -> Option<Duration> {
    let read = |text: &str| {
        let value = duration::parse(text)?;
        let refused = |what: &str| {
            InvalidValue::new(format!("{} {what}", quote(text)))
                .hint("choose whole seconds from \"0s\" to \"730d\"")
        };
        match (value.subsec_nanos(), value <= MAX_HSTS) {
            (0, true) => Ok(value),
            (0, false) => Err(refused("is out of range")),
            _ => Err(refused("is not a whole number of seconds")),
        }
    };
    let found = section
        .key(
            "hsts",
            "How long browsers must use TLS for this host (`Strict-Transport-Security`); without \
             it, the header is not sent",
        )
        .optional_duration(Duration::ZERO..=MAX_HSTS, read)?;
    if !section.is_written("certificate") {
        section.add_problem(
            &found.place,
            InvalidValue::new("has no effect without a certificate").hint(
                "set it where TLS is terminated: here with a certificate, or in the proxy in front",
            ),
        );
    }
    Some(found.value)
}
