//! Sessions, and sign-ins under way.
//!
//! A session starts only from a verified user. The stores do not depend on cookies or requests.

pub mod browser_secret;
mod end_journal;
pub(crate) mod ended_sign_ins;
pub(crate) mod groups_age;
mod index;
pub mod kept_purposes;
pub(crate) mod lease;
pub mod live;
pub mod pending;
mod people;
pub(crate) mod person;
pub(crate) mod recheck_outcome;
pub(crate) mod record;
mod recorded_ends;
pub mod rounds;
pub(crate) mod session_ids;
mod session_key;
pub(crate) mod snapshot;
pub(crate) mod standing;
pub(crate) mod store;
mod stored_session;

#[cfg(test)]
mod tests;
