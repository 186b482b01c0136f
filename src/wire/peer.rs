//! The other end of a connection.

use std::net::{IpAddr, SocketAddr};

/// The other end of a connection, as reported by the socket; no header can change it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its address; `None` on a unix socket.
    pub address: Option<SocketAddr>,
    /// Whether we terminate TLS on this connection.
    pub tls: bool,
}

impl Peer {
    /// The IP address; an IPv4 address mapped into IPv6 is returned as IPv4.
    pub fn ip(&self) -> Option<IpAddr> {
        self.address.map(|it| it.ip().to_canonical())
    }
}
