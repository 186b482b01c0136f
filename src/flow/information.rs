//! What scripts and apps may ask: who am I, how long may I stay, which keys sign.

use super::authenticate::{authenticate, look};
use super::facts::Facts;
use super::origin::is_post_of_another_site;
use super::recheck;
use super::refusal::Refusal;
use super::sign_in::{only, start_url};
use crate::base::identity::Groups;
use crate::base::return_to::ReturnTo;
use crate::base::texts::Texts;
use crate::session::record::Session;
use crate::sidecar::Sidecar;
use crate::wire::body::Body;
use crate::wire::inbound::Inbound;
use crate::wire::reply;
use http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use serde::Serialize;
use std::sync::Arc;

/// How long the public keys may be kept, as `Cache-Control` says it.
const KEYS_CACHE: HeaderValue = HeaderValue::from_static("public, max-age=300");

#[derive(Serialize)]
struct User<'a> {
    user: &'a str,
    tenant: String,
    guest: bool,
    name: Option<&'a str>,
    preferred_username: Option<&'a str>,
    email: Option<&'a str>,
    groups: &'a Texts,
    groups_truncated: bool,
    roles: &'a Texts,
    #[serde(skip_serializing_if = "Option::is_none")]
    person: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    organization: Option<&'a str>,
    expires_at: u64,
}

#[derive(Serialize)]
struct Life {
    began_at: u64,
    idle_at: u64,
    expires_at: u64,
    checked_at: u64,
    next_check_at: u64,
    now: u64,
}

/// `GET /userinfo`.
pub(super) async fn user(house: &Sidecar, inbound: &Inbound, headers: &HeaderMap, facts: &mut Facts) -> Result<Response<Body>, Refusal> {
    only(inbound, &[Method::GET, Method::HEAD], "GET")?;
    let session = asker(house, headers, facts).await?;
    let who = session.identity();
    let none = Texts::default();
    Ok(reply::json(
        StatusCode::OK,
        &User {
            user: session.user(),
            tenant: who.tid.to_string(),
            guest: who.guest,
            name: who.name.as_deref(),
            preferred_username: who.preferred_username.as_deref(),
            email: who.email.as_deref(),
            groups: who.groups.ids().unwrap_or(&none),
            groups_truncated: who.groups == Groups::Overage,
            roles: &who.roles,
            person: who.member.as_deref().map(|it| it.person.to_string()),
            role: who.member.as_deref().map(|it| &*it.role),
            organization: who.member.as_deref().map(|it| &*it.code),
            expires_at: session.ends(),
        },
    ))
}

/// `GET /session`.
pub(super) fn session(house: &Sidecar, inbound: &Inbound, headers: &HeaderMap, facts: &mut Facts) -> Result<Response<Body>, Refusal> {
    only(inbound, &[Method::GET, Method::HEAD], "GET")?;
    let session = look(house, headers);
    facts.session.clone_from(&session);
    let session = session.ok_or_else(|| signed_out(house))?;
    Ok(life(house, &session))
}

/// `POST /session/refresh`: asks Entra now, and answers as `GET /session`. Within a minute of an answer it is not asked again.
pub(super) async fn refresh(house: &Sidecar, inbound: &Inbound, headers: &HeaderMap, facts: &mut Facts) -> Result<Response<Body>, Refusal> {
    only(inbound, &[Method::POST], "POST")?;
    if is_post_of_another_site(house, headers) {
        return Err(Refusal::ForeignOrigin);
    }
    let session = asker(house, headers, facts).await?;
    let session = recheck::refresh(house, session).await?.ok_or_else(|| signed_out(house))?;
    Ok(life(house, &session))
}

fn life(house: &Sidecar, session: &Session) -> Response<Body> {
    let standing = session.standing();
    let life = Life {
        began_at: session.began(),
        idle_at: house.lasting.store.goes_idle(session),
        expires_at: session.ends(),
        checked_at: standing.answered(),
        next_check_at: standing.ask_at(),
        now: house.lasting.clock.now(),
    };
    reply::json(StatusCode::OK, &life)
}

fn signed_out(house: &Sidecar) -> Refusal {
    Refusal::SignedOut(start_url(&house.site, &ReturnTo::home()))
}

/// `GET /jwks.json`: public, and the same for everybody.
pub(super) fn keys(house: &Sidecar, inbound: &Inbound, headers: &HeaderMap) -> Result<Response<Body>, Refusal> {
    only(inbound, &[Method::GET, Method::HEAD], "GET")?;
    let jwks = house.headers.jwks();
    let tag = house.headers.jwks_tag();
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

async fn asker(house: &Sidecar, headers: &HeaderMap, facts: &mut Facts) -> Result<Arc<Session>, Refusal> {
    let session = authenticate(house, headers).await?;
    facts.session.clone_from(&session);
    session.ok_or_else(|| signed_out(house))
}
