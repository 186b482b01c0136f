//! What an operator's programs may ask and order over HTTP: organizations and their people, as the commands have them.
//!
//! The app's own pages stand behind it: its "Setup SSO configuration" is one call that answers with a link. Nothing here ever tells a credential.

mod calls;
mod organizations;
mod people;
mod read;
mod refused;

pub(super) use calls::{Call, NoCall, OPENAPI, find};
pub(super) use refused::Refused;

use crate::base::site::Site;
use crate::directory::{Directory, told};
use crate::wire::body::Body;
use crate::wire::reply;
use http::request::Parts;
use http::{Response, StatusCode};
use hyper::body::Incoming;
use serde_json::Value;

/// What calls work on.
pub(super) struct Desk {
    pub(super) directory: Directory,
    pub(super) site: Site,
    pub(super) has_federated_token: bool,
}

/// Follows a call; whoever sent it may. `name` is what stands in its path.
pub(super) async fn follow(desk: &Desk, call: Call, name: &str, parts: &Parts, body: Incoming) -> Result<Response<Body>, Refused> {
    let (directory, by) = (&desk.directory, read::actor(parts)?);
    let of = async || organizations::found(directory, name).await;
    let ok = |value: Value| reply::json(StatusCode::OK, &value);
    let made = |value: Value| reply::json(StatusCode::CREATED, &value);
    let answer = match call {
        Call::Organizations => ok(organizations::list(directory).await?),
        Call::AddOrganization => made(organizations::add((directory, desk.has_federated_token), &by, parts, body).await?),
        Call::Organization => ok(directory.told(&of().await?).await?),
        Call::ChangeOrganization => ok(organizations::change((directory, desk.has_federated_token), &by, name, parts, body).await?),
        Call::ChangeCode => ok(organizations::change_code(directory, &by, name, parts, body).await?),
        Call::Invite => made(organizations::invite(directory, &desk.site, &by, name).await?),
        Call::History => ok(organizations::history(directory, name, parts).await?),
        Call::PeopleOf => ok(people::list(directory, Some(&of().await?), parts).await?),
        Call::AddPerson => made(people::add(directory, &by, &of().await?, parts, body).await?),
        Call::ExportOf => people::export(directory.clone(), Some(of().await?.id)),
        Call::Import => ok(people::import(directory, &by, &of().await?, parts, body).await?),
        Call::People => ok(people::list(directory, None, parts).await?),
        Call::Export => people::export(directory.clone(), None),
        Call::Person => ok(told::person(&people::found(directory, name).await?)),
        Call::ChangePerson => ok(people::change(directory, &by, name, parts, body).await?),
        Call::SignOut => ok(people::sign_out(directory, &by, name).await?),
        Call::Health | Call::Ready | Call::Metrics | Call::OpenApi | Call::Revoke => return Err(Refused::Path),
    };
    if parts.method != http::Method::GET && parts.method != http::Method::HEAD {
        tracing::info!(by, method = %parts.method, path = parts.uri.path(), "admin API request handled");
    }
    Ok(answer)
}
