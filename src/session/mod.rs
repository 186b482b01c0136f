//! Sessions, and sign-ins under way.
//!
//! A session starts only from a verified user. The stores do not depend on cookies or requests.

pub mod browser_secret;
mod end_recorder;
mod ended_keys;
pub(crate) mod ended_sign_ins;
mod follower;
pub(crate) mod groups_age;
mod index;
mod journal;
pub mod kept_purposes;
pub(crate) mod lease;
pub mod live;
mod overlap;
pub mod pending;
mod people;
pub(crate) mod person;
pub(crate) mod recheck_outcome;
pub(crate) mod record;
mod record_age;
mod recorded_ends;
pub mod rounds;
mod sealed_file;
pub(crate) mod session_ids;
mod session_key;
mod shared_sessions;
pub(crate) mod snapshot;
mod snapshot_seal;
pub(crate) mod standing;
pub(crate) mod store;
mod stored_session;

pub use store::cookie::{CookieSeal, MAX_SESSION_COOKIE_BYTES, is_record};

#[cfg(test)]
mod tests;
