//! Cryptography with Entrada's own secrets: seals cookies, signs assertions, generates randomness.
//!
//! Every key is derived from one of `[session] secrets` with HKDF, with one label per purpose; this
//! module does not know the meaning of the data that it seals.

pub mod envelope;
pub mod jwk;
pub mod keyring;
pub mod random;
pub mod record_seal;

mod reduce;
