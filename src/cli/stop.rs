//! SIGTERM and SIGINT: somebody asks for the end.

use super::terminal::Failure;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Hears both from when it is made: nothing that comes earlier than one waits for it is lost.
#[derive(Debug)]
pub(super) struct Stop {
    terminate: Signal,
    interrupt: Signal,
}

impl Stop {
    /// Begins to hear.
    pub(super) fn new() -> Result<Self, Failure> {
        let hear = |kind| signal(kind).map_err(|it| Failure::new(format!("cannot listen for signals: {it}")));
        Ok(Self { terminate: hear(SignalKind::terminate())?, interrupt: hear(SignalKind::interrupt())? })
    }

    /// Waits until one of them comes. Can be given up and asked again.
    pub(super) async fn told(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
