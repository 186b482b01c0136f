//! SIGTERM and SIGINT, which stop the process.

use super::terminal::CommandError;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Receives signals from its creation on, even before `wait`.
#[derive(Debug)]
pub(super) struct StopSignals {
    terminate: Signal,
    interrupt: Signal,
}

impl StopSignals {
    pub(super) fn new() -> Result<Self, CommandError> {
        let listen = |kind| {
            signal(kind).map_err(|it| CommandError::new(format!("cannot listen for signals: {it}")))
        };
        Ok(Self {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
        })
    }

    /// Waits for either signal. Cancel-safe.
    pub(super) async fn wait(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
