//! Sealed text: AES-256-GCM, bound to a purpose and to the name under which it is sent.

use super::keyring::Keyring;
use crate::base::random::RandomSource;
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

const ENVELOPE_VERSION: u8 = 1;
const ENVELOPE_HEAD_BYTES: usize = 1 + NONCE_LEN;

/// Maximum length of a sealed text that is opened, in bytes.
pub const MAX_SEALED_BYTES: usize = 16 * 1024;

/// Seals and opens text for one purpose.
pub struct Envelope {
    keys: Vec<LessSafeKey>,
    random: RandomSource,
}

impl Envelope {
    /// Creates the envelope for a purpose. A text sealed for one purpose cannot be opened for
    /// another.
    pub fn new(keyring: &Keyring, purpose: &str, random: &RandomSource) -> Self {
        let keys = keyring.keys::<32>(purpose);
        let keys = keys
            .iter()
            .filter_map(|it| UnboundKey::new(&AES_256_GCM, it.as_ref()).ok())
            .map(LessSafeKey::new)
            .collect();
        Self { keys, random: random.clone() }
    }

    /// Seals `plain` under `name` into base64url text. Returns `None` only if there is no key,
    /// which a keyring rules out.
    pub fn seal(&self, name: &str, plain: &[u8]) -> Option<String> {
        let nonce = self.random.bytes::<NONCE_LEN>();
        let mut sealed = plain.to_vec();
        let key = self.keys.first()?;
        key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), bound(name), &mut sealed)
            .ok()?;
        let mut out = Vec::with_capacity(ENVELOPE_HEAD_BYTES + sealed.len());
        out.push(ENVELOPE_VERSION);
        out.extend_from_slice(&nonce);
        out.extend_from_slice(&sealed);
        Some(URL_SAFE_NO_PAD.encode(out))
    }

    /// Opens a text that any of the secrets sealed for the same purpose and name; returns `None`
    /// for any other text.
    pub fn open(&self, name: &str, text: &str) -> Option<Vec<u8>> {
        if text.len() > MAX_SEALED_BYTES {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (head, sealed) = bytes.split_at_checked(ENVELOPE_HEAD_BYTES)?;
        let (version, nonce) = head.split_first()?;
        if *version != ENVELOPE_VERSION {
            return None;
        }
        self.keys.iter().find_map(|key| {
            let mut sealed = sealed.to_vec();
            let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
            key.open_in_place(nonce, bound(name), &mut sealed).ok().map(|it| it.to_vec())
        })
    }
}

fn bound(name: &str) -> Aad<&[u8]> {
    Aad::from(name.as_bytes())
}

impl std::fmt::Debug for Envelope {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Envelope")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::secret::Secret;

    fn keyring(secrets: &[&str]) -> Keyring {
        let secrets: Vec<_> = secrets.iter().map(|it| Secret::new(*it)).collect();
        Keyring::new(&secrets, &crate::seal::random::system())
    }

    fn envelope(secrets: &[&str], purpose: &str) -> Envelope {
        Envelope::new(&keyring(secrets), purpose, &crate::seal::random::system())
    }

    #[test]
    fn opens_only_under_its_own_name_and_purpose() {
        let ours = envelope(&["one"], "pending");
        let text = ours.seal("a", b"hello").unwrap();
        assert_eq!(ours.open("a", &text).as_deref(), Some(&b"hello"[..]));
        assert_eq!(ours.open("b", &text), None);
        assert_eq!(envelope(&["one"], "rounds").open("a", &text), None);
        assert_eq!(envelope(&["two"], "pending").open("a", &text), None);
    }

    #[test]
    fn an_older_secret_still_opens() {
        let text = envelope(&["old"], "p").seal("a", b"x").unwrap();
        assert!(envelope(&["new", "old"], "p").open("a", &text).is_some());
    }

    #[test]
    fn changed_cut_or_foreign_text_opens_nothing() {
        let ours = envelope(&["one"], "p");
        let text = ours.seal("a", b"hello").unwrap();
        for at in 0..text.len() {
            let mut changed = text.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            assert_eq!(ours.open("a", std::str::from_utf8(&changed).unwrap()), None, "{at}");
            assert_eq!(ours.open("a", &text[..at]), None, "{at}");
        }
    }
}
