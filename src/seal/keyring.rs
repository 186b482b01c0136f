//! The operator's secrets: the newest one seals, all of them open.

use crate::base::random::RandomSource;
use crate::base::secret::Secret;
use aws_lc_rs::hkdf;
use zeroize::Zeroizing;

/// Derives one key for each secret and purpose (HKDF-SHA-256, RFC 5869).
pub struct Keyring {
    masters: Vec<hkdf::Prk>,
}

struct KeyLength(usize);

impl hkdf::KeyType for KeyLength {
    fn len(&self) -> usize {
        self.0
    }
}

impl Keyring {
    /// Creates a keyring from the secrets in their order. Without secrets it generates a random one
    /// that lives as long as the process.
    pub fn new(secrets: &[Secret], random: &RandomSource) -> Self {
        let salt = hkdf::Salt::new(hkdf::HKDF_SHA256, b"entrada 1");
        let mut masters: Vec<_> =
            secrets.iter().map(|it| salt.extract(it.expose().as_bytes())).collect();
        if masters.is_empty() {
            masters.push(salt.extract(Zeroizing::new(random.bytes::<32>()).as_ref()));
        }
        Self { masters }
    }

    /// The keys for one purpose, the sealing key first.
    ///
    /// Empty only if HKDF cannot produce `N` bytes, which it can for every `N` up to 8160 (RFC 5869
    /// section 2.3).
    pub fn keys<const N: usize>(&self, purpose: &str) -> Vec<Zeroizing<[u8; N]>> {
        self.masters.iter().filter_map(|it| derive(it, purpose)).collect()
    }
}

fn derive<const N: usize>(master: &hkdf::Prk, purpose: &str) -> Option<Zeroizing<[u8; N]>> {
    let mut out = Zeroizing::new([0; N]);
    master.expand(&[purpose.as_bytes()], KeyLength(N)).ok()?.fill(out.as_mut()).ok()?;
    Some(out)
}

impl std::fmt::Debug for Keyring {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Keyring of {}", self.masters.len())
    }
}
