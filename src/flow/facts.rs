//! Facts about a request that become known while it is processed.

use crate::session::record::Session;
use http::HeaderValue;
use std::sync::Arc;

/// The facts that are logged when the request is over.
#[derive(Debug, Default)]
pub(super) struct RequestFacts {
    /// The line in the configuration file of the rule that decided, starting at 1.
    pub(super) rule_line: Option<usize>,
    /// The session of the request.
    pub(super) session: Option<Arc<Session>>,
    /// Why the request was refused or failed. For the log only.
    pub(super) cause: Option<String>,
    /// The ID of the earlier request whose response is repeated.
    pub(super) answered_as: Option<HeaderValue>,
}
