//! Where ended sessions are recorded beyond the live sessions.

use super::ended_keys::EndedKeys;
use super::journal::SessionJournal;
use super::record::Session;
use std::fmt;
use std::sync::Arc;

/// Takes the sessions that end, for a store of several processes.
pub(super) trait EndQueue: fmt::Debug + Send + Sync {
    /// Adds a session that has ended. Does not wait.
    fn add_ended(&self, session: &Session);
}

/// Where ended sessions are recorded.
#[derive(Debug)]
pub(super) enum EndRecorder {
    /// On the disk.
    Journal(Arc<SessionJournal>),
    /// In the store of several processes.
    Queue(Arc<dyn EndQueue>),
    /// In this process, where a store in the browser could bring them back.
    Keys(Arc<EndedKeys>),
}
