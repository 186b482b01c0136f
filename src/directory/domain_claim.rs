//! How an organization proves that a domain is its own.
//!
//! Someone who may set up the organization claims a domain. The claim reserves nothing and leads
//! nowhere: only a proof does, which is made elsewhere (`sidecar::domain_prover`), because it needs
//! the network, and checked here again, in the transaction that gives the domain to the organization.

use super::admin::AdminScope;
use super::change::{ChangeOrigin, OrganizationChange};
use super::credential::CredentialSlot;
use super::database::{SqlValue, Transaction};
use super::domain::DomainStanding;
use super::error::Error;
use super::organization::{Organization, OrganizationSource, OrganizationState};
use super::store::Directory;
use super::trial::mark_now;
use crate::base::calendar::SECONDS_PER_DAY;
use crate::base::email_domain::EmailDomain;
use crate::base::guid::Guid;
use crate::base::identity::Identity;

/// Maximum number of domains of an organization, with those that are only claimed.
pub const MAX_DOMAINS: i64 = 20;
/// How long a claim can be proven, in seconds.
pub const CLAIM_LIFETIME_SECONDS: u64 = 30 * SECONDS_PER_DAY;
/// Minimum time between two look-ups for an organization, in seconds.
pub const CHECK_INTERVAL_SECONDS: u64 = 5;

/// What precedes a domain in the name of its TXT record.
const RECORD_PREFIX: &str = "_entrada-challenge.";
/// What precedes the challenge in the TXT record.
const VALUE_PREFIX: &str = "entrada-verification=";

/// Why a domain is not claimed or proven.
#[derive(Debug, thiserror::Error)]
pub enum DomainError {
    /// The organization has no tenant yet.
    #[error("the organization has no tenant yet")]
    NotConnected,
    /// The organization has as many domains as it can have.
    #[error("the organization has {MAX_DOMAINS} domains, the maximum")]
    TooMany,
    /// The last look-up was less than `CHECK_INTERVAL_SECONDS` ago.
    #[error("wait {CHECK_INTERVAL_SECONDS} seconds between two checks")]
    TooSoon,
    /// There is no such claim, or it has expired.
    #[error("the domain was not claimed, or more than 30 days ago")]
    NotClaimed,
    /// No member of the tenant has passed a test sign-in with the current connection.
    #[error("no member of the tenant has tested the sign-in")]
    NotTested,
    /// The operator bound the domain, so only the operator can release it.
    #[error("the operator bound the domain")]
    Bound,
    /// The directory cannot be read or changed, or does not allow it.
    #[error(transparent)]
    Directory(#[from] Error),
}

/// What a proof of a domain must match.
#[derive(Clone, Debug)]
pub struct DomainCheck {
    /// The organization's tenant.
    pub tenant: Guid,
    /// The organization's app registration.
    pub client_id: Option<Guid>,
    /// Whether a member of the tenant has passed a test sign-in with this registration.
    pub is_tested: bool,
    /// How the domain is known already, if it is.
    pub known: Option<DomainStanding>,
    /// The text of the TXT record that proves the domain, if it was claimed.
    pub record: Option<String>,
}

/// What proves a domain.
#[derive(Clone, Debug)]
pub enum DomainProof {
    /// Entra answered that the domain is verified in this tenant.
    Tenant(Guid),
    /// The TXT record with this text was found, and Entra knows the domain in no other tenant.
    Dns {
        /// The organization's tenant when the domain was looked up.
        tenant: Guid,
        /// The text of the record.
        record: String,
    },
}

/// Returns the name of the TXT record that proves a domain.
pub fn record_name(domain: &str) -> String {
    format!("{RECORD_PREFIX}{domain}")
}

impl Directory {
    /// Returns the text that the organization's TXT records must have; `None` if it has never
    /// claimed a domain.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn domain_record(&self, organization: Guid) -> Result<Option<String>, Error> {
        let sql = "SELECT domain_challenge FROM organization WHERE id = $1";
        let row = self.database.row(sql, vec![organization.to_string().into()]).await?;
        let challenge = row.map(|it| it.maybe_text("domain_challenge")).transpose()?.flatten();
        Ok(challenge.map(|it| format!("{VALUE_PREFIX}{it}")))
    }

