//! What our secrets do: seal cookies, sign assertions, make randomness.
//!
//! Every key comes from one of `[session] secrets` by HKDF, one label for each purpose; nothing here knows what it seals.

pub mod envelope;
pub mod jwk;
pub mod keyring;
pub mod random;

mod reduce;
