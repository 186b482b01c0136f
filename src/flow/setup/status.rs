//! The state of an organization that is on, for the beginning of its set-up page.

use super::super::exchange::Exchange;
use super::super::refusal::Refusal;
use super::gate::SetUpVisit;
use crate::base::calendar::{days_if_expiring, days_until, utc_day, utc_minute};
use crate::directory::Directory;
use crate::directory::organization::{Organization, OrganizationSource, OrganizationState};
use crate::directory::organization_credential::CredentialKind;
use crate::pages::status_card::{CredentialExpiry, StatusCard};

/// Returns the card, if the organization is on.
pub(super) async fn card(
    exchange: &Exchange<'_>,
    directory: &Directory,
    visit: &SetUpVisit,
) -> Result<Option<StatusCard>, Refusal> {
    let organization = visit.organization();
    if organization.state != OrganizationState::On {
        return Ok(None);
    }
    let minute = |it: i64| u64::try_from(it).map(utc_minute).unwrap_or_default();
    let since = directory.on_since(organization).await?;
    let last = directory.last_successful_sign_in(organization.id).await?;
    let kind = match organization.source {
        OrganizationSource::Database => directory.credential_of(organization).await?.kind,
        OrganizationSource::File => None,
    };
    let decisions = directory.link_requests(Some(organization.id), false).await?.len()
        + directory.possible_merges(organization.id).await?.len();
    let now = exchange.sidecar.process.clock.now();
    Ok(Some(StatusCard {
        since: minute(since),
        last: last.map(|it| (it.name, minute(it.at))),
        decisions,
        expiry: expiry(organization, kind, now),
    }))
}

/// What there is to do about the expiry of the credential. The operator sees to the one of the
/// configuration, and a new one that waits is the answer already.
fn expiry(organization: &Organization, kind: Option<CredentialKind>, now: u64) -> CredentialExpiry {
    if organization.source == OrganizationSource::File || organization.pending_credential.is_some()
    {
        return CredentialExpiry::Fine;
    }
    let Some(ends) = organization.credential_ends else {
        return match kind {
            Some(CredentialKind::ClientSecret) => CredentialExpiry::Unknown,
            _ => CredentialExpiry::Fine,
        };
    };
    let date = u64::try_from(ends).map(utc_day).unwrap_or_default();
    match days_if_expiring(ends, now) {
        None => CredentialExpiry::Fine,
        Some(_) if days_until(ends, now) < 0 => CredentialExpiry::Over(date),
        Some(days) => CredentialExpiry::Soon(date, days),
    }
}
