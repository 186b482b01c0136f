//! Shares of the connections to the apps: no connection of a client and no address uses all of
//! them. They matter where the limit of open files allows few.
//!
//! Requests that the apps work on are counted, and responses and tunnels until they end, in tables
//! of fixed size that are indexed by keyed digests. Two clients with the same digest share one
//! share, which matters only to the few whose digest is that of a client at its limit.

use super::error::Error;
use crate::wire::handles;
use crate::wire::peer::network;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher as _, Hash};
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{LazyLock, OnceLock};
use std::time::Duration;
use tokio::sync::Notify;

/// The shares of all apps, which use the same file handles.
pub(super) static APP_SHARES: LazyLock<AppShares> =
    LazyLock::new(|| AppShares::of(handles::max_connections()));

/// Part of all connections to the apps that requests of one connection may use.
const CONNECTION_DIVISOR: usize = 8;
/// Part that requests of one address may use.
const CLIENT_DIVISOR: usize = 2;
/// What each of them may use in any case: a browser requests several things at once.
const MIN_CONNECTIONS_PER_SHARE: usize = 8;

/// Number of counters for connections. At most `CONNECTION_DIVISOR` of them are at their limit.
const CONNECTION_COUNTERS: usize = 4096;
/// Number of counters for addresses. At most `CLIENT_DIVISOR` of them are at their limit.
const CLIENT_COUNTERS: usize = 1024;

/// What a stream may hold for a slow reader, in bytes: its window, and what is on its way to the
/// reader.
pub(super) const STREAM_BYTES: usize = 64 * 1024;
/// What the streams of one client connection may hold in each direction, in bytes.
const MAX_CONNECTION_BYTES: usize = 8 * 1024 * 1024;

/// The shares of the memory that HTTP/2 streams may hold for slow readers. Read once: a reload does
/// not change `server.limits`.
static STREAM_SHARES: OnceLock<StreamShares> = OnceLock::new();

/// The shares of HTTP/2 streams.
#[derive(Debug)]
pub(super) struct StreamShares {
    /// Responses of apps.
    pub(super) responses: AppShares,
    /// Bodies of clients.
    pub(super) uploads: AppShares,
}

/// Where a request counts.
#[derive(Clone, Copy, Debug, Default)]
pub struct ShareKey {
    /// The address and port of the client's connection; `None` if many people share it.
    pub connection: Option<SocketAddr>,
    /// The client's address; `None` if it is unknown.
    pub client: Option<IpAddr>,
}

#[derive(Debug)]
pub(super) struct AppShares {
    connections: ShareTable,
    clients: ShareTable,
    /// One counter for all requests, unless they are limited elsewhere.
    all: Option<ShareTable>,
}

#[derive(Debug)]
struct ShareTable {
    counters: Box<[ShareCounter]>,
    max_requests: usize,
    digest_key: RandomState,
}

#[derive(Debug, Default)]
struct ShareCounter {
    used: AtomicUsize,
    waiting: AtomicUsize,
    freed: Notify,
}

/// The place of a request in its shares until it is dropped.
#[derive(Debug)]
pub(super) struct HeldShare {
    _connection: Option<CountedRequest>,
    _client: Option<CountedRequest>,
    _all: Option<CountedRequest>,
}

