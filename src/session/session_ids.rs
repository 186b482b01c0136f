//! IDs of sessions: random, with a tag that shows that an ID is from this installation.
//!
//! The tag gives no access. It keeps strangers from making a store look up IDs that they made up.

use super::session_key::{SESSION_ID_BYTES, SESSION_ID_CHARS};
use crate::base::random::RandomSource;
use crate::base::secret::Secret;
use crate::seal::keyring::Keyring;
use arc_swap::ArcSwap;
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::fmt;

/// Length of the random part of an ID in bytes (256 bits).
const RANDOM_BYTES: usize = 32;

/// The name of one of the installation's secrets; it says nothing about the secret.
pub(in crate::session) type SecretName = u32;

/// Makes IDs with the first secret of the installation, and recognizes those of all of them.
pub struct SessionIds {
    keys: ArcSwap<Vec<IdKey>>,
    random: RandomSource,
}

struct IdKey {
    secret: SecretName,
    key: hmac::Key,
}

impl SessionIds {
    pub(in crate::session) fn new(keyring: &Keyring, random: RandomSource) -> Self {
        Self { keys: ArcSwap::from_pointee(id_keys(keyring)), random }
    }

    /// Uses other secrets from now on.
    pub fn rotate(&self, keyring: &Keyring) {
        self.keys.store(std::sync::Arc::new(id_keys(keyring)));
    }

    /// Makes an ID; returns it with the name of the secret of its tag.
    pub(in crate::session) fn generate(&self) -> (Secret, SecretName) {
        let random = self.random.bytes::<RANDOM_BYTES>();
        let mut id = [0; SESSION_ID_BYTES];
        let (head, tag) = id.split_at_mut(RANDOM_BYTES);
        head.copy_from_slice(&random);
        let keys = self.keys.load();
        let Some(first) = keys.first() else {
            return (Secret::new(URL_SAFE_NO_PAD.encode(id)), 0);
        };
        tag.copy_from_slice(
            hmac::sign(&first.key, &random).as_ref().get(..tag.len()).unwrap_or(&[]),
        );
        (Secret::new(URL_SAFE_NO_PAD.encode(id)), first.secret)
    }

    /// Returns the name of the secret with which an ID was made; `None` if it is not ours.
    pub(in crate::session) fn recognize(&self, id: &str) -> Option<SecretName> {
        if id.len() != SESSION_ID_CHARS {
            return None;
        }
        let mut bytes = [0; SESSION_ID_BYTES];
        let length = URL_SAFE_NO_PAD.decode_slice(id, &mut bytes).ok()?;
        let (random, tag) = bytes.get(..length)?.split_at_checked(RANDOM_BYTES)?;
        let keys = self.keys.load();
        let is_made_by = |it: &&IdKey| {
            let whole = hmac::sign(&it.key, random);
            let expected = whole.as_ref().get(..tag.len()).unwrap_or_default();
            !tag.is_empty() && verify_slices_are_equal(expected, tag).is_ok()
        };
        keys.iter().find(is_made_by).map(|it| it.secret)
    }
}

fn id_keys(keyring: &Keyring) -> Vec<IdKey> {
    let keys = keyring.keys::<32>("session ID, tag");
    let with_name = secret_names(keyring).into_iter().zip(keys);
    with_name
        .map(|(secret, key)| IdKey { secret, key: hmac::Key::new(hmac::HMAC_SHA256, key.as_ref()) })
        .collect()
}

/// The names of the secrets, in their order.
pub(in crate::session) fn secret_names(keyring: &Keyring) -> Vec<SecretName> {
    keyring.keys::<4>("name of a secret").iter().map(|it| u32::from_be_bytes(**it)).collect()
}

impl fmt::Debug for SessionIds {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "SessionIds of {}", self.keys.load().len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(secrets: &[&str]) -> SessionIds {
        let secrets: Vec<_> = secrets.iter().map(|it| Secret::new(*it)).collect();
        let random = crate::seal::random::system();
        SessionIds::new(&Keyring::new(&secrets, &random), random)
    }

    #[test]
    fn an_id_is_recognized_with_any_of_the_secrets_and_names_its_own() {
        let (id, secret) = ids(&["one"]).generate();
        assert_eq!(id.expose().len(), SESSION_ID_CHARS);
        assert_eq!(ids(&["one"]).recognize(id.expose()), Some(secret));
        assert_eq!(ids(&["new", "one"]).recognize(id.expose()), Some(secret));
        assert_eq!(ids(&["new"]).recognize(id.expose()), None);
        assert_ne!(ids(&["new", "one"]).generate().1, secret);
        let rotated = ids(&["new"]);
        rotated.rotate(&Keyring::new(&[Secret::new("one")], &crate::seal::random::system()));
        assert_eq!(rotated.recognize(id.expose()), Some(secret));
    }

    #[test]
    fn a_changed_or_cut_id_is_not_recognized() {
        let ours = ids(&["one"]);
        let (id, _) = ours.generate();
        for at in 0..id.expose().len() {
            let mut changed = id.expose().to_owned().into_bytes();
            changed[at] = if changed[at] == b'A' { b'Q' } else { b'A' };
            assert_eq!(ours.recognize(std::str::from_utf8(&changed).unwrap()), None, "{at}");
            assert_eq!(ours.recognize(&id.expose()[..at]), None, "{at}");
        }
        assert_eq!(ours.recognize(&"A".repeat(SESSION_ID_CHARS)), None);
    }
}
