//! What is known of the way that a request came.

use super::tunnel::TunnelTracker;
use http::HeaderValue;
use std::net::IpAddr;

/// What is known of the way that a request came, and what hangs on it.
#[derive(Debug)]
pub struct ProxyContext {
    /// The client's address, as far as it is believed.
    pub client: Option<IpAddr>,
    /// Whoever holds the other end of the connection.
    pub peer: Option<IpAddr>,
    /// Whether the client spoke https.
    pub https: bool,
    /// The host that was asked; one of our own names.
    pub host: HeaderValue,
    /// The chain so far, from a trusted peer.
    pub chain: Option<HeaderValue>,
    /// Our reference.
    pub request_id: HeaderValue,
    /// Whether the client wants to leave HTTP.
    pub upgrade: bool,
    /// Where a tunnel is counted.
    pub tunnels: TunnelTracker,
}

#[cfg(test)]
impl ProxyContext {
    pub(super) fn sample() -> Self {
        Self {
            client: Some("192.0.2.1".parse().unwrap()),
            peer: Some("192.0.2.1".parse().unwrap()),
            https: true,
            host: HeaderValue::from_static("app.example.com"),
            chain: None,
            request_id: HeaderValue::from_static("AAAAAAAAAAAAAAAA"),
            upgrade: false,
            tunnels: TunnelTracker::new(),
        }
    }
}