    /// Begins a look-up, and returns what the proof must match. The next look-up for the
    /// organization must wait, unless the operator makes it.
    ///
    /// # Errors
    /// `NotConnected`, `TooSoon`, or why the visitor may not do this.
    pub async fn begin_domain_check(
        &self,
        acting: &AdminScope,
        domain: &EmailDomain,
    ) -> Result<DomainCheck, DomainError> {
        let mut changes = self.database.begin_transaction().await?;
        let organization = self.for_domains(&mut changes, acting, domain).await?;
        let tenant = organization.tenant.ok_or(DomainError::NotConnected)?;
        let now = self.clock.now();
        let values: Vec<SqlValue> = vec![
            organization.id.to_string().into(),
            now.into(),
            now.saturating_sub(CHECK_INTERVAL_SECONDS).into(),
        ];
        let sql = "UPDATE organization SET domain_checked = $2 WHERE id = $1 AND (domain_checked IS NULL OR domain_checked <= $3 OR domain_checked > $2)";
        let is_due = changes.run(sql, values).await? > 0;
        if !is_due && acting.origin != ChangeOrigin::Operator {
            return Err(DomainError::TooSoon);
        }
        let owner = self.domain_owner(&mut changes, domain.as_str()).await?;
        let own = owner.filter(|it| it.0 == organization.id.to_string());
        let check = DomainCheck {
            tenant,
            client_id: organization.client_id,
            is_tested: is_tested_by_member(&mut changes, &organization).await?,
            known: own.map(|it| it.1),
            record: self.claimed_record(&mut changes, organization.id, domain).await?,
        };
        changes.commit().await?;
        Ok(check)
    }

    /// Claims a domain: from now on, it can be proven.
    ///
    /// # Errors
    /// Why it cannot be claimed.
    pub async fn claim_domain(
        &self,
        acting: &AdminScope,
        domain: &EmailDomain,
    ) -> Result<(), DomainError> {
        let mut changes = self.database.begin_transaction().await?;
        let organization = self.for_domains(&mut changes, acting, domain).await?;
        let (id, now) = (organization.id.to_string(), self.clock.now());
        let sql = "DELETE FROM domain_claim WHERE organization = $1 AND ends <= $2";
        changes.run(sql, vec![id.as_str().into(), now.into()]).await?;
        self.refuse_taken(&mut changes, organization.id, domain).await?;
        if self.number_of_domains(&mut changes, organization.id, domain).await? >= MAX_DOMAINS {
            return Err(DomainError::TooMany);
        }
        let values = vec![id.as_str().into(), self.random.text::<16>().into()];
        let sql = "UPDATE organization SET domain_challenge = $2 WHERE id = $1 AND domain_challenge IS NULL";
        changes.run(sql, values).await?;
        let values: Vec<SqlValue> = vec![
            id.into(),
            domain.as_str().into(),
            now.into(),
            now.saturating_add(CLAIM_LIFETIME_SECONDS).into(),
        ];
        let sql = "INSERT INTO domain_claim (organization, domain, at, ends) VALUES ($1, $2, $3, $4) ON CONFLICT (organization, domain) DO UPDATE SET \
                   at = excluded.at, ends = excluded.ends";
        changes.run(sql, values).await?;
        let what = format!("domain {domain} claimed");
        self.audit(&mut changes, &acting.by, Some(organization.id), None, &what).await?;
        Ok(changes.commit().await?)
    }

