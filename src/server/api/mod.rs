//! The admin API: lets an operator's programs manage organizations and their people over HTTP, with
//! the same functions as the commands.
//!
//! It is intended for the app's own admin pages: their "Setup SSO configuration" is one call that
//! returns a link. The API never returns credentials.

mod calls;
mod domains;
mod linking;
mod organizations;
mod people;
mod read;
mod refused;

pub(super) use calls::{ApiCall, OPENAPI, UnknownCall, find};
pub(super) use refused::ApiError;

use crate::base::site::Site;
use crate::directory::admin::AdminScope;
use crate::directory::{Directory, organization_json};
use crate::sidecar::domain_prover::DomainProver;
use crate::wire::body::Body;
use crate::wire::reply;
use http::request::Parts;
use http::{Response, StatusCode};
use hyper::body::Incoming;
use serde_json::Value;

/// The data that calls work on.
pub(super) struct ApiContext {
    pub(super) directory: Directory,
    pub(super) domains: DomainProver,
    pub(super) site: Site,
    pub(super) has_federated_token: bool,
}

/// Handles a call that was already authorized. `name` is the value from its path.
pub(super) async fn follow(
    context: &ApiContext,
    call: ApiCall,
    name: &str,
    parts: &Parts,
    body: Incoming,
) -> Result<Response<Body>, ApiError> {
    let (directory, by) = (&context.directory, read::actor(parts)?);
    let of = async || organizations::found(directory, name).await;
    let ok = |value: Value| reply::json(StatusCode::OK, &value);
    let made = |value: Value| reply::json(StatusCode::CREATED, &value);
    let answer = match call {
        ApiCall::Organizations => ok(organizations::list(directory).await?),
        ApiCall::AddOrganization => made(
            organizations::add(directory, context.has_federated_token, &by, parts, body).await?,
        ),
        ApiCall::Organization => ok(directory.organization_json(&of().await?).await?),
        ApiCall::ChangeOrganization => ok(organizations::change(
            directory,
            context.has_federated_token,
            &by,
            name,
            parts,
            body,
        )
        .await?),
        ApiCall::ChangeCode => {
            ok(organizations::change_code(directory, &by, name, parts, body).await?)
        }
        ApiCall::Invite => {
            made(organizations::invite(directory, &context.site, &by, name, parts, body).await?)
        }
        ApiCall::History => ok(organizations::history(directory, name, parts).await?),
        ApiCall::PeopleOf => ok(people::list(directory, Some(&of().await?), parts).await?),
        ApiCall::AddPerson => made(people::add(directory, &by, &of().await?, parts, body).await?),
        ApiCall::ExportOf => people::export(directory.clone(), Some(of().await?.id)),
        ApiCall::Import => ok(people::import(directory, &by, &of().await?, parts, body).await?),
        ApiCall::People => ok(people::list(directory, None, parts).await?),
        ApiCall::Export => people::export(directory.clone(), None),
        ApiCall::Person => ok(organization_json::person(&people::found(directory, name).await?)),
        ApiCall::ChangePerson => ok(people::change(directory, &by, name, parts, body).await?),
        ApiCall::SignOut => ok(people::sign_out(directory, &by, name).await?),
        ApiCall::DeleteOrganization => {
            ok(organizations::delete(directory, &by, &of().await?, parts).await?)
        }
        ApiCall::LinkRequests => ok(linking::list(directory, &of().await?).await?),
        ApiCall::Decide => ok(linking::decide(directory, &by, name, parts, body).await?),
        ApiCall::Merge => ok(linking::merge(directory, &by, name, parts, body).await?),
        ApiCall::DeletePerson => ok(linking::delete(directory, &by, name).await?),
        ApiCall::AddDomain | ApiCall::VerifyDomain | ApiCall::RemoveDomain => {
            let acting = AdminScope::operator(of().await?.id, &by);
            of_domain(context, call, &acting, parts, body).await?
        }
        ApiCall::Health
        | ApiCall::Ready
        | ApiCall::Metrics
        | ApiCall::OpenApi
        | ApiCall::Revoke => return Err(ApiError::Path),
    };
    if parts.method != http::Method::GET && parts.method != http::Method::HEAD {
        tracing::info!(by, method = %parts.method, path = parts.uri.path(), "admin API request handled");
    }
    Ok(answer)
}

/// Handles a call about the domains of an organization.
async fn of_domain(
    context: &ApiContext,
    call: ApiCall,
    acting: &AdminScope,
    parts: &Parts,
    body: Incoming,
) -> Result<Response<Body>, ApiError> {
    let directory = &context.directory;
    let status = if call == ApiCall::AddDomain { StatusCode::CREATED } else { StatusCode::OK };
    let value = if call == ApiCall::RemoveDomain {
        domains::remove(directory, acting, parts).await?
    } else {
        domains::prove(directory, &context.domains, acting, call, parts, body).await?
    };
    Ok(reply::json(status, &value))
}
