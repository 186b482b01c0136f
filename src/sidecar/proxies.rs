//! Detects untrusted front proxies, so that the operator can be warned.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

/// Number of requests that are searched for headers of a front proxy: such a proxy sends them with
/// every request, and without one, later requests do not pay for the search.
const MAX_SEARCHED_REQUESTS: u32 = 1000;
/// Maximum number of peers in warnings. Anyone can send such a header: a single stranger must not
/// use up the proxy's warning, and many must not fill the log.
const MAX_WARNED_PEERS: usize = 8;

/// Peers that sent headers of a front proxy without being trusted. Starts again after a reload,
/// because a new configuration can trust others.
#[derive(Debug, Default)]
pub struct UntrustedProxies {
    checks: AtomicU32,
    /// `None` stands for a unix socket.
    warned: Mutex<Vec<Option<IpAddr>>>,
}

impl UntrustedProxies {
    /// Whether one more request should be searched.
    pub fn check(&self) -> bool {
        // Reads first, so that requests do not write to a counter that has reached its limit.
        self.checks.load(Ordering::Relaxed) < MAX_SEARCHED_REQUESTS
            && self.checks.fetch_add(1, Ordering::Relaxed) < MAX_SEARCHED_REQUESTS
    }

    /// Whether to warn the operator of this peer, which sent such a header.
    pub fn is_new(&self, peer: Option<IpAddr>) -> bool {
        let mut warned = self.warned.lock().unwrap_or_else(PoisonError::into_inner);
        let is_new = warned.len() < MAX_WARNED_PEERS && !warned.contains(&peer);
        if is_new {
            warned.push(peer);
        }
        is_new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A stranger's header used to use up the only warning.
    #[test]
    fn each_of_a_few_peers_is_warned_of_once() {
        let proxies = UntrustedProxies::default();
        let peer = |it: u8| Some(IpAddr::from([192, 0, 2, it]));
        assert!(
            proxies.is_new(peer(1))
                && !proxies.is_new(peer(1))
                && proxies.is_new(None)
                && !proxies.is_new(None)
        );
        assert_eq!((0..100).filter(|it| proxies.is_new(peer(*it))).count(), MAX_WARNED_PEERS - 2);
    }

    #[test]
    fn after_a_thousand_requests_none_is_searched_any_longer() {
        let proxies = UntrustedProxies::default();
        assert_eq!((0..3000).filter(|_| proxies.check()).count(), 1000);
    }
}
