//! Whether the person of a session that this process did not have may still use it.

use super::super::record::Session;
use super::unavailable::StoreUnavailable;
use crate::base::identity::DirectoryMember;
use crate::directory::{Directory, Error};
use std::time::Duration;

/// Maximum time to wait for the directory.
const DIRECTORY_WAIT: Duration = Duration::from_secs(5);
/// When a client tries again if the directory does not answer, in seconds.
const RETRY_AFTER_SECONDS: u64 = 2;

/// Asks the directory about the person of a session that was loaded, as a sign-in and the watch of
/// the directory do: whether the person and the organization are on, and whether the person was
/// signed out everywhere since the session started. Updates the role and the company code.
///
/// # Errors
/// The directory does not answer.
pub(in crate::session) async fn is_still_admitted(
    directory: Option<&Directory>,
    session: &Session,
) -> Result<bool, StoreUnavailable> {
    let member = session.identity().member.clone();
    let (directory, member) = match (directory, member) {
        (Some(directory), Some(member)) => (directory, member),
        // The directory came or went since the sign-in, and with it who may sign in.
        (directory, member) => return Ok(directory.is_none() && member.is_none()),
    };
    let asked = tokio::time::timeout(DIRECTORY_WAIT, ask(directory, session, &member)).await;
    let answer = asked.unwrap_or_else(|_| Err(Error::Database("does not answer".to_owned())));
    answer.map_err(|cause| {
        tracing::error!(user = session.user(), %cause, "cannot look up the person of a session");
        StoreUnavailable { retry_after: RETRY_AFTER_SECONDS }
    })
}

async fn ask(
    directory: &Directory,
    session: &Session,
    member: &DirectoryMember,
) -> Result<bool, Error> {
    let who = session.identity().clone();
    let status = directory.person_status(member.person).await?;
    let Some(status) = status.filter(|it| it.is_enabled_for(who.tid, who.oid)) else {
        return Ok(false);
    };
    let signed_out_at = directory.last_signed_out(member.person).await?;
    if signed_out_at.is_some_and(|it| session.started_at() <= it) {
        return Ok(false);
    }
    session.set_member(&DirectoryMember {
        role: status.role.into(),
        code: status.code.as_str().into(),
        ..DirectoryMember::clone(member)
    });
    Ok(true)
}