    /// Gives a domain to an organization that has proven it.
    ///
    /// # Errors
    /// Why the proof does not suffice any more.
    pub async fn prove_domain(
        &self,
        acting: &AdminScope,
        domain: &EmailDomain,
        proof: &DomainProof,
    ) -> Result<(), DomainError> {
        let mut changes = self.database.begin_transaction().await?;
        let organization = self.for_domains(&mut changes, acting, domain).await?;
        let claimed = self.claimed_record(&mut changes, organization.id, domain).await?;
        let (tenant, standing, how) = match proof {
            DomainProof::Tenant(tenant) => {
                (*tenant, DomainStanding::Tenant, format!("by the tenant {tenant}"))
            }
            DomainProof::Dns { tenant, record } if claimed.as_ref() == Some(record) => {
                (*tenant, DomainStanding::Dns, "by its TXT record".to_owned())
            }
            DomainProof::Dns { .. } => return Err(DomainError::NotClaimed),
        };
        if organization.tenant != Some(tenant) {
            return Err(Error::Conflict.into());
        }
        let is_tested = is_tested_by_member(&mut changes, &organization).await?;
        if standing == DomainStanding::Tenant && !is_tested {
            return Err(DomainError::NotTested);
        }
        if claimed.is_none() {
            return Err(DomainError::NotClaimed);
        }
        self.refuse_taken(&mut changes, organization.id, domain).await?;
        let id = organization.id;
        self.insert_domain(&mut changes, id, domain.as_str(), standing).await?;
        let what = format!("domain {domain} proven {how}");
        self.audit(&mut changes, &acting.by, Some(id), None, &what).await?;
        Ok(changes.commit().await?)
    }

    /// Removes a domain that was claimed or proven. The operator can also release a bound one.
    ///
    /// # Errors
    /// `NotClaimed`, `Bound`, or why the visitor may not do this.
    pub async fn remove_domain(
        &self,
        acting: &AdminScope,
        domain: &EmailDomain,
    ) -> Result<(), DomainError> {
        let mut changes = self.database.begin_transaction().await?;
        let organization = self.for_domains(&mut changes, acting, domain).await?;
        let id = organization.id.to_string();
        let owner = self.domain_owner(&mut changes, domain.as_str()).await?;
        let is_bound = owner.is_some_and(|it| it == (id.clone(), DomainStanding::Operator));
        if is_bound && acting.origin != ChangeOrigin::Operator {
            return Err(DomainError::Bound);
        }
        let values = || vec![id.as_str().into(), domain.as_str().into()];
        let sql = "DELETE FROM organization_domain WHERE organization = $1 AND domain = $2";
        let known = changes.run(sql, values()).await?;
        let sql = "DELETE FROM domain_claim WHERE organization = $1 AND domain = $2";
        if known + changes.run(sql, values()).await? == 0 {
            return Err(DomainError::NotClaimed);
        }
        let what = format!("domain {domain} removed");
        self.audit(&mut changes, &acting.by, Some(organization.id), None, &what).await?;
        Ok(changes.commit().await?)
    }

    /// Notes that an account passed a test sign-in with the connection of this mark, if it is a
    /// member of the organization's tenant: then Entra's answers about the tenant's domains count
    /// for the organization.
    ///
    /// # Errors
    /// The database cannot be changed.
    pub async fn note_member_trial(
        &self,
        organization: Guid,
        who: &Identity,
        mark: &str,
    ) -> Result<(), Error> {
        if who.guest || who.tid == Guid::PERSONAL {
            return Ok(());
        }
        let mut changes = self.database.begin_transaction().await?;
        let organization = self.locked(&mut changes, organization).await?;
        let is_current = organization.tenant == Some(who.tid)
            && mark_now(&mut changes, organization.id).await?.as_deref() == Some(mark);
        let Some(client_id) = organization.client_id.filter(|_| is_current) else { return Ok(()) };
        let values = vec![
            organization.id.to_string().into(),
            who.tid.to_string().into(),
            client_id.to_string().into(),
        ];
        let sql = "UPDATE organization SET member_tenant = $2, member_client = $3 WHERE id = $1";
        changes.run(sql, values).await?;
        changes.commit().await
    }

