//! How a page of the set-up is sent.

use super::super::refusal::Refusal;
use super::super::{organization, sign_in};
use super::gate::SetUpVisit;
use crate::base::return_to::ReturnTo;
use crate::config::access::SignedOutAnswer;
use crate::pages::Page;
use crate::pages::setup::{MessagePage, SetUpHeader, SetUpPage};
use crate::sidecar::Sidecar;
use crate::wire::body::Body;
use crate::wire::inbound::InboundRequest;
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
pub(super) fn show(sidecar: &Sidecar, inbound: &InboundRequest, status: StatusCode, page: SetUpPage) -> Response<Body> {
    let page = Page::SetUp(Box::new(page));
    let mut response = reply::page(status, sidecar.pages.render(&page, inbound.language), sidecar.pages.policy(&page));
    response.headers_mut().insert(REFERRER_POLICY, HeaderValue::from_static("strict-origin"));
    response
}

/// The same on each page: where one is.
pub(super) fn head(sidecar: &Sidecar, visit: &SetUpVisit) -> SetUpHeader {
    let organization = visit.organization();
    SetUpHeader { app: sidecar.site.authority().to_owned(), organization: organization.name.clone(), home: sidecar.site.setup_path() }
}

/// A page that only says something.
pub(super) fn message_page(sidecar: &Sidecar, inbound: &InboundRequest, say: SetUpMessage) -> Response<Body> {
    let (status, what) = match say {
        SetUpMessage::LinkUsed => (StatusCode::GONE, "link_used"),
        SetUpMessage::LinkOver => (StatusCode::GONE, "link_over"),
        SetUpMessage::VisitOver => (StatusCode::FORBIDDEN, "visit_over"),
        SetUpMessage::TrialOver => (StatusCode::FORBIDDEN, "trial_over"),
        SetUpMessage::Left => (StatusCode::OK, "left"),
        SetUpMessage::TurnedOff => (StatusCode::OK, "turned_off"),
    };
    show(sidecar, inbound, status, SetUpPage::Message(MessagePage { app: sidecar.site.authority().to_owned(), home: sidecar.site.setup_path(), what }))
}

/// Back to the steps, after something was done; `done` names it there.
pub(super) fn redirect_back(sidecar: &Sidecar, done: &str) -> Result<Response<Body>, Refusal> {
    reply::redirect(StatusCode::SEE_OTHER, &format!("{}?done={done}", sidecar.site.setup_path())).ok_or(Refusal::Internal("no redirect"))
}

/// Somebody who is signed out signs in, and comes back.
pub(super) fn to_sign_in(sidecar: &Sidecar, inbound: &InboundRequest) -> Result<Response<Body>, Refusal> {
    let return_to = if inbound.target.method() == http::Method::POST {
        ReturnTo::parse(&sidecar.site.setup_path(), &sidecar.site)
    } else {
        ReturnTo::of(&inbound.target, &sidecar.site)
    };
    let page = organization::url(&sidecar.site, "sign_in", &return_to, &[], None);
    if !sign_in::redirects(inbound.caller, SignedOutAnswer::Auto) {
        return Err(Refusal::SignedOut(page));
    }
    reply::redirect(StatusCode::FOUND, &page).ok_or(Refusal::Internal("no redirect"))
}
