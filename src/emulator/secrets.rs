//! The client secrets of the registration: there can be several, and each can expire.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// The result of checking a client's secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SecretCheck {
    /// It is valid.
    Good,
    /// It has expired (AADSTS7000222).
    Expired,
    /// It was never a secret of the registration (AADSTS7000215).
    Wrong,
}

/// Changes to the secrets since the start, keyed by SHA-256, so that not even the length shows.
#[derive(Default)]
pub(super) struct SecretChanges(Mutex<BTreeMap<[u8; 32], SecretCheck>>);

impl SecretChanges {
    pub(super) fn set(&self, secret: &str, is: SecretCheck) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(hashed(secret), is);
    }

    /// Checks a secret; `first` is the one that existed at the start.
    pub(super) fn of(&self, secret: &str, first: &str) -> SecretCheck {
        let (secret, first) = (hashed(secret), hashed(first));
        let changed = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&secret).copied();
        let unchanged = || {
            if verify_slices_are_equal(&secret, &first).is_ok() {
                SecretCheck::Good
            } else {
                SecretCheck::Wrong
            }
        };
        changed.unwrap_or_else(unchanged)
    }
}

fn hashed(secret: &str) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(digest(&SHA256, secret.as_bytes()).as_ref());
    out
}
