//! Forwards requests to the app.

use super::admission::{Admission, AdmissionRequest, StillPermitted, admit, redirects};
use super::exchange::Exchange;
use super::facts::RequestFacts;
use super::refusal::Refusal;
use super::refusal::challenge::{SIGN_IN_CHALLENGE, insufficient};
use super::sign_in::begin;
use super::sign_in::start_link::StartLink;
use super::sign_in::step_up;
use super::sign_in_url::{start_url, start_url_with_contexts};
use crate::access::policy::Permit;
use crate::base::return_to::ReturnTo;
use crate::config::access::SignedOutAnswer;
use crate::pages::Page;
use crate::sidecar::Sidecar;
use crate::sidecar::app::App;
use crate::upstream::{self, ProxyContext, ShareKey};
use crate::wire::body::Body;
use crate::wire::cookies::{self, CookieLines};
use crate::wire::forwarded::RequestOrigin;
use crate::wire::inbound::{CallerKind, InboundRequest};
use http::header::WWW_AUTHENTICATE;
use http::request::Parts;
use http::{HeaderValue, Method, Response, StatusCode};
use hyper::body::Incoming;
use std::sync::Arc;

/// Forwards a request that is admitted.
///
/// The body is taken only if the request is admitted.
pub(super) async fn proxy(
    sidecar: &Sidecar,
    app: &App,
    inbound: &InboundRequest,
    parts: &mut Parts,
    body: &mut Option<Incoming>,
    facts: &mut RequestFacts,
) -> Result<Response<Body>, Refusal> {
    let exchange = Exchange { sidecar, app, inbound, headers: &parts.headers };
    let wanted = AdmissionRequest { target: &inbound.target, opens_web_socket: inbound.upgrade };
    match admit(&exchange, wanted, facts).await {
        Admission::Permitted(permit) => {
            forward(sidecar, app, inbound, parts, body, facts, permit).await
        }
        Admission::SignIn { signed_out, acrs } => {
            let acrs = acrs.as_deref().unwrap_or_default();
            let refusal = Refusal::SignedOut;
            let sent = send_to_sign_in(&exchange, signed_out, acrs, SIGN_IN_CHALLENGE, refusal);
            Box::pin(sent).await
        }
        Admission::StepUp { signed_out, proof } => {
            let (acrs, challenge) = (Arc::clone(&proof.acrs), insufficient(&proof));
            let refusal = |start| Refusal::StepUp(start, proof);
            Box::pin(send_to_sign_in(&exchange, signed_out, &acrs, challenge, refusal)).await
        }
        Admission::Refused(refusal) => Err(refusal),
    }
}

async fn forward(
    sidecar: &Sidecar,
    app: &App,
    inbound: &InboundRequest,
    parts: &mut Parts,
    body: &mut Option<Incoming>,
    facts: &mut RequestFacts,
    permit: Permit,
) -> Result<Response<Body>, Refusal> {
    let cookie_lines = step_up::may_follow(inbound, facts.session.as_ref())
        .then(|| CookieLines::of(&parts.headers));
    cookies::hide(&mut parts.headers);
    let identity = app.headers.identify(permit)?;
    let body = body.take().ok_or(Refusal::Internal("no body"))?;
    let check = StillPermitted(Arc::clone(&sidecar.process));
    let forwarded =
        app.upstream.forward(parts, body, identity, proxy_context(sidecar, inbound), check).await;
    let mut response = forwarded.map_err(|it| refusal(app, inbound, it))?;
    cookies::guard(response.headers_mut());
    let lines = cookie_lines.filter(|_| response.status() == StatusCode::UNAUTHORIZED);
    match lines.and_then(|it| Some((it, step_up::challenge_of(response.headers())?))) {
        Some((lines, challenge)) => {
            let exchange = Exchange { sidecar, app, inbound, headers: &lines.into_headers() };
            Box::pin(step_up::challenged(&exchange, &challenge, response, facts)).await
        }
        None => Ok(response),
    }
}

fn proxy_context(sidecar: &Sidecar, inbound: &InboundRequest) -> ProxyContext {
    ProxyContext {
        client: inbound.origin.client,
        peer: inbound.origin.peer,
        https: inbound.https,
        host: inbound.host.clone(),
        chain: inbound.origin.chain.clone(),
        passed: inbound.origin.passed.clone(),
        request_id: inbound.request_id.clone(),
        upgrade: inbound.upgrade,
        share: share_key(&inbound.origin),
        tunnels: sidecar.process.tunnels.clone(),
    }
}

/// Returns the shares that a request counts against. A trusted front proxy brings many people over
/// one connection, so its requests count by the addresses that it reports, or not at all without
/// them. A client of a unix socket counts as a front proxy.
/// A connection whose client a load balancer names is one person's again.
fn share_key(origin: &RequestOrigin) -> ShareKey {
    if origin.trusted && !origin.has_proxy_header {
        let client = origin.client.filter(|it| Some(*it) != origin.peer);
        ShareKey { connection: None, client }
    } else {
        ShareKey { connection: origin.connection, client: origin.peer }
    }
}

fn refusal(app: &App, inbound: &InboundRequest, error: upstream::Error) -> Refusal {
    match error {
        upstream::Error::SessionEnded => {
            Refusal::SessionEnded(start_url(&app.site, &ReturnTo::of(&inbound.target, &app.site)))
        }
        upstream::Error::NotAllowed => Refusal::NoLongerAllowed,
        error => error.into(),
    }
}

/// Redirects a browser to Entra if a redirect is possible, asking for one of the given
/// authentication contexts if there are any. Otherwise returns the refusal that names the sign-in
/// address.
async fn send_to_sign_in(
    exchange: &Exchange<'_>,
    signed_out: SignedOutAnswer,
    acrs: &[String],
    challenge: HeaderValue,
    refusal: impl FnOnce(String) -> Refusal,
) -> Result<Response<Body>, Refusal> {
    let Exchange { app, inbound, .. } = *exchange;
    let return_to = exchange.return_to();
    if inbound.caller == CallerKind::Script {
        return Err(refusal(start_url_with_contexts(&app.site, &return_to, acrs)));
    }
    let redirects = redirects(inbound.caller, signed_out);
    let is_in_frame = exchange.is_in_frame();
    let keeps_fragment = app.keeps_fragment && inbound.target.method() == Method::GET;
    if redirects && !is_in_frame && !keeps_fragment {
        return begin::start_sign_in(exchange, begin::SignInStart::to(&return_to, acrs)).await;
    }
    let start = StartLink::of(exchange, &return_to, acrs).await.start(None);
    if is_in_frame {
        // The page of a refusal cannot be framed, whether or not the rule allows redirects.
        Ok(exchange.framed_page(start, challenge))
    } else if redirects {
        Ok(fragment_page(exchange, &start))
    } else {
        Err(refusal(start))
    }
}

/// Returns the page that takes the fragment of its address along to the sign-in. Browsers do not
/// send it, and a redirect to Entra would lose it.
fn fragment_page(exchange: &Exchange<'_>, start: &str) -> Response<Body> {
    let start = format!("{start}&fragment=kept");
    let mut response = exchange.page(StatusCode::UNAUTHORIZED, &Page::Fragment { start });
    response.headers_mut().insert(WWW_AUTHENTICATE, SIGN_IN_CHALLENGE);
    response
}
