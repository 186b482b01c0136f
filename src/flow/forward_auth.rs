//! A front proxy asks: the same authenticate, judge and headers as in the path, answered in its dialect.

use super::authenticate::authenticate;
use super::facts::RequestFacts;
use super::groups;
use super::origin::is_of_another_site;
use super::refusal::{Refusal, SIGN_IN_CHALLENGE, insufficient};
use super::sign_in::{redirects, start_url_with_contexts};
use crate::access::policy::{Permit, Verdict};
use crate::base::return_to::ReturnTo;
use crate::sidecar::Sidecar;
use crate::wire::body::Body;
use crate::wire::cookies;
use crate::wire::forwarded::{ForwardAuthError, ForwardAuthRequest, from_nginx};
use crate::wire::inbound::{InboundRequest, kind_of_caller};
use crate::wire::reply;
use http::header::{LOCATION, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};

/// The `Cookie` header for the app: what the client sent, without our cookies.
const COOKIE_FOR_THE_APP: HeaderName = HeaderName::from_static("x-entrada-cookie");

/// nginx's `auth_request`: 200 lets through, 401 and 403 refuse, and anything else would become a 500.
pub(super) async fn nginx(sidecar: &Sidecar, headers: &HeaderMap, inbound: &InboundRequest, facts: &mut RequestFacts) -> Result<Response<Body>, Refusal> {
    let asked = read_request(sidecar, headers, inbound)?;
    let caller = kind_of_caller(asked.target.method(), headers);
    let (session, closed) = match authenticate(sidecar, headers).await {
        Ok(session) => (session, None),
        Err(closed) => (None, Some(closed)),
    };
    facts.session = session;
    let return_to = ReturnTo::of(&asked.target, &sidecar.site);
    let judged = match groups::judge(sidecar, &asked.target, facts.session.as_ref()).await {
        // nginx would make a 500 of a 503.
        Err(unknown @ Refusal::GroupsUnknown(_)) => return Ok(refused(facts, &unknown.cause())),
        judged => judged?,
    };
    facts.rule_line = judged.line;
    match judged.verdict {
        Verdict::Permitted(permit) if opens_a_socket(headers) && is_by_cookie(&permit) && is_of_another_site(sidecar, headers) => {
            Ok(refused(facts, "a WebSocket from a page of another origin"))
        }
        Verdict::Permitted(permit) => {
            let mut response = reply::empty(StatusCode::OK);
            sidecar.headers.identify(permit)?.answer(response.headers_mut());
            response.headers_mut().insert(COOKIE_FOR_THE_APP, cookies::app_cookies(headers));
            Ok(response)
        }
        Verdict::SignIn(signed_out, acrs) => match closed {
            // nginx makes a 500 of it. 401 would send people to sign in, and 403 tell them that they may not.
            Some(closed) => Err(closed.into()),
            None => sign_in(sidecar, &return_to, acrs.as_deref().unwrap_or_default(), SIGN_IN_CHALLENGE, redirects(caller, signed_out)),
        },
        Verdict::StepUp(signed_out, acrs) => sign_in(sidecar, &return_to, &acrs, insufficient(&acrs), redirects(caller, signed_out)),
        Verdict::Forbidden => Ok(refused(facts, "denied by the access rules")),
        Verdict::GroupsUnknown => Ok(refused(facts, "a rule needs groups that are unknown")),
    }
}

/// 401, with a place to go to only where going there helps: nginx sends there whoever is given one.
fn sign_in(sidecar: &Sidecar, return_to: &ReturnTo, acrs: &[String], challenge: HeaderValue, helps: bool) -> Result<Response<Body>, Refusal> {
    let mut response = reply::empty(StatusCode::UNAUTHORIZED);
    response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
    if helps {
        let location = format!("{}{}", sidecar.site.origin(), start_url_with_contexts(&sidecar.site, return_to, acrs));
        let value = HeaderValue::from_str(&location).map_err(|_| Refusal::Internal("no redirect"))?;
        response.headers_mut().insert(LOCATION, value);
    }
    Ok(response)
}

/// No page of another site can send an access token.
fn is_by_cookie(permit: &Permit) -> bool {
    permit.session().is_none_or(|it| it.client_sign_in().is_none())
}

/// nginx asks without `Upgrade`, but the key of the handshake (RFC 6455 4.1) comes along.
fn opens_a_socket(headers: &HeaderMap) -> bool {
    headers.contains_key("sec-websocket-key")
}

fn read_request(sidecar: &Sidecar, headers: &HeaderMap, inbound: &InboundRequest) -> Result<ForwardAuthRequest, Refusal> {
    let asked = from_nginx(headers, &inbound.origin, sidecar.strictness)?;
    match asked.host.as_deref() {
        Some(host) if !sidecar.site.is_host(host) => Err(Refusal::BadForwardAuth(ForwardAuthError::OtherHost)),
        _ => Ok(asked),
    }
}

fn refused(facts: &mut RequestFacts, cause: &str) -> Response<Body> {
    facts.cause = Some(cause.to_owned());
    reply::empty(StatusCode::FORBIDDEN)
}
