//! Replicas with their sessions in Redis while parts fail: what people notice, and what they must not.
//!
//! A run is bounded, and its seed is printed: `STORY_SEED=7 cargo test --test stories replicas_faults`.

mod exchange;
mod faults;
mod fleet;
mod load;
mod people;
mod replica;
mod seed;
mod timeline;
mod verdict;
mod verdict_tests;

use crate::outside;
use crate::world::redis::{RedisServer, SentinelGroup};
use crate::world::secrets_are_not_in;
use faults::Fault;
use fleet::{FaultyStore, Fleet};
use load::Traffic;
use people::People;
use seed::Chance;
use std::sync::Arc;
use std::time::{Duration, Instant};
use timeline::RECOVERY;
use verdict::{Observation, RequestOutcome, judge, judge_refreshes};

/// Entra's answers take a while, so that two calls at a time are seen as such.
const ENTRA_TAKES_MS: u64 = 80;
/// What a process may weigh more at the end than after the first seconds of the run.
const MAX_GROWTH_BYTES: u64 = 48 << 20;
/// How much of each log is searched for secrets, from its end.
const MAX_SEARCHED_BYTES: usize = 1 << 20;
/// `session.lifetime` of the run.
const LIFETIME_SECONDS: i64 = 6 * 3600;

/// The size of a run.
struct FaultRun {
    people: usize,
    per_second: u32,
    sockets: usize,
    faults: Vec<Fault>,
}

/// Two replicas, and one fault of each kind.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn faults_of_one_store_sign_nobody_out_and_let_nobody_in_who_was_signed_out() {
    let Some(server) = RedisServer::start().await else { return };
    let mut chance = Chance::begin(1);
    let faults = vec![
        chance.of(&[Fault::StoreKilled, Fault::StoreEmptied, Fault::StorePaused]),
        Fault::AllClocksAhead,
        chance.of(&[Fault::LinkSilent(0), Fault::LinkBroken(1), Fault::StoreReadOnly]),
        chance.of(&[Fault::ReplicaKilled(0), Fault::ReplicaKilled(1), Fault::ReplicaPaused(1)]),
    ];
    let run = FaultRun { people: 300, per_second: 200, sockets: 12, faults };
    run.happens(2, FaultyStore::Single(server), chance).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_primary_signs_nobody_out_and_lets_nobody_in_who_was_signed_out() {
    let Some(group) = SentinelGroup::start(None).await else { return };
    let mut chance = Chance::begin(2);
    let mut faults = vec![Fault::PrimaryKilled, Fault::FailedOver];
    chance.shuffle(&mut faults);
    let run = FaultRun { people: 100, per_second: 100, sockets: 6, faults };
    run.happens(2, FaultyStore::Sentinel(group), chance).await;
}

/// Every fault, again and again, for `STORY_MINUTES` (10).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "ten minutes: make test-long"]
async fn every_fault_of_one_store_for_long() {
    let Some(server) = RedisServer::start().await else { return };
    for_long(3, FaultyStore::Single(server), Fault::of_single(3)).await;
}

/// The same with Sentinels.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "ten minutes: make test-long"]
async fn every_fault_of_a_primary_for_long() {
    let Some(group) = SentinelGroup::start(None).await else { return };
    for_long(3, FaultyStore::Sentinel(group), Fault::of_sentinel(3)).await;
}

async fn for_long(replicas: usize, store: FaultyStore, all: Vec<Fault>) {
    let minutes: u64 = std::env::var("STORY_MINUTES").map_or(10, |it| it.parse().unwrap());
    let seed = u64::from_be_bytes(entrada::seal::random::system().bytes());
    let mut chance = Chance::begin(seed);
    // A fault and the calm after it take about nine seconds.
    let count = usize::try_from(minutes * 60 / 9).unwrap();
    let mut faults = Vec::new();
    while faults.len() < count {
        let mut round = all.clone();
        chance.shuffle(&mut round);
        faults.extend(round);
    }
    faults.truncate(count);
    let run = FaultRun { people: 300, per_second: 200, sockets: 30, faults };
    run.happens(replicas, store, chance).await;
}

impl FaultRun {
    async fn happens(self, replicas: usize, store: FaultyStore, mut chance: Chance) {
        let fleet = Arc::new(Fleet::start(replicas, store).await);
        let people = Arc::new(People::sign_in(&fleet, self.people).await);
        fleet.emulator.control().be_slow(ENTRA_TAKES_MS);
        let other_chance = chance.another();
        let traffic = Traffic::start(&fleet, &people, self.per_second, self.sockets, other_chance);
        calm(&fleet, &people, &mut chance, replicas).await;
        let weights = weigh(&fleet);
        let began = Instant::now();
        let mut clocks = vec![0; replicas];
        for (number, fault) in self.faults.iter().enumerate() {
            println!("{:>6.1} s {fault:?}", began.elapsed().as_secs_f32());
            let meanwhile = async {
                tokio::time::sleep(Duration::from_millis(700)).await;
                let replica = fault.replica_that_works(replicas, &mut chance);
                some_are_signed_out(&fleet, &people, &mut chance, replica).await;
                // Two people of five lose all their sessions, the first while something is away.
                if number % 10 == 0 && number < 20 {
                    let person = People::revocable(number / 10);
                    people.is_revoked(&fleet, person, replica).await;
                }
            };
            tokio::join!(fault.happens(&fleet, &mut clocks), meanwhile);
            calm(&fleet, &people, &mut chance, replicas).await;
        }
        traffic.asks_everywhere().await;
        let last_began = traffic.lifetime_ends(&clocks).await;
        let observations = traffic.stops().await;
        fleet.collects_refreshes();
        let grown: Vec<_> =
            weigh(&fleet).iter().zip(&weights).map(|it| it.0.saturating_sub(*it.1)).collect();
        let lasting = began.elapsed().as_secs_f32();
        println!("{} requests in {lasting:.0} s; memory grew by {grown:?}", observations.len());
        self.is_right(&fleet, &people, &observations, last_began);
        assert!(grown.iter().all(|it| *it < MAX_GROWTH_BYTES), "{grown:?}");
        leaks_nothing(&fleet, &people).await;
    }

