//! Whose turn it is to ask Entra about a sign-in on a client: Entra's refresh token lies in its row, for every process, and may be good once only.
//!
//! What a browser signed in by belongs to the one process that has the session.

use crate::base::guid::Guid;
use crate::base::secret::Secret;
use crate::directory::families::Asked;
use crate::directory::{Directory, Error};
use crate::session::record::Session;
use crate::session::standing::Lease;
use crate::sidecar::organizations::Authorities;
use std::time::Duration;

/// How often it is looked again whether another process is done, and how long between two looks.
const LOOKS: u32 = 40;
const PAUSE: Duration = Duration::from_millis(100);

/// What comes of asking for the turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::flow) enum Turn {
    /// The lease holds Entra's newest refresh token.
    Mine,
    /// Another process has it.
    Elsewhere,
    /// The sign-in is over.
    Over,
}

/// Takes the turn, if it is free.
pub(in crate::flow) async fn take(authorities: &Authorities, session: &Session, lease: &mut Lease<'_>) -> Result<Turn, Error> {
    let Some((family, directory)) = row(authorities, session) else { return Ok(Turn::Mine) };
    Ok(match directory.ask_about(family).await? {
        Asked::Turn(grant) => {
            if let Some(newest) = grant {
                lease.keep(newest);
            }
            Turn::Mine
        }
        Asked::Elsewhere => Turn::Elsewhere,
        Asked::Over => Turn::Over,
    })
}

/// The same, waiting for a moment where another process has it.
pub(in crate::flow) async fn wait(authorities: &Authorities, session: &Session, lease: &mut Lease<'_>) -> Result<Turn, Error> {
    for _ in 0..LOOKS {
        match take(authorities, session, lease).await? {
            Turn::Elsewhere => tokio::time::sleep(PAUSE).await,
            other => return Ok(other),
        }
    }
    Ok(Turn::Elsewhere)
}

/// Keeps Entra's newest refresh token, for whichever process asks next.
pub(in crate::flow) async fn keep_grant(authorities: &Authorities, session: &Session, newest: &Secret) -> Result<(), Error> {
    match row(authorities, session) {
        Some((family, directory)) => directory.keep_grant(family, newest).await,
        None => Ok(()),
    }
}

/// Gives the turn back.
pub(in crate::flow) async fn give_back(authorities: &Authorities, session: &Session) -> Result<(), Error> {
    match row(authorities, session) {
        Some((family, directory)) => directory.asked_about(family).await,
        None => Ok(()),
    }
}

fn row<'a>(authorities: &'a Authorities, session: &Session) -> Option<(Guid, &'a Directory)> {
    Some((session.family()?, authorities.organizations.as_ref()?.directory()))
}
