//! What every session store does. A new store adds a line to `on_every_store`.

use super::redis::test_server::{ServerKind, TestServers};
use super::*;
use crate::base::clock::Clock;
use crate::base::guid::Guid;
use crate::base::identity::Identity;
use crate::config::session::SessionConfig;
use crate::entra::verified::VerifiedUser;
use crate::session::live::NewSession;
use futures_util::FutureExt as _;
use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

const HOME: &str = "aaaabbbb-0000-cccc-1111-dddd2222eeee";
const ABROAD: &str = "99999999-9999-4999-8999-999999999999";
const MAYA: &str = "00aa00aa-bb11-cc22-dd33-44ee44ee0001";
const TOM: &str = "00aa00aa-bb11-cc22-dd33-44ee44ee0002";

/// A store with the live sessions of one process.
struct StoreFixture {
    name: &'static str,
    clock: Clock,
    live: Arc<LiveSessions>,
    store: SessionStore,
    /// The records that browsers keep, by the session cookie.
    records: Mutex<HashMap<String, Secret>>,
    /// What ends with the test.
    _kept: Option<Box<dyn std::any::Any>>,
}

impl StoreFixture {
    fn new(name: &'static str, store: impl FnOnce(Arc<LiveSessions>) -> SessionStore) -> Self {
        let config = SessionConfig {
            secrets: vec![Secret::new(redis::tests::SECRET)],
            idle: Duration::from_mins(10),
            lifetime: Duration::from_hours(1),
            capacity: 100,
            per_person: 100,
            ..SessionConfig::sample()
        };
        let clock = Clock::system();
        let random = crate::seal::random::system();
        let live = Arc::new(LiveSessions::new(&config, clock.clone(), random));
        let store = store(Arc::clone(&live));
        Self { name, clock, store, live, records: Mutex::default(), _kept: None }
    }

    /// One process with servers of this kind; `None` if they are not installed.
    async fn of_redis(kind: ServerKind) -> Option<Self> {
        let servers = TestServers::start_installed(kind)?;
        let process = redis::tests::TestProcess::start(&servers, &[redis::tests::SECRET]).await;
        let name = kind.name();
        let (clock, live, store) = process.parts();
        let kept: Option<Box<dyn std::any::Any>> = Some(Box::new((process, servers)));
        Some(Self { name, clock, live, store, records: Mutex::default(), _kept: kept })
    }

    /// A process that keeps its sessions over a restart, after one.
    fn restarted() -> Self {
        let (kept, live, clock) = crate::session::snapshot::tests::reopened();
        let (kept, store) = (Some(kept), SessionStore::memory(Arc::clone(&live)));
        let name = "memory with a snapshot";
        Self { name, clock, live, store, records: Mutex::default(), _kept: kept }
    }

    fn prepared(&self, who: PersonKey, sid: &str) -> (Secret, Arc<Session>) {
        let identity = Identity { entra_sid: Some(sid.into()), ..Identity::new(who.oid, who.tid) };
        let refresh_token = Some(Secret::new("the first token"));
        let user = VerifiedUser::pretended(identity);
        self.live.prepare(NewSession { refresh_token, ..user.into() })
    }

    async fn saved(&self, who: PersonKey, sid: &str) -> (Secret, Arc<Session>) {
        let (id, session) = self.prepared(who, sid);
        (self.save(id, &session).await, session)
    }

    /// Saves a session and answers its browser.
    async fn save(&self, id: Secret, session: &Arc<Session>) -> Secret {
        let cookie = self.store.save(id, session).await;
        if let Some(record) = self.store.record_for_answer(session) {
            self.records.lock().unwrap().insert(cookie.expose().to_owned(), record);
        }
        cookie
    }

    async fn load(&self, cookie: &Secret) -> Option<Arc<Session>> {
        self.load_text(cookie.expose()).await
    }

    async fn load_text(&self, id: &str) -> Option<Arc<Session>> {
        let record = self.records.lock().unwrap().get(id).cloned();
        let record = record.as_ref().map(Secret::expose);
        self.store.load(&PresentedSession { id, record }).await.unwrap()
    }

    async fn end(&self, id: &str) -> Option<Arc<Session>> {
        let record = self.records.lock().unwrap().get(id).cloned();
        let record = record.as_ref().map(Secret::expose);
        self.store.end(&PresentedSession { id, record }).await
    }

