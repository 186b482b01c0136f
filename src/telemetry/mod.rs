//! What is written down: one line a request, a failure once, figures. Never a token, a cookie or a secret.

pub mod log;
pub mod metrics;
