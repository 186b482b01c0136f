//! Upgraded connections: bytes both ways until one side, the session or the process ends.

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// All upgraded connections of the process. hyper forgets them once they are upgraded, so the drain asks here.
#[derive(Clone, Debug, Default)]
pub struct Tunnels {
    tasks: TaskTracker,
    end: CancellationToken,
}

impl Tunnels {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Waits until all have ended by themselves. No new ones may begin any more.
    pub async fn wait(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// Ends all of them.
    pub fn end(&self) {
        self.end.cancel();
    }
}
