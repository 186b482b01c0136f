//! Warns of credentials that expire: certificates, and client secrets of organizations with a known
//! expiry date.

use crate::base::calendar::{SECONDS_PER_DAY, days_if_expiring};
use crate::base::clock::Clock;
use crate::directory::Directory;
use crate::directory::organization::{Organization, OrganizationState};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Interval between checks whether a new day has begun.
const EXPIRY_CHECK_INTERVAL: Duration = Duration::from_hours(1);

/// Logs a warning for each expiring credential once a day until `stop`; `own` returns the expiry of
/// the credential in `[entra]`.
pub async fn warn(
    directory: Option<Directory>,
    own: impl Fn() -> Option<u64>,
    clock: Clock,
    stop: CancellationToken,
) {
    let (mut warned, mut pause) = (None, Duration::ZERO);
    while stop.run_until_cancelled(tokio::time::sleep(pause)).await.is_some() {
        pause = EXPIRY_CHECK_INTERVAL;
        let now = clock.now();
        if warned == Some(now / SECONDS_PER_DAY) {
            continue;
        }
        let all = match &directory {
            Some(directory) => directory.organizations().await,
            None => Ok(Vec::new()),
        };
        match all {
            Ok(all) => {
                warn_of_own(own(), now);
                for organization in &all {
                    warn_of(organization, now);
                }
                warned = Some(now / SECONDS_PER_DAY);
            }
            Err(cause) => {
                tracing::warn!(%cause, "cannot look up the expiry of organizations' credentials");
            }
        }
    }
}

fn warn_of_own(ends: Option<u64>, now: u64) {
    let Some(days) =
        ends.and_then(|it| i64::try_from(it).ok()).and_then(|it| days_if_expiring(it, now))
    else {
        return;
    };
    if days < 0 {
        tracing::error!("the [entra] certificate has expired");
    } else {
        tracing::warn!(days, "the [entra] certificate expires soon");
    }
}

fn warn_of(organization: &Organization, now: u64) {
    let Some(days) = expires(organization, now) else { return };
    let (code, waiting) = (&organization.code, organization.pending_credential.is_some());
    if days < 0 {
        tracing::error!(organization = %code, new_credential_waiting = waiting, "organization's credential has expired");
    } else {
        tracing::warn!(organization = %code, days, new_credential_waiting = waiting, "organization's credential expires soon");
    }
}

/// Returns the number of days until the expiry if it is soon and the organization is on.
fn expires(organization: &Organization, now: u64) -> Option<i64> {
    days_if_expiring(organization.credential_ends?, now)
        .filter(|_| organization.state == OrganizationState::On)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::company_code::CompanyCode;
    use crate::base::guid::Guid;
    use crate::directory::organization::{IdentityProvider, OrganizationSource};

    const NOW: u64 = 1_000_000_000;

    fn organization(state: OrganizationState, ends: Option<i64>) -> Organization {
        Organization {
            id: Guid::NIL,
            code: CompanyCode::parse("contoso").unwrap(),
            name: "Contoso".to_owned(),
            provider: IdentityProvider::AzureAd,
            tenant: None,
            client_id: None,
            has_credential: true,
            credential_ends: ends,
            pending_credential: None,
            default_role: "worker".to_owned(),
            first_sign_in: None,
            guests: true,
            linking_paused: None,
            upn_seen: None,
            state,
            source: OrganizationSource::Database,
            created: 0,
            changed: 0,
            changed_by: String::new(),
        }
    }

    #[test]
    fn it_is_warned_from_thirty_days_before_and_as_long_as_people_sign_in_by_it() {
        let in_days = |days: i64| Some(i64::try_from(NOW).unwrap() + days * 86_400 + 60);
        for (ends, expected) in [
            (None, None),
            (in_days(31), None),
            (in_days(30), Some(30)),
            (in_days(0), Some(0)),
            (in_days(-1), Some(-1)),
            (in_days(-90), Some(-90)),
        ] {
            assert_eq!(expires(&organization(OrganizationState::On, ends), NOW), expected);
            assert_eq!(expires(&organization(OrganizationState::Off, ends), NOW), None);
        }
    }
}
