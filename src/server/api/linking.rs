//! Calls about people who were added beforehand: approvals, merges and deletions.

use super::people::found;
use super::read::{json, some};
use super::refused::ApiError;
use crate::base::guid::Guid;
use crate::directory::admin::AdminScope;
use crate::directory::link_request::LinkDecision;
use crate::directory::organization::Organization;
use crate::directory::{Directory, organization_json};
use http::request::Parts;
use hyper::body::Incoming;
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Decision {
    decision: String,
    #[serde(default, deserialize_with = "some")]
    mark: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MergeWith {
    other: String,
    #[serde(default, deserialize_with = "some")]
    mark: Option<String>,
}

/// Lists the accounts that wait for an approval, or were denied or approved, and people who may be the same.
pub(super) async fn list(
    directory: &Directory,
    organization: &Organization,
) -> Result<Value, ApiError> {
    let requests = directory.link_requests(Some(organization.id), true).await?;
    let merges = directory.possible_merges(organization.id).await?;
    let requests: Vec<_> = requests.iter().map(organization_json::link_request).collect();
    let merges: Vec<_> = merges.iter().map(organization_json::possible_merge).collect();
    Ok(json!({ "requests": requests, "possible_merges": merges }))
}

/// Decides about a request.
pub(super) async fn decide(
    directory: &Directory,
    by: &str,
    id: &str,
    parts: &Parts,
    body: Incoming,
) -> Result<Value, ApiError> {
    let it: Decision = json(parts, body).await?;
    let id = Guid::parse(id).ok_or(ApiError::NoRequest)?;
    let decision = LinkDecision::parse(&it.decision)
        .ok_or(ApiError::Field("decision", "must be link, separate, deny or undo"))?;
    if decision == LinkDecision::Link && it.mark.is_none() {
        return Err(ApiError::Field("mark", "must be the mark of the request as it was listed"));
    }
    let (organization, _) =
        directory.organization_of_request(id).await?.ok_or(ApiError::NoRequest)?;
    let acting = AdminScope::operator(organization, by);
    let person = directory.decide(&acting, id, decision, it.mark.as_deref()).await?;
    Ok(organization_json::person(&person))
}

/// Merges two people: the one in the path stays.
pub(super) async fn merge(
    directory: &Directory,
    by: &str,
    username: &str,
    parts: &Parts,
    body: Incoming,
) -> Result<Value, ApiError> {
    let it: MergeWith = json(parts, body).await?;
    let (keep, other) = (found(directory, username).await?, found(directory, &it.other).await?);
    let acting = AdminScope::operator(keep.organization, by);
    let after = directory.merge_people(&acting, keep.id, other.id, it.mark.as_deref()).await?;
    Ok(organization_json::person(&after))
}

/// Deletes a person.
pub(super) async fn delete(
    directory: &Directory,
    by: &str,
    username: &str,
) -> Result<Value, ApiError> {
    let person = found(directory, username).await?;
    let acting = AdminScope::operator(person.organization, by);
    let gone = directory.delete_person(&acting, person.id).await?;
    Ok(json!({ "deleted": gone.username.as_str(), "stays_refused": gone.stays_refused() }))
}
