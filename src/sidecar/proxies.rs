//! Front proxies that are not trusted, which are told to the operator.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

/// Requests that are searched for headers of a front proxy: such a proxy sends them with each, and without one no request pays for the search
/// any longer.
const MAX_CHECKS: u32 = 1000;
/// Peers that are warned of. Anybody can send such a header: one stranger must not use up the warning of the proxy, nor many fill the log.
const MAX_PEERS: usize = 8;

/// Which peers sent headers of a front proxy without being trusted, since the configuration was read: a new one may trust others.
#[derive(Debug, Default)]
pub struct UntrustedProxies {
    checks: AtomicU32,
    /// `None` is a unix socket.
    warned: Mutex<Vec<Option<IpAddr>>>,
}

impl UntrustedProxies {
    /// Whether one more request is to be searched.
    pub fn check(&self) -> bool {
        // Read first: a counter that is done is not written by every request.
        self.checks.load(Ordering::Relaxed) < MAX_CHECKS && self.checks.fetch_add(1, Ordering::Relaxed) < MAX_CHECKS
    }

    /// Whether the operator is to be warned of this peer, which sent such a header.
    pub fn is_new(&self, peer: Option<IpAddr>) -> bool {
        let mut warned = self.warned.lock().unwrap_or_else(PoisonError::into_inner);
        let is_new = warned.len() < MAX_PEERS && !warned.contains(&peer);
        if is_new {
            warned.push(peer);
        }
        is_new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The header of any stranger used up the one warning.
    #[test]
    fn each_of_a_few_peers_is_warned_of_once() {
        let proxies = UntrustedProxies::default();
        let peer = |it: u8| Some(IpAddr::from([192, 0, 2, it]));
        assert!(proxies.is_new(peer(1)) && !proxies.is_new(peer(1)) && proxies.is_new(None) && !proxies.is_new(None));
        assert_eq!((0..100).filter(|it| proxies.is_new(peer(*it))).count(), MAX_PEERS - 2);
    }

    #[test]
    fn after_a_thousand_requests_none_is_searched_any_longer() {
        let proxies = UntrustedProxies::default();
        assert_eq!((0..3000).filter(|_| proxies.check()).count(), 1000);
    }
}
