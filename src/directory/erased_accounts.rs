//! Accounts of people who were deleted, as keyed digests: an account that was refused stays refused,
//! and the database does not say whose it is.

use super::database::Transaction;
use super::error::Error;
use super::linking::account_values;
use super::person::Person;
use super::store::Directory;
use crate::base::guid::Guid;
use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::Zeroizing;

/// The name under which the key is sealed.
const KEY_NAME: &str = "the key";

impl Directory {
    /// Remembers the accounts of a person who is deleted: the linked one, the one before, and those
    /// that were denied for the person.
    pub(super) async fn remember_accounts(
        &self,
        changes: &mut Transaction,
        person: &Person,
    ) -> Result<(), Error> {
        let organization = person.organization;
        match person.linked {
            Some(account) => {
                // The link had admitted the account again.
                self.forget_erased(changes, organization, account).await?;
                self.remember_erased(changes, organization, account, !person.on).await?;
            }
            // A denial counts only as long as the person has no link.
            None => {
                for account in self.denied_accounts(changes, person.id).await? {
                    self.remember_erased(changes, organization, account, true).await?;
                }
            }
        }
        let Some(former) = person.former.filter(|it| Some(*it) != person.linked) else {
            return Ok(());
        };
        if self.is_account_linked(changes, organization, former).await? {
            return Ok(());
        }
        let standing = self.request_standing(changes, organization, former).await?;
        let refused = !person.on || !standing.denied.is_empty();
        self.remember_erased(changes, organization, former, refused).await
    }

    /// Whether the account is linked to a person of the organization.
    pub(super) async fn is_account_linked(
        &self,
        rows: &mut Transaction,
        organization: Guid,
        account: (Guid, Guid),
    ) -> Result<bool, Error> {
        let sql = "SELECT id FROM person WHERE organization = $1 AND tid = $2 AND oid = $3";
        Ok(rows.row(sql, account_values(organization, account)).await?.is_some())
    }

    /// Remembers an account; one that was refused before stays refused.
    pub(super) async fn remember_erased(
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
                   at = excluded.at, refused = CASE WHEN excluded.refused = 1 THEN 1 ELSE erased_account.refused END";
        changes.run(sql, values).await.map(drop)
    }

    /// Whether the account was refused when its person was deleted or merged.
    ///
    /// # Errors
    /// `UnopenedErasures` if there are such accounts and the key is missing, or no secret opens it:
    /// then no unknown account is admitted.
    pub(super) async fn is_erased_and_refused(
        &self,
        rows: &mut Transaction,
        organization: Guid,
        account: (Guid, Guid),
    ) -> Result<bool, Error> {
        if !self.has_refused_erasures(rows, organization).await? {
            return Ok(false);
        }
        let key = self.erasure_key(rows).await?.ok_or(Error::UnopenedErasures)?;
        let values =
            vec![organization.to_string().into(), digest_of(&key, organization, account).into()];
        let sql = "SELECT account FROM erased_account WHERE organization = $1 AND account = $2 AND refused = 1";
        Ok(rows.row(sql, values).await?.is_some())
    }

    /// Whether an account that is linked to a person of the organization may still be remembered as
    /// refused, because no secret opens the key.
    ///
    /// # Errors
    /// The database cannot be read.
    pub(super) async fn may_stay_erased(&self, organization: Guid) -> Result<bool, Error> {
        let mut rows = self.database.begin_read().await?;
        if !self.has_refused_erasures(&mut rows, organization).await? {
            return Ok(false);
        }
        match self.erasure_key(&mut rows).await {
            Ok(key) => Ok(key.is_none()),
            Err(Error::UnopenedErasures) => Ok(true),
            Err(other) => Err(other),
        }
    }

    async fn has_refused_erasures(
        &self,
        rows: &mut Transaction,
        organization: Guid,
    ) -> Result<bool, Error> {
        let sql = "SELECT organization FROM erased_account WHERE organization = $1 AND refused = 1 LIMIT 1";
        Ok(rows.row(sql, vec![organization.to_string().into()]).await?.is_some())
    }

    async fn forget_erased(
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

    /// Forgets an account, because somebody decided that it is admitted again. If no secret opens the
    /// key, the account is admitted all the same, and refused again once it is linked to no one.
    pub(super) async fn readmit(
        &self,
        changes: &mut Transaction,
        organization: Guid,
        account: (Guid, Guid),
    ) -> Result<(), Error> {
        match self.forget_erased(changes, organization, account).await {
            Ok(()) | Err(Error::UnopenedErasures) => Ok(()),
            Err(other) => Err(other),
        }
    }

    async fn erasure_key(&self, rows: &mut Transaction) -> Result<Option<hmac::Key>, Error> {
        let key = self.opened_erasure_key(rows).await?;
        Ok(key.map(|it| hmac::Key::new(hmac::HMAC_SHA256, &it)))
    }

    async fn opened_erasure_key(
        &self,
        rows: &mut Transaction,
    ) -> Result<Option<Zeroizing<Vec<u8>>>, Error> {
        let Some(row) = rows.row("SELECT sealed FROM erasure_key", Vec::new()).await? else {
            return Ok(None);
        };
        let key = self.envelope.open(KEY_NAME, &row.text("sealed")?);
        key.map(|it| Some(Zeroizing::new(it))).ok_or(Error::UnopenedErasures)
    }

    async fn new_erasure_key(&self, changes: &mut Transaction) -> Result<hmac::Key, Error> {
        let key: Zeroizing<[u8; 32]> = Zeroizing::new(self.random.bytes());
        let sealed = self.envelope.seal(KEY_NAME, &*key).ok_or(Error::NotSealed)?;
        let sql = "INSERT INTO erasure_key (id, sealed) VALUES ($1, $2)";
        changes.run(sql, vec![KEY_NAME.into(), sealed.into()]).await?;
        Ok(hmac::Key::new(hmac::HMAC_SHA256, &*key))
    }

    /// Seals the key with the first of the secrets.
    pub(super) async fn reseal_erasure_key(&self, changes: &mut Transaction) -> Result<(), Error> {
        let Some(key) = self.opened_erasure_key(changes).await? else { return Ok(()) };
        let sealed = self.envelope.seal(KEY_NAME, &key).ok_or(Error::NotSealed)?;
        changes.run("UPDATE erasure_key SET sealed = $1", vec![sealed.into()]).await.map(drop)
    }
}

fn digest_of(key: &hmac::Key, organization: Guid, account: (Guid, Guid)) -> String {
    let text = format!("{organization} {} {}", account.0, account.1);
    URL_SAFE_NO_PAD.encode(hmac::sign(key, text.as_bytes()))
}