    fn is_right(
        &self,
        fleet: &Fleet,
        people: &People,
        observations: &[Observation],
        last_began: Instant,
    ) {
        let (ends, timeline) = (people.ends.lock().unwrap(), fleet.timeline.lock().unwrap());
        let mut wrong = judge(observations, &ends, &timeline);
        wrong.extend(judge_refreshes(&fleet.refreshes.lock().unwrap(), &timeline));
        // In the end, everything is well, and who was signed out is.
        for it in observations.iter().filter(|it| it.began >= last_began && !it.is_socket) {
            let is_out = ends.contains_key(&it.session);
            if is_out && it.outcome != RequestOutcome::SignedOut {
                wrong.push(format!("not signed out in the end: {it:?}"));
            }
        }
        let served = observations.iter().filter(|it| it.outcome == RequestOutcome::Served).count();
        let refreshes = fleet.refreshes.lock().unwrap().len();
        println!("{served} served, {refreshes} refreshes, {} sessions ended", ends.len());
        let shown = wrong.iter().take(20).cloned().collect::<Vec<_>>().join("\n");
        let logs = || fleet.replicas.iter().map(|it| it.read().unwrap().told()).collect::<String>();
        assert!(wrong.is_empty(), "{} faults:\n{shown}\n{}", wrong.len(), logs());
        assert!(served * 3 > observations.len(), "{served} of {}", observations.len());
    }
}

/// Waits until everything must be well again; some people sign out meanwhile.
async fn calm(fleet: &Arc<Fleet>, people: &People, chance: &mut Chance, replicas: usize) {
    tokio::time::sleep(RECOVERY / 2).await;
    let replica = chance.below(replicas);
    some_are_signed_out(fleet, people, chance, replica).await;
    fleet.collects_refreshes();
    tokio::time::sleep(RECOVERY / 2 + Duration::from_secs(1)).await;
}

/// One signs out here, and one at Entra.
async fn some_are_signed_out(
    fleet: &Arc<Fleet>,
    people: &People,
    chance: &mut Chance,
    replica: usize,
) {
    let mut somebody = || people.somebody(chance.below(people.sessions.len())).unwrap();
    let (here, at_entra) = (somebody(), somebody());
    people.signs_out(fleet, here, replica).await;
    if at_entra != here {
        people.signs_out_at_entra(fleet, at_entra, replica).await;
    }
}

fn weigh(fleet: &Fleet) -> Vec<u64> {
    fleet.replicas.iter().map(|it| it.read().unwrap().weighs()).collect()
}

/// Neither the logs nor the store have something that can be used or names somebody.
async fn leaks_nothing(fleet: &Fleet, people: &People) {
    for it in &fleet.replicas {
        let replica = it.read().unwrap();
        let log = replica.logged();
        // Each of thousands of secrets is searched for: not in hundreds of megabytes.
        let from = log.ceil_char_boundary(log.len().saturating_sub(MAX_SEARCHED_BYTES));
        secrets_are_not_in(&log[from..]);
        secrets_are_not_in(&replica.told());
    }
    let all = match &mut *fleet.store.lock().await {
        FaultyStore::Single(server) => server.everything(0).await,
        FaultyStore::Sentinel(group) => group.primary().await.everything(0).await,
    };
    let bytes: Vec<u8> = all.into_iter().flat_map(|it| [it.0, it.1].concat()).collect();
    let text = String::from_utf8_lossy(&bytes);
    secrets_are_not_in(&text);
    for it in fleet.emulator.people() {
        for word in [&it.oid, &it.user_name, &it.name] {
            assert!(!text.contains(word.as_str()), "{word} can be read in the store");
        }
    }
    assert!(people.sessions.iter().all(|it| !text.contains(&it.cookie)));
}

impl Traffic {
    /// Every clock goes past the end of all sessions, where that can be; returns when that counts.
    async fn lifetime_ends(&self, clocks: &[i64]) -> Instant {
        if outside::fast_clock().is_none() {
            return Instant::now();
        }
        self.time_is_over(clocks.iter().map(|it| it + LIFETIME_SECONDS).collect());
        // The clock is read within a second, and open `WebSockets` are looked at every second.
        tokio::time::sleep(Duration::from_secs(4)).await;
        let from = Instant::now();
        self.asks_everywhere().await;
        from
    }
}
