//! Callers with a bearer token (RFC 6750) instead of a cookie: the access tokens of the app's own
//! clients, and the sessions that they belong to.

pub mod access_token;
mod cache;
mod header;
pub(crate) mod sessions;
