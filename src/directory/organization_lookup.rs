//! Finds organizations: by ID, code or tenant, or with the identifier that a person typed.

use super::database::SqlValue;
use super::error::Error;
use super::organization::{
    Organization, OrganizationSource, OrganizationState, SELECT_ORGANIZATION, of_row,
};
use super::store::Directory;
use crate::base::company_code::CompanyCode;
use crate::base::guid::Guid;
use crate::base::username::Username;

impl Directory {
    /// Finds the organization for an identifier that a person typed: a company code, a former code
    /// that is still valid, a username, or any address at a bound domain.
    ///
    /// The identifier does not identify the person. A code takes precedence over a username, so
    /// that no one's username can hide a company's code. An address counts only for its domain: the
    /// username of a company's person does not prove who owns an address, unless the operator bound
    /// the domain. All lookups always run, even after a match, so that the response time does not
    /// reveal which identifiers exist.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn organization_of(&self, identifier: &str) -> Result<Option<Organization>, Error> {
        let by_code = match CompanyCode::parse(identifier) {
            Some(code) => self.organization(&code).await?,
            None => None,
        };
        let Some(username) = Username::parse(identifier) else { return Ok(by_code) };
        let sql = format!(
            "{SELECT_ORGANIZATION} JOIN person p ON p.organization = o.id WHERE p.username = $1"
        );
        let by_username = self
            .one_organization(sql, vec![username.as_str().into()])
            .await?
            .filter(|_| !username.is_address());
        let sql = format!(
            "{SELECT_ORGANIZATION} JOIN organization_domain d ON d.organization = o.id WHERE d.domain = $1"
        );
        let by_domain = match username.domain() {
            Some(domain) => self.one_organization(sql, vec![domain.into()]).await?,
            None => None,
        };
        Ok(by_code.or(by_username).or(by_domain))
    }

    /// Returns the organization with a code, or with a former code that is still valid.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn organization(&self, code: &CompanyCode) -> Result<Option<Organization>, Error> {
        let sql = format!(
            "{SELECT_ORGANIZATION} JOIN organization_code a ON a.organization = o.id WHERE a.code = $1 AND (a.ends IS NULL OR a.ends > $2)"
        );
        self.one_organization(sql, vec![code.as_str().into(), self.clock.now().into()]).await
    }

    /// Returns the organization with an ID.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn organization_by_id(&self, id: Guid) -> Result<Option<Organization>, Error> {
        self.one_organization(
            format!("{SELECT_ORGANIZATION} WHERE o.id = $1"),
            vec![id.to_string().into()],
        )
        .await
    }

    /// Returns the organization that is on and has this tenant, if there is exactly one.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn only_organization_of(&self, tenant: Guid) -> Result<Option<Organization>, Error> {
        let rows = self
            .database
            .rows(
                sqlx::AssertSqlSafe(format!(
                    "{SELECT_ORGANIZATION} WHERE o.tenant = $1 ORDER BY o.id"
                )),
                vec![tenant.to_string().into()],
            )
            .await?;
        let all: Vec<_> = rows
            .iter()
            .map(|it| Ok(self.as_configured(of_row(it)?)))
            .collect::<Result<_, Error>>()?;
        let mut on = all.into_iter().filter(|it| it.state == OrganizationState::On);
        let first = on.next();
        Ok(first.filter(|_| on.next().is_none()))
    }

    /// Returns all organizations, sorted by code.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn organizations(&self) -> Result<Vec<Organization>, Error> {
        let rows = self
            .database
            .rows(sqlx::AssertSqlSafe(format!("{SELECT_ORGANIZATION} ORDER BY c.code")), Vec::new())
            .await?;
        rows.iter().map(|it| Ok(self.as_configured(of_row(it)?))).collect()
    }

    /// Returns the domains that are bound to an organization, sorted.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn domains(&self, organization: Guid) -> Result<Vec<String>, Error> {
        let sql = "SELECT domain FROM organization_domain WHERE organization = $1 ORDER BY domain";
        self.database
            .rows(sql, vec![organization.to_string().into()])
            .await?
            .iter()
            .map(|it| it.text("domain"))
            .collect()
    }

    /// Returns the former codes of an organization, each with its end in seconds since 1970.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn former_codes(&self, organization: Guid) -> Result<Vec<(String, i64)>, Error> {
        let sql = "SELECT code, ends FROM organization_code WHERE organization = $1 AND ends > $2 ORDER BY code";
        let rows = self
            .database
            .rows(sql, vec![organization.to_string().into(), self.clock.now().into()])
            .await?;
        rows.iter().map(|it| Ok((it.text("code")?, it.number("ends")?))).collect()
    }

    async fn one_organization(
        &self,
        sql: String,
        values: Vec<SqlValue>,
    ) -> Result<Option<Organization>, Error> {
        let row = self.database.row(sqlx::AssertSqlSafe(sql), values).await?;
        row.map(|it| Ok(self.as_configured(of_row(&it)?))).transpose()
    }

    /// Applies the configuration: an organization that was removed from it is off, and one that is
    /// in it has its credential there.
    pub(super) fn as_configured(&self, mut organization: Organization) -> Organization {
        if organization.source == OrganizationSource::File {
            let there = self.of_file.contains_key(&organization.id);
            organization.has_credential = there;
            organization.state = if there { OrganizationState::On } else { OrganizationState::Off };
        }
        organization
    }
}
