//! Deletes people and organizations. Their names go from every table; the rows of the history stay,
//! and so do keyed digests of the accounts (`super::erased_accounts`).

use super::admin::{ActionError, AdminScope};
use super::database::Transaction;
use super::error::Error;
use super::organization::{Organization, OrganizationSource, OrganizationState};
use super::person::Person;
use super::store::Directory;
use crate::base::company_code::CompanyCode;
use crate::base::guid::Guid;
use crate::directory::change::SIGNED_OUT;

/// Time for which the code of a deleted organization leads nowhere, in seconds: as long as devices
/// remember it.
const RETIRED_CODE_SECONDS: u64 = 366 * 86_400;
/// The text of a change whose details were erased.
const ERASED: &str = "details erased";

impl Directory {
    /// Deletes a person; returns the person as of before. The person's sessions end.
    ///
    /// # Errors
    /// Why the deletion is refused; nothing has changed then.
    pub async fn delete_person(
        &self,
        acting: &AdminScope,
        person: Guid,
    ) -> Result<Person, ActionError> {
        let mut changes = self.database.begin_transaction().await?;
        changes.lock(acting.organization).await?;
        let found = self
            .of_organization(&mut changes, acting.organization, person)
            .await?
            .ok_or(ActionError::NoSuchPerson)?;
        self.may_decide(&mut changes, acting, &[&found]).await?;
        self.remember_accounts(&mut changes, &found).await?;
        self.erase_rows(&mut changes, &found).await?;
        // The row that tells other processes names nobody.
        self.audit(
            &mut changes,
            &acting.by,
            Some(found.organization),
            Some(found.id),
            if found.on { "deleted" } else { "deleted, and stays refused" },
        )
        .await?;
        changes.commit().await?;
        Ok(found)
    }

    /// Deletes an organization that is not on, for the operator, with all its people, whose number
    /// must be as expected.
    ///
    /// # Errors
    /// `NoOrganization`, `InFile`, `StillOn`, `OtherCount`.
    pub async fn delete_organization(
        &self,
        code: &CompanyCode,
        expected: u64,
        by: &str,
    ) -> Result<(), Error> {
        let found = self.changeable(code).await?;
        let mut changes = self.database.begin_transaction().await?;
        let found = self.locked(&mut changes, found.id).await?;
        self.check_count(&mut changes, &found, expected).await?;
        if found.state == OrganizationState::On {
            return Err(Error::StillOn(found.code));
        }
        self.erase_organization(&mut changes, &found, expected).await?;
        let what = format!("deleted with {expected} people");
        self.audit(&mut changes, by, Some(found.id), None, &what).await?;
        changes.commit().await
    }

    /// Turns an organization off and deletes it in one step, for one of its admins, who must have
    /// the highest role that anyone has there. The code and the number of people must be as the
    /// admin saw them.
    ///
    /// # Errors
    /// `InFile`, `NeedsHighestRole`, `OtherCount`, and `Conflict` if it has another code or is no
    /// longer on; nothing has changed then.
    pub async fn delete_own_organization(
        &self,
        acting: &AdminScope,
        code: &CompanyCode,
        expected: u64,
    ) -> Result<(), Error> {
        let mut changes = self.database.begin_transaction().await?;
        let found = self.locked(&mut changes, acting.organization).await?;
        if found.source == OrganizationSource::File {
            return Err(Error::InFile(found.code));
        }
        self.check_highest_admin(&mut changes, &found, acting.origin).await?;
        if found.state != OrganizationState::On || found.code != *code {
            return Err(Error::Conflict);
        }
        self.check_count(&mut changes, &found, expected).await?;
        self.erase_organization(&mut changes, &found, expected).await?;
        // Every process reads from this row that the sessions end; it names nobody.
        let what = format!("state off, deleted with {expected} people");
        self.audit(&mut changes, &acting.by, Some(found.id), None, &what).await?;
        changes.commit().await
    }

    /// Refuses an organization that has another number of people.
    async fn check_count(
        &self,
        changes: &mut Transaction,
        found: &Organization,
        expected: u64,
    ) -> Result<(), Error> {
        let sql = "SELECT COUNT(*) AS count FROM person WHERE organization = $1";
        let row = changes.row(sql, vec![found.id.to_string().into()]).await?;
        let people = row.map_or(Ok(0), |it| it.number("count"))?;
        if u64::try_from(people) == Ok(expected) {
            Ok(())
        } else {
            Err(Error::OtherCount(found.code.clone(), people))
        }
    }

