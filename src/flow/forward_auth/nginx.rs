//! The dialect of nginx's `auth_request`.

use super::super::admission::{Admission, redirects};
use super::super::exchange::Exchange;
use super::super::facts::RequestFacts;
use super::super::refusal::Refusal;
use super::super::refusal::challenge::{SIGN_IN_CHALLENGE, insufficient};
use super::super::sign_in::start_link::StartLink;
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
        Admission::SignIn { signed_out, acrs } if redirects(caller, signed_out) => {
            sign_in(exchange, &return_to, acrs.as_deref().unwrap_or_default()).await
        }
        Admission::StepUp { signed_out, proof } if redirects(caller, signed_out) => {
            sign_in(exchange, &return_to, &proof.acrs).await
        }
        Admission::SignIn { .. } => Ok(unauthorized(SIGN_IN_CHALLENGE)),
        Admission::StepUp { proof, .. } => Ok(unauthorized(insufficient(&proof))),
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

/// Sends a person to sign in. nginx redirects everyone who receives a `Location`, so there is one
/// only where a sign-in helps. The sign-in asks for what is required by itself: a step-up challenge
/// beside the `Location` could make the head too long for nginx, and no program receives it.
async fn sign_in(
    exchange: &Exchange<'_>,
    return_to: &ReturnTo,
    acrs: &[String],
) -> Result<Response<Body>, Refusal> {
    let start = StartLink::of(exchange, return_to, acrs).await.start(None);
    let value = HeaderValue::from_str(&format!("{}{start}", exchange.app.site.origin()))
        .map_err(|_| Refusal::Internal("no redirect"))?;
    let mut response = unauthorized(SIGN_IN_CHALLENGE);
    response.headers_mut().insert(LOCATION, value);
    Ok(response)
}

fn unauthorized(challenge: HeaderValue) -> Response<Body> {
    let mut response = reply::empty(StatusCode::UNAUTHORIZED);
    response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
    response
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
