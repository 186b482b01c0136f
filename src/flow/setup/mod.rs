//! The set-up page, where the admin of a customer connects the organization with its own Entra ID.
//!
//! Nothing of it is reached without a `SetUpVisit`, which `gate` alone makes. Whatever changes anything is a POST of a page of our own, goes through
//! the directory, which writes down by whom, and is logged without secrets.

mod admin_page;
mod credential;
mod frame;
mod gate;
mod history;
mod invitation;
mod people;
mod saving;
mod sheet;
mod sign_ins;
mod steps;
mod switch;
pub(super) mod trial;

use super::facts::RequestFacts;
use super::origin::is_post_of_our_own_page;
use super::refusal::Refusal;
use super::sign_in::only;
use crate::sidecar::Sidecar;
use crate::wire::body::Body;
use crate::wire::form::FormFields;
use crate::wire::inbound::InboundRequest;
use gate::SetUpDenied;
use http::{HeaderMap, Method, Response};
use hyper::body::Incoming;

/// Everything under `/setup`; without `[directory]` there is nothing.
pub(super) async fn set_up(
    sidecar: &Sidecar,
    inbound: &InboundRequest,
    headers: &HeaderMap,
    body: &mut Option<Incoming>,
    facts: &mut RequestFacts,
) -> Result<Response<Body>, Refusal> {
    let all = sidecar.organizations.as_deref().ok_or(Refusal::NotFound)?;
    let below = inbound.target.path().strip_prefix(&sidecar.site.setup_path()).unwrap_or_default();
    only(inbound, methods(below).ok_or(Refusal::NotFound)?, allow(below))?;
    let posted = inbound.target.method() == Method::POST;
    if posted && !is_post_of_our_own_page(sidecar, headers) {
        return Err(Refusal::ForeignOrigin);
    }
    let form = match body.take().filter(|_| posted) {
        Some(body) => FormFields::read(body).await?,
        None => FormFields::default(),
    };
    if below == "/invitation" {
        return if posted { invitation::accept(sidecar, all, inbound, &form).await } else { Ok(invitation::confirm_page(sidecar, inbound)) };
    }
    let visit = match gate::enter(sidecar, all, headers, facts).await {
        Ok(visit) => visit,
        Err(no) => return turned_away(sidecar, inbound, no),
    };
    match below {
        "/connection" => saving::save(sidecar, all, inbound, &visit, &form).await,
        "/trial" => trial::start(sidecar, all, inbound, headers, &visit).await,
        "/on" => switch::switch_on(sidecar, all, inbound, &visit).await,
        "/off" => switch::off(sidecar, all, inbound, &visit).await,
        "/leave" => invitation::leave(sidecar, all, inbound, &visit).await,
        "/people" if posted => people::change(sidecar, all.directory(), &visit, &form).await,
        "/people" => people::show(sidecar, inbound, all.directory(), &visit).await,
        "/sign_ins" => sign_ins::show(sidecar, inbound, all.directory(), &visit).await,
        "/history" => history::show(sidecar, inbound, all.directory(), &visit).await,
        "/credential" if posted => credential::change(sidecar, inbound, all.directory(), &visit, &form).await,
        "/credential" => credential::show(sidecar, inbound, all.directory(), &visit).await,
        "/sheet" => Ok(sheet::page(sidecar, inbound, &visit)),
        "" => steps::page(sidecar, all, inbound, &visit).await,
        _ => Err(Refusal::NotFound),
    }
}

/// What may be done under a path; nothing where there is no such path.
fn methods(below: &str) -> Option<&'static [Method]> {
    match below {
        "" | "/sheet" | "/sign_ins" | "/history" => Some(&[Method::GET, Method::HEAD]),
        "/invitation" | "/people" | "/credential" => Some(&[Method::GET, Method::HEAD, Method::POST]),
        "/connection" | "/trial" | "/on" | "/off" | "/leave" => Some(&[Method::POST]),
        _ => None,
    }
}

fn allow(below: &str) -> &'static str {
    match methods(below) {
        Some([Method::POST]) => "POST",
        Some([_, _, Method::POST]) => "GET, POST",
        _ => "GET, HEAD",
    }
}

/// Whoever is signed out signs in and comes back; nobody else hears which organizations there are.
fn turned_away(sidecar: &Sidecar, inbound: &InboundRequest, no: SetUpDenied) -> Result<Response<Body>, Refusal> {
    match no {
        SetUpDenied::SignedOut => frame::to_sign_in(sidecar, inbound),
        SetUpDenied::LinkOver => Ok(frame::message_page(sidecar, inbound, frame::SetUpMessage::VisitOver)),
        SetUpDenied::Not(refusal) => Err(refusal),
    }
}
