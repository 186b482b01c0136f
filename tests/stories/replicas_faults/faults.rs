//! What happens to the parts, one after the other.

use super::fleet::{FaultyStore, Fleet};
use super::seed::Chance;
use super::timeline::DisturbedPart;
use std::time::{Duration, Instant};

/// How long a fault lasts.
const FAULT: Duration = Duration::from_millis(2500);
/// Less than `session.redis.command_timeout` there and back.
const SLOW: Duration = Duration::from_millis(60);
/// More than `entra.recheck`.
const CLOCK_STEP_SECONDS: i64 = 65;

/// A fault; those of a replica name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    StoreKilled,
    StoreEmptied,
    StorePaused,
    StoreLoading,
    StoreReadOnly,
    StoreOutOfMemory,
    LinkSilent(usize),
    LinkBroken(usize),
    LinkCut(usize),
    LinkSlow(usize),
    ReplicaKilled(usize),
    ReplicaPaused(usize),
    /// One clock is ahead for the rest of the run, so that sessions are rechecked.
    ClockAhead(usize),
    /// Every clock is ahead.
    AllClocksAhead,
    PrimaryKilled,
    PrimaryPaused,
    FailedOver,
}

impl Fault {
    /// Returns the faults of a store of one server.
    pub fn of_single(replicas: usize) -> Vec<Self> {
        let mut all = vec![
            Self::StoreKilled,
            Self::StoreEmptied,
            Self::StorePaused,
            Self::StoreLoading,
            Self::StoreReadOnly,
            Self::StoreOutOfMemory,
            Self::AllClocksAhead,
        ];
        for it in 0..replicas {
            all.extend([Self::LinkSilent(it), Self::LinkBroken(it), Self::LinkCut(it)]);
            all.extend([Self::LinkSlow(it), Self::ClockAhead(it)]);
        }
        all.extend(Self::of_replicas(replicas));
        all
    }

    /// Returns the faults of a primary with Sentinels.
    pub fn of_sentinel(replicas: usize) -> Vec<Self> {
        let mut all =
            vec![Self::PrimaryKilled, Self::FailedOver, Self::PrimaryPaused, Self::AllClocksAhead];
        all.extend(Self::of_replicas(replicas));
        all
    }

    fn of_replicas(replicas: usize) -> impl Iterator<Item = Self> {
        (0..replicas).flat_map(|it| [Self::ReplicaKilled(it), Self::ReplicaPaused(it)])
    }

    /// Returns a replica whose process works while this happens.
    pub fn replica_that_works(self, replicas: usize, chance: &mut Chance) -> usize {
        loop {
            let replica = chance.below(replicas);
            if !matches!(self, Self::ReplicaKilled(it) | Self::ReplicaPaused(it) if it == replica) {
                return replica;
            }
        }
    }

    /// Lets it happen and pass.
    pub async fn happens(self, fleet: &Fleet, clocks: &mut [i64]) {
        let from = Instant::now();
        match self {
            Self::LinkSilent(it)
            | Self::LinkBroken(it)
            | Self::LinkCut(it)
            | Self::LinkSlow(it) => {
                self.happens_to_link(fleet, it).await;
                let loses = !matches!(self, Self::LinkSlow(_));
                fleet.was_disturbed(DisturbedPart::Link(it), loses, from);
            }
            Self::ReplicaKilled(it) => {
                fleet.replicas[it].write().unwrap().kill();
                tokio::time::sleep(FAULT).await;
                fleet.replicas[it].write().unwrap().starts_again();
                fleet.is_ready(it).await;
                fleet.was_disturbed(DisturbedPart::Replica(it), true, from);
            }
            Self::ReplicaPaused(it) => {
                fleet.replicas[it].read().unwrap().signals("STOP");
                tokio::time::sleep(FAULT).await;
                fleet.replicas[it].read().unwrap().signals("CONT");
                fleet.was_disturbed(DisturbedPart::Replica(it), true, from);
            }
            Self::ClockAhead(it) => step(fleet, clocks, it),
            Self::AllClocksAhead => (0..clocks.len()).for_each(|it| step(fleet, clocks, it)),
            _ => {
                match &mut *fleet.store.lock().await {
                    FaultyStore::Single(server) => self.happens_to_server(server).await,
                    FaultyStore::Sentinel(group) => self.happens_to_group(group).await,
                }
                fleet.was_disturbed(DisturbedPart::Store, true, from);
            }
        }
    }

    async fn happens_to_link(self, fleet: &Fleet, replica: usize) {
        let with_link = |act: &dyn Fn(&crate::world::slow_link::SlowLink)| {
            act(fleet.replicas[replica].read().unwrap().link.as_ref().unwrap());
        };
        with_link(&|link| match self {
            Self::LinkSilent(_) => link.falls_silent(),
            Self::LinkBroken(_) => link.breaks(),
            Self::LinkSlow(_) => link.slows(SLOW),
            _ => link.cuts(),
        });
        tokio::time::sleep(FAULT).await;
        with_link(&|link| link.is_well());
    }

    async fn happens_to_server(self, server: &mut crate::world::redis::RedisServer) {
        match self {
            Self::StoreKilled | Self::StoreEmptied => {
                server.kill();
                tokio::time::sleep(FAULT).await;
                if self == Self::StoreKilled {
                    server.restart().await;
                } else {
                    server.restart_empty().await;
                }
            }
            Self::StorePaused => {
                server.pause();
                tokio::time::sleep(FAULT).await;
                server.resume();
            }
            Self::StoreLoading => {
                server.restart_loading(FAULT).await;
                server.has_loaded().await;
            }
            Self::StoreReadOnly => {
                server.becomes_a_replica().await;
                tokio::time::sleep(FAULT).await;
                server.becomes_primary().await;
            }
            Self::StoreOutOfMemory => {
                server.runs_out_of_memory().await;
                tokio::time::sleep(FAULT).await;
                server.has_memory().await;
            }
            other => panic!("{other:?} needs Sentinels"),
        }
    }

    async fn happens_to_group(self, group: &mut crate::world::redis::SentinelGroup) {
        let before = group.primary_port().await;
        match self {
            Self::FailedOver => group.fail_over().await,
            Self::PrimaryKilled => {
                group.primary().await.kill();
                group.has_another_primary(before).await;
            }
            Self::PrimaryPaused => {
                group.primary().await.pause();
                group.has_another_primary(before).await;
            }
            other => panic!("{other:?} needs a single server"),
        }
        let old = group.servers.iter_mut().find(|it| it.port == before).unwrap();
        match self {
            Self::PrimaryKilled => old.restart().await,
            Self::PrimaryPaused => old.resume(),
            _ => {}
        }
        group.is_replicated().await;
    }
}

fn step(fleet: &Fleet, clocks: &mut [i64], replica: usize) {
    clocks[replica] += CLOCK_STEP_SECONDS;
    fleet.replicas[replica].read().unwrap().moves_clock(clocks[replica]);
}
