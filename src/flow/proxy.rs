//! The way to the app.

use super::authenticate::authenticate;
use super::facts::Facts;
use super::groups;
use super::origin::is_of_another_site;
use super::recheck;
use super::refusal::Refusal;
use super::sign_in;
use super::step_up;
use crate::access::policy::{Permit, Verdict};
use crate::base::target::Target;
use crate::entra::graph;
use crate::headers::identity::IdentityHeaders;
use crate::session::record::Session;
use crate::sidecar::Sidecar;
use crate::upstream::{Ends, Trip};
use crate::wire::body::Body;
use crate::wire::cookies::{self, CookieLines};
use crate::wire::inbound::Inbound;
use http::request::Parts;
use http::{HeaderMap, Response, StatusCode};
use hyper::body::Incoming;
use std::sync::Arc;

/// Judges, and forwards what was judged.
///
/// The body is taken only by a request that goes on.
pub(super) async fn proxy(
    house: &Sidecar,
    inbound: &Inbound,
    parts: &mut Parts,
    body: &mut Option<Incoming>,
    facts: &mut Facts,
) -> Result<Response<Body>, Refusal> {
    let (session, closed) = match authenticate(house, &parts.headers).await {
        Ok(session) => (session, None),
        Err(closed) => (None, Some(closed)),
    };
    let asked = step_up::may_follow(inbound, session.as_ref()).then(|| CookieLines::of(&parts.headers));
    facts.session = session;
    let judged = groups::judge(house, &inbound.target, facts.session.as_ref()).await?;
    facts.rule_line = judged.line;
    match judged.verdict {
        Verdict::Permitted(permit) => {
            let (identity, trip) = dress(house, inbound, &mut parts.headers, permit)?;
            let body = body.take().ok_or(Refusal::Internal("no body"))?;
            let mut response = house.upstream.forward(parts, body, identity, trip).await?;
            cookies::guard(response.headers_mut());
            match asked {
                Some(lines) if response.status() == StatusCode::UNAUTHORIZED => Box::pin(step_up::challenged(house, inbound, lines, response, facts)).await,
                _ => Ok(response),
            }
        }
        Verdict::SignIn(signed_out, acrs) => match closed {
            // Nobody is signed out by an outage: there is nothing to sign in to again.
            Some(closed) => Err(closed.into()),
            None => {
                let acrs = acrs.as_deref().unwrap_or_default();
                Box::pin(sign_in::lead(house, inbound, &parts.headers, signed_out, acrs, Refusal::SignedOut)).await
            }
        },
        Verdict::StepUp(signed_out, acrs) => {
            let refusal = |start| Refusal::StepUp(start, Arc::clone(&acrs));
            Box::pin(sign_in::lead(house, inbound, &parts.headers, signed_out, &acrs, refusal)).await
        }
        Verdict::Forbidden => Err(Refusal::Forbidden),
        Verdict::GroupsUnknown => Err(Refusal::GroupsUnknown(graph::Error::Interrupted)),
    }
}

/// What goes along with a request that was let in.
fn dress(house: &Sidecar, inbound: &Inbound, headers: &mut HeaderMap, permit: Permit) -> Result<(IdentityHeaders, Trip), Refusal> {
    // No page of another site can send an access token.
    let by_cookie = permit.session().is_none_or(|it| it.family().is_none());
    if inbound.upgrade && by_cookie && is_of_another_site(house, headers) {
        return Err(Refusal::ForeignOrigin);
    }
    cookies::hide(headers);
    let trip = Trip {
        client: inbound.way.client,
        peer: inbound.way.peer,
        https: inbound.https,
        host: inbound.host.clone(),
        chain: inbound.way.chain.clone(),
        request_id: inbound.request_id.clone(),
        upgrade: inbound.upgrade,
        ends: permit.session().filter(|_| inbound.upgrade).map(|it| ends_with(house, permit.target(), it)),
        tunnels: house.lasting.tunnels.clone(),
    };
    Ok((house.headers.identify(permit)?, trip))
}

/// A tunnel ends with its session, and where a request for the same would not be let in any more; bytes in it are use, as requests are.
fn ends_with(house: &Sidecar, target: &Target, session: &Arc<Session>) -> Ends {
    let (lasting, held) = (house.lasting.clone(), Arc::clone(session));
    let (policy, target) = (Arc::clone(&house.policy), target.clone());
    let may_still = move |it: &Arc<Session>| matches!(policy.judge(target.clone(), Some(Arc::clone(it))).verdict, Verdict::Permitted(_));
    let goes_on = move |spoke| lasting.store.tunnel_goes_on(&held, spoke) && recheck::tunnel_goes_on(&lasting, &held) && may_still(&held);
    Ends { told: session.ended(), goes_on: Box::new(goes_on) }
}
