//! Who typed what nobody is called: an address that guesses waits, and nobody else does.

use crate::base::clock::Clock;
use moka::sync::Cache;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// So many wrong ones in a minute are borne: a company behind one address mistypes too.
pub const MOST: u32 = 30;

/// Seconds in which they are counted.
const WINDOW: u64 = 60;

/// Addresses that are remembered.
const ADDRESSES: u64 = 100_000;

/// When the count began, seconds since 1970, and how many there were.
type Count = Arc<Mutex<(u64, u32)>>;

/// Counts wrong identifiers for each address; never for an organization, which would let anybody lock one out.
#[derive(Debug)]
pub struct Guesses {
    seen: Cache<IpAddr, Count>,
    clock: Clock,
}

impl Guesses {
    /// Nobody has guessed yet.
    pub fn new(clock: Clock) -> Self {
        let seen = Cache::builder().max_capacity(ADDRESSES).time_to_idle(Duration::from_secs(2 * WINDOW)).build();
        Self { seen, clock }
    }

    /// For how many seconds the address has to wait; `None` where it may go on.
    pub fn waits(&self, from: Option<IpAddr>) -> Option<u64> {
        let count = self.seen.get(&network(from))?;
        let (since, wrong) = *count.lock().unwrap_or_else(PoisonError::into_inner);
        let passed = self.clock.now().abs_diff(since);
        (wrong >= MOST && passed < WINDOW).then(|| WINDOW - passed)
    }

    /// Notes a wrong one.
    pub fn was_wrong(&self, from: Option<IpAddr>) {
        let now = self.clock.now();
        let count = self.seen.get_with(network(from), || Arc::new(Mutex::new((now, 0))));
        let mut count = count.lock().unwrap_or_else(PoisonError::into_inner);
        let (since, wrong) = *count;
        *count = if now.abs_diff(since) < WINDOW { (since, wrong.saturating_add(1)) } else { (now, 1) };
    }
}

/// One line of a provider: the address itself, or the /64 of IPv6, which is given to one customer at least (RFC 6177).
fn network(from: Option<IpAddr>) -> IpAddr {
    match from.map(|it| it.to_canonical()) {
        Some(IpAddr::V6(it)) => Ipv6Addr::from_bits(it.to_bits() & !u128::from(u64::MAX)).into(),
        Some(it) => it,
        // By a unix socket, without a front that says who asks.
        None => Ipv4Addr::UNSPECIFIED.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_guesses_waits_and_its_neighbor_does_not() {
        let clock = Clock::system();
        let guesses = Guesses::new(clock.clone());
        let ip = |text: &str| Some(text.parse::<IpAddr>().unwrap());
        for _ in 0..MOST {
            assert_eq!(guesses.waits(ip("2001:db8::1")), None);
            guesses.was_wrong(ip("2001:db8::1"));
        }
        assert!(guesses.waits(ip("2001:db8::ffff")).is_some_and(|it| (1..=WINDOW).contains(&it)));
        assert_eq!((guesses.waits(ip("2001:db8:0:1::1")), guesses.waits(ip("192.0.2.1")), guesses.waits(None)), (None, None, None));
        clock.shift(60);
        assert_eq!(guesses.waits(ip("2001:db8::1")), None);
        guesses.was_wrong(ip("2001:db8::1"));
        assert_eq!(guesses.waits(ip("2001:db8::1")), None);
    }
}
