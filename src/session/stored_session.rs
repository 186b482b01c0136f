//! The stored form of a session: binary, compact, with a version. It contains the key of the
//! session, which gives no access, and not the ID that the browser has.
//!
//! Fields are never reordered or removed within one version (postcard writes no names): a change of
//! this struct is a new version, and the former one stays readable.

use super::groups_age::GroupsAge;
use super::record::{Session, SessionEnd, Via};
use super::record_age::RecordAge;
use super::session_ids::SecretName;
use super::standing::EntraStanding;
use crate::base::guid::Guid;
use crate::base::identity::{DirectoryMember, Identity, PersonGroups};
use crate::base::secret::Secret;
use crate::base::string_list::StringList;
use crate::entra::claims_challenge::ClaimsChallenge;
use arc_swap::{ArcSwap, ArcSwapOption};
use serde::{Deserialize, Serialize};
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, OnceLock};

/// The version that is written. One that this program does not know is no session.
const STORED_SESSION_VERSION: u8 = 1;

/// A session of a browser in the form in which it is stored.
#[derive(Debug, Deserialize, Serialize)]
struct StoredSession<'a> {
    key: [u8; 32],
    started_at: u64,
    ends: u64,
    last_seen: u64,
    session_state: Option<&'a str>,
    reauthenticated: bool,
    /// A mark of the claims challenge that the sign-in answered.
    answered: Option<&'a str>,
    #[serde(borrow)]
    identity: StoredPerson<'a>,
    #[serde(borrow)]
    standing: StoredStanding<'a>,
    refresh_token: Option<&'a str>,
}

/// What Entra answered last, and when to ask again. All times are in seconds since 1970.
#[derive(Debug, Deserialize, Serialize)]
struct StoredStanding<'a> {
    answered: u64,
    since: u64,
    /// In seconds.
    wait: u64,
    challenge: Option<&'a str>,
    groups_at: u64,
    groups_due_at: u64,
}

#[derive(Debug, Deserialize, Serialize)]
struct StoredPerson<'a> {
    oid: [u8; 16],
    tid: [u8; 16],
    guest: bool,
    name: Option<&'a str>,
    preferred_username: Option<&'a str>,
    email: Option<&'a str>,
    email_verified: bool,
    #[serde(borrow)]
    roles: Vec<&'a str>,
    /// `None`: more groups than a token holds.
    #[serde(borrow)]
    groups: Option<Vec<StoredGroup<'a>>>,
    entra_sid: Option<&'a str>,
    login_hint: Option<&'a str>,
    #[serde(borrow)]
    acrs: Vec<&'a str>,
    auth_time: u64,
    has_auth_time: bool,
    #[serde(borrow)]
    custom: Vec<(&'a str, &'a str)>,
    #[serde(borrow)]
    member: Option<StoredMember<'a>>,
}

/// A group: an object ID, in 16 bytes instead of 36, or a name of a group from on premises.
#[derive(Debug, Deserialize, Serialize)]
enum StoredGroup<'a> {
    Id([u8; 16]),
    Name(&'a str),
}

/// The person's entry in the directory, as it was last seen; it is read there again.
#[derive(Debug, Deserialize, Serialize)]
struct StoredMember<'a> {
    person: [u8; 16],
    role: &'a str,
    organization: [u8; 16],
    code: &'a str,
}

/// Appends the stored form of a session.
///
/// # Errors
/// The form cannot be written, which no session causes.
pub(super) fn encode(
    session: &Session,
    refresh_token: Option<&Secret>,
    out: &mut Vec<u8>,
) -> Result<(), postcard::Error> {
    let who = session.identity.load();
    let challenge = session.standing.challenge();
    encode_parts(session, &who, challenge.as_ref(), refresh_token, out)
}

/// Appends the stored form of a session with these parts in place of its own.
///
/// # Errors
/// The form cannot be written, which no session causes.
pub(super) fn encode_parts(
    session: &Session,
    who: &Identity,
    challenge: Option<&ClaimsChallenge>,
    refresh_token: Option<&Secret>,
    out: &mut Vec<u8>,
) -> Result<(), postcard::Error> {
    let stored = StoredSession {
        key: session.key,
        started_at: session.started_at,
        ends: session.ends(),
        last_seen: session.last_seen(),
        session_state: session.session_state.as_deref(),
        reauthenticated: session.is_reauthenticated(),
        answered: session.answered(),
        identity: StoredPerson::of(who),
        standing: StoredStanding::of(session, challenge),
        refresh_token: refresh_token.map(Secret::expose),
    };
    out.push(STORED_SESSION_VERSION);
    *out = postcard::to_extend(&stored, std::mem::take(out))?;
    Ok(())
}

