//! The dialect of nginx's `auth_request`.

use super::super::admission::{Admission, redirects};
use super::super::exchange::{Exchange, MAX_LOCATION_BYTES};
use super::super::facts::RequestFacts;
use super::super::refusal::Refusal;
use super::super::refusal::challenge::{SIGN_IN_CHALLENGE, insufficient};
use super::super::sign_in::state;
use super::super::sign_in_url::start_url_with_contexts;
use crate::base::return_to::ReturnTo;
use crate::base::target::Target;
use crate::wire::body::Body;
use crate::wire::cookies;
use crate::wire::inbound::kind_of_caller;
use crate::wire::reply;
use http::header::{LOCATION, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};

/// The `Cookie` header for the app: the client's cookies without Entrada's.
const COOKIE_FOR_THE_APP: HeaderName = HeaderName::from_static("x-entrada-cookie");

/// Maximum length of the path of a long link in its redirect, in bytes; in a query, each can become
/// three.
const MAX_PATH_BYTES: usize = MAX_LOCATION_BYTES / 4;

/// Translates the decision about a request for `target`: 200 allows it, 401 and 403 refuse it.
/// nginx turns any other status into a 500.
pub(super) async fn answer(
    exchange: &Exchange<'_>,
    target: &Target,
    admission: Admission,
    facts: &mut RequestFacts,
) -> Result<Response<Body>, Refusal> {
    let Exchange { app, headers, .. } = *exchange;
    let caller = kind_of_caller(target.method(), headers);
    let return_to = ReturnTo::of(target, &app.site);
    match admission {
        Admission::Permitted(permit) => {
            let mut response = reply::empty(StatusCode::OK);
            app.headers.identify(permit)?.answer(response.headers_mut());
            response.headers_mut().insert(COOKIE_FOR_THE_APP, cookies::app_cookies(headers));
            Ok(response)
        }
        Admission::SignIn { signed_out, acrs } => {
            let acrs = acrs.as_deref().unwrap_or_default();
            let can_sign_in = redirects(caller, signed_out);
            sign_in(exchange, &return_to, acrs, SIGN_IN_CHALLENGE, can_sign_in).await
        }
        Admission::StepUp { signed_out, proof } => {
            let can_sign_in = redirects(caller, signed_out);
            sign_in(exchange, &return_to, &proof.acrs, insufficient(&proof), can_sign_in).await
        }
        Admission::Refused(Refusal::ForeignOrigin) => {
            Ok(refused(facts, "a WebSocket from a page of another origin"))
        }
        Admission::Refused(refusal @ (Refusal::Forbidden | Refusal::GroupsUnknown(_))) => {
            Ok(refused(facts, &refusal.cause()))
        }
        // nginx turns this into a 500. A 401 would send people to sign in, and a 403 would say that
        // they have no access.
        Admission::Refused(refusal) => Err(refusal),
    }
}

/// Responds with 401. Adds a `Location` only if a sign-in helps, because nginx redirects everyone
/// who receives one.
async fn sign_in(
    exchange: &Exchange<'_>,
    return_to: &ReturnTo,
    acrs: &[String],
    challenge: HeaderValue,
    can_sign_in: bool,
) -> Result<Response<Body>, Refusal> {
    let mut response = reply::empty(StatusCode::UNAUTHORIZED);
    response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
    if can_sign_in {
        let site = &exchange.app.site;
        let mut start = start_url_with_contexts(site, return_to, acrs);
        if start.len() > MAX_LOCATION_BYTES || return_to.is_shortened() {
            let key = state::keep_link(exchange, return_to, acrs).await;
            let page = return_to.without_query();
            let short = if page.as_str().len() > MAX_PATH_BYTES { ReturnTo::home() } else { page };
            start = format!("{}&kept={key}", start_url_with_contexts(site, &short, &[]));
        }
        let value = HeaderValue::from_str(&format!("{}{start}", site.origin()))
            .map_err(|_| Refusal::Internal("no redirect"))?;
        response.headers_mut().insert(LOCATION, value);
    }
    Ok(response)
}

/// nginx's subrequest has no `Upgrade` header, but it includes the key of the WebSocket handshake
/// (RFC 6455 section 4.1).
pub(super) fn opens_web_socket(headers: &HeaderMap) -> bool {
    headers.contains_key("sec-websocket-key")
}

fn refused(facts: &mut RequestFacts, cause: &str) -> Response<Body> {
    facts.cause = Some(cause.to_owned());
    reply::empty(StatusCode::FORBIDDEN)
}
