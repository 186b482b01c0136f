//! Everything specific to Microsoft: discovery, keys, the sign-in, and the content of tokens.
//!
//! Only this module creates a `VerifiedUser`, and only from a token that passed every check.

pub mod aadsts;
mod assertion;
pub mod authority;
pub mod authority_registry;
pub mod authorize;
pub mod circuit;
pub mod error;
pub mod failure;
pub mod graph;
pub mod host;
pub mod invalid;
pub mod keys;
pub mod memberships;
pub mod metadata;
mod oidc;
mod redeem;
mod refresh;
pub mod refresh_failure;
mod registration;
pub mod registration_credentials;
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
pub use self::refresh::Refreshed;
pub use self::registration::Entra;
pub use self::sign_in::{NotRedeemed, Redeemed};
