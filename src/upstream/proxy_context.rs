//! The network path of a request.

use super::share::ShareKey;
use super::tunnel::TunnelTracker;
use crate::wire::forwarded::PassedHeaders;
use http::HeaderValue;
use std::net::IpAddr;

/// The known facts about the network path of a request, together with its tunnel tracker.
#[derive(Debug)]
pub struct ProxyContext {
    /// The client's address, if it can be trusted.
    pub client: Option<IpAddr>,
    /// The address at the other end of the connection.
    pub peer: Option<IpAddr>,
    /// Whether the client used https.
    pub https: bool,
    /// The requested host, one of Entrada's own names.
    pub host: HeaderValue,
    /// The forwarding chain so far, from a trusted peer.
    pub chain: Option<HeaderValue>,
    /// Headers of a trusted peer that reach the app as they are.
    pub passed: Option<Box<PassedHeaders>>,
    /// Entrada's request ID.
    pub request_id: HeaderValue,
    /// Whether the client requests a protocol upgrade.
    pub upgrade: bool,
    /// Where the request counts for fairness.
    pub share: ShareKey,
    /// The tracker that counts tunnels.
    pub tunnels: TunnelTracker,
}

impl ProxyContext {
    /// Returns scheme and host as the client sees them.
    pub(super) fn public_origin(&self) -> String {
        let scheme = if self.https { "https" } else { "http" };
        format!("{scheme}://{}", self.host.to_str().unwrap_or_default())
    }
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
            passed: None,
            request_id: HeaderValue::from_static("AAAAAAAAAAAAAAAA"),
            upgrade: false,
            share: ShareKey::default(),
            tunnels: TunnelTracker::new(),
        }
    }
}
