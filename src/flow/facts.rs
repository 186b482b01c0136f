//! What is learned of a request on its way.

use crate::session::record::Session;
use std::sync::Arc;

/// What is written down of a request when it is over.
#[derive(Debug, Default)]
pub(super) struct RequestFacts {
    /// The line of the rule that decided, in the configuration file; from 1.
    pub(super) rule_line: Option<usize>,
    /// Whose request it was.
    pub(super) session: Option<Arc<Session>>,
    /// Why it was not answered as asked; for the log only.
    pub(super) cause: Option<String>,
}
