//! The cost that one client can cause for others: nothing noticeable.
//!
//! An attack is bounded in time, connections and bytes. While it runs, a second client sends
//! requests continuously. The tests assert its longest wait and the memory of the program, and that
//! the program serves as before afterwards.

mod answers;
mod callbacks;
mod floods;
mod handles;
mod heads;
mod logs;
mod memory;
mod shares;
mod streams;
mod tunnels;

use crate::flood::FloodedProgram;
use crate::world::h2::SETTINGS_INITIAL_WINDOW_SIZE;
use crate::world::{World, WorldPlan};
use std::time::{Duration, Instant};

const MIB: u64 = 1 << 20;

/// Longest wait of the second client: enough for a debug build on a busy machine, and far less than
/// a stuck program takes.
const MAX_WAIT: Duration = Duration::from_secs(5);

/// Settings of an HTTP/2 client that lets no stream send DATA.
const NO_WINDOW: &[(u16, u32)] = &[(SETTINGS_INITIAL_WINDOW_SIZE, 0)];
/// `body_timeout` of `with_short_limits`.
const SECOND: Duration = Duration::from_secs(1);
/// Maximum delay of an end beyond its limit on a busy machine.
const LATE: Duration = Duration::from_secs(4);

/// A world whose limits on waits for clients are over soon.
async fn with_short_limits() -> World {
    World::with(WorldPlan {
        server: "[server.limits]\nbody_timeout = \"1s\"\nidle_timeout = \"2s\"".into(),
        ..WorldPlan::default()
    })
    .await
}

/// The effect of an attack on the program.
struct ResourceCost {
    longest_wait: Duration,
    grown: u64,
}

/// Runs an attack while a second client sends requests.
async fn under_attack(program: &FloodedProgram, attack: impl Future<Output = ()>) -> ResourceCost {
    assert!(program.serves().await);
    let before = program.weighs();
    let mut cost = ResourceCost { longest_wait: Duration::ZERO, grown: 0 };
    let mut attack = std::pin::pin!(attack);
    loop {
        let asking = async {
            let begun = Instant::now();
            assert!(program.serves().await, "the second client was not served");
            (begun.elapsed(), program.weighs())
        };
        let mut asking = std::pin::pin!(asking);
        let (over, (wait, weight)) = tokio::select! {
            () = &mut attack => (true, asking.await),
            asked = &mut asking => (false, asked),
        };
        cost.longest_wait = cost.longest_wait.max(wait);
        cost.grown = cost.grown.max(weight.saturating_sub(before));
        if over {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(program.serves().await);
    cost
}

impl ResourceCost {
    #[track_caller]
    fn is_borne(&self, ceiling: u64) {
        println!("longest wait {:?}, grown by {} KiB", self.longest_wait, self.grown / 1024);
        assert!(self.longest_wait < MAX_WAIT, "the second client waited {:?}", self.longest_wait);
        assert!(self.grown < ceiling, "memory grew by {} MiB", self.grown / MIB);
    }
}
