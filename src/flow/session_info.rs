//! Endpoints for scripts and apps: the signed-in person, the session's lifetime, and the public
//! keys.

use super::exchange::Exchange;
use super::facts::RequestFacts;
use super::refusal::Refusal;
use super::sign_in_url::start_url;
use super::upkeep::recheck;
use crate::base::identity::PersonGroups;
use crate::base::return_to::ReturnTo;
use crate::base::string_list::StringList;
use crate::session::record::Session;
use crate::sidecar::Sidecar;
use crate::wire::body::Body;
use crate::wire::reply;
use http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use http::{HeaderValue, Method, Response, StatusCode};
use serde::Serialize;
use std::sync::Arc;

/// How long clients may cache the public keys, as a `Cache-Control` value.
const KEYS_CACHE: HeaderValue = HeaderValue::from_static("public, max-age=300");

#[derive(Serialize)]
struct UserInfo<'a> {
    user: &'a str,
    tenant: String,
    guest: bool,
    name: Option<&'a str>,
    preferred_username: Option<&'a str>,
    email: Option<&'a str>,
    groups: &'a StringList,
    groups_truncated: bool,
    roles: &'a StringList,
    #[serde(skip_serializing_if = "Option::is_none")]
    person: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    organization: Option<&'a str>,
    expires_at: u64,
}

#[derive(Serialize)]
struct SessionTimes {
    began_at: u64,
    idle_at: u64,
    expires_at: u64,
    checked_at: u64,
    next_check_at: u64,
    now: u64,
}

/// `GET /userinfo`: returns the signed-in person.
pub(super) async fn user(
    exchange: &Exchange<'_>,
    facts: &mut RequestFacts,
) -> Result<Response<Body>, Refusal> {
    exchange.require_method(&[Method::GET, Method::HEAD], "GET")?;
    let session = authenticated(exchange, facts).await?;
    let who = session.identity();
    let none = StringList::default();
    Ok(reply::json(
        StatusCode::OK,
        &UserInfo {
            user: session.user(),
            tenant: who.tid.to_string(),
            guest: who.guest,
            name: who.name.as_deref(),
            preferred_username: who.preferred_username.as_deref(),
            email: who.email.as_deref(),
            groups: who.groups.ids().unwrap_or(&none),
            groups_truncated: who.cut.groups || who.groups == PersonGroups::Overage,
            roles: &who.roles,
            person: who.member.as_deref().map(|it| it.person.to_string()),
            role: who.member.as_deref().map(|it| &*it.role),
            organization: who.member.as_deref().map(|it| &*it.code),
            expires_at: session.ends(),
        },
    ))
}

/// `GET /session`: returns the state of the session.
pub(super) async fn session(
    exchange: &Exchange<'_>,
    facts: &mut RequestFacts,
) -> Result<Response<Body>, Refusal> {
    exchange.require_method(&[Method::GET, Method::HEAD], "GET")?;
    let session = exchange.load_session().await?;
    facts.session.clone_from(&session);
    let session = session.ok_or_else(|| signed_out(exchange))?;
    Ok(session_times(exchange.sidecar, &session))
}

/// `POST /session/refresh`: asks Entra now and responds like `GET /session`. Entra is not asked
/// again within one minute of its last answer.
pub(super) async fn refresh(
    exchange: &Exchange<'_>,
    facts: &mut RequestFacts,
) -> Result<Response<Body>, Refusal> {
    let Exchange { sidecar, .. } = *exchange;
    exchange.require_method(&[Method::POST], "POST")?;
    if exchange.is_post_of_another_site() {
        return Err(Refusal::ForeignOrigin);
    }
    let session = authenticated(exchange, facts).await?;
    let session = recheck::refresh(sidecar, session).await?.ok_or_else(|| signed_out(exchange))?;
    Ok(session_times(sidecar, &session))
}

fn session_times(sidecar: &Sidecar, session: &Session) -> Response<Body> {
    let standing = session.standing();
    let life = SessionTimes {
        began_at: session.started_at(),
        idle_at: sidecar.process.live.idle_deadline(session),
        expires_at: session.ends(),
        checked_at: standing.answered(),
        next_check_at: standing.due_at(),
        now: sidecar.process.clock.now(),
    };
    reply::json(StatusCode::OK, &life)
}

fn signed_out(exchange: &Exchange<'_>) -> Refusal {
    exchange.signed_out(start_url(&exchange.app.site, &ReturnTo::home()))
}

/// `GET /jwks.json`: public, and the same for everyone.
pub(super) fn keys(exchange: &Exchange<'_>) -> Result<Response<Body>, Refusal> {
    let Exchange { app, headers, .. } = *exchange;
    exchange.require_method(&[Method::GET, Method::HEAD], "GET")?;
    let jwks = app.headers.jwks();
    let tag = app.headers.jwks_tag();
    let known = headers.get(IF_NONE_MATCH).is_some_and(|it| it == tag);
    let body = if known { Body::empty() } else { Body::full(jwks.to_owned()) };
    let mut response = Response::new(body);
    *response.status_mut() = if known { StatusCode::NOT_MODIFIED } else { StatusCode::OK };
    let out = response.headers_mut();
    out.insert(CACHE_CONTROL, KEYS_CACHE);
    out.insert(CONTENT_TYPE, HeaderValue::from_static("application/jwk-set+json"));
    out.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    out.insert(ETAG, tag.clone());
    Ok(response)
}

async fn authenticated(
    exchange: &Exchange<'_>,
    facts: &mut RequestFacts,
) -> Result<Arc<Session>, Refusal> {
    let session = exchange.authenticate().await?;
    facts.session.clone_from(&session);
    session.ok_or_else(|| signed_out(exchange))
}
