//! Logs and metrics: one line per request, each failure reported once. They never contain a token,
//! a cookie or a secret.

pub mod log;
pub(crate) mod metrics;
