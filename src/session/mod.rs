//! Who is signed in, and who is about to be.
//!
//! A session begins only from a verified user. Stores know no cookies and no requests.

pub mod bearers;
mod index;
pub mod pending;
pub mod record;
pub mod rounds;
pub mod standing;
pub mod store;
pub mod told;
pub mod whom;

#[cfg(test)]
mod tests;
