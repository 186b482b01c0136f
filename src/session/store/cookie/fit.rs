//! Chooses the parts of a session that its record has room for.

use super::super::super::record::Session;
use super::named::NamedEntries;
use super::record::RecordParts;
use super::seal::MAX_RECORD_BYTES;
use crate::base::identity::{CutLists, Identity, PersonGroups};
use crate::base::secret::Secret;
use crate::base::string_list::StringList;
use std::sync::Arc;
use zeroize::Zeroizing;

/// What the length of a text takes at most, in bytes.
const LENGTH_BYTES: usize = 3;

/// A part that a record has only if there is room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OptionalPart {
    /// Roles that no rule names, as many as fit.
    UnnamedRoles,
    Email,
    Name,
    /// Claims of `[headers] custom`, the shortest first.
    CustomClaims,
    RefreshToken,
    /// The claims challenge that waits for the next sign-in.
    Challenge,
    /// Groups that no rule names, all or none.
    UnnamedGroups,
    LoginHint,
}

/// The order in which parts get the room that is left (docs/guides/cookie-store.md). Everything else
/// is always there: who the person is, the sign-in name, what rules name, the authentication
/// contexts, the times, the directory's person and the sessions at Entra.
pub(super) const PARTS_BY_WORTH: [OptionalPart; 8] = [
    OptionalPart::UnnamedRoles,
    OptionalPart::Email,
    OptionalPart::Name,
    OptionalPart::CustomClaims,
    OptionalPart::RefreshToken,
    OptionalPart::Challenge,
    OptionalPart::UnnamedGroups,
    OptionalPart::LoginHint,
];

/// A record that fits.
#[derive(Debug)]
pub(super) struct FittedRecord {
    pub(super) plain: Zeroizing<Vec<u8>>,
    /// The person as the app sees them from now on, if that is less than before: every process that
    /// has the session then sends the same.
    pub(super) reduced: Option<Identity>,
}

/// Returns the record of a session; `None` if not even the parts that are always there fit.
pub(super) fn fit(
    session: &Session,
    refresh_token: Option<&Secret>,
    named: &NamedEntries,
) -> Option<FittedRecord> {
    let before = session.identity();
    let whole = RecordParts {
        who: Identity::clone(&before),
        challenge: session.standing().challenge(),
        refresh_token: refresh_token.cloned(),
    };
    let write = |it: &RecordParts| {
        it.write(session, named.digest()).filter(|it| it.len() <= MAX_RECORD_BYTES)
    };
    if let Some(plain) = write(&whole) {
        return Some(FittedRecord { plain, reduced: None });
    }
    let mut parts = whole.necessary(named);
    let mut plain = write(&parts)?;
    for part in PARTS_BY_WORTH {
        let more = parts.with(part, &whole, MAX_RECORD_BYTES - plain.len(), named);
        if let Some(longer) = write(&more) {
            (parts, plain) = (more, longer);
        }
    }
    Some(FittedRecord { plain, reduced: seen_by_app(&before, parts.who) })
}

impl RecordParts {
    /// The parts that are always there.
    fn necessary(&self, named: &NamedEntries) -> Self {
        let kept = |all: &StringList| all.iter().filter(|it| named.contains(it)).collect();
        let roles: StringList = kept(&self.who.roles);
        let groups = match &self.who.groups {
            PersonGroups::Known(all) => PersonGroups::Known(kept(all)),
            PersonGroups::Overage => PersonGroups::Overage,
        };
        let cut = CutLists {
            groups: self.who.cut.groups || groups != self.who.groups,
            roles: self.who.cut.roles || roles != self.who.roles,
        };
        let who = Identity {
            roles,
            groups,
            cut,
            email: None,
            email_verified: false,
            name: None,
            custom: Box::default(),
            login_hint: None,
            ..self.who.clone()
        };
        Self { who, challenge: None, refresh_token: None }
    }

    /// Adds a part of `whole`; of lists that can be divided, as much as fits into `room` bytes.
    fn with(&self, part: OptionalPart, whole: &Self, room: usize, named: &NamedEntries) -> Self {
        let (mut parts, from) = (self.clone(), &whole.who);
        let who = &mut parts.who;
        match part {
            OptionalPart::UnnamedRoles => {
                who.roles = roles_that_fit(&from.roles, room, named);
                who.cut.roles = from.cut.roles || who.roles != from.roles;
            }
            OptionalPart::Email => {
                who.email.clone_from(&from.email);
                who.email_verified = from.email_verified;
            }
            OptionalPart::Name => who.name.clone_from(&from.name),
            OptionalPart::CustomClaims => who.custom = claims_that_fit(&from.custom, room),
            OptionalPart::RefreshToken => parts.refresh_token.clone_from(&whole.refresh_token),
            OptionalPart::Challenge => parts.challenge.clone_from(&whole.challenge),
            OptionalPart::UnnamedGroups => {
                who.groups.clone_from(&from.groups);
                who.cut.groups = from.cut.groups;
            }
            OptionalPart::LoginHint => who.login_hint.clone_from(&from.login_hint),
        }
        parts
    }
}

/// Returns the roles that rules name, and as many of the others as fit, in their order.
fn roles_that_fit(all: &StringList, mut room: usize, named: &NamedEntries) -> StringList {
    // The number of roles may get longer.
    room = room.saturating_sub(LENGTH_BYTES);
    let mut fits = |role: &str| {
        let rest = room.checked_sub(role.len() + LENGTH_BYTES);
        room = rest.unwrap_or(room);
        rest.is_some()
    };
    all.iter().filter(|it| named.contains(it) || fits(it)).collect()
}

/// Returns the shortest claims, as many as fit, in their order.
fn claims_that_fit(all: &[(String, String)], mut room: usize) -> Box<[(String, String)]> {
    room = room.saturating_sub(LENGTH_BYTES);
    let bytes = |it: &(String, String)| it.0.len() + it.1.len() + 2 * LENGTH_BYTES;
    let mut order: Vec<_> = all.iter().enumerate().collect();
    order.sort_by_key(|it| bytes(it.1));
    let mut kept = Vec::with_capacity(order.len());
    for (at, claim) in order {
        let Some(rest) = room.checked_sub(bytes(claim)) else { break };
        room = rest;
        kept.push((at, claim));
    }
    kept.sort_by_key(|it| it.0);
    kept.into_iter().map(|it| it.1.clone()).collect()
}

/// Returns `before` with what the app sees of `kept`, if that is less. Other parts stay in memory.
fn seen_by_app(before: &Arc<Identity>, kept: Identity) -> Option<Identity> {
    let reduced = Identity { login_hint: before.login_hint.clone(), ..kept };
    (reduced != **before).then_some(reduced)
}

/// Makes what was left out of a session's lists unknown, because rules name other entries now than
/// when it was left out. Returns false if that cannot be expressed: only groups can be unknown.
pub(super) fn forget_cut(session: &Session, now: u64) -> bool {
    let CutLists { groups, roles } = session.identity().cut;
    if groups {
        session.forget_groups();
        // The refreshed token, or Graph, has them.
        session.standing().set_due_in(now, 0);
        session.groups_age().set_due(now);
    }
    !roles
}
