//! Several processes with one server.

mod lost_ends;
mod outages;

use super::super::{PresentedSession, SessionStore};
use super::redis_store::RedisStore;
use super::test_server::{ServerKind, TestServers, is_installed};
use crate::base::clock::Clock;
use crate::base::guid::Guid;
use crate::base::identity::Identity;
use crate::base::secret::Secret;
use crate::config::session::{SessionConfig, StoreConfig};
use crate::entra::verified::VerifiedUser;
use crate::session::live::{LiveSessions, NewSession};
use crate::session::person::PersonKey;
use crate::session::record::Session;
use crate::session::standing::LeaseTurn;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;
use tokio_util::sync::DropGuard;

pub(in crate::session::store) const SECRET: &str = "a secret of the tests, long enough";
const OTHER_SECRET: &str = "another secret of the tests, as long";

/// How soon another process must know of an end.
const PROMISED: Duration = Duration::from_secs(1);

fn presented(cookie: &Secret) -> PresentedSession<'_> {
    PresentedSession { id: cookie.expose(), record: None }
}

/// One process.
pub(in crate::session::store) struct TestProcess {
    clock: Clock,
    live: Arc<LiveSessions>,
    store: SessionStore,
    _stop: DropGuard,
}

impl TestProcess {
    /// The clock, the live sessions and the store.
    pub(in crate::session::store) fn parts(&self) -> (Clock, Arc<LiveSessions>, SessionStore) {
        let SessionStore::Redis(store) = &self.store else { panic!("another store") };
        let store = SessionStore::Redis(Arc::clone(store));
        (self.clock.clone(), Arc::clone(&self.live), store)
    }

    pub(in crate::session::store) async fn start(servers: &TestServers, secrets: &[&str]) -> Self {
        Self::with(servers, secrets, |_| {}).await
    }

    async fn with(
        servers: &TestServers,
        secrets: &[&str],
        change: impl FnOnce(&mut SessionConfig),
    ) -> Self {
        let redis = servers.config();
        let mut config = SessionConfig {
            secrets: secrets.iter().map(|it| Secret::new(*it)).collect(),
            store: StoreConfig::Redis(Box::new(redis.clone())),
            ..SessionConfig::sample()
        };
        change(&mut config);
        let (clock, random) = (Clock::system(), crate::seal::random::system());
        let live = Arc::new(LiveSessions::new(&config, clock.clone(), random.clone()));
        let store = RedisStore::new(&config, &redis, Arc::clone(&live), None, random).unwrap();
        let (store, stop) = (Arc::new(store), CancellationToken::new());
        tokio::spawn(Arc::clone(&store).run(stop.clone(), |_| {}));
        let process =
            Self { clock, live, store: SessionStore::Redis(store), _stop: stop.drop_guard() };
        until(async || process.store.ready().is_ok()).await;
        process
    }

    fn prepared(&self, who: PersonKey, sid: &str) -> (Secret, Arc<Session>) {
        let identity = Identity {
            entra_sid: Some(sid.into()),
            name: Some("Maya Lindgren".into()),
            ..Identity::new(who.oid, who.tid)
        };
        let refresh_token = Some(Secret::new("the first token"));
        let user = VerifiedUser::pretended(identity);
        self.live.prepare(NewSession { refresh_token, ..user.into() })
    }

    async fn saved(&self, who: PersonKey, sid: &str) -> (Secret, Arc<Session>) {
        let (id, session) = self.prepared(who, sid);
        (self.store.save(id, &session).await, session)
    }

    async fn load(&self, cookie: &Secret) -> Option<Arc<Session>> {
        self.store.load(&presented(cookie)).await.unwrap()
    }

    fn serves(&self, cookie: &Secret) -> bool {
        self.live.find(cookie.expose()).is_some()
    }

    async fn leased(&self, session: &Session) -> (LeaseTurn, Option<String>) {
        let mut lease = session.standing().lease().await;
        let turn = self.store.lease(session, &mut lease).await;
        (turn, lease.refresh_token().map(|it| it.expose().to_owned()))
    }
}

/// Runs a test with servers of each kind, at the same time.
async fn with_every_server(test: impl AsyncFn(&TestServers)) {
    if !is_installed() {
        return;
    }
    let one = async |kind| {
        if let Some(servers) = TestServers::start_installed(kind) {
            test(&servers).await;
        }
    };
    tokio::join!(
        one(ServerKind::Single),
        one(ServerKind::Sentinel),
        one(ServerKind::Cluster),
        one(ServerKind::Redis6),
        one(ServerKind::Valkey)
    );
}

