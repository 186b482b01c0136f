//! `[upstream]`: the app that we stand before.

use crate::base::pattern::Pattern;
use crate::base::target::Strictness;
use crate::config::server::TlsFiles;
use std::path::PathBuf;
use std::time::Duration;

/// `[upstream]`, as meant.
#[derive(Clone, Debug)]
pub struct Upstream {
    /// Where requests go that no route names.
    pub destination: Destination,
    /// Further apps; longest path first.
    pub routes: Vec<Route>,
    /// Which `Host` the app sees.
    pub host: HostHeader,
    /// How strictly paths are read.
    pub paths: Strictness,
    /// Further roots for https upstreams.
    pub ca_file: Option<PathBuf>,
    /// What we show to an https upstream that asks.
    pub client_certificate: Option<TlsFiles>,
    /// To connect, TLS included.
    pub connect_timeout: Duration,
    /// Until the head of the response.
    pub response_timeout: Duration,
}

/// `[[upstream.route]]`: a path and where it goes. The pattern is always `path/**`.
#[derive(Clone, Debug)]
pub struct Route {
    /// What is meant.
    pub path: Pattern,
    /// Where it goes.
    pub destination: Destination,
}

/// Where an app listens.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Destination {
    /// `http://host:port`.
    Http {
        /// Host name or address; IPv6 without brackets.
        host: String,
        /// Port.
        port: u16,
    },
    /// `https://host:port`.
    Https {
        /// Host name or address.
        host: String,
        /// Port.
        port: u16,
    },
    /// `h2c://host:port`: HTTP/2 in clear.
    H2c {
        /// Host name or address.
        host: String,
        /// Port.
        port: u16,
    },
    /// `unix:/path`: HTTP/1.1 over a socket.
    Unix(PathBuf),
}

/// `host = "preserve" | "upstream"`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HostHeader {
    /// The one that people typed.
    #[default]
    Preserve,
    /// The upstream's own.
    Upstream,
}
