//! Who typed what nobody is called: an address that guesses waits, and nobody else does.
//!
//! What is counted is answers, not questions: however many look-ups run at the same time, no more than `MOST` of a minute are told that they were
//! wrong, and who is right waits only where the address has used them up.

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

/// Counts wrong answers for each address; never for an organization, which would let anybody lock one out.
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

    /// Counts a wrong one, before its answer is given.
    ///
    /// # Errors
    /// For how many seconds the address has to wait, where it had as many as are borne: then nothing is told.
    pub fn was_wrong(&self, from: Option<IpAddr>) -> Result<(), u64> {
        let now = self.clock.now();
        let count = self.seen.get_with(network(from), || Arc::new(Mutex::new((now, 0))));
        let mut count = count.lock().unwrap_or_else(PoisonError::into_inner);
        let (since, wrong) = *count;
        let passed = now.abs_diff(since);
        if passed >= WINDOW {
            *count = (now, 1);
        } else if wrong < MOST {
            *count = (since, wrong + 1);
        } else {
            return Err(WINDOW - passed);
        }
        Ok(())
    }

    /// Whether an answer may be given: a wrong one is counted, and a right one told only to whom wrong ones would be told too.
    ///
    /// # Errors
    /// For how many seconds the address has to wait.
    pub fn may_tell(&self, from: Option<IpAddr>, right: bool) -> Result<(), u64> {
        if right { self.waits(from).map_or(Ok(()), Err) } else { self.was_wrong(from) }
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
            assert_eq!(guesses.was_wrong(ip("2001:db8::1")), Ok(()));
        }
        assert!(guesses.was_wrong(ip("2001:db8::2")).is_err() && guesses.may_tell(ip("2001:db8::2"), true).is_err());
        assert_eq!(guesses.may_tell(ip("192.0.2.1"), true), Ok(()));
        assert!(guesses.waits(ip("2001:db8::ffff")).is_some_and(|it| (1..=WINDOW).contains(&it)));
        assert_eq!((guesses.waits(ip("2001:db8:0:1::1")), guesses.waits(ip("192.0.2.1")), guesses.waits(None)), (None, None, None));
        clock.shift(60);
        assert_eq!(guesses.waits(ip("2001:db8::1")), None);
        assert_eq!(guesses.was_wrong(ip("2001:db8::1")), Ok(()));
        assert_eq!(guesses.waits(ip("2001:db8::1")), None);
    }

    #[test]
    fn of_many_at_once_no_more_than_that_are_told() {
        let guesses = Guesses::new(Clock::system());
        let from = Some(IpAddr::from([192, 0, 2, 1]));
        let told = std::thread::scope(|scope| {
            let all: Vec<_> = (0..8).map(|_| scope.spawn(|| (0..100).filter(|_| guesses.was_wrong(from).is_ok()).count())).collect();
            all.into_iter().map(|it| it.join().unwrap()).sum::<usize>()
        });
        assert_eq!(told, MOST as usize);
    }
}
