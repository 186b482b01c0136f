//! Links an account of Entra to a person who was never linked, with a verified address only.

use super::database::Transaction;
use super::error::Error;
use super::organization::Organization;
use super::person::{Person, SELECT_PERSON, of_row};
use super::store::Directory;
use crate::base::identity::Identity;
use crate::base::username::{Username, domain_of};

impl Directory {
    /// Links the person of this organization who was never linked and whose username or e-mail is a
    /// verified address, if there is exactly one.
    pub(super) async fn link(
        &self,
        changes: &mut Transaction,
        who: &Identity,
        organization: &Organization,
    ) -> Result<Option<Person>, Error> {
        for address in self.verified_addresses(changes, who, organization).await? {
            let Some(person) = self.unlinked(changes, &address, organization).await? else {
                continue;
            };
            let values = vec![
                person.id.to_string().into(),
                who.tid.to_string().into(),
                who.oid.to_string().into(),
            ];
            if changes
                .run("UPDATE person SET tid = $2, oid = $3 WHERE id = $1 AND oid IS NULL", values)
                .await?
                == 0
            {
                return Err(Error::Conflict);
            }
            self.audit(
                changes,
                "first sign-in",
                Some(organization.id),
                Some(person.id),
                &format!("{} linked by {address}", person.username),
            )
            .await?;
            return Ok(Some(Person { linked: Some((who.tid, who.oid)), ..person }));
        }
        Ok(None)
    }

    /// Queries each column separately: a single query with OR would use neither index.
    async fn unlinked(
        &self,
        changes: &mut Transaction,
        address: &str,
        organization: &Organization,
    ) -> Result<Option<Person>, Error> {
        let values = || vec![organization.id.to_string().into(), address.into()];
        let by_name = format!("{SELECT_PERSON} WHERE p.username = $2 AND p.organization = $1");
        let found = changes
            .row(sqlx::AssertSqlSafe(by_name), values())
            .await?
            .map(|it| of_row(&it))
            .transpose()?;
        if let Some(person) = found.filter(|it| it.linked.is_none()) {
            return Ok(Some(person));
        }
        let by_email = format!(
            "{SELECT_PERSON} WHERE p.organization = $1 AND p.email = $2 AND p.oid IS NULL LIMIT 2"
        );
        let found: Vec<Person> = changes
            .rows(sqlx::AssertSqlSafe(by_email), values())
            .await?
            .iter()
            .map(of_row)
            .collect::<Result<_, _>>()?;
        // Two people who share an address cannot be distinguished with it.
        match <[Person; 1]>::try_from(found) {
            Ok([person]) => Ok(Some(person)),
            Err(_) => Ok(None),
        }
    }

    /// Returns the addresses that the tenant vouches for: the e-mail that Entra calls verified, and
    /// a member's sign-in name at a domain that the operator bound to this organization. A guest's
    /// name is an address from elsewhere.
    async fn verified_addresses(
        &self,
        changes: &mut Transaction,
        who: &Identity,
        organization: &Organization,
    ) -> Result<Vec<String>, Error> {
        let mut out = Vec::new();
        let name =
            who.preferred_username.as_deref().filter(|_| !who.guest).and_then(Username::parse);
        if let Some(name) = name
            && let Some(domain) = name.domain()
            && self.owner(changes, domain).await?.as_deref()
                == Some(organization.id.to_string().as_str())
        {
            out.push(name.to_string());
        }
        if let Some(email) =
            who.email.as_deref().filter(|_| who.email_verified).map(str::to_lowercase)
            && self.may_own_address(changes, &email, organization).await?
            && !out.contains(&email)
        {
            out.push(email);
        }
        Ok(out)
    }

    async fn owner(
        &self,
        changes: &mut Transaction,
        domain: &str,
    ) -> Result<Option<String>, Error> {
        let row = changes
            .row(
                "SELECT organization FROM organization_domain WHERE domain = $1",
                vec![domain.into()],
            )
            .await?;
        row.map(|it| it.text("organization")).transpose()
    }

    /// Whether an address is outside the domains of all other organizations.
    pub(super) async fn may_own_address(
        &self,
        changes: &mut Transaction,
        address: &str,
        organization: &Organization,
    ) -> Result<bool, Error> {
        let Some(domain) = domain_of(address) else { return Ok(true) };
        Ok(self.owner(changes, domain).await?.is_none_or(|it| it == organization.id.to_string()))
    }
}
