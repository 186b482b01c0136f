//! How a page of the set-up is sent.

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
use crate::sidecar::Sidecar;
use crate::wire::body::Body;
use crate::wire::reply;
use http::header::REFERRER_POLICY;
use http::{HeaderValue, Response, StatusCode};

/// What is said on a page of its own.
#[derive(Clone, Copy)]
pub(super) enum SetUpMessage {
    /// The link was used already.
    LinkUsed,
    /// The link has ended, or there was none.
    LinkOver,
    /// The visit that a link began is over.
    VisitOver,
    /// The trial does not belong to a visit of this browser.
    TrialOver,
    /// The visit was ended by whoever came.
    Left,
    /// The organization was turned off.
    TurnedOff,
}

/// A page. Its address may hold a token, which goes nowhere; the origin does, by which forms are known to be ours.
pub(super) fn show(exchange: &Exchange<'_>, status: StatusCode, page: SetUpPage) -> Response<Body> {
    let page = Page::SetUp(Box::new(page));
    let mut response = exchange.page(status, &page);
    response.headers_mut().insert(REFERRER_POLICY, HeaderValue::from_static("strict-origin"));
    response
}

/// The same on each page: where one is.
pub(super) fn head(sidecar: &Sidecar, visit: &SetUpVisit) -> SetUpHeader {
    let organization = visit.organization();
    SetUpHeader { app: sidecar.site.authority().to_owned(), organization: organization.name.clone(), home: sidecar.site.setup_path() }
}

/// A page that only says something.
pub(super) fn message_page(exchange: &Exchange<'_>, say: SetUpMessage) -> Response<Body> {
    let (status, what) = match say {
        SetUpMessage::LinkUsed => (StatusCode::GONE, "link_used"),
        SetUpMessage::LinkOver => (StatusCode::GONE, "link_over"),
        SetUpMessage::VisitOver => (StatusCode::FORBIDDEN, "visit_over"),
        SetUpMessage::TrialOver => (StatusCode::FORBIDDEN, "trial_over"),
        SetUpMessage::Left => (StatusCode::OK, "left"),
        SetUpMessage::TurnedOff => (StatusCode::OK, "turned_off"),
    };
    show(
        exchange,
        status,
        SetUpPage::Message(MessagePage { app: exchange.sidecar.site.authority().to_owned(), home: exchange.sidecar.site.setup_path(), what }),
    )
}

/// Back to the steps, after something was done; `done` names it there.
pub(super) fn redirect_back(sidecar: &Sidecar, done: &str) -> Result<Response<Body>, Refusal> {
    reply::redirect(StatusCode::SEE_OTHER, &format!("{}?done={done}", sidecar.site.setup_path())).ok_or(Refusal::Internal("no redirect"))
}

/// Somebody who is signed out signs in, and comes back.
pub(super) fn to_sign_in(exchange: &Exchange<'_>) -> Result<Response<Body>, Refusal> {
    let Exchange { sidecar, inbound, .. } = *exchange;
    let return_to =
        if inbound.target.method() == http::Method::POST { ReturnTo::parse(&sidecar.site.setup_path(), &sidecar.site) } else { exchange.return_to() };
    let page = page_url(&sidecar.site, own_path::SIGN_IN, &return_to, &[], None);
    if !redirects(inbound.caller, SignedOutAnswer::Auto) {
        return Err(Refusal::SignedOut(page));
    }
    reply::redirect(StatusCode::FOUND, &page).ok_or(Refusal::Internal("no redirect"))
}
