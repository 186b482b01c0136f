//! The other end of a connection.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// The other end of a connection, as reported by the socket; no header can change it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its address; `None` on a unix socket.
    pub address: Option<SocketAddr>,
    /// Whether we terminate TLS on this connection.
    pub tls: bool,
}

/// Returns the network of an address: the address itself, or the /64 prefix for IPv6, which each
/// customer receives at least (RFC 6177).
pub fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(it) => Ipv6Addr::from_bits(it.to_bits() & !u128::from(u64::MAX)).into(),
        it @ IpAddr::V4(_) => it,
    }
}

impl Peer {
    /// The IP address; an IPv4 address mapped into IPv6 is returned as IPv4.
    pub fn ip(&self) -> Option<IpAddr> {
        self.address.map(|it| it.ip().to_canonical())
    }
}
