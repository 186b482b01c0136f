//! Limits guesses of identifiers that do not exist: only the address that guesses must wait.
//!
//! Answers are counted, not requests: regardless of the number of concurrent lookups, an address
//! receives at most `MAX_WRONG_GUESSES` negative answers per minute, and correct guesses wait only
//! if the address has used them up.

use crate::base::clock::Clock;
use crate::wire::peer;
use moka::policy::EvictionPolicy;
use moka::sync::Cache;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Maximum number of wrong guesses per minute: several people in a company can share an address and
/// mistype.
pub const MAX_WRONG_GUESSES: u32 = 30;

/// Time in which wrong guesses are counted, in seconds.
const GUESS_WINDOW_SECONDS: u64 = 60;

/// Maximum number of clients that are remembered, counted once for each of `RequestSource`.
const MAX_COUNTED_CLIENTS: u64 = 100_000;

/// Which page a request comes from, as far as the browser says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RequestSource {
    /// A page of Entrada, or a client that is not a browser.
    Own,
    /// Another site or a link: anyone can make the browsers in an office send such requests, so
    /// they are counted separately.
    Other,
}

/// Clients whose wrong guesses are counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GuessingClient {
    /// The address; `None` for a unix socket.
    pub address: Option<IpAddr>,
    /// The page that sent the request.
    pub source: RequestSource,
}

/// Start of the count, in seconds since 1970, and the number of wrong guesses.
type GuessCount = Arc<Mutex<(u64, u32)>>;

/// Counts wrong guesses for each address; never for an organization, because anyone could then lock
/// one out.
#[derive(Debug)]
pub struct GuessCounter {
    counts: Cache<(IpAddr, RequestSource), GuessCount>,
    clock: Clock,
}

impl GuessCounter {
    /// Creates a counter without guesses.
    pub fn new(clock: Clock) -> Self {
        Self::with_capacity(MAX_COUNTED_CLIENTS, clock)
    }

    /// The same as `new` for that many clients. The client that was counted least recently is
    /// evicted for a new one. The cache's default policy would drop the new one if the others are
    /// counted more often, and a new client could guess without a limit.
    fn with_capacity(clients: u64, clock: Clock) -> Self {
        let idle = Duration::from_secs(2 * GUESS_WINDOW_SECONDS);
        let seen = Cache::builder()
            .max_capacity(clients)
            .eviction_policy(EvictionPolicy::lru())
            .time_to_idle(idle)
            .build();
        Self { counts: seen, clock }
    }

    /// Returns the seconds that the client must wait; `None` if it may continue.
    pub fn waits(&self, from: GuessingClient) -> Option<u64> {
        let own = || self.waits(GuessingClient { source: RequestSource::Own, ..from });
        // A client that has used up the limit for Entrada's own pages does not get a second one
        // through links.
        if from.source == RequestSource::Other
            && let Some(seconds) = own()
        {
            return Some(seconds);
        }
        let count = self.counts.get(&key(from))?;
        let (since, wrong) = *count.lock().unwrap_or_else(PoisonError::into_inner);
        let passed = self.clock.now().abs_diff(since);
        (wrong >= MAX_WRONG_GUESSES && passed < GUESS_WINDOW_SECONDS)
            .then(|| GUESS_WINDOW_SECONDS - passed)
    }

    /// Counts a wrong guess before its answer is sent.
    ///
    /// # Errors
    /// Seconds that the client must wait if it has reached the limit: the answer must then not be
    /// sent.
    pub fn was_wrong(&self, from: GuessingClient) -> Result<(), u64> {
        if let Some(seconds) = self.waits(from) {
            return Err(seconds);
        }
        let now = self.clock.now();
        let count = self.counts.get_with(key(from), || Arc::new(Mutex::new((now, 0))));
        let mut count = count.lock().unwrap_or_else(PoisonError::into_inner);
        let (since, wrong) = *count;
        let passed = now.abs_diff(since);
        if passed >= GUESS_WINDOW_SECONDS {
            *count = (now, 1);
        } else if wrong < MAX_WRONG_GUESSES {
            *count = (since, wrong + 1);
        } else {
            return Err(GUESS_WINDOW_SECONDS - passed);
        }
        Ok(())
    }

    /// Whether an answer may be sent: a wrong guess is counted, and a correct one is answered only
    /// if a wrong one would be answered too.
    ///
    /// # Errors
    /// Seconds that the client must wait.
    pub fn record(&self, from: GuessingClient, right: bool) -> Result<(), u64> {
        if right { self.waits(from).map_or(Ok(()), Err) } else { self.was_wrong(from) }
    }
}

fn key(from: GuessingClient) -> (IpAddr, RequestSource) {
    (network(from.address), from.source)
}

