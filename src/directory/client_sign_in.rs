//! One sign-in of one person on one client of the app's own, as it is read back.

use super::error::Error;
use crate::base::guid::Guid;
use crate::base::identity::{Identity, PersonGroups};
use crate::base::random::RandomSource;
use crate::base::secret::Secret;
use crate::base::string_list::StringList;
use crate::seal::envelope::{Envelope, MAX_SEALED_BYTES};
use crate::seal::keyring::Keyring;
use aws_lc_rs::hmac;
use serde::{Deserialize, Serialize};

/// A sign-in that is about to begin on a client.
#[derive(Debug)]
pub struct NewClientSignIn<'a> {
    /// `client_id`.
    pub client: &'a str,
    /// Where the code goes, as it was asked for.
    pub redirect_uri: &'a str,
    /// `code_challenge` of the method S256 (RFC 7636 4.2), the only one there is.
    pub challenge: &'a str,
    /// What was granted of what the client asked for; nothing where it asked for none.
    pub scope: Option<&'a str>,
    /// The person, by our own id.
    pub person: Guid,
    /// The organization, by our own id.
    pub organization: Guid,
    /// Who it is, out of a verified token.
    pub identity: &'a Identity,
    /// By what Entra is asked later whether the person may still be here.
    pub refresh_token: Option<&'a Secret>,
    /// Seconds until it ends at the latest.
    pub lifetime: u64,
}

/// A sign-in that holds: read from its row, with the person and the organization on.
#[derive(Debug)]
pub struct ClientSignIn {
    /// Names it: `sid` of its access tokens.
    pub id: Guid,
    /// `client_id`.
    pub client: String,
    /// What was granted at sign-in of what the client asked for; nothing where it asked for none.
    pub scope: Option<String>,
    /// When it ends at the latest, seconds since 1970.
    pub ends: u64,
    /// When Entra last said that the person may be here, seconds since 1970.
    pub answered: u64,
    /// By what Entra is asked again.
    pub entra_refresh_token: Option<Secret>,
    /// Private, so that nobody makes one up: a session begins from it.
    identity: Identity,
}

impl ClientSignIn {
    pub(super) fn new(id: Guid, client: String, scope: Option<String>, times: (u64, u64), grant: Option<Secret>, identity: Identity) -> Self {
        Self { id, client, scope, ends: times.0, answered: times.1, entra_refresh_token: grant, identity }
    }

    /// Who it is, with what the directory says of the person now.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Who it is and by what Entra is asked, to keep.
    pub fn into_parts(self) -> (Identity, Option<Secret>) {
        (self.identity, self.entra_refresh_token)
    }
}

/// What seals the rows and derives the tokens, each by keys of a purpose of its own.
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
            tokens: tokens.iter().map(|it| hmac::Key::new(hmac::HMAC_SHA256, it.as_ref())).collect(),
        }
    }

    /// Seals who it is. Groups that are too many for a row are left out: Graph tells them then.
    pub(super) fn seal_identity(&self, client_sign_in: Guid, who: &Identity) -> Result<String, Error> {
        let seal = |it: &StoredIdentity| {
            let plain = serde_json::to_vec(it).ok()?;
            self.identity.seal(&client_sign_in.to_string(), &plain).filter(|it| it.len() <= MAX_SEALED_BYTES)
        };
        let kept = StoredIdentity::of(who);
        seal(&kept).or_else(|| seal(&StoredIdentity { groups: None, ..kept })).ok_or(Error::NotSealed)
    }

    pub(super) fn open_identity(&self, client_sign_in: Guid, text: &str) -> Option<Identity> {
        let plain = self.identity.open(&client_sign_in.to_string(), text)?;
        serde_json::from_slice::<StoredIdentity>(&plain).ok()?.read()
    }

    pub(super) fn seal_refresh_token(&self, client_sign_in: Guid, grant: &Secret) -> Result<String, Error> {
        self.refresh_token.seal(&client_sign_in.to_string(), grant.expose().as_bytes()).ok_or(Error::NotSealed)
    }

    pub(super) fn open_refresh_token(&self, client_sign_in: Guid, text: &str) -> Option<Secret> {
        String::from_utf8(self.refresh_token.open(&client_sign_in.to_string(), text)?).ok().map(Secret::new)
    }

    /// The secret part of a refresh token under each key, the newest first.
    pub(super) fn derive(&self, client_sign_in: Guid, generation: u32, salt: &str) -> impl Iterator<Item = [u8; 32]> {
        let message = [client_sign_in.bytes().as_slice(), &generation.to_be_bytes(), salt.as_bytes()].concat();
        self.tokens.iter().map(move |key| {
            let mut out = [0; 32];
            out.copy_from_slice(hmac::sign(key, &message).as_ref());
            out
        })
    }
}

/// `Identity`, as it lies sealed in a row; without what the directory itself knows.
#[derive(Deserialize, Serialize)]
struct StoredIdentity {
    oid: String,
    tid: String,
    guest: bool,
    name: Option<Box<str>>,
    preferred_username: Option<Box<str>>,
    email: Option<Box<str>>,
    email_verified: bool,
    roles: Vec<String>,
    /// Nothing: more than a token, or a row, holds.
    groups: Option<Vec<String>>,
    entra_sid: Option<Box<str>>,
    login_hint: Option<Box<str>>,
    acrs: Vec<String>,
    auth_time: u64,
    custom: Vec<(String, String)>,
}

impl StoredIdentity {
    fn of(who: &Identity) -> Self {
        let all = |it: &StringList| it.iter().map(str::to_owned).collect();
        Self {
            oid: who.oid.to_string(),
            tid: who.tid.to_string(),
            guest: who.guest,
            name: who.name.clone(),
            preferred_username: who.preferred_username.clone(),
            email: who.email.clone(),
            email_verified: who.email_verified,
            roles: all(&who.roles),
            groups: who.groups.ids().map(all),
            entra_sid: who.entra_sid.clone(),
            login_hint: who.login_hint.clone(),
            acrs: all(&who.acrs),
            auth_time: who.auth_time,
            custom: who.custom.to_vec(),
        }
    }

    fn read(self) -> Option<Identity> {
        Some(Identity {
            oid: Guid::parse(&self.oid)?,
            tid: Guid::parse(&self.tid)?,
            guest: self.guest,
            name: self.name,
            preferred_username: self.preferred_username,
            email: self.email,
            email_verified: self.email_verified,
            roles: self.roles.into_iter().collect(),
            groups: self.groups.map_or(PersonGroups::Overage, |it| PersonGroups::Known(it.into_iter().collect())),
            entra_sid: self.entra_sid,
            login_hint: self.login_hint,
            acrs: self.acrs.into_iter().collect(),
            auth_time: self.auth_time,
            // A native sign-in opens no set-up page.
            has_auth_time: false,
            custom: self.custom.into(),
            member: None,
        })
    }
}