    async fn lives(&self, cookie: &Secret) -> bool {
        let loaded = self.load(cookie).await.is_some();
        assert!(loaded || self.live.find(cookie.expose()).is_none(), "{}", self.name);
        loaded
    }

    /// Acquires the lease and returns the token that it comes with.
    async fn leased(&self, session: &Session) -> (LeaseTurn, Option<String>) {
        let mut lease = session.standing().lease().await;
        let turn = self.store.lease(session, &mut lease).await;
        let token = lease.refresh_token().map(|it| it.expose().to_owned());
        self.store.release(session).await;
        (turn, token)
    }
}

async fn on_every_store(test: impl AsyncFn(StoreFixture)) {
    test(StoreFixture::new("memory", SessionStore::memory)).await;
    test(StoreFixture::restarted()).await;
    test(StoreFixture::new("cookie", |live| cookie::tests::store(live, &[]))).await;
    for kind in ServerKind::ALL {
        if let Some(fixture) = StoreFixture::of_redis(kind).await {
            test(fixture).await;
        }
    }
}

fn person(oid: &str, tid: &str) -> PersonKey {
    PersonKey { oid: Guid::parse(oid).unwrap(), tid: Guid::parse(tid).unwrap() }
}

#[tokio::test]
async fn a_session_is_found_with_its_own_cookie_from_when_it_is_saved() {
    on_every_store(async |fixture: StoreFixture| {
        let (id, session) = fixture.prepared(person(MAYA, HOME), "one");
        assert!(!fixture.lives(&id).await, "{}", fixture.name);
        let cookie = fixture.save(id, &session).await;
        let loaded = fixture.load(&cookie).await.unwrap();
        assert!(Arc::ptr_eq(&loaded, &session), "{}: it is live already", fixture.name);
        let (other, of_other) = fixture.saved(person(MAYA, HOME), "two").await;
        let loaded = fixture.load(&other).await.unwrap();
        assert!(Arc::ptr_eq(&loaded, &of_other) && other.expose() != cookie.expose());
        let mut changed = cookie.expose().to_owned();
        let last = if changed.pop() == Some('A') { 'B' } else { 'A' };
        for wrong in ["", &cookie.expose()[1..], &format!("{changed}{last}"), &"A".repeat(43)] {
            assert!(fixture.load_text(wrong).await.is_none(), "{} {wrong}", fixture.name);
            assert!(fixture.end(wrong).await.is_none(), "{} {wrong}", fixture.name);
        }
        assert!(fixture.lives(&cookie).await && fixture.lives(&other).await);
    })
    .await;
}

#[tokio::test]
async fn loading_is_no_use_and_a_session_ends_by_itself() {
    on_every_store(async |fixture: StoreFixture| {
        let (idle, _) = fixture.saved(person(MAYA, HOME), "one").await;
        let (used, _) = fixture.saved(person(TOM, HOME), "two").await;
        for _ in 0..2 {
            fixture.clock.shift(301);
            assert!(fixture.live.find(used.expose()).is_some(), "{}", fixture.name);
            fixture.load(&idle).await;
        }
        assert!(!fixture.lives(&idle).await && fixture.lives(&used).await, "{}", fixture.name);
        for _ in 0..10 {
            fixture.live.find(used.expose());
            fixture.clock.shift(300);
        }
        assert!(!fixture.lives(&used).await, "{}: past its lifetime", fixture.name);
    })
    .await;
}

#[tokio::test]
async fn an_ended_session_is_never_back() {
    on_every_store(async |fixture: StoreFixture| {
        let (cookie, session) = fixture.saved(person(MAYA, HOME), "one").await;
        let dependents = session.ended();
        // Saved again, as after a recheck.
        let cookie = fixture.save(cookie, &session).await;
        assert!(fixture.lives(&cookie).await && !dependents.is_cancelled(), "{}", fixture.name);
        let ended = fixture.end(cookie.expose()).await.unwrap();
        assert!(Arc::ptr_eq(&ended, &session) && dependents.is_cancelled(), "{}", fixture.name);
        assert!(fixture.end(cookie.expose()).await.is_none(), "{}", fixture.name);
        // A recheck that was under way when the session ended.
        let mut lease = session.standing().lease().await;
        assert_eq!(fixture.store.lease(&session, &mut lease).await, LeaseTurn::Ended);
        fixture.store.keep_refresh_token(&session, &mut lease, Secret::new("late")).await;
        assert_ne!(lease.refresh_token().map(Secret::expose), Some("late"), "{}", fixture.name);
        fixture.store.release(&session).await;
        drop(lease);
        let cookie = fixture.save(cookie, &session).await;
        assert!(!fixture.lives(&cookie).await, "{}", fixture.name);
    })
    .await;
}

