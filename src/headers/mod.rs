//! What the app hears about a person: plain headers and the signed assertion.
//!
//! `IdentityHeaders` is made only from a `Permit`, and only it takes the client's claims out of a request and writes ours. Nothing
//! here decides who may pass.

pub mod access_token;
pub mod audience;
pub mod identity;
mod lists;
mod mint;
pub mod owned;
mod text;
