//! Seals the record of a session into the value of a cookie.

use super::super::super::session_key::{SESSION_ID_CHARS, SessionKey};
use crate::base::random::RandomSource;
use crate::seal::keyring::Keyring;
use crate::seal::record_seal::RecordSeal;
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::Zeroizing;

/// What sealing adds to a record, in bytes: the version, the nonce and the tag.
const SEALED_RECORD_OVERHEAD_BYTES: usize = 1 + 12 + 16;

/// Maximum length of a session's two cookies together, in bytes: their names, values and `=`.
/// Browsers accept 4,096 bytes for each cookie; front proxies have 4 or 8 KiB for a whole head.
pub const MAX_SESSION_COOKIE_BYTES: usize = 3200;
/// What the names, both `=` and the ID take of it: `__Host-entrada=ID` and `__Host-entrada-s=`.
const OTHER_COOKIE_BYTES: usize = 15 + SESSION_ID_CHARS + 17;
/// Maximum length of a sealed record, in characters of base64url.
pub(super) const MAX_RECORD_CHARS: usize = MAX_SESSION_COOKIE_BYTES - OTHER_COOKIE_BYTES;
/// Maximum length of a record before it is sealed, in bytes.
pub(super) const MAX_RECORD_BYTES: usize = MAX_RECORD_CHARS * 3 / 4 - SEALED_RECORD_OVERHEAD_BYTES;

/// What is sealed; other records of this purpose could have another label.
const LABEL: &str = "session";

/// Seals and opens the records in cookies: the first secret of the installation seals, all of them
/// open. The key depends on the key of the session, so opening a record takes the session's ID, which
/// only a sign-in sends to the browser.
#[derive(Debug)]
pub struct CookieSeal {
    seals: Vec<RecordSeal>,
}

impl CookieSeal {
    /// `basis` is what sign-ins rest on: a record of another tenant or registration does not open.
    pub fn new(keyring: &Keyring, basis: &str, random: &RandomSource) -> Self {
        let basis = URL_SAFE_NO_PAD.encode(digest(&SHA256, basis.as_bytes()));
        let purpose = format!("session record, cookie, {basis}");
        Self { seals: RecordSeal::of(keyring, &purpose, random) }
    }

    /// Seals the record of the session with this key. Returns `None` only if there is no secret,
    /// which a keyring rules out.
    pub fn seal(&self, key: &SessionKey, plain: &[u8]) -> Option<String> {
        self.seals.first()?.seal(key, LABEL, plain).map(|it| URL_SAFE_NO_PAD.encode(it))
    }

    /// Opens a record of the session with this key. Returns `None` for any other text.
    pub fn open(&self, key: &SessionKey, text: &str) -> Option<Zeroizing<Vec<u8>>> {
        if text.len() > MAX_RECORD_CHARS {
            return None;
        }
        let sealed = URL_SAFE_NO_PAD.decode(text).ok()?;
        self.seals.iter().find_map(|it| it.open(key, LABEL, &sealed)).map(Zeroizing::new)
    }
}
