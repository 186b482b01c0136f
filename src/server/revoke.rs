//! `POST /sessions/revoke` of the admin listener: the one order that it takes, and from this machine only.

use crate::base::site::{is_loopback, split_authority};
use crate::session::whom::{Ambiguous, BadWhom, Ended, Whom};
use crate::wire::body::Body;
use crate::wire::reply;
use http::header::{ALLOW, CONTENT_TYPE, HOST, ORIGIN, REFERER};
use http::request::Parts;
use http::{HeaderValue, Method, Request, Response, StatusCode};
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
    #[error("only POST")]
    Method,
    #[error("sessions are revoked by a unix socket or a loopback address only, and this listener is neither")]
    NotNear,
    #[error("not for web pages: a browser sent this")]
    Browser,
    #[error("the host is not this machine: ask localhost, 127.0.0.1 or [::1]")]
    Host,
    #[error("content-type is not application/json")]
    Type,
    #[error("the order is not read: {{\"user\": \"...\", \"tenant\": \"...\"}} is meant, and tenant may be left out")]
    Order,
    #[error("{0}")]
    Whom(#[from] BadWhom),
    #[error("{0}; name the object id, or the tenant too")]
    Ambiguous(#[from] Ambiguous),
    #[error("the sessions could not be looked through")]
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

/// Ends the sessions of one person. `near` says that the listener is reached from this machine alone.
pub(super) async fn revoke(follow: impl Follow, near: bool, request: Request<Incoming>) -> Response<Body> {
    match ended(follow, near, request).await {
        Ok(Ended { person, sessions }) => {
            let (user, tenant) = (person.map(|it| it.oid.to_string()), person.map(|it| it.tid.to_string()));
            reply::json(StatusCode::OK, &json!({ "ended": sessions, "user": user, "tenant": tenant }))
        }
        Err(refused) => refused.answer(),
    }
}

async fn ended(follow: impl Follow, near: bool, request: Request<Incoming>) -> Result<Ended, Refused> {
    let (parts, body) = request.into_parts();
    judge(&parts, near)?;
    let body = tokio::time::timeout(ORDER_TIME, Limited::new(body, ORDER).collect()).await.map_err(|_| Refused::Order)?;
    let order: Order = serde_json::from_slice(&body.map_err(|_| Refused::Order)?.to_bytes()).map_err(|_| Refused::Order)?;
    let whom = Whom::parse(&order.user, order.tenant.as_deref())?;
    // A name is looked for in all sessions, which takes a while where there are many.
    let ended = tokio::task::spawn_blocking(move || follow(&whom)).await.map_err(|_| Refused::Broken)??;
    tracing::info!(ended = ended.sessions, user = ended.person.map(|it| it.oid.to_string()), "sessions were revoked by the admin listener");
    Ok(ended)
}

/// What a web page can make a browser send is refused: each of these is enough against it, also where a name of the page's was bound to our address.
fn judge(parts: &Parts, near: bool) -> Result<(), Refused> {
    if parts.method != Method::POST {
        return Err(Refused::Method);
    }
    if !near {
        return Err(Refused::NotNear);
    }
    let says_browser = |name: &http::HeaderName| *name == ORIGIN || *name == REFERER || name.as_str().starts_with("sec-");
    if parts.headers.keys().any(says_browser) {
        return Err(Refused::Browser);
    }
    let written = parts.headers.get_all(HOST).iter().map(|it| it.to_str().unwrap_or_default());
    let mut hosts = written.chain(parts.uri.authority().map(http::uri::Authority::as_str)).peekable();
    if hosts.peek().is_none() || !hosts.all(|it| split_authority(it).is_some_and(|it| is_loopback(it.0))) {
        return Err(Refused::Host);
    }
    let mut types = parts.headers.get_all(CONTENT_TYPE).iter();
    if types.next().is_none_or(|it| it != "application/json") || types.next().is_some() {
        return Err(Refused::Type);
    }
    Ok(())
}

impl Refused {
    fn status(&self) -> StatusCode {
        match self {
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::NotNear | Self::Browser => StatusCode::FORBIDDEN,
            Self::Host => StatusCode::MISDIRECTED_REQUEST,
            Self::Type => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Order | Self::Whom(_) => StatusCode::BAD_REQUEST,
            Self::Ambiguous(_) => StatusCode::CONFLICT,
            Self::Broken => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn answer(&self) -> Response<Body> {
        let status = self.status();
        let mut out = reply::problem(status, &json!({ "title": self.to_string(), "status": status.as_u16(), "people": self.people() }));
        if matches!(self, Self::Method) {
            out.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
        }
        out
    }

    fn people(&self) -> Vec<Value> {
        let Self::Ambiguous(Ambiguous(people)) = self else { return Vec::new() };
        people.iter().map(|it| json!({ "user": it.oid.to_string(), "tenant": it.tid.to_string() })).collect()
    }
}