/// A request that a counter counts until it is dropped.
struct CountedRequest(&'static ShareCounter);

/// A request that waits for its share, until it is dropped.
struct WaitingRequest(&'static ShareCounter);

#[cfg(test)]
impl HeldShare {
    /// Counts nothing.
    pub(super) fn none() -> Self {
        Self { _connection: None, _client: None, _all: None }
    }
}

impl StreamShares {
    /// Returns the shares of the process. `bytes` is what all streams together may hold, half of it
    /// in each direction.
    pub(super) fn of_process(bytes: usize) -> &'static Self {
        let of_half = || AppShares::of_streams(bytes / STREAM_BYTES / 2);
        STREAM_SHARES.get_or_init(|| Self { responses: of_half(), uploads: of_half() })
    }
}

impl AppShares {
    fn of(connections: usize) -> Self {
        let share = |divisor: usize| (connections / divisor).max(MIN_CONNECTIONS_PER_SHARE);
        Self {
            connections: ShareTable::new(CONNECTION_COUNTERS, share(CONNECTION_DIVISOR)),
            clients: ShareTable::new(CLIENT_COUNTERS, share(CLIENT_DIVISOR)),
            all: None,
        }
    }

    /// Shares of this many streams.
    fn of_streams(streams: usize) -> Self {
        let mut shares = Self::of(streams);
        let max = shares.connections.max_requests.min(MAX_CONNECTION_BYTES / STREAM_BYTES);
        shares.connections.max_requests = max;
        shares.all = Some(ShareTable::new(1, streams));
        shares
    }

    /// Counts a request, unless it must wait for others of its connection or address.
    pub(super) fn try_enter(&'static self, key: ShareKey) -> Option<HeldShare> {
        let connection = self.connections.try_enter(key.connection)?;
        let client = self.clients.try_enter(key.client.map(network))?;
        let all = match &self.all {
            Some(all) => all.try_enter(Some(()))?,
            None => None,
        };
        Some(HeldShare { _connection: connection, _client: client, _all: all })
    }

    /// Counts a request as soon as others of its connection and address have ended.
    ///
    /// # Errors
    /// `Error::ShareUsedUp` if that takes longer than `timeout`.
    pub(super) async fn enter(
        &'static self,
        key: ShareKey,
        timeout: Duration,
    ) -> Result<HeldShare, Error> {
        let entering = async {
            // In this order, so that only as many requests of a connection as its share wait for the
            // address, and only as many of an address as its share for the rest.
            let connection = self.connections.enter(key.connection).await;
            let client = self.clients.enter(key.client.map(network)).await;
            let all = match &self.all {
                Some(all) => all.enter(Some(())).await,
                None => None,
            };
            HeldShare { _connection: connection, _client: client, _all: all }
        };
        tokio::time::timeout(timeout, entering).await.map_err(|_| Error::ShareUsedUp)
    }
}

impl ShareTable {
    fn new(counters: usize, max_requests: usize) -> Self {
        Self {
            counters: std::iter::repeat_with(ShareCounter::default).take(counters).collect(),
            max_requests,
            digest_key: RandomState::new(),
        }
    }

    fn counter(&self, key: &impl Hash) -> Option<&ShareCounter> {
        let count = u64::try_from(self.counters.len()).ok()?;
        let at = self.digest_key.hash_one(key).checked_rem(count)?;
        self.counters.get(usize::try_from(at).ok()?)
    }

    /// Returns `None` if the request must wait, and `Some(None)` if it has no key.
    #[allow(clippy::option_option, reason = "both cases are told apart at once, in one place")]
    fn try_enter<K: Hash>(&'static self, key: Option<K>) -> Option<Option<CountedRequest>> {
        let Some(counter) = key.and_then(|it| self.counter(&it)) else { return Some(None) };
        // A request does not overtake those that wait.
        if counter.waiting.load(Ordering::SeqCst) > 0 {
            return None;
        }
        counter.try_count(self.max_requests).map(Some)
    }

    async fn enter<K: Hash>(&'static self, key: Option<K>) -> Option<CountedRequest> {
        let counter = key.and_then(|it| self.counter(&it))?;
        Some(counter.count(self.max_requests).await)
    }
}

impl ShareCounter {
    fn try_count(&'static self, max: usize) -> Option<CountedRequest> {
        let more = |used: usize| (used < max).then_some(used + 1);
        self.used.fetch_update(Ordering::SeqCst, Ordering::SeqCst, more).ok()?;
        Some(CountedRequest(self))
    }

    /// Waits in order, except that a request that just arrived may take a place before one that was
    /// notified of it. The sequence matters: the request that frees a place reads `waiting`
    /// afterwards, so either this sees the place, or it is notified.
    async fn count(&'static self, max: usize) -> CountedRequest {
        self.waiting.fetch_add(1, Ordering::SeqCst);
        let _waiting = WaitingRequest(self);
        loop {
            let mut freed = std::pin::pin!(self.freed.notified());
            freed.as_mut().enable();
            if let Some(counted) = self.try_count(max) {
                return counted;
            }
            freed.await;
        }
    }
}

impl Drop for CountedRequest {
    fn drop(&mut self) {
        self.0.used.fetch_sub(1, Ordering::SeqCst);
        if self.0.waiting.load(Ordering::SeqCst) > 0 {
            self.0.freed.notify_one();
        }
    }
}

impl Drop for WaitingRequest {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::SeqCst);
    }
}

impl std::fmt::Debug for CountedRequest {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("CountedRequest")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt as _;

