//! One person's sign-in on one native client of the app, as stored in the database.

use super::error::Error;
use crate::base::guid::Guid;
use crate::base::identity::Identity;
use crate::base::random::RandomSource;
use crate::base::secret::Secret;
use crate::base::stored_identity::StoredIdentity;
use crate::seal::envelope::{Envelope, MAX_SEALED_BYTES};
use crate::seal::keyring::Keyring;
use aws_lc_rs::hmac;

/// A new sign-in on a client.
#[derive(Debug)]
pub struct NewClientSignIn<'a> {
    /// `client_id`.
    pub client: &'a str,
    /// Redirect URI for the code, exactly as requested.
    pub redirect_uri: &'a str,
    /// `code_challenge` with the method S256 (RFC 7636 4.2), the only supported one.
    pub challenge: &'a str,
    /// The granted part of the requested scope; `None` if the client requested none.
    pub scope: Option<&'a str>,
    /// The person's ID in the directory.
    pub person: Guid,
    /// The organization's ID in the directory.
    pub organization: Guid,
    /// The identity from a verified token.
    pub identity: &'a Identity,
    /// Refresh token for later questions to Entra about the person's access.
    pub refresh_token: Option<&'a Secret>,
    /// Maximum lifetime in seconds.
    pub lifetime: u64,
}

/// A valid sign-in, read from its row; the person and the organization are on.
#[derive(Debug)]
pub struct ClientSignIn {
    /// The ID of the sign-in: `sid` in its access tokens.
    pub id: Guid,
    /// `client_id`.
    pub client: String,
    /// The part of the requested scope that was granted at sign-in; `None` if the client requested
    /// none.
    pub scope: Option<String>,
    /// Latest end, in seconds since 1970.
    pub ends: u64,
    /// When Entra last confirmed the person's access, in seconds since 1970.
    pub answered: u64,
    /// Refresh token for the next question to Entra.
    pub entra_refresh_token: Option<Secret>,
    /// Private, so that no other code can make one up: a session starts from it.
    identity: Identity,
}

impl ClientSignIn {
    pub(super) fn new(
        id: Guid,
        client: String,
        scope: Option<String>,
        ends: u64,
        answered: u64,
        refresh_token: Option<Secret>,
        identity: Identity,
    ) -> Self {
        Self { id, client, scope, ends, answered, entra_refresh_token: refresh_token, identity }
    }

    /// Returns the identity, with the person's current data from the directory.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Returns the identity and the refresh token as owned values.
    pub fn into_parts(self) -> (Identity, Option<Secret>) {
        (self.identity, self.entra_refresh_token)
    }
}

/// Keys that seal the rows and derive the tokens, with a separate key for each purpose.
#[derive(Debug)]
pub(super) struct ClientSignInKeys {
    identity: Envelope,
    refresh_token: Envelope,
    tokens: Vec<hmac::Key>,
}

impl ClientSignInKeys {
    pub(super) fn new(keyring: &Keyring, random: &RandomSource) -> Self {
        let tokens = keyring.keys::<32>("native, refresh token");
        Self {
            identity: Envelope::new(keyring, "native, identity", random),
            refresh_token: Envelope::new(keyring, "native, grant", random),
            tokens: tokens
                .iter()
                .map(|it| hmac::Key::new(hmac::HMAC_SHA256, it.as_ref()))
                .collect(),
        }
    }

    /// Seals the identity. Groups that are too many for a row are omitted and read from Graph
    /// later.
    pub(super) fn seal_identity(
        &self,
        client_sign_in: Guid,
        who: &Identity,
    ) -> Result<String, Error> {
        let seal = |it: &StoredIdentity| {
            let plain = serde_json::to_vec(it).ok()?;
            self.identity
                .seal(&client_sign_in.to_string(), &plain)
                .filter(|it| it.len() <= MAX_SEALED_BYTES)
        };
        let kept = StoredIdentity::of(who);
        seal(&kept).or_else(|| seal(&kept.without_groups())).ok_or(Error::NotSealed)
    }

    pub(super) fn open_identity(&self, client_sign_in: Guid, text: &str) -> Option<Identity> {
        let plain = self.identity.open(&client_sign_in.to_string(), text)?;
        let stored = serde_json::from_slice::<StoredIdentity>(&plain).ok()?;
        // Set-up pages cannot be opened with a native sign-in.
        Some(Identity { has_auth_time: false, ..stored.into_identity()? })
    }

    pub(super) fn seal_refresh_token(
        &self,
        client_sign_in: Guid,
        refresh_token: &Secret,
    ) -> Result<String, Error> {
        self.refresh_token
            .seal(&client_sign_in.to_string(), refresh_token.expose().as_bytes())
            .ok_or(Error::NotSealed)
    }

    pub(super) fn open_refresh_token(&self, client_sign_in: Guid, text: &str) -> Option<Secret> {
        String::from_utf8(self.refresh_token.open(&client_sign_in.to_string(), text)?)
            .ok()
            .map(Secret::new)
    }

    /// Derives the secret part of a refresh token with each key, newest first.
    pub(super) fn derive(
        &self,
        client_sign_in: Guid,
        generation: u32,
        salt: &str,
    ) -> impl Iterator<Item = [u8; 32]> {
        let message =
            [client_sign_in.bytes().as_slice(), &generation.to_be_bytes(), salt.as_bytes()]
                .concat();
        self.tokens.iter().map(move |key| {
            let mut out = [0; 32];
            out.copy_from_slice(hmac::sign(key, &message).as_ref());
            out
        })
    }
}
