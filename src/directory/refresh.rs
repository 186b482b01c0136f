//! Format of a refresh token: the sign-in, a counter, and a secret that is derived from both with
//! one of Entrada's keys.
//!
//! The next token can therefore be sent again to a client that missed it, without being stored. A
//! former token is recognized without being stored, and a forged one ends nothing.

use super::client_sign_in::ClientSignInKeys;
use crate::base::guid::Guid;
use crate::base::secret::Secret;
use aws_lc_rs::constant_time::verify_slices_are_equal;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// Number of bytes: sign-in, counter and secret; and the length of their base64url text.
const REFRESH_TOKEN_BYTES: usize = 16 + 4 + 32;
const REFRESH_TOKEN_CHARS: usize = 70;

/// A refresh token from a client; nothing in it is trusted yet.
#[derive(Debug)]
pub(super) struct PresentedToken {
    pub(super) sign_in: Guid,
    pub(super) generation: u32,
    secret: [u8; 32],
}

impl PresentedToken {
    pub(super) fn read(text: &str) -> Option<Self> {
        if text.len() != REFRESH_TOKEN_CHARS {
            return None;
        }
        let bytes: [u8; REFRESH_TOKEN_BYTES] =
            URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()?;
        let (client_sign_in, rest) = bytes.split_first_chunk::<16>()?;
        let (generation, secret) = rest.split_first_chunk::<4>()?;
        Some(Self {
            sign_in: Guid::of_bytes(*client_sign_in),
            generation: u32::from_be_bytes(*generation),
            secret: secret.try_into().ok()?,
        })
    }

    /// Whether Entrada issued it, at any time.
    pub(super) fn is_authentic(&self, seals: &ClientSignInKeys, salt: &str) -> bool {
        seals
            .derive(self.sign_in, self.generation, salt)
            .any(|it| verify_slices_are_equal(&it, &self.secret).is_ok())
    }
}

/// Returns the first token of a sign-in.
pub(super) fn first(seals: &ClientSignInKeys, client_sign_in: Guid, salt: &str) -> Option<Secret> {
    all(seals, client_sign_in, 1, salt).next()
}

/// Returns the token for a counter value with each key, newest first.
pub(super) fn all(
    seals: &ClientSignInKeys,
    client_sign_in: Guid,
    generation: u32,
    salt: &str,
) -> impl Iterator<Item = Secret> {
    seals.derive(client_sign_in, generation, salt).map(move |secret| {
        let bytes =
            [client_sign_in.bytes().as_slice(), &generation.to_be_bytes(), &secret].concat();
        Secret::new(URL_SAFE_NO_PAD.encode(zeroize::Zeroizing::new(bytes)))
    })
}
