//! Asks the directory and Entra whether the person of a session is still allowed.

use crate::base::identity::DirectoryMember;
use crate::entra;
use crate::entra::verified::VerifiedUser;
use crate::session::lease::LeaseKeeper;
use crate::session::record::Session;
use crate::session::standing::RecheckLease;
use crate::sidecar::organizations::{self, RegistrationSet};

/// Why a session is not renewed.
#[derive(Debug, thiserror::Error)]
pub(super) enum RefusalCause {
    /// Entra's error, or that it is unreachable.
    #[error(transparent)]
    Entra(#[from] entra::Error),
    /// The session was ended elsewhere.
    #[error("signed out")]
    SignedOut,
    /// The person or the organization is switched off, or no longer exists in the directory.
    #[error("the person or the organization is switched off")]
    Off,
    /// The organization's Entra connection is not available.
    #[error(transparent)]
    Organization(#[from] organizations::Error),
}

/// Checks that the person and the organization are still on in the directory, and updates the
/// session's role and company code.
pub(super) async fn check_directory(
    registrations: &RegistrationSet,
    session: &Session,
) -> Result<(), RefusalCause> {
    let Some(member) = session.identity().member.clone() else { return Ok(()) };
    let organizations =
        registrations.organizations.as_ref().ok_or(organizations::Error::NotSetUp)?;
    let now = organizations
        .directory()
        .person_status(member.person)
        .await
        .map_err(organizations::Error::from)?;
    let who = session.identity();
    let now = now.filter(|it| it.is_enabled_for(who.tid, who.oid)).ok_or(RefusalCause::Off)?;
    session.set_member(&DirectoryMember {
        role: now.role.into(),
        code: now.code.as_str().into(),
        ..DirectoryMember::clone(&member)
    });
    Ok(())
}

/// Redeems the refresh token. The new one is stored before the answer is evaluated, because the old
/// one may no longer be valid.
pub(super) async fn redeem(
    registrations: &RegistrationSet,
    keeper: LeaseKeeper<'_>,
    session: &Session,
    lease: &mut RecheckLease<'_>,
) -> Result<VerifiedUser, RefusalCause> {
    let member = session.identity().member.clone();
    let entra = registrations.of(member.as_deref()).await?;
    let Some(refresh_token) = lease.refresh_token() else {
        return Err(entra::Error::Answer.into());
    };
    let mut refreshed = entra.refresh(refresh_token).await?;
    // If Entra sent no new one, the old one is sealed again with the newest secret.
    if let Some(newest) = refreshed.refresh_token.take().or_else(|| lease.refresh_token().cloned())
    {
        keeper
            .keep_refresh_token(session, lease, newest)
            .await
            .map_err(organizations::Error::from)?;
    }
    if let (Some(all), Some(member)) = (&registrations.organizations, &member) {
        all.credential_used(member.organization, &entra, &refreshed.by).await;
    }
    let user = entra.verify(refreshed).await?;
    let before = session.identity();
    let had_groups = before.cut.groups || before.groups.ids().is_none_or(|it| !it.is_empty());
    Ok(if had_groups { user.unlisted_groups_are_unknown() } else { user })
}
