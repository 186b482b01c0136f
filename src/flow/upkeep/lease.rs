//! Coordinates which process asks Entra about a native client's sign-in: Entra's refresh token is
//! in its database row, shared by all processes, and may be single-use.
//!
//! The refresh token of a browser's sign-in is only in the process that has the session.

use crate::base::guid::Guid;
use crate::base::secret::Secret;
use crate::directory::refresh_lease::RefreshLease;
use crate::directory::{Directory, Error};
use crate::session::record::Session;
use crate::session::standing::RecheckLease;
use crate::sidecar::organizations::Authorities;
use std::time::Duration;

/// How often to check whether another process has finished, and the time between two checks.
const MAX_POLLS: u32 = 40;
const POLL_INTERVAL: Duration = Duration::from_millis(100);

/// The result of requesting the lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::flow) enum LeaseTurn {
    /// This process has the lease, with Entra's newest refresh token.
    Mine,
    /// Another process has the lease.
    Elsewhere,
    /// The sign-in is over.
    Over,
}

/// Takes the lease if it is free.
pub(in crate::flow) async fn take(
    authorities: &Authorities,
    session: &Session,
    lease: &mut RecheckLease<'_>,
) -> Result<LeaseTurn, Error> {
    let Some((client_sign_in, directory)) = row(authorities, session) else {
        return Ok(LeaseTurn::Mine);
    };
    Ok(match directory.lease_refresh(client_sign_in).await? {
        RefreshLease::Held(grant) => {
            if let Some(newest) = grant {
                lease.store_refresh_token(newest);
            }
            LeaseTurn::Mine
        }
        RefreshLease::Elsewhere => LeaseTurn::Elsewhere,
        RefreshLease::Over => LeaseTurn::Over,
    })
}

/// Like `take`, but waits up to 4 seconds if another process has the lease.
pub(in crate::flow) async fn wait(
    authorities: &Authorities,
    session: &Session,
    lease: &mut RecheckLease<'_>,
) -> Result<LeaseTurn, Error> {
    for _ in 0..MAX_POLLS {
        match take(authorities, session, lease).await? {
            LeaseTurn::Elsewhere => tokio::time::sleep(POLL_INTERVAL).await,
            other => return Ok(other),
        }
    }
    Ok(LeaseTurn::Elsewhere)
}

/// Stores Entra's newest refresh token for the process that asks next.
pub(in crate::flow) async fn store_refresh_token(
    authorities: &Authorities,
    session: &Session,
    newest: &Secret,
) -> Result<(), Error> {
    match row(authorities, session) {
        Some((client_sign_in, directory)) => {
            directory.store_refresh_token(client_sign_in, newest).await
        }
        None => Ok(()),
    }
}

/// Releases the lease.
pub(in crate::flow) async fn release_lease(
    authorities: &Authorities,
    session: &Session,
) -> Result<(), Error> {
    match row(authorities, session) {
        Some((client_sign_in, directory)) => directory.release_refresh(client_sign_in).await,
        None => Ok(()),
    }
}

fn row<'a>(authorities: &'a Authorities, session: &Session) -> Option<(Guid, &'a Directory)> {
    Some((session.via().client_sign_in()?, authorities.organizations.as_ref()?.directory()))
}
