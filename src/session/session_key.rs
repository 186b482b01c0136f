//! The keys of sessions in memory: digests, so that a dump of them does not open a session.

use crate::base::guid::Guid;
use aws_lc_rs::digest::{SHA256, digest};

/// Length of a session ID in bytes, and of its base64url text: the random part and its tag. It fits
/// into one block of SHA-256, which every request computes.
pub(super) const SESSION_ID_BYTES: usize = 40;
pub(super) const SESSION_ID_CHARS: usize = 54;
/// Length of an ID of the versions before the tag; sessions restored from their snapshots have it.
const UNTAGGED_ID_CHARS: usize = 43;

pub(super) type SessionKey = [u8; 32];

/// Returns the key of an ID from a cookie, if it can be one.
pub(super) fn read(id: &str) -> Option<SessionKey> {
    matches!(id.len(), SESSION_ID_CHARS | UNTAGGED_ID_CHARS).then(|| key(id))
}

/// Cannot equal the digest of a cookie, because the input has another length.
pub(super) fn client_sign_in_key(client_sign_in: Guid) -> SessionKey {
    let mut out = [0; 32];
    out.copy_from_slice(
        digest(
            &SHA256,
            &[b"sign-in on a client of the app's own ".as_slice(), client_sign_in.bytes()].concat(),
        )
        .as_ref(),
    );
    out
}

/// Digests the text, not the decoded bytes: an ID has only one valid spelling.
pub(super) fn key(id: &str) -> SessionKey {
    let mut out = [0; 32];
    out.copy_from_slice(digest(&SHA256, id.as_bytes()).as_ref());
    out
}
