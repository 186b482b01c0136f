//! The set-up page, where a customer's admin connects the organization with its own Entra ID.
//!
//! All access requires a `SetUpVisit`, which only `gate` creates. Each change is a POST from one of
//! Entrada's own pages. It goes through the directory, which records who made it, and is logged
//! without secrets.

mod admin_page;
mod credential;
mod deletion;
mod domains;
mod entered_ids;
mod first_admin;
mod frame;
mod gate;
mod history;
mod invitation;
mod kept_secret;
mod people;
mod removal;
mod requests;
mod saving;
mod sheet;
mod sign_ins;
mod status;
mod steps;
mod switch;
pub(super) mod trial;

use super::exchange::Exchange;
use super::facts::RequestFacts;
use super::refusal::Refusal;
use crate::wire::body::Body;
use crate::wire::form::FormFields;
use gate::SetUpDenied;
use http::{Method, Response};
use hyper::body::Incoming;

/// Handles all paths below `/setup`. They do not exist without `[directory]`.
pub(super) async fn set_up(
    exchange: &Exchange<'_>,
    body: &mut Option<Incoming>,
    facts: &mut RequestFacts,
) -> Result<Response<Body>, Refusal> {
    let Exchange { sidecar, app, inbound, .. } = *exchange;
    let all = sidecar.organizations.as_deref().ok_or(Refusal::NotFound)?;
    let below = inbound.target.path().strip_prefix(&app.site.setup_path()).unwrap_or_default();
    exchange.require_method(methods(below).ok_or(Refusal::NotFound)?, allow(below))?;
    let posted = inbound.target.method() == Method::POST;
    if posted && !exchange.is_post_of_our_own_page() {
        return Err(Refusal::ForeignOrigin);
    }
    let form = match body.take().filter(|_| posted) {
        Some(body) => FormFields::read(body).await?,
        None => FormFields::default(),
    };
    if below == "/invitation" {
        return if posted {
            invitation::accept(exchange, all, &form).await
        } else {
            Ok(invitation::confirm_page(exchange))
        };
    }
    let visit = match gate::enter(exchange, all, facts).await {
        Ok(visit) => visit,
        Err(no) => return turned_away(exchange, no),
    };
    match below {
        "/connection" => saving::save(exchange, all, &visit, &form).await,
        "/trial" => trial::start(exchange, all, &visit).await,
        "/first_admin" => first_admin::take(exchange, all, &visit, &form).await,
        "/on" => switch::switch_on(exchange, all, &visit).await,
        "/off" => switch::off(exchange, all, &visit).await,
        "/leave" => invitation::leave(exchange, all, &visit).await,
        "/people" if posted => people::change(exchange, all.directory(), &visit, &form).await,
        "/people" => people::show(exchange, all.directory(), &visit).await,
        "/requests" if posted => requests::decide(exchange, all.directory(), &visit, &form).await,
        "/requests" => requests::show(exchange, all.directory(), &visit).await,
        "/domains" if posted => domains::change(exchange, all.directory(), &visit, &form).await,
        "/domains" => domains::show(exchange, all.directory(), &visit).await,
        "/sign_ins" => sign_ins::show(exchange, all.directory(), &visit).await,
        "/history" => history::show(exchange, all.directory(), &visit).await,
        "/credential" if posted => {
            credential::change(exchange, all.directory(), &visit, &form).await
        }
        "/credential" => credential::show(exchange, all.directory(), &visit).await,
        "/deletion" if posted => {
            deletion::carry_out(exchange, all.directory(), &visit, &form).await
        }
        "/deletion" => deletion::confirm(exchange, all.directory(), &visit).await,
        "/sheet" => sheet::page(exchange, all.directory(), &visit).await,
        "" => steps::page(exchange, all, &visit).await,
        _ => Err(Refusal::NotFound),
    }
}

/// Returns the allowed methods of a path, or nothing if the path does not exist.
fn methods(below: &str) -> Option<&'static [Method]> {
    match below {
        "" | "/sheet" | "/sign_ins" | "/history" => Some(&[Method::GET, Method::HEAD]),
        "/invitation" | "/people" | "/requests" | "/domains" | "/credential" | "/deletion" => {
            Some(&[Method::GET, Method::HEAD, Method::POST])
        }
        "/connection" | "/trial" | "/first_admin" | "/on" | "/off" | "/leave" => {
            Some(&[Method::POST])
        }
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

/// Sends signed-out people to sign in and back. Other visitors do not learn which organizations
/// exist.
fn turned_away(exchange: &Exchange<'_>, no: SetUpDenied) -> Result<Response<Body>, Refusal> {
    match no {
        SetUpDenied::SignedOut => frame::to_sign_in(exchange),
        SetUpDenied::LinkOver => Ok(frame::message_page(exchange, frame::SetUpMessage::VisitOver)),
        SetUpDenied::Not(refusal) => Err(refusal),
    }
}
