//! Whose turn it is to ask Entra about a sign-in on a client: Entra's refresh token lies in its row, for every process, and may be good once only.
//!
//! What a browser signed in by belongs to the one process that has the session.

use crate::base::guid::Guid;
use crate::base::secret::Secret;
use crate::directory::client_sign_ins::RefreshLease;
use crate::directory::{Directory, Error};
use crate::session::record::Session;
use crate::session::standing::RecheckLease;
use crate::sidecar::organizations::Authorities;
use std::time::Duration;

/// How often it is looked again whether another process is done, and how long between two looks.
const MAX_POLLS: u32 = 40;
const POLL_INTERVAL: Duration = Duration::from_millis(100);

/// What comes of asking for the turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::flow) enum LeaseTurn {
    /// The lease holds Entra's newest refresh token.
    Mine,
    /// Another process has it.
    Elsewhere,
    /// The sign-in is over.
    Over,
}

/// Takes the turn, if it is free.
pub(in crate::flow) async fn take(authorities: &Authorities, session: &Session, lease: &mut RecheckLease<'_>) -> Result<LeaseTurn, Error> {
    let Some((client_sign_in, directory)) = row(authorities, session) else { return Ok(LeaseTurn::Mine) };
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

/// The same, waiting for a moment where another process has it.
pub(in crate::flow) async fn wait(authorities: &Authorities, session: &Session, lease: &mut RecheckLease<'_>) -> Result<LeaseTurn, Error> {
    for _ in 0..MAX_POLLS {
        match take(authorities, session, lease).await? {
            LeaseTurn::Elsewhere => tokio::time::sleep(POLL_INTERVAL).await,
            other => return Ok(other),
        }
    }
    Ok(LeaseTurn::Elsewhere)
}

/// Keeps Entra's newest refresh token, for whichever process asks next.
pub(in crate::flow) async fn store_refresh_token(authorities: &Authorities, session: &Session, newest: &Secret) -> Result<(), Error> {
    match row(authorities, session) {
        Some((client_sign_in, directory)) => directory.store_refresh_token(client_sign_in, newest).await,
        None => Ok(()),
    }
}

/// Gives the turn back.
pub(in crate::flow) async fn release_lease(authorities: &Authorities, session: &Session) -> Result<(), Error> {
    match row(authorities, session) {
        Some((client_sign_in, directory)) => directory.release_refresh(client_sign_in).await,
        None => Ok(()),
    }
}

fn row<'a>(authorities: &'a Authorities, session: &Session) -> Option<(Guid, &'a Directory)> {
    Some((session.client_sign_in()?, authorities.organizations.as_ref()?.directory()))
}
