//! The groups and roles that the access rules name.

use aws_lc_rs::digest::{SHA256, digest};
use std::collections::BTreeSet;

/// Names a set of entries, in a record that was cut for it.
pub(super) type NamedDigest = [u8; 8];

/// The entries that rules name. Rules compare groups without regard to ASCII case.
#[derive(Debug)]
pub(super) struct NamedEntries {
    entries: BTreeSet<String>,
    digest: NamedDigest,
}

impl NamedEntries {
    pub(super) fn new(entries: impl IntoIterator<Item = String>) -> Self {
        let entries: BTreeSet<_> = entries.into_iter().map(|it| it.to_ascii_lowercase()).collect();
        // An entry with a line break makes the digest ambiguous only with entries like it.
        let text = entries.iter().map(String::as_str).collect::<Vec<_>>().join("\n");
        let digest = digest(&SHA256, text.as_bytes());
        let digest = digest.as_ref().first_chunk().copied().unwrap_or_default();
        Self { entries, digest }
    }

    pub(super) fn contains(&self, entry: &str) -> bool {
        self.entries.contains(&entry.to_ascii_lowercase())
    }

    /// Changes with the entries.
    pub(super) fn digest(&self) -> NamedDigest {
        self.digest
    }
}
