//! What snapshots and the journal are sealed with.

use crate::seal::keyring::Keyring;
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// What snapshots are sealed with.
#[derive(Debug)]
pub struct SnapshotSeal {
    pub(in crate::session) keyring: Keyring,
    /// A digest of what sign-ins rest on. With another one, a snapshot does not open.
    pub(in crate::session) basis: String,
}

impl SnapshotSeal {
    /// `basis` is what sign-ins rest on: sessions of another tenant or another directory are not
    /// restored.
    pub fn new(keyring: Keyring, basis: &str) -> Self {
        let digest = digest(&SHA256, basis.as_bytes());
        Self { keyring, basis: URL_SAFE_NO_PAD.encode(digest.as_ref()) }
    }
}