    /// Deletes the rows of an organization and its people.
    async fn erase_organization(
        &self,
        changes: &mut Transaction,
        found: &Organization,
        expected: u64,
    ) -> Result<(), Error> {
        let id = || vec![found.id.to_string().into()];
        self.retire_codes(changes, found).await?;
        self.blank_history_of_people(changes, found.id).await?;
        for sql in [
            "DELETE FROM link_request WHERE organization = $1",
            "DELETE FROM possible_merge WHERE organization = $1",
            "DELETE FROM erased_account WHERE organization = $1",
            "DELETE FROM family WHERE organization = $1",
            "DELETE FROM sign_in WHERE organization = $1",
            "DELETE FROM invitation WHERE organization = $1",
        ] {
            changes.run(sql, id()).await?;
        }
        // A person who was added since the count is not deleted unseen.
        let gone = changes.run("DELETE FROM person WHERE organization = $1", id()).await?;
        if gone != expected {
            return Err(Error::Conflict);
        }
        for sql in [
            "DELETE FROM organization_domain WHERE organization = $1",
            "DELETE FROM domain_claim WHERE organization = $1",
            "DELETE FROM organization_code WHERE organization = $1",
            "DELETE FROM organization WHERE id = $1",
        ] {
            changes.run(sql, id()).await?;
        }
        Ok(())
    }

    /// Deletes a person's row and everything that names the person.
    async fn erase_rows(&self, changes: &mut Transaction, found: &Person) -> Result<(), Error> {
        let id = || vec![found.id.to_string().into()];
        self.blank_history_of(changes, found.id).await?;
        let names = self.names_of(changes, found).await?;
        for sql in [
            "UPDATE sign_in SET name = NULL, person = NULL WHERE person = $1",
            "DELETE FROM link_request WHERE person = $1",
            "DELETE FROM possible_merge WHERE person = $1 OR created_person = $1",
            "DELETE FROM family WHERE person = $1",
        ] {
            changes.run(sql, id()).await?;
        }
        self.blank_names(changes, found.organization, &names).await?;
        let gone = changes.run("DELETE FROM person WHERE id = $1", id()).await?;
        if gone == 1 { Ok(()) } else { Err(Error::Conflict) }
    }

    /// Removes names from the history of a person: of each change, what it says about roles and
    /// states stays.
    pub(super) async fn blank_history_of(
        &self,
        changes: &mut Transaction,
        person: Guid,
    ) -> Result<(), Error> {
        let sql = "SELECT id, what FROM audit WHERE person = $1";
        for row in changes.rows(sql, vec![person.to_string().into()]).await? {
            let what = row.text("what")?;
            let left = without_names(&what, &self.config.roles);
            if left != what {
                let values = vec![row.text("id")?.into(), left.into()];
                changes.run("UPDATE audit SET what = $2 WHERE id = $1", values).await?;
            }
        }
        Ok(())
    }

    /// Removes all details from the history of the people of an organization.
    async fn blank_history_of_people(
        &self,
        changes: &mut Transaction,
        organization: Guid,
    ) -> Result<(), Error> {
        let values = vec![organization.to_string().into(), ERASED.into(), SIGNED_OUT.into()];
        let sql = "UPDATE audit SET what = $2 WHERE organization = $1 AND person IS NOT NULL AND what <> $3";
        changes.run(sql, values).await.map(drop)
    }

    async fn retire_codes(
        &self,
        changes: &mut Transaction,
        found: &Organization,
    ) -> Result<(), Error> {
        let values = vec![
            found.id.to_string().into(),
            self.clock.now().saturating_add(RETIRED_CODE_SECONDS).into(),
        ];
        let sql = "INSERT INTO retired_code (code, ends) SELECT code, CAST($2 AS BIGINT) FROM organization_code WHERE organization = $1 \
                   ON CONFLICT (code) DO UPDATE SET ends = excluded.ends";
        changes.run(sql, values).await.map(drop)
    }
}

/// Returns what a change says about roles and states, without names and addresses.
fn without_names(what: &str, roles: &[String]) -> String {
    if [SIGNED_OUT, ERASED].contains(&what) || what.starts_with(ERASED) {
        return what.to_owned();
    }
    let is_role = |it: &str| roles.iter().any(|role| role == it);
    let kept = what.split([':', ',']).map(str::trim).filter(|part| {
        let words: Vec<&str> = part.split(' ').collect();
        match words.as_slice() {
            ["role", one, "became", other] => is_role(one) && is_role(other),
            ["role", one] => is_role(one),
            ["state", "on" | "off"] | ["link", "removed"] => true,
            _ => false,
        }
    });
    let kept: Vec<&str> = kept.collect();
    if kept.is_empty() { ERASED.to_owned() } else { format!("{ERASED}: {}", kept.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_of_a_change_has_no_names() {
        let roles = ["owner", "worker"].map(str::to_owned);
        for (what, left) in [
            ("maya@contoso.com made by hand", ERASED),
            ("maya: role worker became owner", "details erased: role worker became owner"),
            ("maya: name Maya, role owner, state off", "details erased: role owner, state off"),
            ("maya: name role Maya, role Maya Okafor", ERASED),
            ("maya: role maya", ERASED),
            (SIGNED_OUT, SIGNED_OUT),
            ("details erased: role owner", "details erased: role owner"),
        ] {
            assert_eq!(without_names(what, &roles), left, "{what}");
        }
    }
}
