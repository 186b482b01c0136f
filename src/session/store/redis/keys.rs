//! Names of keys, and the seals of values. Nobody who reads the server can use a session or name a
//! person: keys are digests with the installation's secrets, and values are sealed.

use super::super::super::person::PersonKey;
use super::super::super::session_ids::{SecretName, secret_names};
use super::super::super::session_key::SessionKey;
use crate::base::random::RandomSource;
use crate::seal::keyring::Keyring;
use crate::seal::record_seal::RecordSeal;
use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::fmt;

/// Length of a digest in a key, in bytes.
const DIGEST_BYTES: usize = 16;

/// The purposes of the values, to which their seals are bound.
const RECORD: &str = "session record";
const TOKEN: &str = "refresh token";

/// The keys and seals of one of the installation's secrets.
pub(super) struct SecretKeys {
    pub(super) secret: SecretName,
    place: hmac::Key,
    person: hmac::Key,
    name: hmac::Key,
    sid: hmac::Key,
    records: RecordSeal,
    tokens: RecordSeal,
}

/// The keys of one session. Its name is a hash tag: in a cluster, all of them are on one node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SessionPlace {
    name: String,
    prefix: String,
}

impl SecretKeys {
    /// Returns the keys of all secrets, the one of new sessions first.
    pub(super) fn of(keyring: &Keyring, random: &RandomSource) -> Vec<Self> {
        let keys = |purpose: &str| {
            let keys = keyring.keys::<32>(purpose);
            keys.into_iter().map(|it| hmac::Key::new(hmac::HMAC_SHA256, it.as_ref()))
        };
        let seals = |purpose: &str| RecordSeal::of(keyring, purpose, random).into_iter();
        let parts = keys("session store, session")
            .zip(keys("session store, person"))
            .zip(keys("session store, name"))
            .zip(keys("session store, session at Entra"))
            .zip(seals("session store, record"))
            .zip(seals("session store, refresh token"));
        let of_one = |(secret, (((((place, person), name), sid), records), tokens))| Self {
            secret,
            place,
            person,
            name,
            sid,
            records,
            tokens,
        };
        secret_names(keyring).into_iter().zip(parts).map(of_one).collect()
    }

    pub(super) fn place(&self, prefix: &str, key: &SessionKey) -> SessionPlace {
        SessionPlace { name: digest(&self.place, key), prefix: prefix.to_owned() }
    }

    /// Returns the key of the sessions of an account.
    pub(super) fn of_person(&self, prefix: &str, person: PersonKey) -> String {
        format!("{prefix}p:{}", self.person_digest(person))
    }

    /// Stands for an account.
    pub(super) fn person_digest(&self, person: PersonKey) -> String {
        digest(&self.person, &[*person.oid.bytes(), *person.tid.bytes()].concat())
    }

    /// Returns the key of the accounts with a sign-in name or an object ID.
    pub(super) fn of_name(&self, prefix: &str, name: &str) -> String {
        format!("{prefix}n:{}", digest(&self.name, name.to_ascii_lowercase().as_bytes()))
    }

    /// Returns the key of the sessions that began in this session at Entra.
    pub(super) fn of_sid(&self, prefix: &str, sid: &str) -> String {
        format!("{prefix}e:{}", digest(&self.sid, sid.as_bytes()))
    }

    pub(super) fn seal_record(&self, key: &SessionKey, plain: &[u8]) -> Option<Vec<u8>> {
        self.records.seal(key, RECORD, plain)
    }

    pub(super) fn open_record(&self, key: &SessionKey, sealed: &[u8]) -> Option<Vec<u8>> {
        self.records.open(key, RECORD, sealed)
    }

    pub(super) fn seal_token(&self, key: &SessionKey, plain: &[u8]) -> Option<Vec<u8>> {
        self.tokens.seal(key, TOKEN, plain)
    }

    pub(super) fn open_token(&self, key: &SessionKey, sealed: &[u8]) -> Option<Vec<u8>> {
        self.tokens.open(key, TOKEN, sealed)
    }
}

impl SessionPlace {
    /// Returns the place with a name from an index; `None` if it cannot be one.
    pub(super) fn named(prefix: &str, name: &str) -> Option<Self> {
        let is_name = name.len() <= 2 * DIGEST_BYTES
            && name.bytes().all(|it| it.is_ascii_alphanumeric() || matches!(it, b'-' | b'_'));
        is_name.then(|| Self { name: name.to_owned(), prefix: prefix.to_owned() })
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The session: its record, its refresh token and its last use.
    pub(super) fn session(&self) -> String {
        self.key('s')
    }

    /// Exists from when the session has ended until it would have ended.
    pub(super) fn tombstone(&self) -> String {
        self.key('x')
    }

    /// Who may use the refresh token.
    pub(super) fn lease(&self) -> String {
        self.key('l')
    }

    fn key(&self, kind: char) -> String {
        format!("{}{{{}}}:{kind}", self.prefix, self.name)
    }
}

fn digest(key: &hmac::Key, text: &[u8]) -> String {
    let whole = hmac::sign(key, text);
    URL_SAFE_NO_PAD
        .encode(whole.as_ref().first_chunk::<DIGEST_BYTES>().unwrap_or(&[0; DIGEST_BYTES]))
}

impl fmt::Debug for SecretKeys {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "SecretKeys {:08x}", self.secret)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::secret::Secret;

    fn keys(secrets: &[&str]) -> Vec<SecretKeys> {
        let secrets: Vec<_> = secrets.iter().map(|it| Secret::new(*it)).collect();
        let random = crate::seal::random::system();
        SecretKeys::of(&Keyring::new(&secrets, &random), &random)
    }

    #[test]
    fn the_keys_of_a_session_share_a_hash_tag_and_say_nothing() {
        let (ours, key) = (keys(&["one"]), [7; 32]);
        let place = ours[0].place("entrada:", &key);
        let tag = format!("entrada:{{{}}}:", place.name());
        for name in [place.session(), place.tombstone(), place.lease()] {
            assert!(name.starts_with(&tag), "{name}");
        }
        assert_eq!(SessionPlace::named("entrada:", place.name()).as_ref(), Some(&place));
        assert_ne!(keys(&["two"])[0].place("entrada:", &key), place);
        let id = crate::base::guid::Guid::parse("00aa00aa-bb11-cc22-dd33-44ee44ee0001").unwrap();
        let (person, sid) = (
            ours[0].of_person("e:", PersonKey { oid: id, tid: id }),
            ours[0].of_sid("e:", &id.to_string()),
        );
        assert!(!person.contains("00aa00aa") && !sid.contains("00aa00aa"));
        for wrong in ["", "a}b", "a b", &"a".repeat(33)] {
            let named = SessionPlace::named("", wrong);
            assert!(wrong.is_empty() || named.is_none(), "{wrong}");
        }
    }

    #[test]
    fn a_value_opens_only_for_its_session_and_purpose_with_its_secret() {
        let (ours, key) = (keys(&["one"]), [7; 32]);
        let record = ours[0].seal_record(&key, b"hello").unwrap();
        assert_eq!(ours[0].open_record(&key, &record).as_deref(), Some(&b"hello"[..]));
        assert_eq!(ours[0].open_record(&[8; 32], &record), None);
        assert_eq!(ours[0].open_token(&key, &record), None);
        assert_eq!(keys(&["two"])[0].open_record(&key, &record), None);
        let rotated = keys(&["new", "one"]);
        assert_eq!(rotated[1].secret, ours[0].secret);
        assert!(rotated[1].open_record(&key, &record).is_some());
    }
}
