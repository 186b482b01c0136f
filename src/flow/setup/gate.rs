//! Decides who may open the set-up page: a signed-in admin of the organization, or a visitor with a
//! link from the operator.
//!
//! The directory is read at each visit, because this is not a hot path, and former admins lose
//! access at once.

use super::super::exchange::Exchange;
use super::super::facts::RequestFacts;
use super::super::refusal::Refusal;
use crate::base::guid::Guid;
use crate::directory::change::ChangeOrigin;
use crate::directory::invitation::{Invitation, VISIT_LIFETIME_SECONDS};
use crate::directory::organization::{Organization, OrganizationState};
use crate::session::record::Session;
use crate::sidecar::organizations::OrganizationRegistry;
use crate::wire::cookies::{CookieMatch, find};
use http::HeaderValue;
use std::sync::Arc;

/// How long after a person's authentication a session may change the organization's credential, in
/// seconds.
pub(super) const FRESH_SIGN_IN_SECONDS: u64 = 600;

/// Permission to set up this organization and no other. Created only here.
pub(super) struct SetUpVisit {
    organization: Organization,
    who: SetUpVisitor,
}

/// The visitor of the set-up page.
enum SetUpVisitor {
    /// An admin, and when they last authenticated (seconds since 1970), if known.
    Person { id: Guid, proved: Option<u64> },
    /// A visitor who used this link.
    Invited(Guid),
}

/// Why a visitor is not admitted.
pub(super) enum SetUpDenied {
    /// The visitor is signed out and has no link.
    SignedOut,
    /// The visit that began with a link is over.
    LinkOver,
    /// The visitor has no access, or the check failed.
    Not(Refusal),
}

impl<E: Into<Refusal>> From<E> for SetUpDenied {
    fn from(error: E) -> Self {
        Self::Not(error.into())
    }
}

impl SetUpVisit {
    /// The organization to set up.
    pub(super) fn organization(&self) -> &Organization {
        &self.organization
    }

    /// The visitor's name in the history.
    pub(super) fn by(&self) -> String {
        match &self.who {
            SetUpVisitor::Person { id, .. } => format!("person {id}"),
            SetUpVisitor::Invited(id) => format!("invitation {id}"),
        }
    }

    /// The visitor as the origin of a change to the organization.
    pub(super) fn change_origin(&self) -> ChangeOrigin {
        match &self.who {
            SetUpVisitor::Person { id, .. } => ChangeOrigin::Admin(*id),
            SetUpVisitor::Invited(_) => ChangeOrigin::Invited,
        }
    }

    /// The admin, or nothing for a visitor with a link.
    pub(super) fn person(&self) -> Option<Guid> {
        match &self.who {
            SetUpVisitor::Person { id, .. } => Some(*id),
            SetUpVisitor::Invited(_) => None,
        }
    }

    /// The link, or nothing for an admin.
    pub(super) fn invitation(&self) -> Option<Guid> {
        match &self.who {
            SetUpVisitor::Person { .. } => None,
            SetUpVisitor::Invited(id) => Some(*id),
        }
    }

    /// Whether the client secret may be changed: with a link, or soon after authentication.
    pub(super) fn may_change_secret(&self, now: u64) -> bool {
        match &self.who {
            SetUpVisitor::Person { proved, .. } => {
                proved.is_some_and(|it| now < it.saturating_add(FRESH_SIGN_IN_SECONDS))
            }
            SetUpVisitor::Invited(_) => true,
        }
    }
}

/// Identifies the visitor. A link that was used in this browser takes precedence over its session,
/// because it was chosen deliberately.
pub(super) async fn enter(
    exchange: &Exchange<'_>,
    all: &OrganizationRegistry,
    facts: &mut RequestFacts,
) -> Result<SetUpVisit, SetUpDenied> {
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

async fn admin(
    all: &OrganizationRegistry,
    session: &Arc<Session>,
) -> Result<SetUpVisit, SetUpDenied> {
    let forbidden = || SetUpDenied::Not(Refusal::Forbidden);
    let member = session.identity().member.clone().ok_or_else(forbidden)?;
    let person = all
        .directory()
        .person_by_id(member.person)
        .await?
        .filter(|it| it.on && it.organization == member.organization)
        .ok_or_else(forbidden)?;
    if !all.directory().may_set_up(&person.role) {
        return Err(forbidden());
    }
    let organization = all
        .directory()
        .organization_by_id(person.organization)
        .await?
        .filter(|it| it.state == OrganizationState::On)
        .ok_or_else(forbidden)?;
    // A silent sign-in also begins a session, but it is not a new authentication. The claim
    // contains the time of the last one. It is optional; without it, only a sign-in counts for
    // which Entra was asked to authenticate the person. If present, only the claim counts: the
    // person's browser carries the request to Entra and could remove `prompt=login`.
    let identity = session.identity();
    let proved = match (identity.has_auth_time, session.is_reauthenticated()) {
        (true, _) => Some(identity.auth_time.min(session.started_at())),
        (false, true) => Some(session.started_at()),
        (false, false) => None,
    };
    Ok(SetUpVisit { organization, who: SetUpVisitor::Person { id: person.id, proved } })
}

/// Returns the visit in the cookie, even if it is over.
fn linked(exchange: &Exchange<'_>) -> Option<Guid> {
    let name = exchange.app.names.visit();
    let CookieMatch::One(sealed) = find(exchange.headers, &name) else { return None };
    Guid::parse(std::str::from_utf8(&exchange.sidecar.visits.open(&name, sealed)?).ok()?)
}

/// Returns the cookie of a visit that began with a link.
pub(super) fn cookie(exchange: &Exchange<'_>, invitation: &Invitation) -> Option<HeaderValue> {
    let Exchange { sidecar, app, .. } = *exchange;
    let name = app.names.visit();
    app.names.set(
        &name,
        &sidecar.visits.seal(&name, invitation.id.to_string().as_bytes())?,
        Some(VISIT_LIFETIME_SECONDS),
    )
}
