//! What is learned of a request on its way.

use crate::session::record::Session;
use std::sync::Arc;

/// What is written down of a request when it is over.
#[derive(Debug, Default)]
pub(super) struct Facts {
    /// The rule that decided, by its place in the configuration.
    pub(super) rule: Option<usize>,
    /// Whose request it was.
    pub(super) session: Option<Arc<Session>>,
    /// Why it was not answered as asked; for the log only.
    pub(super) cause: Option<String>,
}
