//! Deletes people and organizations. Their names go from every table; the rows of the history stay,
//! and so does a keyed digest of the account, so that somebody who was switched off stays outside.

use super::admin::{ActionError, AdminScope};
use super::database::Transaction;
use super::error::Error;
use super::organization::{Organization, OrganizationState};
use super::person::Person;
use super::store::Directory;
use crate::base::company_code::CompanyCode;
use crate::base::guid::Guid;
use crate::directory::change::SIGNED_OUT;
use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// The name under which the key is sealed.
const KEY_NAME: &str = "the key";
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
        if let Some(account) = found.linked {
            self.remember_erased(&mut changes, found.organization, account, !found.on).await?;
        }
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

    /// Deletes an organization that is not on, with all its people; returns their number.
    ///
    /// # Errors
    /// `NoOrganization`, `InFile`, `StillOn`.
    pub async fn delete_organization(&self, code: &CompanyCode, by: &str) -> Result<i64, Error> {
        let found = self.changeable(code).await?;
        let people = self.count(found.id).await?;
        let mut changes = self.database.begin_transaction().await?;
        let found = self.locked(&mut changes, found.id).await?;
        if found.state == OrganizationState::On {
            return Err(Error::StillOn(found.code));
        }
        self.retire_codes(&mut changes, &found).await?;
        let id = || vec![found.id.to_string().into()];
        self.blank_history(&mut changes, "organization = $1 AND person IS NOT NULL", &found.id)
            .await?;
        for sql in [
            "DELETE FROM link_request WHERE organization = $1",
            "DELETE FROM possible_merge WHERE organization = $1",
            "DELETE FROM erased_account WHERE organization = $1",
            "DELETE FROM family WHERE organization = $1",
            "DELETE FROM sign_in WHERE organization = $1",
            "DELETE FROM invitation WHERE organization = $1",
            "DELETE FROM person WHERE organization = $1",
            "DELETE FROM organization_domain WHERE organization = $1",
            "DELETE FROM organization_code WHERE organization = $1",
            "DELETE FROM organization WHERE id = $1",
        ] {
            changes.run(sql, id()).await?;
        }
        let what = format!("deleted with {people} people");
        self.audit(&mut changes, by, Some(found.id), None, &what).await?;
        changes.commit().await?;
        Ok(people)
    }

    /// Deletes a person's row and everything that names the person.
    async fn erase_rows(&self, changes: &mut Transaction, found: &Person) -> Result<(), Error> {
        let id = || vec![found.id.to_string().into()];
        self.blank_history(changes, "person = $1", &found.id).await?;
        let username = found.username.to_string();
        let names = vec![
            found.organization.to_string().into(),
            found.id.to_string().into(),
            username.clone().into(),
            found.email.clone().unwrap_or(username).into(),
        ];
        let sql = "UPDATE sign_in SET name = NULL, person = NULL WHERE organization = $1 AND (person = $2 OR LOWER(name) = $3 OR LOWER(name) = $4)";
        changes.run(sql, names).await?;
        for sql in [
            "DELETE FROM link_request WHERE person = $1",
            "DELETE FROM possible_merge WHERE person = $1 OR created_person = $1",
            "DELETE FROM family WHERE person = $1",
        ] {
            changes.run(sql, id()).await?;
        }
        if let Some((tid, oid)) = found.linked {
            let values = vec![
                found.organization.to_string().into(),
                tid.to_string().into(),
                oid.to_string().into(),
            ];
            let sql = "DELETE FROM link_request WHERE organization = $1 AND tid = $2 AND oid = $3";
            changes.run(sql, values).await?;
        }
        let gone = changes.run("DELETE FROM person WHERE id = $1", id()).await?;
        if gone == 1 { Ok(()) } else { Err(Error::Conflict) }
    }

    /// Removes names from the history: of each change only what names nobody stays.
    pub(super) async fn blank_history(
        &self,
        changes: &mut Transaction,
        which: &str,
        id: &Guid,
    ) -> Result<(), Error> {
        let sql = format!("SELECT DISTINCT what FROM audit WHERE {which}");
        let rows = changes.rows(sqlx::AssertSqlSafe(sql), vec![id.to_string().into()]).await?;
        for row in rows {
            let what = row.text("what")?;
            let values = vec![
                id.to_string().into(),
                what.as_str().into(),
                without_names(&what, &self.config.roles).into(),
            ];
            let sql = format!("UPDATE audit SET what = $3 WHERE {which} AND what = $2");
            changes.run(sqlx::AssertSqlSafe(sql), values).await?;
        }
        Ok(())
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

    async fn remember_erased(
        &self,
        changes: &mut Transaction,
        organization: Guid,
        account: (Guid, Guid),
        refused: bool,
    ) -> Result<(), Error> {
        let key = match self.erasure_key(changes).await? {
            Some(key) => key,
            None => self.new_erasure_key(changes).await?,
        };
        let values = vec![
            organization.to_string().into(),
            digest_of(&key, organization, account).into(),
            self.clock.now().into(),
            i64::from(refused).into(),
        ];
        let sql = "INSERT INTO erased_account (organization, account, at, refused) VALUES ($1, $2, $3, $4) ON CONFLICT (organization, account) DO UPDATE SET \
                   at = excluded.at, refused = excluded.refused";
        changes.run(sql, values).await.map(drop)
    }

    /// Whether the account is of a person who was switched off and then deleted.
    ///
    /// # Errors
    /// `UnopenedErasures` if such people exist and the key is missing, or no secret opens it: then no
    /// unknown account is admitted.
    pub(super) async fn is_erased_and_refused(
        &self,
        changes: &mut Transaction,
        organization: Guid,
        account: (Guid, Guid),
    ) -> Result<bool, Error> {
        let sql = "SELECT organization FROM erased_account WHERE organization = $1 AND refused = 1 LIMIT 1";
        if changes.row(sql, vec![organization.to_string().into()]).await?.is_none() {
            return Ok(false);
        }
        let key = self.erasure_key(changes).await?.ok_or(Error::UnopenedErasures)?;
        let values =
            vec![organization.to_string().into(), digest_of(&key, organization, account).into()];
        let sql = "SELECT account FROM erased_account WHERE organization = $1 AND account = $2 AND refused = 1";
        Ok(changes.row(sql, values).await?.is_some())
    }

    /// Forgets a deletion, because the operator linked the account again.
    pub(super) async fn forget_erased(
        &self,
        changes: &mut Transaction,
        organization: Guid,
        account: (Guid, Guid),
    ) -> Result<(), Error> {
        let Some(key) = self.erasure_key(changes).await? else { return Ok(()) };
        let values =
            vec![organization.to_string().into(), digest_of(&key, organization, account).into()];
        let sql = "DELETE FROM erased_account WHERE organization = $1 AND account = $2";
        changes.run(sql, values).await.map(drop)
    }

    async fn erasure_key(&self, changes: &mut Transaction) -> Result<Option<hmac::Key>, Error> {
        let Some(row) = changes.row("SELECT sealed FROM erasure_key", Vec::new()).await? else {
            return Ok(None);
        };
        let key = self.envelope.open(KEY_NAME, &row.text("sealed")?);
        let key = key.ok_or(Error::UnopenedErasures)?;
        Ok(Some(hmac::Key::new(hmac::HMAC_SHA256, &key)))
    }

    async fn new_erasure_key(&self, changes: &mut Transaction) -> Result<hmac::Key, Error> {
        let key: [u8; 32] = self.random.bytes();
        let sealed = self.envelope.seal(KEY_NAME, &key).ok_or(Error::NotSealed)?;
        let sql = "INSERT INTO erasure_key (id, sealed) VALUES ($1, $2)";
        changes.run(sql, vec![KEY_NAME.into(), sealed.into()]).await?;
        Ok(hmac::Key::new(hmac::HMAC_SHA256, &key))
    }

    /// Seals the key with the first of the secrets.
    pub(super) async fn reseal_erasure_key(&self, changes: &mut Transaction) -> Result<(), Error> {
        let Some(row) = changes.row("SELECT sealed FROM erasure_key", Vec::new()).await? else {
            return Ok(());
        };
        let key = self.envelope.open(KEY_NAME, &row.text("sealed")?);
        let key = key.ok_or(Error::UnopenedErasures)?;
        let sealed = self.envelope.seal(KEY_NAME, &key).ok_or(Error::NotSealed)?;
        changes.run("UPDATE erasure_key SET sealed = $1", vec![sealed.into()]).await.map(drop)
    }
}

fn digest_of(key: &hmac::Key, organization: Guid, account: (Guid, Guid)) -> String {
    let text = format!("{organization} {} {}", account.0, account.1);
    URL_SAFE_NO_PAD.encode(hmac::sign(key, text.as_bytes()))
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
