//! Who may open the set-up page: an admin of the organization who is signed in, or whoever came by a link that the operator made.
//!
//! Read anew at each visit, from the directory: it is no request path, and whoever is not an admin any more is out at once.

use super::super::authenticate::by_cookie;
use super::super::facts::Facts;
use super::super::refusal::Refusal;
use crate::base::guid::Guid;
use crate::directory::invitation::{Invitation, VISIT};
use crate::directory::organization::{Organization, State};
use crate::session::record::Session;
use crate::sidecar::Sidecar;
use crate::sidecar::organizations::Organizations;
use crate::wire::cookies::{Found, find};
use http::{HeaderMap, HeaderValue};
use std::sync::Arc;

/// For so many seconds after a sign-in a session may change what the organization proves itself by.
pub(super) const FRESH: u64 = 600;

/// Somebody who may set up this organization, and no other. Made here only.
pub(super) struct Visit {
    organization: Organization,
    who: Who,
}

/// Who comes.
enum Who {
    /// An admin, whose session began then.
    Person { id: Guid, began: u64 },
    /// Whoever used that link.
    Invited(Guid),
}

/// Why somebody does not come in.
pub(super) enum NoEntry {
    /// Nobody is signed in, and nobody came by a link.
    SignedOut,
    /// The visit that a link began is over.
    LinkOver,
    /// Somebody else, or nothing can be told.
    Not(Refusal),
}

impl<E: Into<Refusal>> From<E> for NoEntry {
    fn from(error: E) -> Self {
        Self::Not(error.into())
    }
}

impl Visit {
    /// The organization.
    pub(super) fn organization(&self) -> &Organization {
        &self.organization
    }

    /// As the history calls whoever comes.
    pub(super) fn by(&self) -> String {
        match &self.who {
            Who::Person { id, .. } => format!("person {id}"),
            Who::Invited(id) => format!("invitation {id}"),
        }
    }

    /// Whether the client secret may be changed: by a link, or soon after signing in.
    pub(super) fn may_change_secret(&self, now: u64) -> bool {
        match &self.who {
            Who::Person { began, .. } => now < began.saturating_add(FRESH),
            Who::Invited(_) => true,
        }
    }
}

/// Looks who comes. A link that was used in this browser goes before its session: somebody chose it.
pub(super) async fn enter(house: &Sidecar, all: &Organizations, headers: &HeaderMap, facts: &mut Facts) -> Result<Visit, NoEntry> {
    let link = linked(house, headers);
    if let Some(id) = link
        && let Some(Invitation { id, organization }) = all.directory().invitation(id).await?
    {
        return Ok(Visit { organization, who: Who::Invited(id) });
    }
    let session = by_cookie(house, headers).await?;
    facts.session.clone_from(&session);
    match session {
        Some(session) => admin(all, &session).await,
        None if link.is_some() => Err(NoEntry::LinkOver),
        None => Err(NoEntry::SignedOut),
    }
}

async fn admin(all: &Organizations, session: &Arc<Session>) -> Result<Visit, NoEntry> {
    let forbidden = || NoEntry::Not(Refusal::Forbidden);
    let member = session.identity().member.clone().ok_or_else(forbidden)?;
    let person = all.directory().person_by_id(member.person).await?.filter(|it| it.on && it.organization == member.organization).ok_or_else(forbidden)?;
    if !all.directory().may_set_up(&person.role) {
        return Err(forbidden());
    }
    let organization = all.directory().organization_by_id(person.organization).await?.filter(|it| it.state == State::On).ok_or_else(forbidden)?;
    Ok(Visit { organization, who: Who::Person { id: person.id, began: session.began() } })
}

/// The visit that the cookie names, whether it lasts or not.
fn linked(house: &Sidecar, headers: &HeaderMap) -> Option<Guid> {
    let name = house.names.visit();
    let Found::One(sealed) = find(headers, &name) else { return None };
    Guid::parse(std::str::from_utf8(&house.visits.open(&name, sealed)?).ok()?)
}

/// The cookie of a visit that began with a link.
pub(super) fn cookie(house: &Sidecar, invitation: &Invitation) -> Option<HeaderValue> {
    let name = house.names.visit();
    house.names.set(&name, &house.visits.seal(&name, invitation.id.to_string().as_bytes())?, Some(VISIT))
}
