//! Requests to one authority host: the documents that it publishes for its tenants.

use super::error::{Error, ForeignResponse};
use super::failure::EntraRefusal;
use super::metadata::{self, BadMetadata, EntraMetadata};
use super::skew::ClockSkew;
use crate::base::clock::Clock;
use crate::base::guid::Guid;
use crate::base::random::RandomSource;
use crate::config::entra::TenantConfig;
use crate::wire::client::HttpClient;
use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{Request, Response};

const DISCOVERY_NAME: &str = "discovery endpoint";
/// Maximum length of a content type in a message, in characters.
const MAX_CONTENT_TYPE_CHARS: usize = 64;

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

    /// Describes a response that Entra does not send.
    pub fn foreign(
        &self,
        endpoint: &'static str,
        address: &str,
        response: &Response<impl AsRef<[u8]>>,
    ) -> Error {
        let content_type = response.headers().get(CONTENT_TYPE).and_then(|it| it.to_str().ok());
        let content_type = content_type
            .and_then(|it| it.split(';').next())
            .map(|it| it.trim().chars().take(MAX_CONTENT_TYPE_CHARS).collect());
        let proxy = address.parse().ok().and_then(|it| self.client.proxy_of(&it));
        let status = response.status().as_u16();
        Error::Foreign(Box::new(ForeignResponse { endpoint, status, content_type, proxy }))
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
            200 if is_json(&response) => Ok(response.into_body()),
            400..=428 => Err(EntraRefusal::of_body(response.body())
                .map_or_else(|| self.foreign(endpoint, address, &response), Error::from)),
            429 | 500..=510 => Err(Error::Status { endpoint, status, retry_after: None }),
            _ => Err(self.foreign(endpoint, address, &response)),
        }
    }
}

/// Whether a response is JSON, as all of Entra's are, or looks like it.
pub(super) fn is_json(response: &Response<impl AsRef<[u8]>>) -> bool {
    let content_type = response.headers().get(CONTENT_TYPE).and_then(|it| it.to_str().ok());
    content_type.is_some_and(|it| it.contains("json"))
        || response.body().as_ref().trim_ascii_start().starts_with(b"{")
}
