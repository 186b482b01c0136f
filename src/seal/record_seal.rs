//! Sealed records: AES-256-GCM with a key for each record, because records are sealed again and again
//! for years, and one key serves only about 2^32 random nonces (NIST SP 800-38D section 8.3).

use super::keyring::Keyring;
use crate::base::random::RandomSource;
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hmac;
use std::fmt;

const RECORD_VERSION: u8 = 1;
const RECORD_HEAD_BYTES: usize = 1 + NONCE_LEN;

/// Seals and opens the records of one purpose with one secret.
pub struct RecordSeal {
    /// Derives the keys of records: a pseudorandom function (NIST SP 800-108).
    master: hmac::Key,
    random: RandomSource,
}

impl RecordSeal {
    /// Returns the seals of a purpose, one for each secret in the order of the keyring.
    pub fn of(keyring: &Keyring, purpose: &str, random: &RandomSource) -> Vec<Self> {
        let keys = keyring.keys::<32>(purpose);
        let of_one = |key: &zeroize::Zeroizing<[u8; 32]>| Self {
            master: hmac::Key::new(hmac::HMAC_SHA256, key.as_ref()),
            random: random.clone(),
        };
        keys.iter().map(of_one).collect()
    }

    /// Seals a record that has this ID; `label` says what it is. Returns `None` only if the plain
    /// text is too long for the algorithm.
    pub fn seal(&self, id: &[u8; 32], label: &str, plain: &[u8]) -> Option<Vec<u8>> {
        let nonce = self.random.bytes::<NONCE_LEN>();
        let mut out = Vec::with_capacity(RECORD_HEAD_BYTES + plain.len() + AES_256_GCM.tag_len());
        out.push(RECORD_VERSION);
        out.extend_from_slice(&nonce);
        let mut sealed = plain.to_vec();
        let nonce = Nonce::assume_unique_for_key(nonce);
        self.key(id)?
            .seal_in_place_append_tag(nonce, Aad::from(label.as_bytes()), &mut sealed)
            .ok()?;
        out.extend_from_slice(&sealed);
        Some(out)
    }

    /// Opens what was sealed with the same secret for this ID and label.
    pub fn open(&self, id: &[u8; 32], label: &str, sealed: &[u8]) -> Option<Vec<u8>> {
        let (head, sealed) = sealed.split_at_checked(RECORD_HEAD_BYTES)?;
        let (version, nonce) = head.split_first()?;
        if *version != RECORD_VERSION {
            return None;
        }
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut opened = sealed.to_vec();
        let length = self
            .key(id)?
            .open_in_place(nonce, Aad::from(label.as_bytes()), &mut opened)
            .ok()?
            .len();
        opened.truncate(length);
        Some(opened)
    }

    fn key(&self, id: &[u8; 32]) -> Option<LessSafeKey> {
        let key = hmac::sign(&self.master, id);
        UnboundKey::new(&AES_256_GCM, key.as_ref()).ok().map(LessSafeKey::new)
    }
}

impl fmt::Debug for RecordSeal {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("RecordSeal")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::secret::Secret;

    #[test]
    fn a_changed_or_cut_record_opens_nothing() {
        let random = crate::seal::random::system();
        let keyring = Keyring::new(&[Secret::new("one")], &random);
        let seal = RecordSeal::of(&keyring, "p", &random).remove(0);
        let sealed = seal.seal(&[1; 32], "a", b"hello").unwrap();
        assert_eq!(seal.open(&[1; 32], "a", &sealed).as_deref(), Some(&b"hello"[..]));
        assert_eq!(seal.open(&[1; 32], "b", &sealed), None);
        assert_eq!(seal.open(&[2; 32], "a", &sealed), None);
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert_eq!(seal.open(&[1; 32], "a", &changed), None, "{at}");
            assert_eq!(seal.open(&[1; 32], "a", &sealed[..at]), None, "{at}");
        }
        assert_ne!(seal.seal(&[1; 32], "a", b"hello").unwrap(), sealed);
    }
}
