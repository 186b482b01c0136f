//! What is asked of Entra and Graph during a session, apart from the requests that find it due.

pub(super) mod groups;
mod lease;
pub(super) mod recheck;