    fn shares(connections: usize) -> &'static AppShares {
        Box::leak(Box::new(AppShares::of(connections)))
    }

    fn key(address: &str) -> ShareKey {
        let connection: SocketAddr = address.parse().unwrap();
        ShareKey { connection: Some(connection), client: Some(connection.ip()) }
    }

    fn all_that_enter(shares: &'static AppShares, key: ShareKey) -> Vec<HeldShare> {
        std::iter::from_fn(|| shares.try_enter(key)).take(1000).collect()
    }

    #[test]
    fn a_connection_has_an_eighth_and_an_address_half() {
        let shares = shares(160);
        let first = all_that_enter(shares, key("192.0.2.1:1"));
        let other = all_that_enter(shares, key("192.0.2.1:2"));
        assert_eq!((first.len(), other.len()), (20, 20));
        let rest: Vec<_> = (3..20)
            .flat_map(|it| all_that_enter(shares, key(&format!("192.0.2.1:{it}"))))
            .collect();
        assert_eq!(rest.len(), 40);
        assert!(shares.try_enter(key("192.0.2.1:100")).is_none());
        assert_eq!(all_that_enter(shares, key("192.0.2.2:1")).len(), 20);
        drop(first);
        assert_eq!(all_that_enter(shares, key("192.0.2.1:100")).len(), 20);
        // Nothing is known of these, so nothing is limited.
        assert_eq!(all_that_enter(shares, ShareKey::default()).len(), 1000);
    }

    #[test]
    fn a_few_requests_are_possible_with_the_smallest_limit_and_no_limit_is_none() {
        assert_eq!(all_that_enter(shares(1), key("192.0.2.1:1")).len(), 8);
        assert_eq!(all_that_enter(shares(usize::MAX), key("192.0.2.1:1")).len(), 1000);
    }

    #[test]
    fn streams_of_a_connection_hold_eight_mebibytes_and_all_have_a_limit() {
        let of =
            |streams| -> &'static AppShares { Box::leak(Box::new(AppShares::of_streams(streams))) };
        assert_eq!(all_that_enter(of(16_384), key("192.0.2.1:1")).len(), 128);
        let few = of(40);
        assert_eq!(all_that_enter(few, key("192.0.2.1:1")).len(), 8);
        // One connection of many people.
        let held = all_that_enter(few, ShareKey::default());
        assert_eq!(held.len(), 40);
        assert!(few.try_enter(key("192.0.2.1:1")).is_none());
    }

    #[test]
    fn addresses_of_one_network_count_together() {
        let shares = shares(16);
        let of = |address: &str| ShareKey { connection: None, client: address.parse().ok() };
        let held = all_that_enter(shares, of("2001:db8::1"));
        assert_eq!(held.len(), 8);
        assert!(shares.try_enter(of("2001:db8::2")).is_none());
        assert!(shares.try_enter(of("2001:db8:0:1::1")).is_some());
    }

    #[tokio::test]
    async fn requests_that_wait_follow_in_order_and_none_overtakes_them() {
        let (shares, key, long) = (shares(1), key("192.0.2.1:1"), Duration::from_secs(60));
        let mut held = all_that_enter(shares, key);
        let mut first = Box::pin(shares.enter(key, long));
        let mut second = Box::pin(shares.enter(key, long));
        let mut gone = Box::pin(shares.enter(key, long));
        for waits in [&mut first, &mut gone, &mut second] {
            assert!(waits.now_or_never().is_none());
        }
        held.pop();
        assert!(shares.try_enter(key).is_none(), "a new request overtook those that wait");
        assert!(second.as_mut().now_or_never().is_none());
        let first = first.now_or_never().unwrap().unwrap();
        // A client that left passes its turn on.
        drop(first);
        drop(gone);
        drop(second.now_or_never().unwrap().unwrap());
        assert!(shares.try_enter(key).is_some());
    }

    #[tokio::test]
    async fn a_request_that_waits_too_long_is_refused() {
        let (shares, key) = (shares(1), key("192.0.2.1:1"));
        let held = all_that_enter(shares, key);
        let waited = shares.enter(key, Duration::from_millis(20)).await;
        assert!(matches!(waited, Err(Error::ShareUsedUp)));
        drop(held);
        assert!(shares.try_enter(key).is_some(), "it still waits");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn many_at_once_all_get_their_turn() {
        let (shares, key) = (shares(1), key("192.0.2.1:1"));
        let mut all = tokio::task::JoinSet::new();
        for _ in 0..2000 {
            all.spawn(async move {
                let held = match shares.try_enter(key) {
                    Some(held) => held,
                    None => shares.enter(key, Duration::from_secs(60)).await.unwrap(),
                };
                tokio::task::yield_now().await;
                drop(held);
            });
        }
        all.join_all().await;
        assert_eq!(all_that_enter(shares, key).len(), 8);
    }
}
