//! The record of a session as it is sealed into a cookie: its stored form, the refresh token in a
//! shorter form, and what was left out.

use super::super::super::record::Session;
use super::super::super::stored_session::{decode, encode_parts};
use super::named::NamedDigest;
use crate::base::identity::Identity;
use crate::base::secret::Secret;
use crate::entra::claims_challenge::ClaimsChallenge;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// The version that is written. One that this program does not know is no session.
const RECORD_VERSION: u8 = 1;

/// Maximum number of parts of a refresh token that are read one by one; Entra's has two or three.
const MAX_TOKEN_PARTS: usize = 16;

/// The parts of a session that its record has.
#[derive(Clone, Debug)]
pub(super) struct RecordParts {
    /// The person, perhaps with fewer facts than the live session.
    pub(super) who: Identity,
    pub(super) challenge: Option<ClaimsChallenge>,
    pub(super) refresh_token: Option<Secret>,
}

/// A session from a record.
#[derive(Debug)]
pub(super) struct RecordedSession {
    pub(super) session: Session,
    /// The names in the access rules when entries of the person's lists were left out.
    pub(super) named: NamedDigest,
}

/// The form before it is sealed. Fields are never reordered or removed within one version (postcard
/// writes no names).
#[derive(Deserialize, Serialize)]
struct StoredRecord<'a> {
    named: NamedDigest,
    cut_groups: bool,
    cut_roles: bool,
    /// The parts between its dots; without any, there is no token.
    #[serde(borrow)]
    refresh_token: Vec<TokenPart<'a>>,
    /// The stored form with its own version.
    session: &'a [u8],
}

/// A part of a refresh token. Entra's are base64url, whose bytes take a quarter less.
#[derive(Deserialize, Serialize)]
enum TokenPart<'a> {
    Text(&'a str),
    Base64(&'a [u8]),
}

impl RecordParts {
    /// Returns the record of a session with these parts.
    pub(super) fn write(
        &self,
        session: &Session,
        named: NamedDigest,
    ) -> Option<Zeroizing<Vec<u8>>> {
        let mut form = Zeroizing::new(Vec::new());
        encode_parts(session, &self.who, self.challenge.as_ref(), None, &mut form).ok()?;
        let token = self.refresh_token.as_ref().map_or("", Secret::expose);
        let parts: Vec<_> =
            token.splitn(MAX_TOKEN_PARTS, '.').map(|it| (it, decoded(it))).collect();
        let parts = parts.iter().map(|(text, bytes)| match bytes {
            Some(bytes) => TokenPart::Base64(bytes),
            None => TokenPart::Text(text),
        });
        let record = StoredRecord {
            named,
            cut_groups: self.who.cut.groups,
            cut_roles: self.who.cut.roles,
            refresh_token: if token.is_empty() { Vec::new() } else { parts.collect() },
            session: &form,
        };
        let mut out = Zeroizing::new(Vec::with_capacity(form.len() + token.len() + 16));
        out.push(RECORD_VERSION);
        let written = postcard::to_extend(&record, std::mem::take(&mut *out)).ok()?;
        *out = written;
        Some(out)
    }
}

/// Returns the bytes of a text that is base64url and is written the same again.
fn decoded(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    let bytes = Zeroizing::new(URL_SAFE_NO_PAD.decode(text).ok()?);
    (!bytes.is_empty() && *Zeroizing::new(URL_SAFE_NO_PAD.encode(&*bytes)) == text).then_some(bytes)
}

/// Reads a record; `None` for one of an unknown version, or none at all.
pub(super) fn read(plain: &[u8]) -> Option<RecordedSession> {
    let (version, form) = plain.split_first()?;
    if *version != RECORD_VERSION {
        return None;
    }
    let (record, rest) = postcard::take_from_bytes::<StoredRecord<'_>>(form).ok()?;
    if !rest.is_empty() {
        return None;
    }
    let mut session = decode(record.session)?;
    match record.token() {
        Some(token) => session.standing.restore_refresh_token(token),
        None => session.standing.set_ends_at_recheck(),
    }
    let mut who = Identity::clone(&session.identity());
    (who.cut.groups, who.cut.roles) = (record.cut_groups, record.cut_roles);
    session.identity.store(std::sync::Arc::new(who));
    Some(RecordedSession { session, named: record.named })
}

/// Whether bytes can be read as a record. For the tests of parsers.
pub fn is_record(plain: &[u8]) -> bool {
    read(plain).is_some()
}

impl StoredRecord<'_> {
    fn token(&self) -> Option<Secret> {
        let mut out = Zeroizing::new(String::new());
        for (at, part) in self.refresh_token.iter().enumerate() {
            if at > 0 {
                out.push('.');
            }
            match part {
                TokenPart::Text(text) => out.push_str(text),
                TokenPart::Base64(bytes) => URL_SAFE_NO_PAD.encode_string(bytes, &mut out),
            }
        }
        (!out.is_empty()).then(|| Secret::new(out.as_str()))
    }
}
