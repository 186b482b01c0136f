//! The other end of a connection.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// The other end of a connection; no HTTP header can change it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// The address that the load balancer names in a PROXY protocol header, otherwise that of the
    /// socket; `None` on a unix socket.
    pub address: Option<SocketAddr>,
    /// Whether the connection began with a PROXY protocol header. What follows is what a client
    /// wrote, also if the header names nobody.
    pub has_proxy_header: bool,
    /// The address of the other end of the socket, by which a front proxy is trusted; `None` on a
    /// unix socket.
    pub socket: Option<IpAddr>,
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
    /// Creates the peer of a socket.
    pub fn of_socket(address: Option<SocketAddr>, tls: bool) -> Self {
        Self {
            address,
            has_proxy_header: false,
            socket: address.map(|it| it.ip().to_canonical()),
            tls,
        }
    }

    /// Returns the peer of a connection that began with a PROXY protocol header: the client that it
    /// names, or the load balancer itself.
    #[must_use]
    pub fn or_named(self, client: Option<SocketAddr>) -> Self {
        Self { address: client.or(self.address), has_proxy_header: true, ..self }
    }

    /// The IP address; an IPv4 address mapped into IPv6 is returned as IPv4.
    pub fn ip(&self) -> Option<IpAddr> {
        self.address.map(|it| it.ip().to_canonical())
    }
}
