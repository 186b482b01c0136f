//! The information that the app receives about a person: plain headers and the signed assertion.
//!
//! `IdentityHeaders` is created only from a `Permit`. Only this type removes the client's identity
//! headers from a request and writes Entrada's. This module makes no access decisions.

pub mod audience;
pub mod identity;
mod lists;
mod mint;
mod names;
pub mod owned;
mod text;
mod values;
