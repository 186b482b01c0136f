//! `POST /sessions/revoke` of the admin listener: ends the sessions of one person in this process.

use super::api::ApiError as Call;
use super::gate::is_of_type;
use crate::session::person::{AmbiguousPerson, BadPersonSelector, EndedSessions, PersonSelector};
use crate::wire::body::Body;
use crate::wire::reply;
use http::request::Parts;
use http::{Response, StatusCode};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use serde::Deserialize;
use serde_json::{Value, json};
use std::time::Duration;

/// Maximum length of a request, in bytes. A request contains two names.
const MAX_REVOKE_REQUEST_BYTES: usize = 4 * 1024;
const REVOKE_REQUEST_TIMEOUT: Duration = Duration::from_secs(5);

/// Why a request is rejected.
#[derive(Debug, thiserror::Error)]
enum RevokeError {
    #[error(
        "cannot read the request: send {{\"user\": \"...\", \"tenant\": \"...\"}}; tenant is optional"
    )]
    Order,
    #[error("{0}")]
    BadSelector(#[from] BadPersonSelector),
    #[error("{0}; send the object ID, or also the tenant")]
    Ambiguous(#[from] AmbiguousPerson),
    #[error("cannot search the sessions")]
    Broken,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RevokeRequest {
    user: String,
    tenant: Option<String>,
}

/// Ends the sessions of the selected person.
pub(super) trait RevokeHandler:
    FnOnce(&PersonSelector) -> Result<EndedSessions, AmbiguousPerson> + Send + 'static
{
}

impl<F: FnOnce(&PersonSelector) -> Result<EndedSessions, AmbiguousPerson> + Send + 'static>
    RevokeHandler for F
{
}

/// Ends the sessions of one person. The caller is already authorized.
pub(super) async fn revoke(
    follow: impl RevokeHandler,
    parts: &Parts,
    body: Incoming,
) -> Response<Body> {
    if !is_of_type(parts, "application/json") {
        return Call::Type("application/json").answer();
    }
    match ended(follow, body).await {
        Ok(EndedSessions { person, sessions }) => {
            let (user, tenant) =
                (person.map(|it| it.oid.to_string()), person.map(|it| it.tid.to_string()));
            reply::json(
                StatusCode::OK,
                &json!({ "ended": sessions, "user": user, "tenant": tenant }),
            )
        }
        Err(refused) => refused.answer(),
    }
}

async fn ended(follow: impl RevokeHandler, body: Incoming) -> Result<EndedSessions, RevokeError> {
    let body = tokio::time::timeout(
        REVOKE_REQUEST_TIMEOUT,
        Limited::new(body, MAX_REVOKE_REQUEST_BYTES).collect(),
    )
    .await
    .map_err(|_| RevokeError::Order)?;
    let order: RevokeRequest =
        serde_json::from_slice(&body.map_err(|_| RevokeError::Order)?.to_bytes())
            .map_err(|_| RevokeError::Order)?;
    let selector = PersonSelector::parse(&order.user, order.tenant.as_deref())?;
    // A name is searched in all sessions, which takes a while if there are many.
    let ended = tokio::task::spawn_blocking(move || follow(&selector))
        .await
        .map_err(|_| RevokeError::Broken)??;
    tracing::info!(
        ended = ended.sessions,
        user = ended.person.map(|it| it.oid.to_string()),
        "sessions revoked through the admin API"
    );
    Ok(ended)
}

impl RevokeError {
    fn status(&self) -> StatusCode {
        match self {
            Self::Order | Self::BadSelector(_) => StatusCode::BAD_REQUEST,
            Self::Ambiguous(_) => StatusCode::CONFLICT,
            Self::Broken => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn answer(&self) -> Response<Body> {
        let status = self.status();
        reply::problem(
            status,
            &json!({ "title": self.to_string(), "status": status.as_u16(), "people": self.people() }),
        )
    }

    fn people(&self) -> Vec<Value> {
        let Self::Ambiguous(AmbiguousPerson(people)) = self else { return Vec::new() };
        people
            .iter()
            .map(|it| json!({ "user": it.oid.to_string(), "tenant": it.tid.to_string() }))
            .collect()
    }
}
