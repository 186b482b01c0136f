//! How a page of the set-up is sent.

use super::super::refusal::Refusal;
use super::super::{organization, sign_in};
use super::gate::Visit;
use crate::base::return_to::ReturnTo;
use crate::config::access::SignedOut;
use crate::pages::Page;
use crate::pages::setup::{Head, SetUp, Told};
use crate::sidecar::Sidecar;
use crate::wire::body::Body;
use crate::wire::inbound::Inbound;
use crate::wire::reply;
use http::header::REFERRER_POLICY;
use http::{HeaderValue, Response, StatusCode};

/// What is said on a page of its own.
#[derive(Clone, Copy)]
pub(super) enum Say {
    /// The link was used already.
    LinkUsed,
    /// The link has ended, or there was none.
    LinkOver,
    /// The visit that a link began is over.
    VisitOver,
    /// The trial does not belong to a visit of this browser.
    TrialOver,
}

/// A page. Its address may hold a token, which goes nowhere; the origin does, by which forms are known to be ours.
pub(super) fn show(house: &Sidecar, inbound: &Inbound, status: StatusCode, page: SetUp) -> Response<Body> {
    let page = Page::SetUp(Box::new(page));
    let mut response = reply::page(status, house.pages.render(&page, inbound.language), house.pages.policy(&page));
    response.headers_mut().insert(REFERRER_POLICY, HeaderValue::from_static("strict-origin"));
    response
}

/// The same on each page: where one is.
pub(super) fn head(house: &Sidecar, visit: &Visit) -> Head {
    let organization = visit.organization();
    Head { app: house.site.authority().to_owned(), organization: organization.name.clone(), home: house.site.setup_path() }
}

/// A page that only says something.
pub(super) fn told(house: &Sidecar, inbound: &Inbound, say: Say) -> Response<Body> {
    let (status, what) = match say {
        Say::LinkUsed => (StatusCode::GONE, "link_used"),
        Say::LinkOver => (StatusCode::GONE, "link_over"),
        Say::VisitOver => (StatusCode::FORBIDDEN, "visit_over"),
        Say::TrialOver => (StatusCode::FORBIDDEN, "trial_over"),
    };
    show(house, inbound, status, SetUp::Told(Told { app: house.site.authority().to_owned(), home: house.site.setup_path(), what }))
}

/// Back to the steps, after something was done; `done` names it there.
pub(super) fn back(house: &Sidecar, done: &str) -> Result<Response<Body>, Refusal> {
    reply::redirect(StatusCode::SEE_OTHER, &format!("{}?done={done}", house.site.setup_path())).ok_or(Refusal::Internal("no redirect"))
}

/// Somebody who is signed out signs in, and comes back.
pub(super) fn to_sign_in(house: &Sidecar, inbound: &Inbound) -> Result<Response<Body>, Refusal> {
    let return_to = if inbound.target.method() == http::Method::POST {
        ReturnTo::parse(&house.site.setup_path(), &house.site)
    } else {
        ReturnTo::of(&inbound.target, &house.site)
    };
    let page = organization::url(&house.site, "sign_in", &return_to, &[], None);
    if !sign_in::redirects(inbound.asker, SignedOut::Auto) {
        return Err(Refusal::SignedOut(page));
    }
    reply::redirect(StatusCode::FOUND, &page).ok_or(Refusal::Internal("no redirect"))
}
