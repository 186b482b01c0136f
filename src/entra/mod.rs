//! Everything that is Microsoft's: discovery, keys, the sign-in, and what a token says.
//!
//! A `VerifiedUser` is made here only, and only of a token that passed every check.

pub mod verified;
