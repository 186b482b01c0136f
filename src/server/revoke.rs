//! `POST /sessions/revoke` of the admin listener: the sessions of one person end in this process.

use super::api::Refused as Call;
use super::gate::is_of_type;
use crate::session::whom::{Ambiguous, BadWhom, Ended, Whom};
use crate::wire::body::Body;
use crate::wire::reply;
use http::request::Parts;
use http::{Response, StatusCode};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use serde::Deserialize;
use serde_json::{Value, json};
use std::time::Duration;

/// An order has two names in it.
const ORDER: usize = 4 * 1024;
const ORDER_TIME: Duration = Duration::from_secs(5);

/// Why an order is not followed.
#[derive(Debug, thiserror::Error)]
enum Refused {
    #[error("cannot read the request: send {{\"user\": \"...\", \"tenant\": \"...\"}}; tenant is optional")]
    Order,
    #[error("{0}")]
    Whom(#[from] BadWhom),
    #[error("{0}; send the object ID, or also the tenant")]
    Ambiguous(#[from] Ambiguous),
    #[error("cannot search the sessions")]
    Broken,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Order {
    user: String,
    tenant: Option<String>,
}

/// Who follows an order.
pub(super) trait Follow: FnOnce(&Whom) -> Result<Ended, Ambiguous> + Send + 'static {}

impl<F: FnOnce(&Whom) -> Result<Ended, Ambiguous> + Send + 'static> Follow for F {}

/// Ends the sessions of one person; whoever sent it may.
pub(super) async fn revoke(follow: impl Follow, parts: &Parts, body: Incoming) -> Response<Body> {
    if !is_of_type(parts, "application/json") {
        return Call::Type("application/json").answer();
    }
    match ended(follow, body).await {
        Ok(Ended { person, sessions }) => {
            let (user, tenant) = (person.map(|it| it.oid.to_string()), person.map(|it| it.tid.to_string()));
            reply::json(StatusCode::OK, &json!({ "ended": sessions, "user": user, "tenant": tenant }))
        }
        Err(refused) => refused.answer(),
    }
}

async fn ended(follow: impl Follow, body: Incoming) -> Result<Ended, Refused> {
    let body = tokio::time::timeout(ORDER_TIME, Limited::new(body, ORDER).collect()).await.map_err(|_| Refused::Order)?;
    let order: Order = serde_json::from_slice(&body.map_err(|_| Refused::Order)?.to_bytes()).map_err(|_| Refused::Order)?;
    let whom = Whom::parse(&order.user, order.tenant.as_deref())?;
    // A name is looked for in all sessions, which takes a while where there are many.
    let ended = tokio::task::spawn_blocking(move || follow(&whom)).await.map_err(|_| Refused::Broken)??;
    tracing::info!(ended = ended.sessions, user = ended.person.map(|it| it.oid.to_string()), "sessions revoked through the admin API");
    Ok(ended)
}

impl Refused {
    fn status(&self) -> StatusCode {
        match self {
            Self::Order | Self::Whom(_) => StatusCode::BAD_REQUEST,
            Self::Ambiguous(_) => StatusCode::CONFLICT,
            Self::Broken => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn answer(&self) -> Response<Body> {
        let status = self.status();
        reply::problem(status, &json!({ "title": self.to_string(), "status": status.as_u16(), "people": self.people() }))
    }

    fn people(&self) -> Vec<Value> {
        let Self::Ambiguous(Ambiguous(people)) = self else { return Vec::new() };
        people.iter().map(|it| json!({ "user": it.oid.to_string(), "tenant": it.tid.to_string() })).collect()
    }
}
