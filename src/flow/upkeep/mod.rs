//! Requests to Entra and Graph during a session, independent of the client requests that find them
//! due.

mod effect;
pub(super) mod groups;
pub(super) mod recheck;
mod renewal;