/// Waits until something is so, at most 10 seconds.
async fn until(is_so: impl AsyncFn() -> bool) {
    let began = Instant::now();
    while !is_so().await {
        assert!(began.elapsed() < Duration::from_secs(10), "it is not so in time");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Waits until something is so, and returns after how long.
async fn time_until(is_so: impl AsyncFn() -> bool) -> Duration {
    let began = Instant::now();
    until(is_so).await;
    began.elapsed()
}

fn maya() -> PersonKey {
    person(1)
}

fn person(number: u8) -> PersonKey {
    let tid = Guid::parse("aaaabbbb-0000-cccc-1111-dddd2222eeee").unwrap();
    PersonKey { oid: Guid::of_bytes([number; 16]), tid }
}

#[tokio::test]
async fn a_session_of_one_process_is_served_by_another_and_ends_in_both() {
    with_every_server(async |servers| {
        let one = TestProcess::start(servers, &[SECRET]).await;
        let other = TestProcess::start(servers, &[SECRET]).await;
        let (cookie, session) = one.saved(maya(), "sid").await;
        assert!(!other.serves(&cookie));
        let loaded = other.load(&cookie).await.unwrap();
        assert!(
            other.serves(&cookie) && loaded.identity().name.as_deref() == Some("Maya Lindgren")
        );
        assert_eq!((loaded.ends(), loaded.started_at()), (session.ends(), session.started_at()));
        let dependents = session.ended();
        assert!(other.store.end(&presented(&cookie)).await.is_some());
        assert!(!other.serves(&cookie) && other.load(&cookie).await.is_none());
        assert!(time_until(async || dependents.is_cancelled()).await < PROMISED);
        assert!(!one.serves(&cookie) && one.load(&cookie).await.is_none());
        // A recheck that was under way saves nothing.
        one.store.release(&session).await;
        one.store.save(cookie.clone(), &session).await;
        assert!(one.load(&cookie).await.is_none() && other.load(&cookie).await.is_none());
    })
    .await;
}

#[tokio::test]
async fn sessions_that_no_process_has_in_memory_end_by_person_and_by_sid() {
    with_every_server(async |servers| {
        let one = TestProcess::start(servers, &[SECRET]).await;
        let other = TestProcess::start(servers, &[SECRET]).await;
        let (first, _) = one.saved(maya(), "a").await;
        let (second, _) = one.saved(maya(), "b").await;
        let (toms, _) = one.saved(person(2), "b").await;
        assert_eq!(other.store.end_by_person(maya()).await, 2);
        until(async || !one.serves(&first) && !one.serves(&second)).await;
        assert!(one.serves(&toms));
        assert_eq!(other.store.end_by_person(maya()).await, 0);
        // A new sign-in in the same second is not meant.
        let (again, _) = one.saved(maya(), "a").await;
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert!(one.serves(&again));
        assert_eq!(other.store.end_by_sid("b").await, 1);
        until(async || !one.serves(&toms)).await;
        assert_eq!(other.store.end_by_sid("c").await, 0);
        assert!(other.load(&toms).await.is_none() && other.load(&again).await.is_some());
    })
    .await;
}

#[tokio::test]
async fn one_process_at_a_time_has_the_lease_and_the_other_adopts_the_answer() {
    with_every_server(async |servers| {
        let one = TestProcess::start(servers, &[SECRET]).await;
        let other = TestProcess::start(servers, &[SECRET]).await;
        let (cookie, here) = one.saved(maya(), "sid").await;
        let there = other.load(&cookie).await.unwrap();
        let mut lease = here.standing().lease().await;
        assert_eq!(one.store.lease(&here, &mut lease).await, LeaseTurn::Held);
        assert_eq!(lease.refresh_token().map(Secret::expose), Some("the first token"));
        assert_eq!(other.leased(&there).await, (LeaseTurn::Elsewhere, None));
        one.store.keep_refresh_token(&here, &mut lease, Secret::new("the next token")).await;
        let now = one.clock.now() + 60;
        here.standing().record_answer(now);
        here.standing().set_due_in(now, 500);
        one.store.release(&here).await;
        drop(lease);
        // The token stays at the server.
        assert_eq!(here.standing().read_refresh_token(|it| it.is_none()), Some(true));
        let next = Some("the next token".to_owned());
        assert_eq!(other.leased(&there).await, (LeaseTurn::Held, next));
        assert_eq!((there.standing().answered(), there.standing().due_at()), (now, now + 500));
        other.store.release(&there).await;
    })
    .await;
}

#[tokio::test]
async fn a_lease_is_extended_while_its_process_lives_and_free_soon_after_it_died() {
    if !is_installed() {
        return;
    }
    let servers = TestServers::start(ServerKind::Single);
    let one = TestProcess::start(&servers, &[SECRET]).await;
    let other = TestProcess::start(&servers, &[SECRET]).await;
    let (cookie, here) = one.saved(maya(), "sid").await;
    let there = other.load(&cookie).await.unwrap();
    let mut lease = here.standing().lease().await;
    assert_eq!(one.store.lease(&here, &mut lease).await, LeaseTurn::Held);
    tokio::time::sleep(Duration::from_secs(12)).await;
    assert_eq!(other.leased(&there).await.0, LeaseTurn::Elsewhere);
    drop(lease);
    drop(one);
    let took = time_until(async || {
        tokio::time::sleep(Duration::from_millis(200)).await;
        other.leased(&there).await.0 == LeaseTurn::Held
    });
    assert!(tokio::time::timeout(Duration::from_secs(11), took).await.is_ok());
}

#[tokio::test]
async fn old_and_new_secrets_serve_the_same_person_in_either_order() {
    with_every_server(async |servers| {
        let old_first = TestProcess::start(servers, &[SECRET, OTHER_SECRET]).await;
        let new_first = TestProcess::start(servers, &[OTHER_SECRET, SECRET]).await;
        let foreign = TestProcess::start(servers, &["a third secret, which nobody else has"]).await;
        for (from, to) in [(&old_first, &new_first), (&new_first, &old_first)] {
            let (cookie, here) = from.saved(maya(), "sid").await;
            let there = to.load(&cookie).await.unwrap();
            assert_eq!(to.leased(&there).await.1.as_deref(), Some("the first token"));
            assert_eq!(from.leased(&here).await.0, LeaseTurn::Elsewhere);
            to.store.release(&there).await;
            assert!(foreign.load(&cookie).await.is_none());
            assert!(to.store.end(&presented(&cookie)).await.is_some());
            until(async || !from.serves(&cookie)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn the_server_sees_no_id_no_name_and_no_token() {
    if !is_installed() {
        return;
    }
    let servers = TestServers::start(ServerKind::Single);
    let one = TestProcess::start(&servers, &[SECRET]).await;
    let (cookie, session) = one.saved(maya(), "the-sid-at-entra").await;
    one.store.keep_purpose("key", b"/reports?secret=1".to_vec(), one.clock.now()).await;
    assert_eq!(one.store.purpose("key").await.as_deref(), Some(&b"/reports?secret=1"[..]));
    let mut all = servers.command(&["KEYS", "*"]);
    let keys: Vec<_> = all.lines().map(str::to_owned).collect();
    assert!(keys.len() >= 6, "{keys:?}");
    for key in &keys {
        for read in
            [["HGETALL", key].as_slice(), &["ZRANGE", key, "0", "-1"], &["LRANGE", key, "0", "-1"]]
        {
            all += &servers.command(read);
        }
    }
    let oid = session.identity().oid.to_string();
    let forms = [cookie.expose(), "Maya", "Lindgren", &oid, "first token", "the-sid", "/reports"];
    for readable in forms {
        assert!(!all.contains(readable), "{readable}: {all}");
    }
}

#[tokio::test]
async fn ids_that_nobody_made_and_unknown_ids_do_not_reach_the_server_again() {
    if !is_installed() {
        return;
    }
    let servers = TestServers::start(ServerKind::Single);
    let one = TestProcess::start(&servers, &[SECRET]).await;
    let calls = || {
        let stats = servers.command(&["INFO", "commandstats"]);
        let line = stats.lines().find(|it| it.starts_with("cmdstat_evalsha:")).map(str::to_owned);
        let calls = line.and_then(|it| it.split_once("calls=")?.1.split_once(',')?.0.parse().ok());
        calls.unwrap_or(0_u32)
    };
    let (unknown, _) = one.prepared(maya(), "a");
    let before = calls();
    for _ in 0..20 {
        assert!(one.load(&Secret::new("A".repeat(54))).await.is_none());
    }
    assert_eq!(calls(), before);
    for _ in 0..20 {
        assert!(one.load(&unknown).await.is_none());
    }
    assert!(calls() <= before + 2, "{} after {before}", calls());
}

#[tokio::test]
async fn one_person_has_at_most_so_many_sessions_in_all_processes() {
    with_every_server(async |servers| {
        let change = |it: &mut SessionConfig| it.per_person = 2;
        let one = TestProcess::with(servers, &[SECRET], change).await;
        let other = TestProcess::with(servers, &[SECRET], change).await;
        let mut all = Vec::new();
        for (number, process) in [&one, &other, &one].into_iter().enumerate() {
            process.clock.shift(i64::try_from(number).unwrap());
            all.push(process.saved(maya(), "a").await.0);
        }
        until(async || !one.serves(&all[0])).await;
        assert!(other.load(&all[0]).await.is_none());
        assert!(one.load(&all[1]).await.is_some() && other.load(&all[2]).await.is_some());
    })
    .await;
}
