//! Whether the person of a session that a store had is still admitted.

use super::super::record::Session;
use super::unavailable::StoreUnavailable;
use crate::base::identity::DirectoryMember;
use crate::directory::Directory;

/// When clients try again if the directory does not answer, in seconds.
const RETRY_AFTER_SECONDS: u64 = 2;

/// Asks the directory, which the changes that it made meanwhile did not reach the session, and
/// updates the session's role and code.
pub(super) async fn is_still_admitted(
    directory: Option<&Directory>,
    session: &Session,
) -> Result<bool, StoreUnavailable> {
    let Some(member) = session.identity().member.clone() else { return Ok(directory.is_none()) };
    let Some(directory) = directory else { return Ok(false) };
    let found = directory.person_status(member.person).await.map_err(|error| {
        tracing::error!(%error, "the directory cannot be asked about a session of the session store");
        StoreUnavailable { retry_after: RETRY_AFTER_SECONDS }
    })?;
    let who = session.identity();
    let Some(now) = found.filter(|it| it.is_enabled_for(who.tid, who.oid)) else {
        return Ok(false);
    };
    session.set_member(&DirectoryMember {
        role: now.role.into(),
        code: now.code.as_str().into(),
        ..DirectoryMember::clone(&member)
    });
    Ok(true)
}
