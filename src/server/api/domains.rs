//! Calls about the e-mail domains of an organization, which can also be bound without a proof
//! (`super::organizations`).

use super::calls::ApiCall;
use super::read::{json, query};
use super::refused::ApiError;
use crate::base::email_domain::EmailDomain;
use crate::directory::Directory;
use crate::directory::admin::AdminScope;
use crate::sidecar::domain_prover::{DomainOutcome, DomainProver, DomainRefusal};
use http::request::Parts;
use hyper::body::Incoming;
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OneDomain {
    domain: String,
}

/// Claims a domain, or looks for its proof.
pub(super) async fn prove(
    directory: &Directory,
    prover: &DomainProver,
    acting: &AdminScope,
    call: ApiCall,
    parts: &Parts,
    body: Incoming,
) -> Result<Value, ApiError> {
    let it: OneDomain = json(parts, body).await?;
    let outcome = if call == ApiCall::AddDomain {
        prover.claim(directory, acting, &it.domain).await?
    } else {
        prover.check(directory, acting, &it.domain).await?
    };
    let (known, waits) = match outcome {
        DomainOutcome::Known(it) => (it.as_str(), None),
        DomainOutcome::Waits(it) => ("pending", Some(it.as_str())),
    };
    let domains = directory.domains_json(acting.organization).await?;
    Ok(json!({ "outcome": known, "waits_for": waits, "domains": domains }))
}

/// Removes a domain, however it is known.
pub(super) async fn remove(
    directory: &Directory,
    acting: &AdminScope,
    parts: &Parts,
) -> Result<Value, ApiError> {
    let [domain] = query(parts, ["domain"])?;
    let domain = domain.ok_or(ApiError::Query("domain must be the domain to remove"))?;
    let domain = EmailDomain::parse(&domain).map_err(DomainRefusal::from)?;
    directory.remove_domain(acting, &domain).await.map_err(DomainRefusal::from)?;
    Ok(json!({ "domains": directory.domains_json(acting.organization).await? }))
}
