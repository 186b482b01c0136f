//! The way to the app.

use super::authenticate::authenticate;
use super::facts::RequestFacts;
use super::groups;
use super::origin::is_of_another_site;
use super::recheck;
use super::refusal::Refusal;
use super::sign_in;
use super::step_up;
use crate::access::policy::{Permit, Verdict};
use crate::base::return_to::ReturnTo;
use crate::base::target::Target;
use crate::entra::graph;
use crate::headers::identity::IdentityHeaders;
use crate::session::record::Session;
use crate::sidecar::{Process, Sidecar};
use crate::upstream::{self, PermitCheck, ProxyContext};
use crate::wire::body::Body;
use crate::wire::cookies::{self, CookieLines};
use crate::wire::inbound::InboundRequest;
use http::request::Parts;
use http::{HeaderMap, Response, StatusCode};
use hyper::body::Incoming;
use std::sync::Arc;

/// Judges, and forwards what was judged.
///
/// The body is taken only by a request that goes on.
pub(super) async fn proxy(
    sidecar: &Sidecar,
    inbound: &InboundRequest,
    parts: &mut Parts,
    body: &mut Option<Incoming>,
    facts: &mut RequestFacts,
) -> Result<Response<Body>, Refusal> {
    let (session, closed) = match authenticate(sidecar, &parts.headers).await {
        Ok(session) => (session, None),
        Err(closed) => (None, Some(closed)),
    };
    let asked = step_up::may_follow(inbound, session.as_ref()).then(|| CookieLines::of(&parts.headers));
    facts.session = session;
    let judged = groups::judge(sidecar, &inbound.target, facts.session.as_ref()).await?;
    facts.rule_line = judged.line;
    match judged.verdict {
        Verdict::Permitted(permit) => {
            let (identity, proxy_context) = dress(sidecar, inbound, &mut parts.headers, permit)?;
            let body = body.take().ok_or(Refusal::Internal("no body"))?;
            let check = StillPermitted(Arc::clone(&sidecar.process));
            let forwarded = sidecar.upstream.forward(parts, body, identity, proxy_context, check).await;
            let mut response = forwarded.map_err(|it| refusal(sidecar, inbound, it))?;
            cookies::guard(response.headers_mut());
            match asked {
                Some(lines) if response.status() == StatusCode::UNAUTHORIZED => Box::pin(step_up::challenged(sidecar, inbound, lines, response, facts)).await,
                _ => Ok(response),
            }
        }
        Verdict::SignIn(signed_out, acrs) => match closed {
            // Nobody is signed out by an outage: there is nothing to sign in to again.
            Some(closed) => Err(closed.into()),
            None => {
                let acrs = acrs.as_deref().unwrap_or_default();
                Box::pin(sign_in::send_to_sign_in(sidecar, inbound, &parts.headers, signed_out, acrs, Refusal::SignedOut)).await
            }
        },
        Verdict::StepUp(signed_out, acrs) => {
            let refusal = |start| Refusal::StepUp(start, Arc::clone(&acrs));
            Box::pin(sign_in::send_to_sign_in(sidecar, inbound, &parts.headers, signed_out, &acrs, refusal)).await
        }
        Verdict::Forbidden => Err(Refusal::Forbidden),
        Verdict::GroupsUnknown => Err(Refusal::GroupsUnknown(graph::Error::Interrupted)),
    }
}

/// What goes along with a request that was let in.
fn dress(sidecar: &Sidecar, inbound: &InboundRequest, headers: &mut HeaderMap, permit: Permit) -> Result<(IdentityHeaders, ProxyContext), Refusal> {
    // No page of another site can send an access token.
    let by_cookie = permit.session().is_none_or(|it| it.client_sign_in().is_none());
    if inbound.upgrade && by_cookie && is_of_another_site(sidecar, headers) {
        return Err(Refusal::ForeignOrigin);
    }
    cookies::hide(headers);
    let proxy_context = ProxyContext {
        client: inbound.origin.client,
        peer: inbound.origin.peer,
        https: inbound.https,
        host: inbound.host.clone(),
        chain: inbound.origin.chain.clone(),
        request_id: inbound.request_id.clone(),
        upgrade: inbound.upgrade,
        tunnels: sidecar.process.tunnels.clone(),
    };
    Ok((sidecar.headers.identify(permit)?, proxy_context))
}

fn refusal(sidecar: &Sidecar, inbound: &InboundRequest, error: upstream::Error) -> Refusal {
    match error {
        upstream::Error::SessionEnded => Refusal::SessionEnded(sign_in::start_url(&sidecar.site, &ReturnTo::of(&inbound.target, &sidecar.site))),
        upstream::Error::NotAllowed => Refusal::NoLongerAllowed,
        error => error.into(),
    }
}

/// For the log, where something that lasts is cut off.
const NOT_ALLOWED: &str = "the access rules no longer allow it";

/// What was let in goes on as long as a request for the same would be let in, by the newest rules; bytes that pass are use, as requests are.
#[derive(Clone)]
struct StillPermitted(Arc<Process>);

impl PermitCheck for StillPermitted {
    fn still_holds(&self, target: &Target, session: &Arc<Session>, used: bool) -> Result<(), &'static str> {
        let newest = self.0.newest.load_full().ok_or(NOT_ALLOWED)?;
        if !self.0.store.still_goes_on(session, used) {
            return Err("its session ended");
        }
        if !recheck::still_goes_on(&self.0, session) {
            return Err("Entra has not answered for longer than entra.recheck_grace");
        }
        groups::still_follow(&self.0, &newest, session);
        match newest.policy.judge(target.clone(), Some(Arc::clone(session))).verdict {
            Verdict::Permitted(_) => Ok(()),
            Verdict::GroupsUnknown => Err("its groups are no longer known"),
            _ => Err(NOT_ALLOWED),
        }
    }
}
