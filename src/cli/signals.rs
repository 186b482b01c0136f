//! SIGTERM and SIGINT: somebody asks for the end.

use super::terminal::CommandError;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Hears both from when it is made: nothing that comes earlier than one waits for it is lost.
#[derive(Debug)]
pub(super) struct StopSignals {
    terminate: Signal,
    interrupt: Signal,
}

impl StopSignals {
    /// Begins to hear.
    pub(super) fn new() -> Result<Self, CommandError> {
        let hear = |kind| {
            signal(kind).map_err(|it| CommandError::new(format!("cannot listen for signals: {it}")))
        };
        Ok(Self {
            terminate: hear(SignalKind::terminate())?,
            interrupt: hear(SignalKind::interrupt())?,
        })
    }

    /// Waits until one of them comes. Can be given up and asked again.
    pub(super) async fn wait(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
