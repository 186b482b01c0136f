//! Sessions, and sign-ins under way.
//!
//! A session starts only from a verified user. The stores do not depend on cookies or requests.

pub mod groups_age;
mod index;
pub mod lease;
pub mod live;
pub mod pending;
mod people;
pub mod person;
pub mod record;
pub mod rounds;
pub mod standing;
pub mod store;

#[cfg(test)]
mod tests;