#[tokio::test]
async fn sessions_end_by_the_session_at_entra_before_the_first_await() {
    on_every_store(async |fixture: StoreFixture| {
        let (one, session) = fixture.saved(person(MAYA, HOME), "one").await;
        let (again, _) = fixture.saved(person(TOM, HOME), "one").await;
        let (other, _) = fixture.saved(person(MAYA, HOME), "two").await;
        assert_eq!(fixture.store.end_by_sid("on").await, 0, "{}", fixture.name);
        let mut ending = Box::pin(fixture.store.end_by_sid("one"));
        let ended = ending.as_mut().now_or_never();
        assert!(session.is_over(), "{}", fixture.name);
        let ended = if let Some(ended) = ended { ended } else { ending.await };
        assert_eq!(ended, 2, "{}", fixture.name);
        assert!(!fixture.lives(&one).await && !fixture.lives(&again).await, "{}", fixture.name);
        assert!(fixture.lives(&other).await, "{}", fixture.name);
        assert_eq!(fixture.store.end_by_sid("one").await, 0, "{}", fixture.name);
    })
    .await;
}

#[tokio::test]
async fn all_sessions_of_a_person_end_before_the_first_await_and_no_one_elses() {
    on_every_store(async |fixture: StoreFixture| {
        let (one, session) = fixture.saved(person(MAYA, HOME), "one").await;
        let (again, _) = fixture.saved(person(MAYA, HOME), "two").await;
        let (namesake, _) = fixture.saved(person(MAYA, ABROAD), "one").await;
        let (tom, _) = fixture.saved(person(TOM, HOME), "one").await;
        let mut ending = Box::pin(fixture.store.end_by_person(person(MAYA, HOME)));
        let ended = ending.as_mut().now_or_never();
        assert!(session.is_over(), "{}", fixture.name);
        let ended = if let Some(ended) = ended { ended } else { ending.await };
        assert_eq!(ended, 2, "{}", fixture.name);
        assert!(!fixture.lives(&one).await && !fixture.lives(&again).await, "{}", fixture.name);
        assert!(fixture.lives(&namesake).await && fixture.lives(&tom).await, "{}", fixture.name);
        assert_eq!(fixture.store.end_by_person(person(MAYA, HOME)).await, 0, "{}", fixture.name);
        let (back, _) = fixture.saved(person(MAYA, HOME), "one").await;
        assert!(fixture.lives(&back).await, "{}: signed in again", fixture.name);
    })
    .await;
}

#[tokio::test]
async fn one_at_a_time_has_the_lease_with_the_newest_refresh_token() {
    on_every_store(async |fixture: StoreFixture| {
        let (_, session) = fixture.saved(person(MAYA, HOME), "one").await;
        let (_, other) = fixture.saved(person(MAYA, HOME), "two").await;
        let mut lease = session.standing().lease().await;
        assert_eq!(fixture.store.lease(&session, &mut lease).await, LeaseTurn::Held);
        let first = lease.refresh_token().map(Secret::expose);
        assert_eq!(first, Some("the first token"), "{}", fixture.name);
        let mut next = Box::pin(fixture.leased(&session));
        assert!(next.as_mut().now_or_never().is_none(), "{}: the lease is taken", fixture.name);
        let token = Some("the first token".to_owned());
        assert_eq!(fixture.leased(&other).await, (LeaseTurn::Held, token), "{}", fixture.name);
        fixture.store.keep_refresh_token(&session, &mut lease, Secret::new("the next token")).await;
        fixture.store.release(&session).await;
        drop(lease);
        let token = Some("the next token".to_owned());
        assert_eq!(next.await, (LeaseTurn::Held, token), "{}", fixture.name);
    })
    .await;
}
