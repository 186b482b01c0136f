//! Who holds the other end of a connection.

use std::net::{IpAddr, SocketAddr};

/// The other end of a connection, as the socket tells it; no header can change it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its address; none on a unix socket.
    pub address: Option<SocketAddr>,
    /// Whether we terminate TLS on this connection.
    pub tls: bool,
}

impl Peer {
    /// The address, with IPv4 in IPv6 clothes undressed.
    pub fn ip(&self) -> Option<IpAddr> {
        self.address.map(|it| it.ip().to_canonical())
    }
}
