//! Everything specific to Microsoft: discovery, keys, the sign-in, and the content of tokens.
//!
//! Only this module creates a `VerifiedUser`, and only from a token that passed every check.

pub mod aadsts;
mod assertion;
pub(crate) mod authority;
pub(crate) mod authority_registry;
pub(crate) mod authorize;
pub(crate) mod circuit;
pub(crate) mod claims_challenge;
pub(crate) mod error;
pub(crate) mod failure;
pub(crate) mod graph;
pub(crate) mod host;
pub(crate) mod invalid;
pub mod keys;
pub(crate) mod memberships;
pub mod metadata;
mod oidc;
mod redeem;
mod refresh;
pub(crate) mod refresh_failure;
mod registration;
pub(crate) mod registration_credentials;
mod registration_keys;
mod rules;
mod sign_in;
mod skew;
mod source;
mod tenants;
#[cfg(test)]
mod tests;
pub mod token;
pub mod verified;

pub use self::error::Error;
pub use self::refresh::RefreshedSignIn;
pub use self::registration::EntraRegistration;
pub use self::sign_in::{SignInFailure, VerifiedSignIn};
