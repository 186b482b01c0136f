//! `POST <prefix>/native/revoke`: a client revokes a token, which ends the whole sign-in (RFC
//! 7009).

use super::super::exchange::Exchange;
use super::super::facts::RequestFacts;
use super::super::refusal::Refusal;
use super::form::{OAuthError, TokenForm};
use crate::base::secret::Secret;
use crate::directory::Error;
use crate::sidecar::Sidecar;
use crate::wire::body::Body;
use crate::wire::reply;
use http::{Method, Response, StatusCode};
use hyper::body::Incoming;

const REVOKE_REASON: &str = "signed out by the client";

/// Responds with 200 even if the token is unknown or belongs to another client: for this client, it
/// is already invalid.
pub(in crate::flow) async fn revoke(
    exchange: &Exchange<'_>,
    body: &mut Option<Incoming>,
    facts: &mut RequestFacts,
) -> Result<Response<Body>, Refusal> {
    exchange.require_method(&[Method::POST], "POST")?;
    let outcome = match TokenForm::read(exchange.headers, body).await {
        Ok(form) => end(exchange.sidecar, &form).await,
        Err(error) => Err(error),
    };
    Ok(match outcome {
        Ok(()) => reply::empty(StatusCode::OK),
        Err(error) => {
            facts.cause = Some(error.cause());
            error.answer()
        }
    })
}

async fn end(sidecar: &Sidecar, form: &TokenForm) -> Result<(), OAuthError> {
    let client = form.client(sidecar)?;
    let token = Secret::new(form.needed("token", "token is missing")?);
    let (Some(directory), Some(bearer)) = (&sidecar.process.directory, &sidecar.bearer) else {
        return Ok(());
    };
    let failed = |cause: Error| {
        tracing::error!(%cause, "cannot revoke a native client's token");
        OAuthError::later(5, "the directory is not available right now")
    };
    // `token_type_hint` is ignored: the format of the token shows its type.
    let tokens = bearer.tokens();
    let client_sign_in = if tokens.is_own_token(token.expose()) {
        let read = tokens.read_of_any_age(token.expose()).ok().filter(|it| it.client == client.id);
        let Some(read) = read else { return Ok(()) };
        directory.end_sign_in(read.sign_in, REVOKE_REASON).await.map_err(failed)?;
        Some(read.sign_in)
    } else {
        directory.end_by_token(&token, &client.id, REVOKE_REASON).await.map_err(failed)?
    };
    if let Some(client_sign_in) = client_sign_in {
        sidecar.process.live.end_client_sign_in(client_sign_in);
    }
    Ok(())
}
