//! The set-up page, where the admin of a customer connects the organization with its own Entra ID.
//!
//! Nothing of it is reached without a `Visit`, which `gate` alone makes. Whatever changes anything is a POST of a page of our own, goes through
//! the directory, which writes down by whom, and is logged without secrets.

mod credential;
mod desk;
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

use super::facts::Facts;
use super::origin::is_post_of_our_own_page;
use super::refusal::Refusal;
use super::sign_in::only;
use crate::sidecar::Sidecar;
use crate::wire::body::Body;
use crate::wire::form::Form;
use crate::wire::inbound::Inbound;
use gate::NoEntry;
use http::{HeaderMap, Method, Response};
use hyper::body::Incoming;

/// Everything under `/setup`; without `[directory]` there is nothing.
pub(super) async fn set_up(
    house: &Sidecar,
    inbound: &Inbound,
    headers: &HeaderMap,
    body: &mut Option<Incoming>,
    facts: &mut Facts,
) -> Result<Response<Body>, Refusal> {
    let all = house.organizations.as_deref().ok_or(Refusal::NotFound)?;
    let below = inbound.target.path().strip_prefix(&house.site.setup_path()).unwrap_or_default();
    only(inbound, methods(below).ok_or(Refusal::NotFound)?, allow(below))?;
    let posted = inbound.target.method() == Method::POST;
    if posted && !is_post_of_our_own_page(house, headers) {
        return Err(Refusal::ForeignOrigin);
    }
    let form = match body.take().filter(|_| posted) {
        Some(body) => Form::read(body).await?,
        None => Form::default(),
    };
    if below == "/invitation" {
        return if posted { invitation::accept(house, all, inbound, &form).await } else { Ok(invitation::ask(house, inbound)) };
    }
    let visit = match gate::enter(house, all, headers, facts).await {
        Ok(visit) => visit,
        Err(no) => return turned_away(house, inbound, no),
    };
    match below {
        "/connection" => saving::save(house, all, inbound, &visit, &form).await,
        "/trial" => trial::begin(house, all, inbound, headers, &visit).await,
        "/on" => switch::on(house, all, inbound, &visit).await,
        "/off" => switch::off(house, all, inbound, &visit).await,
        "/leave" => invitation::leave(house, all, inbound, &visit).await,
        "/people" if posted => people::change(house, all.directory(), &visit, &form).await,
        "/people" => people::show(house, inbound, all.directory(), &visit).await,
        "/sign_ins" => sign_ins::show(house, inbound, all.directory(), &visit).await,
        "/history" => history::show(house, inbound, all.directory(), &visit).await,
        "/credential" if posted => credential::change(house, inbound, all.directory(), &visit, &form).await,
        "/credential" => credential::show(house, inbound, all.directory(), &visit).await,
        "/sheet" => Ok(sheet::page(house, inbound, &visit)),
        "" => steps::page(house, all, inbound, &visit).await,
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
fn turned_away(house: &Sidecar, inbound: &Inbound, no: NoEntry) -> Result<Response<Body>, Refusal> {
    match no {
        NoEntry::SignedOut => frame::to_sign_in(house, inbound),
        NoEntry::LinkOver => Ok(frame::told(house, inbound, frame::Say::VisitOver)),
        NoEntry::Not(refusal) => Err(refusal),
    }
}