/// Returns the session of a stored form; `None` for a form of an unknown version, or none at all.
pub(super) fn decode(bytes: &[u8]) -> Option<Session> {
    let (version, form) = bytes.split_first()?;
    if *version != STORED_SESSION_VERSION {
        return None;
    }
    let (stored, rest) = postcard::take_from_bytes::<StoredSession<'_>>(form).ok()?;
    rest.is_empty().then(|| stored.into_session())
}

impl StoredSession<'_> {
    fn into_session(self) -> Session {
        let identity = self.identity.into_identity();
        let standing = EntraStanding::restored(
            self.standing.answered,
            (self.standing.since, self.standing.wait),
            self.refresh_token.map(Secret::new),
        );
        standing.set_challenge(self.standing.challenge.and_then(ClaimsChallenge::of_json));
        let session = Session {
            key: self.key,
            secret: SecretName::default(),
            via: Via::Browser,
            user: identity.oid.to_string().into(),
            groups_age: GroupsAge::restored(self.standing.groups_at, self.standing.groups_due_at),
            session_state: self.session_state.map(Box::from),
            identity: ArcSwap::from_pointee(identity),
            started_at: self.started_at,
            ends: AtomicU64::new(self.ends),
            last_seen: AtomicU64::new(self.last_seen),
            end: SessionEnd::default(),
            attached: ArcSwapOption::empty(),
            standing,
            answered: OnceLock::new(),
            reauthenticated: AtomicBool::new(self.reauthenticated),
            record_age: RecordAge::written_at(self.last_seen),
        };
        if let Some(answered) = self.answered {
            session.answers(answered.into());
        }
        session
    }
}

impl<'a> StoredStanding<'a> {
    fn of(session: &Session, challenge: Option<&'a ClaimsChallenge>) -> Self {
        let (groups_at, groups_due_at) = session.groups_age.times();
        let (since, wait) = session.standing.recheck();
        Self {
            answered: session.standing.answered(),
            since,
            wait,
            challenge: challenge.map(ClaimsChallenge::as_json),
            groups_at,
            groups_due_at,
        }
    }
}

impl<'a> StoredPerson<'a> {
    fn of(who: &'a Identity) -> Self {
        Self {
            oid: *who.oid.bytes(),
            tid: *who.tid.bytes(),
            guest: who.guest,
            name: who.name.as_deref(),
            preferred_username: who.preferred_username.as_deref(),
            email: who.email.as_deref(),
            email_verified: who.email_verified,
            roles: who.roles.iter().collect(),
            groups: who.groups.ids().map(|all| all.iter().map(StoredGroup::of).collect()),
            entra_sid: who.entra_sid.as_deref(),
            login_hint: who.login_hint.as_deref(),
            acrs: who.acrs.iter().collect(),
            auth_time: who.auth_time,
            has_auth_time: who.has_auth_time,
            custom: who.custom.iter().map(|it| (it.0.as_str(), it.1.as_str())).collect(),
            member: who.member.as_deref().map(StoredMember::of),
        }
    }

    fn into_identity(self) -> Identity {
        let known = |all: Vec<StoredGroup<'_>>| all.into_iter().map(StoredGroup::text).collect();
        Identity {
            guest: self.guest,
            name: self.name.map(Box::from),
            preferred_username: self.preferred_username.map(Box::from),
            email: self.email.map(Box::from),
            email_verified: self.email_verified,
            roles: self.roles.into_iter().collect(),
            groups: self.groups.map(known).map_or(PersonGroups::Overage, PersonGroups::Known),
            entra_sid: self.entra_sid.map(Box::from),
            login_hint: self.login_hint.map(Box::from),
            acrs: self.acrs.into_iter().collect::<StringList>(),
            auth_time: self.auth_time,
            has_auth_time: self.has_auth_time,
            custom: self.custom.into_iter().map(|it| (it.0.to_owned(), it.1.to_owned())).collect(),
            member: self.member.map(|it| Arc::new(it.into_member())),
            ..Identity::new(Guid::of_bytes(self.oid), Guid::of_bytes(self.tid))
        }
    }
}

impl<'a> StoredGroup<'a> {
    fn of(text: &'a str) -> Self {
        // Only a text that is written the same again.
        match Guid::parse(text).filter(|it| it.to_string() == text) {
            Some(id) => Self::Id(*id.bytes()),
            None => Self::Name(text),
        }
    }

    fn text(self) -> String {
        match self {
            Self::Id(bytes) => Guid::of_bytes(bytes).to_string(),
            Self::Name(text) => text.to_owned(),
        }
    }
}

impl<'a> StoredMember<'a> {
    fn of(member: &'a DirectoryMember) -> Self {
        Self {
            person: *member.person.bytes(),
            role: &member.role,
            organization: *member.organization.bytes(),
            code: &member.code,
        }
    }

    fn into_member(self) -> DirectoryMember {
        DirectoryMember {
            person: Guid::of_bytes(self.person),
            role: self.role.into(),
            organization: Guid::of_bytes(self.organization),
            code: self.code.into(),
        }
    }
}
