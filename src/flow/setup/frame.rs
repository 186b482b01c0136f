//! Responses with the pages of the set-up.

use super::super::admission::redirects;
use super::super::exchange::Exchange;
use super::super::refusal::Refusal;
use super::super::sign_in_url::page_url;
use super::gate::SetUpVisit;
use crate::base::own_path;
use crate::base::return_to::ReturnTo;
use crate::config::access::SignedOutAnswer;
use crate::pages::Page;
use crate::pages::setup::{MessagePage, SetUpHeader, SetUpPage};
use crate::sidecar::app::App;
use crate::wire::body::Body;
use crate::wire::reply;
use http::header::REFERRER_POLICY;
use http::{HeaderValue, Response, StatusCode};

/// A message that is shown on its own page.
#[derive(Clone, Copy)]
pub(super) enum SetUpMessage {
    /// The link was already used.
    LinkUsed,
    /// The link has expired or never existed.
    LinkOver,
    /// The visit that began with a link is over.
    VisitOver,
    /// The trial sign-in belongs to a visit in another browser.
    TrialOver,
    /// The visitor ended the visit.
    Left,
    /// The organization was turned off.
    TurnedOff,
    /// The organization was deleted.
    Deleted,
    /// The visitor is the first admin.
    FirstAdmin,
    /// The role of the link cannot be taken.
    NoOffer,
}

/// Sends a page. Its URL may contain a token, so only the origin is sent as the referrer, which
/// identifies forms as Entrada's own.
pub(super) fn show(exchange: &Exchange<'_>, status: StatusCode, page: SetUpPage) -> Response<Body> {
    let page = Page::SetUp(Box::new(page));
    let mut response = exchange.page(status, &page);
    response.headers_mut().insert(REFERRER_POLICY, HeaderValue::from_static("strict-origin"));
    response
}

/// Returns the header that every page shows.
pub(super) fn head(app: &App, visit: &SetUpVisit) -> SetUpHeader {
    let organization = visit.organization();
    SetUpHeader {
        app: app.display_name.clone(),
        organization: organization.name.clone(),
        home: app.site.setup_path(),
    }
}

/// Returns a page that shows only a message.
pub(super) fn message_page(exchange: &Exchange<'_>, phrases: SetUpMessage) -> Response<Body> {
    let (status, what) = match phrases {
        SetUpMessage::LinkUsed => (StatusCode::GONE, "link_used"),
        SetUpMessage::LinkOver => (StatusCode::GONE, "link_over"),
        SetUpMessage::VisitOver => (StatusCode::FORBIDDEN, "visit_over"),
        SetUpMessage::TrialOver => (StatusCode::FORBIDDEN, "trial_over"),
        SetUpMessage::Left => (StatusCode::OK, "left"),
        SetUpMessage::FirstAdmin => (StatusCode::OK, "first_admin"),
        SetUpMessage::NoOffer => (StatusCode::CONFLICT, "no_offer"),
        SetUpMessage::TurnedOff => (StatusCode::OK, "turned_off"),
        SetUpMessage::Deleted => (StatusCode::OK, "deleted"),
    };
    show(
        exchange,
        status,
        SetUpPage::Message(MessagePage {
            app: exchange.app.display_name.clone(),
            home: exchange.app.site.setup_path(),
            what,
        }),
    )
}

/// Redirects to the steps after an action; `done` names the action there.
pub(super) fn redirect_back(app: &App, done: &str) -> Result<Response<Body>, Refusal> {
    reply::redirect(StatusCode::SEE_OTHER, &format!("{}?done={done}", app.site.setup_path()))
        .ok_or(Refusal::Internal("no redirect"))
}

/// Sends a signed-out person to sign in and then back to this page.
pub(super) fn to_sign_in(exchange: &Exchange<'_>) -> Result<Response<Body>, Refusal> {
    let Exchange { app, inbound, .. } = *exchange;
    let return_to = if inbound.target.method() == http::Method::POST {
        ReturnTo::parse(&app.site.setup_path(), &app.site)
    } else {
        exchange.return_to()
    };
    let page = page_url(&app.site, own_path::SIGN_IN, &return_to, &[], None);
    if !redirects(inbound.caller, SignedOutAnswer::Auto) {
        return Err(Refusal::SignedOut(page));
    }
    reply::redirect(StatusCode::FOUND, &page).ok_or(Refusal::Internal("no redirect"))
}
