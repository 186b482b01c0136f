//! `POST <prefix>/native/revoke`: a client gives a token back, and the whole sign-in ends (RFC 7009).

use super::super::facts::Facts;
use super::super::refusal::Refusal;
use super::super::sign_in::only;
use super::form::{Form, Told};
use crate::base::secret::Secret;
use crate::directory::Error;
use crate::sidecar::Sidecar;
use crate::wire::body::Body;
use crate::wire::inbound::Inbound;
use crate::wire::reply;
use http::{HeaderMap, Method, Response, StatusCode};
use hyper::body::Incoming;

const WHY: &str = "signed out by the client";

/// 200 for whatever is no token of this client's: it is as gone as the client wants it.
pub(in crate::flow) async fn revoke(
    house: &Sidecar,
    inbound: &Inbound,
    headers: &HeaderMap,
    body: &mut Option<Incoming>,
    facts: &mut Facts,
) -> Result<Response<Body>, Refusal> {
    only(inbound, &[Method::POST], "POST")?;
    let outcome = match Form::read(headers, body).await {
        Ok(form) => end(house, &form).await,
        Err(told) => Err(told),
    };
    Ok(match outcome {
        Ok(()) => reply::empty(StatusCode::OK),
        Err(told) => {
            facts.cause = Some(told.cause());
            told.answer()
        }
    })
}

async fn end(house: &Sidecar, form: &Form) -> Result<(), Told> {
    let client = form.client(house)?;
    let token = Secret::new(form.needed("token", "token is missing")?);
    let (Some(directory), Some(passes)) = (&house.lasting.directory, &house.passes) else { return Ok(()) };
    let failed = |cause: Error| {
        tracing::error!(%cause, "cannot revoke a native client's token");
        Told::later(5, "the directory is not available right now")
    };
    // Whatever `token_type_hint` says: what it is shows.
    let family = if passes.is_ours(token.expose()) {
        let read = passes.read_of_any_age(token.expose()).ok().filter(|it| it.client == client.id);
        let Some(read) = read else { return Ok(()) };
        directory.end_family(read.family, WHY).await.map_err(failed)?;
        Some(read.family)
    } else {
        directory.end_by_token(&token, &client.id, WHY).await.map_err(failed)?
    };
    if let Some(family) = family {
        house.lasting.store.end_family(family);
    }
    Ok(())
}
