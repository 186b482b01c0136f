//! The request that is being processed, as every step sees it.

use super::refusal::Refusal;
use crate::base::return_to::ReturnTo;
use crate::pages::Page;
use crate::sidecar::Sidecar;
use crate::sidecar::app::App;
use crate::wire::body::Body;
use crate::wire::inbound::InboundRequest;
use crate::wire::reply;
use http::{HeaderMap, Method, Response, StatusCode};

/// A parsed request with the configuration that handles it. The body and the facts for the log
/// change during processing, so they are passed separately.
#[derive(Clone, Copy, Debug)]
pub(super) struct Exchange<'a> {
    pub(super) sidecar: &'a Sidecar,
    /// The app that the request is for.
    pub(super) app: &'a App,
    pub(super) inbound: &'a InboundRequest,
    /// The headers as the client sent them, with Entrada's cookies.
    pub(super) headers: &'a HeaderMap,
}

impl Exchange<'_> {
    /// Rejects other methods and upgrades.
    pub(super) fn require_method(
        &self,
        methods: &[Method],
        allow: &'static str,
    ) -> Result<(), Refusal> {
        let is_allowed = methods.contains(self.inbound.target.method()) && !self.inbound.upgrade;
        if is_allowed { Ok(()) } else { Err(Refusal::Method(allow)) }
    }

    /// Returns the requested address, to return to after a sign-in.
    pub(super) fn return_to(&self) -> ReturnTo {
        ReturnTo::of(&self.inbound.target, &self.app.site)
    }

    /// Renders one of Entrada's pages in the language of the request.
    pub(super) fn page(&self, status: StatusCode, page: &Page) -> Response<Body> {
        let pages = &self.sidecar.pages;
        reply::page(status, pages.render(page, self.inbound.language), pages.policy(page))
    }

    /// Renders a refusal in the format and language of the client.
    pub(super) fn refuse(&self, refusal: Refusal) -> Response<Body> {
        refusal.answer(
            self.sidecar,
            self.app,
            self.inbound.caller,
            self.inbound.language,
            self.inbound.reference(),
        )
    }
}