    /// Returns the organization, locked, if the acting person may change its domains: they decide
    /// who is led there, like a domain that the operator binds.
    async fn for_domains(
        &self,
        changes: &mut Transaction,
        acting: &AdminScope,
        domain: &EmailDomain,
    ) -> Result<Organization, DomainError> {
        let organization = self.locked(changes, acting.organization).await?;
        if organization.source == OrganizationSource::File {
            return Err(Error::InFile(organization.code).into());
        }
        let is_admin = matches!(acting.origin, ChangeOrigin::Admin(_));
        if is_admin && organization.state != OrganizationState::On {
            return Err(Error::Conflict.into());
        }
        let change = OrganizationChange {
            origin: acting.origin,
            bind: vec![domain.to_string()],
            ..OrganizationChange::default()
        };
        self.check_change(changes, &organization, &change, CredentialSlot::Beside).await?;
        Ok(organization)
    }

    /// Refuses a domain that an organization has, or at which people of others have addresses.
    async fn refuse_taken(
        &self,
        changes: &mut Transaction,
        organization: Guid,
        domain: &EmailDomain,
    ) -> Result<(), Error> {
        if self.domain_owner(changes, domain.as_str()).await?.is_some() {
            return Err(Error::DomainElsewhere(domain.to_string()));
        }
        self.refuse_domain_in_use(changes, organization, domain.as_str()).await
    }

    /// Returns the number of domains that the organization has or has claimed, besides this one.
    async fn number_of_domains(
        &self,
        changes: &mut Transaction,
        organization: Guid,
        domain: &EmailDomain,
    ) -> Result<i64, Error> {
        let values = || vec![organization.to_string().into(), domain.as_str().into()];
        let mut number = 0;
        for sql in [
            "SELECT COUNT(*) AS count FROM organization_domain WHERE organization = $1 AND domain <> $2",
            "SELECT COUNT(*) AS count FROM domain_claim WHERE organization = $1 AND domain <> $2",
        ] {
            let row = changes.row(sql, values()).await?;
            number += row.map_or(Ok(0), |it| it.number("count"))?;
        }
        Ok(number)
    }

    /// Returns the text of the TXT record that proves a domain, if the claim can be proven.
    async fn claimed_record(
        &self,
        changes: &mut Transaction,
        organization: Guid,
        domain: &EmailDomain,
    ) -> Result<Option<String>, Error> {
        let sql = "SELECT o.domain_challenge FROM domain_claim c JOIN organization o ON o.id = c.organization WHERE c.organization = $1 AND c.domain = $2 AND c.ends > $3";
        let values =
            vec![organization.to_string().into(), domain.as_str().into(), self.clock.now().into()];
        let row = changes.row(sql, values).await?;
        let challenge = row.map(|it| it.maybe_text("domain_challenge")).transpose()?.flatten();
        Ok(challenge.map(|it| format!("{VALUE_PREFIX}{it}")))
    }
}

/// Whether a member of the organization's tenant has passed a test sign-in with its registration.
async fn is_tested_by_member(
    changes: &mut Transaction,
    organization: &Organization,
) -> Result<bool, Error> {
    let sql = "SELECT member_tenant, member_client FROM organization WHERE id = $1";
    let row = changes.row(sql, vec![organization.id.to_string().into()]).await?;
    let Some(row) = row else { return Ok(false) };
    let of = |it: Option<Guid>| it.map(|it| it.to_string());
    let (tenant, client_id) = (of(organization.tenant), of(organization.client_id));
    Ok(tenant.is_some()
        && client_id.is_some()
        && (row.maybe_text("member_tenant")?, row.maybe_text("member_client")?)
            == (tenant, client_id))
}
