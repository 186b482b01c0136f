//! Who is signed in, and who is about to be.
//!
//! A session begins only from a verified user. Stores know no cookies and no requests.

pub mod bearer_cache;
pub mod groups_age;
mod index;
pub mod pending;
pub mod person;
pub mod record;
pub mod rounds;
pub mod standing;
pub mod store;

#[cfg(test)]
mod tests;
