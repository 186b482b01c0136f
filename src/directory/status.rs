//! What an organization's admin wants to see first: since when it is on, and who signed in last.

use super::database::SqlValue;
use super::error::Error;
use super::organization::Organization;
use super::recent::RETENTION_SECONDS;
use super::store::Directory;
use crate::base::guid::Guid;

/// Maximum number of changes that are searched for the one that turned an organization on.
const MAX_SEARCHED_CHANGES: u32 = 200;

/// A sign-in that succeeded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastSuccessfulSignIn {
    /// Time, in seconds since 1970.
    pub at: i64,
    /// The person's current username, or the name at Entra.
    pub name: String,
}

impl Directory {
    /// Returns the time since which an organization is on, in seconds since 1970. One that was added
    /// as it is has been on since then.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn on_since(&self, organization: &Organization) -> Result<i64, Error> {
        let sql = "SELECT at, what FROM audit WHERE organization = $1 AND person IS NULL AND what LIKE '%state o%' ORDER BY at DESC, id DESC LIMIT $2";
        let values: Vec<SqlValue> =
            vec![organization.id.to_string().into(), i64::from(MAX_SEARCHED_CHANGES).into()];
        let mut changes = Vec::new();
        for row in self.database.rows(sql, values).await? {
            changes.push((row.number("at")?, row.text("what")?));
        }
        Ok(first_since_off(&changes).unwrap_or(organization.created))
    }

    /// Returns the last successful sign-in of an organization, as long as it is recorded.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn last_successful_sign_in(
        &self,
        organization: Guid,
    ) -> Result<Option<LastSuccessfulSignIn>, Error> {
        let sql = "SELECT s.at, s.name, p.username FROM sign_in s LEFT JOIN person p ON p.id = s.person AND p.organization = s.organization \
                   WHERE s.organization = $1 AND s.outcome = 'signed_in' AND s.at >= $2 ORDER BY s.id DESC LIMIT 1";
        let since = self.clock.now().saturating_sub(RETENTION_SECONDS);
        let values: Vec<SqlValue> = vec![organization.to_string().into(), since.into()];
        let Some(row) = self.database.row(sql, values).await? else { return Ok(None) };
        let name = row.maybe_text("username")?.or(row.maybe_text("name")?).unwrap_or_default();
        Ok(Some(LastSuccessfulSignIn { at: row.number("at")?, name }))
    }
}

/// Finds the change that turned an organization on, among its changes from the newest to the oldest:
/// the first one after it was last off. Later ones changed nothing.
fn first_since_off(changes: &[(i64, String)]) -> Option<i64> {
    let mut since = None;
    for (at, what) in changes {
        let mut parts = what.split(", ");
        match parts.find(|it| ["state on", "state off"].contains(it)) {
            Some("state on") => since = Some(*at),
            Some(_) => return since,
            None => {}
        }
    }
    since
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_on_since_the_first_change_after_it_was_off() {
        for (changes, since) in [
            (vec![], None),
            (vec![(30, "state on")], Some(30)),
            // Pressed again.
            (
                vec![(40, "state on"), (30, "state on"), (20, "state off"), (10, "state on")],
                Some(30),
            ),
            (vec![(30, "tenant a, state off"), (20, "state on")], None),
            (vec![(30, "name A, state on"), (20, "tenant a, state off")], Some(30)),
            (vec![(30, "name state only"), (20, "state on")], Some(20)),
        ] {
            let changes: Vec<_> = changes.iter().map(|it| (it.0, it.1.to_owned())).collect();
            assert_eq!(first_since_off(&changes), since, "{changes:?}");
        }
    }
}
