//! The request that is being answered, as every step sees it.

use super::refusal::Refusal;
use crate::base::return_to::ReturnTo;
use crate::pages::Page;
use crate::sidecar::Sidecar;
use crate::wire::body::Body;
use crate::wire::inbound::InboundRequest;
use crate::wire::reply;
use http::{HeaderMap, Method, Response, StatusCode};

/// A request that was read, and the configuration that answers it. The body and the facts for the log change on the way and are passed apart.
#[derive(Clone, Copy, Debug)]
pub(super) struct Exchange<'a> {
    pub(super) sidecar: &'a Sidecar,
    pub(super) inbound: &'a InboundRequest,
    /// As the client sent them, our cookies included.
    pub(super) headers: &'a HeaderMap,
}

impl Exchange<'_> {
    /// Refuses other methods, and upgrades.
    pub(super) fn require_method(&self, methods: &[Method], allow: &'static str) -> Result<(), Refusal> {
        let is_allowed = methods.contains(self.inbound.target.method()) && !self.inbound.upgrade;
        if is_allowed { Ok(()) } else { Err(Refusal::Method(allow)) }
    }

    /// The way back to what was asked for.
    pub(super) fn return_to(&self) -> ReturnTo {
        ReturnTo::of(&self.inbound.target, &self.sidecar.site)
    }

    /// A page of ours, in the language of the request.
    pub(super) fn page(&self, status: StatusCode, page: &Page) -> Response<Body> {
        let pages = &self.sidecar.pages;
        reply::page(status, pages.render(page, self.inbound.language), pages.policy(page))
    }

    /// A refusal in the form and language that the client reads.
    pub(super) fn refuse(&self, refusal: Refusal) -> Response<Body> {
        refusal.answer(self.sidecar, self.inbound.caller, self.inbound.language, self.inbound.reference())
    }
}
