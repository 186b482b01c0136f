//! Who may open the set-up page: an admin of the organization who is signed in, or whoever came by a link that the operator made.
//!
//! Read anew at each visit, from the directory: it is no request path, and whoever is not an admin any more is out at once.

use super::super::exchange::Exchange;
use super::super::facts::RequestFacts;
use super::super::refusal::Refusal;
use crate::base::guid::Guid;
use crate::directory::change::ChangeOrigin;
use crate::directory::invitation::{Invitation, VISIT_LIFETIME_SECONDS};
use crate::directory::organization::{Organization, OrganizationState};
use crate::session::record::Session;
use crate::sidecar::Sidecar;
use crate::sidecar::organizations::OrganizationRegistry;
use crate::wire::cookies::{CookieMatch, find};
use http::HeaderValue;
use std::sync::Arc;

/// For so many seconds after somebody proved who they are, a session may change what the organization proves itself by.
pub(super) const FRESH_SIGN_IN_SECONDS: u64 = 600;

/// Somebody who may set up this organization, and no other. Made here only.
pub(super) struct SetUpVisit {
    organization: Organization,
    who: SetUpVisitor,
}

/// Who comes.
enum SetUpVisitor {
    /// An admin, and when they proved who they are, in seconds since 1970, where that is known.
    Person { id: Guid, proved: Option<u64> },
    /// Whoever used that link.
    Invited(Guid),
}

/// Why somebody does not come in.
pub(super) enum SetUpDenied {
    /// Nobody is signed in, and nobody came by a link.
    SignedOut,
    /// The visit that a link began is over.
    LinkOver,
    /// Somebody else, or nothing can be told.
    Not(Refusal),
}

impl<E: Into<Refusal>> From<E> for SetUpDenied {
    fn from(error: E) -> Self {
        Self::Not(error.into())
    }
}

impl SetUpVisit {
    /// The organization.
    pub(super) fn organization(&self) -> &Organization {
        &self.organization
    }

    /// As the history calls whoever comes.
    pub(super) fn by(&self) -> String {
        match &self.who {
            SetUpVisitor::Person { id, .. } => format!("person {id}"),
            SetUpVisitor::Invited(id) => format!("invitation {id}"),
        }
    }

    /// As what they ask for a change of the organization.
    pub(super) fn change_origin(&self) -> ChangeOrigin {
        match &self.who {
            SetUpVisitor::Person { id, .. } => ChangeOrigin::Admin(*id),
            SetUpVisitor::Invited(_) => ChangeOrigin::Invited,
        }
    }

    /// The admin, where it is one; nobody where it is whoever used a link.
    pub(super) fn person(&self) -> Option<Guid> {
        match &self.who {
            SetUpVisitor::Person { id, .. } => Some(*id),
            SetUpVisitor::Invited(_) => None,
        }
    }

    /// The link, where it is whoever used one.
    pub(super) fn invitation(&self) -> Option<Guid> {
        match &self.who {
            SetUpVisitor::Person { .. } => None,
            SetUpVisitor::Invited(id) => Some(*id),
        }
    }

    /// Whether the client secret may be changed: by a link, or soon after signing in.
    pub(super) fn may_change_secret(&self, now: u64) -> bool {
        match &self.who {
            SetUpVisitor::Person { proved, .. } => proved.is_some_and(|it| now < it.saturating_add(FRESH_SIGN_IN_SECONDS)),
            SetUpVisitor::Invited(_) => true,
        }
    }
}

/// Looks who comes. A link that was used in this browser goes before its session: somebody chose it.
pub(super) async fn enter(exchange: &Exchange<'_>, all: &OrganizationRegistry, facts: &mut RequestFacts) -> Result<SetUpVisit, SetUpDenied> {
    let link = linked(exchange);
    if let Some(id) = link
        && let Some(Invitation { id, organization }) = all.directory().invitation(id).await?
    {
        return Ok(SetUpVisit { organization, who: SetUpVisitor::Invited(id) });
    }
    let session = exchange.authenticate_by_cookie().await?;
    facts.session.clone_from(&session);
    match session {
        Some(session) => admin(all, &session).await,
        None if link.is_some() => Err(SetUpDenied::LinkOver),
        None => Err(SetUpDenied::SignedOut),
    }
}

async fn admin(all: &OrganizationRegistry, session: &Arc<Session>) -> Result<SetUpVisit, SetUpDenied> {
    let forbidden = || SetUpDenied::Not(Refusal::Forbidden);
    let member = session.identity().member.clone().ok_or_else(forbidden)?;
    let person = all.directory().person_by_id(member.person).await?.filter(|it| it.on && it.organization == member.organization).ok_or_else(forbidden)?;
    if !all.directory().may_set_up(&person.role) {
        return Err(forbidden());
    }
    let organization = all.directory().organization_by_id(person.organization).await?.filter(|it| it.state == OrganizationState::On).ok_or_else(forbidden)?;
    // A silent sign-in begins a session as well, and proves nothing new. The claim says when the person last did; it is optional, and without
    // it only a sign-in that Entra was asked to show the person counts. With it, it counts alone: the person's browser carries the request
    // to Entra and could leave `prompt=login` out.
    let identity = session.identity();
    let proved = match (identity.has_auth_time, session.is_reauthenticated()) {
        (true, _) => Some(identity.auth_time.min(session.started_at())),
        (false, true) => Some(session.started_at()),
        (false, false) => None,
    };
    Ok(SetUpVisit { organization, who: SetUpVisitor::Person { id: person.id, proved } })
}

/// The visit that the cookie names, whether it lasts or not.
fn linked(exchange: &Exchange<'_>) -> Option<Guid> {
    let name = exchange.sidecar.names.visit();
    let CookieMatch::One(sealed) = find(exchange.headers, &name) else { return None };
    Guid::parse(std::str::from_utf8(&exchange.sidecar.visits.open(&name, sealed)?).ok()?)
}

/// The cookie of a visit that began with a link.
pub(super) fn cookie(sidecar: &Sidecar, invitation: &Invitation) -> Option<HeaderValue> {
    let name = sidecar.names.visit();
    sidecar.names.set(&name, &sidecar.visits.seal(&name, invitation.id.to_string().as_bytes())?, Some(VISIT_LIFETIME_SECONDS))
}
