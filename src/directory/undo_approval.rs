//! Approvals that were wrong: for some days, they can be undone.

use super::admin::{ActionError, AdminScope};
use super::database::SqlValue;
use super::error::Error;
use super::link_request::REQUEST_LIFETIME_SECONDS;
use super::person::Person;
use super::store::Directory;
use crate::base::calendar::SECONDS_PER_DAY;
use crate::base::guid::Guid;

/// Time for which an approval can be undone, in seconds.
pub const UNDO_SECONDS: u64 = 7 * SECONDS_PER_DAY;

impl Directory {
    /// Removes the link that an approval made; the account waits again, so that it can be denied.
    /// Its sessions end. `seen` is the mark of the request as it was shown.
    pub(super) async fn undo_approval(
        &self,
        acting: &AdminScope,
        request: Guid,
        seen: Option<&str>,
    ) -> Result<Person, ActionError> {
        let mut changes = self.database.begin_transaction().await?;
        let organization = self.locked(&mut changes, acting.organization).await?;
        let found = self
            .approved_request(&mut changes, organization.id, request)
            .await?
            .ok_or(ActionError::NoSuchPerson)?;
        if seen != Some(found.mark().as_str()) {
            return Err(Error::Conflict.into());
        }
        self.may_decide(&mut changes, acting, &[&found.person]).await?;
        let (tid, oid) = found.account;
        let values = vec![
            found.person.id.to_string().into(),
            tid.to_string().into(),
            oid.to_string().into(),
        ];
        let sql = "UPDATE person SET former_tid = tid, former_oid = oid, tid = NULL, oid = NULL WHERE id = $1 AND tid = $2 AND oid = $3";
        if changes.run(sql, values).await? == 0 {
            return Err(Error::Conflict.into());
        }
        let now = self.clock.now();
        let values: Vec<SqlValue> = vec![
            request.to_string().into(),
            now.into(),
            now.saturating_add(REQUEST_LIFETIME_SECONDS).into(),
        ];
        let sql = "UPDATE link_request SET state = 'waiting', at = $2, ends = $3, decided = NULL, decided_by = NULL WHERE id = $1 AND state = 'linked'";
        if changes.run(sql, values).await? == 0 {
            return Err(Error::Conflict.into());
        }
        let why = "approval undone";
        self.end_sign_ins_of_person(&mut changes, found.person.id, why).await?;
        let what = format!("{}: request {request}: {why}", found.person.username);
        let (of, person) = (Some(organization.id), Some(found.person.id));
        self.audit(&mut changes, &acting.by, of, person, &what).await?;
        changes.commit().await?;
        Ok(Person { linked: None, former: Some(found.account), ..found.person })
    }
}
