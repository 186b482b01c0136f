//! The way to the app.

use super::authenticate::authenticate;
use super::facts::Facts;
use super::refusal::Refusal;
use super::sign_in;
use crate::access::policy::{Permit, Verdict};
use crate::base::return_to::ReturnTo;
use crate::config::access::SignedOut;
use crate::sidecar::Sidecar;
use crate::upstream::Trip;
use crate::wire::body::Body;
use crate::wire::cookies;
use crate::wire::inbound::{Asker, Inbound};
use http::header::ORIGIN;
use http::{HeaderMap, Request, Response};
use hyper::body::Incoming;

/// Judges, and forwards what was judged.
pub(super) async fn proxy(house: &Sidecar, inbound: &Inbound, request: Request<Incoming>, facts: &mut Facts) -> Result<Response<Body>, Refusal> {
    let session = authenticate(house, request.headers());
    facts.session.clone_from(&session);
    let judged = house.policy.judge(inbound.target.clone(), session);
    facts.rule = judged.line;
    match judged.verdict {
        Verdict::Permitted(permit) => forward(house, inbound, request, permit).await,
        Verdict::SignIn(signed_out) => ask_to_sign_in(house, inbound, request.headers(), signed_out).await,
        Verdict::Forbidden => Err(Refusal::Forbidden),
        Verdict::GroupsUnknown => Err(Refusal::GroupsUnknown),
    }
}

async fn forward(house: &Sidecar, inbound: &Inbound, mut request: Request<Incoming>, permit: Permit) -> Result<Response<Body>, Refusal> {
    // A page of another site can open a WebSocket with this browser's cookies; only its `Origin` tells.
    if inbound.upgrade && request.headers().get_all(ORIGIN).iter().any(|it| !house.site.is_origin(it)) {
        return Err(Refusal::ForeignOrigin);
    }
    cookies::hide(request.headers_mut());
    let trip = Trip {
        client: inbound.way.client,
        peer: inbound.way.peer,
        https: inbound.https,
        host: inbound.host.clone(),
        chain: inbound.way.chain.clone(),
        request_id: inbound.request_id.clone(),
        upgrade: inbound.upgrade,
        ends: permit.session().filter(|_| inbound.upgrade).map(|it| it.ended().clone()),
        tunnels: house.lasting.tunnels.clone(),
    };
    let identity = house.headers.identify(permit)?;
    let mut response = house.upstream.forward(request, identity, trip).await?;
    cookies::guard(response.headers_mut());
    Ok(response)
}

async fn ask_to_sign_in(house: &Sidecar, inbound: &Inbound, headers: &HeaderMap, signed_out: SignedOut) -> Result<Response<Body>, Refusal> {
    let return_to = ReturnTo::of(&inbound.target, &house.site);
    match (inbound.asker, signed_out) {
        (Asker::Navigation, SignedOut::Auto) => sign_in::begin(house, inbound, headers, sign_in::Start::at(return_to)).await,
        _ => Err(Refusal::SignedOut(sign_in::start_url(&house.site, &return_to))),
    }
}
