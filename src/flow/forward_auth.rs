//! A front proxy asks: the same authenticate, judge and headers as in the path, answered in its dialect.

use super::authenticate::authenticate;
use super::facts::Facts;
use super::refusal::Refusal;
use super::sign_in::start_url;
use crate::access::policy::Verdict;
use crate::base::return_to::ReturnTo;
use crate::sidecar::Sidecar;
use crate::wire::body::Body;
use crate::wire::forwarded::{Asked, NotAsked, asked_by_nginx};
use crate::wire::inbound::Inbound;
use crate::wire::reply;
use http::header::{LOCATION, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, Response, StatusCode};

/// nginx's `auth_request`: 200 lets through, 401 and 403 refuse, and anything else would become a 500.
pub(super) fn nginx(house: &Sidecar, headers: &HeaderMap, inbound: &Inbound, facts: &mut Facts) -> Result<Response<Body>, Refusal> {
    let asked = asked(house, headers, inbound)?;
    let session = authenticate(house, headers);
    facts.session.clone_from(&session);
    let return_to = ReturnTo::of(&asked.target, &house.site);
    let judged = house.policy.judge(asked.target, session);
    facts.rule = judged.line;
    match judged.verdict {
        Verdict::Permitted(permit) => {
            let mut response = reply::empty(StatusCode::OK);
            house.headers.identify(permit)?.answer(response.headers_mut());
            Ok(response)
        }
        Verdict::SignIn(_) => {
            let location = format!("{}{}", house.site.origin(), start_url(&house.site, &return_to));
            let mut response = reply::empty(StatusCode::UNAUTHORIZED);
            let value = HeaderValue::from_str(&location).map_err(|_| Refusal::Internal("no redirect"))?;
            response.headers_mut().insert(LOCATION, value);
            response.headers_mut().insert(WWW_AUTHENTICATE, super::refusal::CHALLENGE);
            Ok(response)
        }
        Verdict::Forbidden => Ok(refused(facts, "forbidden by the access rules")),
        Verdict::GroupsUnknown => Ok(refused(facts, "a rule names groups, and Entra sent too many to be listed")),
    }
}

fn asked(house: &Sidecar, headers: &HeaderMap, inbound: &Inbound) -> Result<Asked, Refusal> {
    let asked = asked_by_nginx(headers, &inbound.way, house.strictness)?;
    match asked.host.as_deref() {
        Some(host) if !house.site.is_host(host) && !house.site.may_return_to(host) => Err(Refusal::NotAsked(NotAsked::OtherHost)),
        _ => Ok(asked),
    }
}

fn refused(facts: &mut Facts, cause: &str) -> Response<Body> {
    facts.cause = Some(cause.to_owned());
    reply::empty(StatusCode::FORBIDDEN)
}
