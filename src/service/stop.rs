//! The end of the process: new connections are accepted for a while, and the sessions are handed
//! over or saved.

use crate::config::server::ServerConfig;
use crate::session::snapshot::SessionFolder;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Minimum time in which a process that has handed its sessions over accepts connections: a process
/// that waits for the sessions listens by then, or is known to come.
const MIN_OVERLAP: Duration = Duration::from_secs(2);

/// What is needed to stop.
pub(super) struct StopPlan {
    pub(super) server: ServerConfig,
    pub(super) folder: Option<Arc<SessionFolder>>,
    /// Requests to Entra that no client waits for.
    pub(super) background: TaskTracker,
    /// Closes the admin listeners.
    pub(super) admin_over: CancellationToken,
}

impl StopPlan {
    /// Returns when this process should stop to accept connections: load balancers know that it
    /// ends, and the process that follows listens, if there is one.
    pub(super) async fn wait(self) {
        // Load balancers learn that this process ends before it stops to listen.
        let delay = tokio::time::sleep(self.server.shutdown_delay);
        let hand_over = async {
            if let Some(folder) = self.folder.filter(|_| self.server.reuse_port) {
                hand_over(folder, &self.background, &self.admin_over).await;
            }
        };
        tokio::join!(delay, hand_over);
    }
}

/// Hands the sessions over, and returns when the process that follows listens, or when there is
/// none.
async fn hand_over(
    folder: Arc<SessionFolder>,
    background: &TaskTracker,
    admin_over: &CancellationToken,
) {
    let written = tokio::task::spawn_blocking({
        let folder = Arc::clone(&folder);
        move || folder.hand_over()
    });
    let handed_over = match written.await.map_err(std::io::Error::other).flatten() {
        Ok(handed_over) => handed_over,
        Err(error) => {
            tracing::error!(%error, "sessions not handed over; the next process waits until this one has ended");
            return;
        }
    };
    tracing::info!(sessions = handed_over.count, "sessions handed over");
    background.spawn({
        let folder = Arc::clone(&folder);
        async move { folder.record_missing(handed_over).await }
    });
    tokio::time::sleep(MIN_OVERLAP).await;
    if folder.successor().await {
        tracing::info!("the next process listens");
        // From now on, its listeners answer for health, metrics and the admin API.
        admin_over.cancel();
    }
}

/// Waits for pending calls to Entra within the rest of the grace period, so that the result of a
/// redeemed refresh token is not lost.
pub(super) async fn finish(background: &TaskTracker, deadline: Option<Instant>) {
    background.close();
    let left = deadline.map_or(Duration::ZERO, |it| it.saturating_duration_since(Instant::now()));
    if tokio::time::timeout(left, background.wait()).await.is_err() {
        tracing::warn!(pending = background.len(), "shut down while calls to Entra were pending");
    }
}

/// Writes the last snapshot of the sessions, if they are kept over a restart and no other process
/// has them.
pub(super) async fn save_sessions(folder: Option<Arc<SessionFolder>>) {
    let Some(folder) = folder else { return };
    let written = tokio::task::spawn_blocking(move || folder.close()).await;
    match written.map_err(std::io::Error::other).flatten() {
        Ok(Some(sessions)) => tracing::info!(sessions, "sessions saved"),
        Ok(None) => {}
        Err(error) => {
            tracing::error!(%error, "sessions not saved; those since the last snapshot are lost");
        }
    }
}