/// Returns the network of a client.
pub(super) fn network(from: Option<IpAddr>) -> IpAddr {
    // Nothing is known on a unix socket without a front proxy that names the client.
    from.map_or(Ipv4Addr::UNSPECIFIED.into(), peer::network)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own(address: &str) -> GuessingClient {
        GuessingClient { address: Some(address.parse().unwrap()), source: RequestSource::Own }
    }

    #[test]
    fn requests_that_other_sites_cause_use_up_no_limit_of_our_own_pages() {
        let guesses = GuessCounter::new(Clock::system());
        let other = GuessingClient { source: RequestSource::Other, ..own("192.0.2.1") };
        let counted =
            (0..2 * MAX_WRONG_GUESSES).filter(|_| guesses.was_wrong(other).is_ok()).count();
        assert_eq!((counted, guesses.waits(other).is_some()), (MAX_WRONG_GUESSES as usize, true));
        assert_eq!(
            (guesses.waits(own("192.0.2.1")), guesses.record(own("192.0.2.1"), true)),
            (None, Ok(()))
        );
        // But not in the other direction: links are not a second limit for a client that has used
        // up the first.
        let counted = (0..2 * MAX_WRONG_GUESSES)
            .filter(|_| guesses.was_wrong(own("192.0.2.2")).is_ok())
            .count();
        let other = GuessingClient { source: RequestSource::Other, ..own("192.0.2.2") };
        assert_eq!(
            (counted, guesses.record(other, true).is_err(), guesses.was_wrong(other).is_err()),
            (MAX_WRONG_GUESSES as usize, true, true)
        );
    }

    /// With the cache's default policy (TinyLFU), a full table dropped new clients, which could
    /// then guess without a limit.
    #[test]
    fn a_full_table_still_counts_and_limits_a_new_client() {
        let guesses = GuessCounter::with_capacity(100, Clock::system());
        let old: Vec<_> = (0..100).map(|it| own(&format!("198.51.100.{it}"))).collect();
        for client in old.iter().cycle().take(1000) {
            let _ = guesses.was_wrong(*client);
            guesses.counts.run_pending_tasks();
        }
        assert_eq!(guesses.counts.entry_count(), 100);
        let mut counted = 0;
        for _ in 0..2 * MAX_WRONG_GUESSES {
            counted += usize::from(guesses.was_wrong(own("192.0.2.1")).is_ok());
            guesses.counts.run_pending_tasks();
        }
        assert_eq!(
            (counted, guesses.waits(own("192.0.2.1")).is_some()),
            (MAX_WRONG_GUESSES as usize, true)
        );
        assert_eq!(guesses.counts.entry_count(), 100);
    }

    #[test]
    fn an_address_that_guesses_waits_and_its_neighbor_does_not() {
        let clock = Clock::system();
        let guesses = GuessCounter::new(clock.clone());
        let ip = own;
        for _ in 0..MAX_WRONG_GUESSES {
            assert_eq!(guesses.waits(ip("2001:db8::1")), None);
            assert_eq!(guesses.was_wrong(ip("2001:db8::1")), Ok(()));
        }
        assert!(
            guesses.was_wrong(ip("2001:db8::2")).is_err()
                && guesses.record(ip("2001:db8::2"), true).is_err()
        );
        assert_eq!(guesses.record(ip("192.0.2.1"), true), Ok(()));
        assert!(
            guesses
                .waits(ip("2001:db8::ffff"))
                .is_some_and(|it| (1..=GUESS_WINDOW_SECONDS).contains(&it))
        );
        assert_eq!(
            (
                guesses.waits(ip("2001:db8:0:1::1")),
                guesses.waits(ip("192.0.2.1")),
                guesses.waits(GuessingClient { address: None, source: RequestSource::Own })
            ),
            (None, None, None)
        );
        clock.shift(60);
        assert_eq!(guesses.waits(ip("2001:db8::1")), None);
        assert_eq!(guesses.was_wrong(ip("2001:db8::1")), Ok(()));
        assert_eq!(guesses.waits(ip("2001:db8::1")), None);
    }

    #[test]
    fn of_many_at_once_no_more_than_that_are_answered() {
        let guesses = GuessCounter::new(Clock::system());
        let from = own("192.0.2.1");
        let answered = std::thread::scope(|scope| {
            let all: Vec<_> = (0..8)
                .map(|_| {
                    scope.spawn(|| (0..100).filter(|_| guesses.was_wrong(from).is_ok()).count())
                })
                .collect();
            all.into_iter().map(|it| it.join().unwrap()).sum::<usize>()
        });
        assert_eq!(answered, MAX_WRONG_GUESSES as usize);
    }
}
