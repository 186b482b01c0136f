//! Requests to one authority host: the documents that it publishes for its tenants.

use super::error::Error;
use super::failure::EntraRefusal;
use super::metadata::{self, BadMetadata, EntraMetadata};
use super::skew::ClockSkew;
use crate::base::clock::Clock;
use crate::base::guid::Guid;
use crate::base::random::RandomSource;
use crate::config::entra::TenantConfig;
use crate::wire::client::HttpClient;
use bytes::Bytes;
use http::Request;
use http::header::ACCEPT;

const DISCOVERY_NAME: &str = "discovery endpoint";

/// An authority host, and how it is reached; the same for all tenants.
#[derive(Clone, Debug)]
pub struct AuthorityHost {
    /// Scheme, host and port.
    pub address: String,
    /// HTTP client for all requests to Entra.
    pub client: HttpClient,
    /// The clock.
    pub clock: Clock,
    /// The source of randomness.
    pub random: RandomSource,
}

impl AuthorityHost {
    /// Fetches and checks the discovery document of a tenant, or of one app in it.
    ///
    /// # Errors
    /// Why Entra could not be asked, or that it knows no such tenant.
    pub async fn discovery(
        &self,
        tenant: &TenantConfig,
        app: Option<Guid>,
        skew: &ClockSkew,
    ) -> Result<EntraMetadata, Error> {
        let address = metadata::address(&self.address, tenant, app);
        let document = self.document(DISCOVERY_NAME, &address, skew).await?;
        Ok(metadata::read(&document, &self.address, tenant)?)
    }

    /// Asks for the tenant in which a domain is verified.
    ///
    /// # Errors
    /// Why Entra could not be asked, or that it does not know the domain.
    pub async fn tenant_of(&self, domain: String, skew: &ClockSkew) -> Result<Guid, Error> {
        let metadata = self.discovery(&TenantConfig::Domain(domain), None, skew).await?;
        metadata.tenant.ok_or(Error::Metadata(BadMetadata::Tenant))
    }

    /// Fetches a published document, and compares the clocks.
    ///
    /// # Errors
    /// Why Entra could not be asked, or its refusal.
    pub async fn document(
        &self,
        endpoint: &'static str,
        address: &str,
        skew: &ClockSkew,
    ) -> Result<Bytes, Error> {
        let request = Request::get(address)
            .header(ACCEPT, "application/json")
            .body(Bytes::new())
            .map_err(|_| Error::Address(endpoint))?;
        let response = self
            .client
            .send(request)
            .await
            .map_err(|cause| Error::Unreachable { endpoint, cause })?;
        skew.note(response.headers());
        let status = response.status().as_u16();
        match status {
            200 => Ok(response.into_body()),
            400..=428 => Err(EntraRefusal::of_body(response.body())
                .map_or(Error::Status { endpoint, status, retry_after: None }, Error::from)),
            _ => Err(Error::Status { endpoint, status, retry_after: None }),
        }
    }
}
