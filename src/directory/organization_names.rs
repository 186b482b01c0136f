//! Codes and domains: each leads to one organization.

use super::database::Transaction;
use super::error::Error;
use super::store::Directory;
use crate::base::company_code::CompanyCode;
use crate::base::guid::Guid;

impl Directory {
    /// Returns a readable code that is free, derived from a name.
    pub(super) async fn free_code(
        &self,
        changes: &mut Transaction,
        name: &str,
    ) -> Result<CompanyCode, Error> {
        for number in [0, 2, 3, 4, 5, 6, 7, 8, 9] {
            let Some(code) = CompanyCode::of_name(name, number) else { continue };
            let taken = "SELECT code FROM organization_code WHERE code = $1 UNION ALL SELECT code FROM retired_code WHERE code = $1 \
                         UNION ALL SELECT username FROM person WHERE username = $1";
            if changes.row(taken, vec![code.as_str().into()]).await?.is_none() {
                return Ok(code);
            }
        }
        let [one, two] = self.random.bytes();
        let number = u32::from(u16::from_be_bytes([one, two])) + 10;
        CompanyCode::of_name(name, number).ok_or(Error::Conflict)
    }

    /// Gives a code to an organization.
    pub(super) async fn take_code(
        &self,
        changes: &mut Transaction,
        organization: Guid,
        code: &CompanyCode,
    ) -> Result<(), Error> {
        if changes
            .row("SELECT id FROM person WHERE username = $1", vec![code.as_str().into()])
            .await?
            .is_some()
        {
            return Err(Error::CodeIsUsername(code.clone()));
        }
        let now = self.clock.now();
        changes.run("DELETE FROM retired_code WHERE ends <= $1", vec![now.into()]).await?;
        let retired = "SELECT code FROM retired_code WHERE code = $1";
        if changes.row(retired, vec![code.as_str().into()]).await?.is_some() {
            return Err(Error::CodeTaken(code.clone()));
        }
        changes
            .run(
                "DELETE FROM organization_code WHERE code = $1 AND ends <= $2",
                vec![code.as_str().into(), now.into()],
            )
            .await?;
        let values = vec![code.as_str().into(), organization.to_string().into()];
        match changes
            .run("INSERT INTO organization_code (code, organization) VALUES ($1, $2)", values)
            .await
        {
            Err(Error::Conflict) => Err(Error::CodeTaken(code.clone())),
            other => other.map(drop),
        }
    }
}
