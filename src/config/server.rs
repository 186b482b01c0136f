//! `[server]`: where we listen and what people call us.

use crate::base::site::Site;
use ipnet::IpNet;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// `[server]`, as meant.
#[derive(Clone, Debug)]
pub struct Server {
    /// Where people's requests arrive.
    pub listen: Vec<Listen>,
    /// Our public address, its prefix and the redirect path.
    pub site: Site,
    /// Whose forwarded headers are believed.
    pub trusted_proxies: Trust,
    /// The admin listener.
    pub admin_listen: Listen,
    /// How long requests under way may take to finish after SIGTERM.
    pub shutdown_grace: Duration,
    /// Certificate and key, where we terminate TLS.
    pub tls: Option<TlsFiles>,
    /// Bounds of every wait and size.
    pub limits: Limits,
}

/// One listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listen {
    /// `host:port`; names are resolved at start.
    Tcp(SocketAddr),
    /// `unix:/path`.
    Unix(PathBuf),
    /// The sockets that systemd hands over.
    Systemd,
}

impl std::fmt::Display for Listen {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(out),
            Self::Unix(path) => write!(out, "unix:{}", path.display()),
            Self::Systemd => out.write_str("systemd"),
        }
    }
}

/// Whose `X-Forwarded-*`, `Forwarded` and `X-Original-*` are believed. Nobody's by default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trust {
    /// Addresses.
    pub networks: Vec<IpNet>,
    /// Whoever comes by a unix socket.
    pub unix: bool,
}

/// Where certificate chain and private key lie, in PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The chain, leaf first.
    pub certificate: PathBuf,
    /// The private key.
    pub key: PathBuf,
}

/// `[server.limits]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a request head (HTTP/1.1) or header list (HTTP/2).
    pub header_bytes: usize,
    /// Number of header fields.
    pub headers: usize,
    /// From the first byte of a head to its last.
    pub header_timeout: Duration,
    /// A connection without a request under way, or that never sent one.
    pub idle_timeout: Duration,
    /// A client that sends no byte of its request body, or takes none of the response.
    pub body_timeout: Duration,
    /// An app that sends no byte of a response it began, and a tunnel in which nobody speaks.
    pub stream_timeout: Duration,
    /// Connections at a time; beyond it a quick 503.
    pub connections: usize,
    /// HTTP/2 streams of one connection.
    pub streams: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            header_bytes: 64 * 1024,
            headers: 128,
            header_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(75),
            body_timeout: Duration::from_secs(60),
            stream_timeout: Duration::from_secs(3600),
            connections: 10_000,
            streams: 128,
        }
    }
}
