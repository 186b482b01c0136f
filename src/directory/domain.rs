//! The domains of organizations: how each one is known, and what the operator binds.
//!
//! A domain belongs to one organization at most. The operator's word outweighs a proof: binding a
//! domain takes it away from an organization that has proven it.

use super::database::{DatabaseRow, SqlValue, Transaction};
use super::error::Error;
use super::store::Directory;
use crate::base::guid::Guid;

/// How a domain of an organization is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DomainStanding {
    /// The operator bound it.
    Operator,
    /// Entra knows it as a domain of the organization's tested tenant.
    Tenant,
    /// Its DNS has the organization's TXT record.
    Dns,
    /// It is claimed, and not proven yet: it leads nowhere.
    Pending,
}

/// A domain of an organization.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrganizationDomain {
    /// The domain, in lower case.
    pub domain: String,
    /// How it is known.
    pub standing: DomainStanding,
    /// When it was proven or claimed, in seconds since 1970.
    pub since: Option<i64>,
    /// Until when a claim can be proven, in seconds since 1970.
    pub ends: Option<i64>,
}

impl DomainStanding {
    /// Returns the word that is stored, and that pages and the API use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::Tenant => "tenant",
            Self::Dns => "dns",
            Self::Pending => "pending",
        }
    }

    /// Whether addresses at the domain lead to the organization.
    pub fn is_known(self) -> bool {
        self != Self::Pending
    }
}

impl Directory {
    /// Returns the domains of an organization, sorted: those that are known, then those that are
    /// only claimed.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn domain_list(&self, organization: Guid) -> Result<Vec<OrganizationDomain>, Error> {
        let id = organization.to_string();
        let sql = "SELECT domain, proof, proven FROM organization_domain WHERE organization = $1 ORDER BY domain";
        let known = self.database.rows(sql, vec![id.as_str().into()]).await?;
        let sql = "SELECT domain, at, ends FROM domain_claim WHERE organization = $1 AND ends > $2 ORDER BY domain";
        let claimed = self.database.rows(sql, vec![id.into(), self.clock.now().into()]).await?;
        let mut all = known.iter().map(known_domain).collect::<Result<Vec<_>, _>>()?;
        for row in &claimed {
            all.push(OrganizationDomain {
                domain: row.text("domain")?,
                standing: DomainStanding::Pending,
                since: row.maybe_number("at")?,
                ends: row.maybe_number("ends")?,
            });
        }
        Ok(all)
    }

    /// Binds a domain to an organization, as the operator. An organization that has proven the
    /// domain loses it.
    pub(super) async fn bind(
        &self,
        changes: &mut Transaction,
        organization: Guid,
        domain: &str,
    ) -> Result<(), Error> {
        match self.domain_owner(changes, domain).await? {
            Some((owner, _)) if owner == organization.to_string() => {
                let sql = "UPDATE organization_domain SET proof = 'operator', proven = NULL WHERE domain = $1";
                return changes.run(sql, vec![domain.into()]).await.map(drop);
            }
            Some((_, DomainStanding::Operator)) => {
                return Err(Error::DomainElsewhere(domain.to_owned()));
            }
            _ => {}
        }
        self.refuse_domain_in_use(changes, organization, domain).await?;
        self.take_from_prover(changes, domain).await?;
        self.insert_domain(changes, organization, domain, DomainStanding::Operator).await
    }

    /// Adds a domain to an organization, whose claim is settled then.
    pub(super) async fn insert_domain(
        &self,
        changes: &mut Transaction,
        organization: Guid,
        domain: &str,
        standing: DomainStanding,
    ) -> Result<(), Error> {
        let id = organization.to_string();
        let proven = (standing != DomainStanding::Operator).then(|| self.clock.now());
        let values: Vec<SqlValue> = vec![
            domain.into(),
            id.as_str().into(),
            standing.as_str().into(),
            proven.map_or(SqlValue::Number(None), SqlValue::from),
        ];
        let sql = "INSERT INTO organization_domain (domain, organization, proof, proven) VALUES ($1, $2, $3, $4)";
        match changes.run(sql, values).await {
            Err(Error::Conflict) => return Err(Error::DomainElsewhere(domain.to_owned())),
            other => other?,
        };
        let sql = "DELETE FROM domain_claim WHERE organization = $1 AND domain = $2";
        changes.run(sql, vec![id.into(), domain.into()]).await.map(drop)
    }

    /// Takes a domain that the operator binds away from an organization that has proven it.
    async fn take_from_prover(&self, changes: &mut Transaction, domain: &str) -> Result<(), Error> {
        let Some((owner, standing)) = self.domain_owner(changes, domain).await? else {
            return Ok(());
        };
        if standing == DomainStanding::Operator {
            return Ok(());
        }
        let sql = "DELETE FROM organization_domain WHERE domain = $1 AND proof <> 'operator'";
        changes.run(sql, vec![domain.into()]).await?;
        let what = format!("domain {domain} removed: the operator bound it elsewhere");
        self.audit(changes, "operator", Guid::parse(&owner), None, &what).await
    }

    /// Returns the organization that has a domain, and how it is known.
    pub(super) async fn domain_owner(
        &self,
        changes: &mut Transaction,
        domain: &str,
    ) -> Result<Option<(String, DomainStanding)>, Error> {
        let sql =
            "SELECT organization, domain, proof, proven FROM organization_domain WHERE domain = $1";
        let Some(row) = changes.row(sql, vec![domain.into()]).await? else { return Ok(None) };
        Ok(Some((row.text("organization")?, known_domain(&row)?.standing)))
    }

    /// Refuses a domain at which people of other organizations have addresses.
    pub(super) async fn refuse_domain_in_use(
        &self,
        changes: &mut Transaction,
        organization: Guid,
        domain: &str,
    ) -> Result<(), Error> {
        // A domain contains no wildcard characters of LIKE.
        let sql = "SELECT COUNT(*) AS count FROM person WHERE organization <> $1 AND (username LIKE $2 OR email LIKE $2)";
        let values = vec![organization.to_string().into(), format!("%@{domain}").into()];
        let row = changes.row(sql, values).await?;
        match row.map(|it| it.number("count")).transpose()? {
            Some(count) if count > 0 => Err(Error::DomainInUse(domain.to_owned(), count)),
            _ => Ok(()),
        }
    }

    /// Removes the domains that the former tenant of an organization has proven: the new one says
    /// nothing about them. What DNS proves stays.
    pub(super) async fn drop_tenant_domains(
        &self,
        changes: &mut Transaction,
        organization: Guid,
        by: &str,
    ) -> Result<(), Error> {
        let id = || vec![organization.to_string().into()];
        let sql = "SELECT domain FROM organization_domain WHERE organization = $1 AND proof = 'tenant' ORDER BY domain";
        for row in changes.rows(sql, id()).await? {
            let what =
                format!("domain {} removed: another tenant is connected", row.text("domain")?);
            self.audit(changes, by, Some(organization), None, &what).await?;
        }
        let sql = "DELETE FROM organization_domain WHERE organization = $1 AND proof = 'tenant'";
        changes.run(sql, id()).await.map(drop)
    }
}

fn known_domain(row: &DatabaseRow) -> Result<OrganizationDomain, Error> {
    let standing = match row.text("proof")?.as_str() {
        "operator" => DomainStanding::Operator,
        "tenant" => DomainStanding::Tenant,
        "dns" => DomainStanding::Dns,
        _ => return Err(Error::Database("contains an invalid domain".to_owned())),
    };
    Ok(OrganizationDomain {
        domain: row.text("domain")?,
        standing,
        since: row.maybe_number("proven")?,
        ends: None,
    })
}
