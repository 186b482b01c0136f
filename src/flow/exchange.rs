//! The request that is being processed, as every step sees it.

use super::facts::RequestFacts;
use super::refusal::Refusal;
use crate::base::language::Language;
use crate::base::return_to::ReturnTo;
use crate::pages::Page;
use crate::sidecar::Sidecar;
use crate::sidecar::app::App;
use crate::wire::body::Body;
use crate::wire::inbound::{InboundRequest, language};
use crate::wire::reply;
use http::header::{WWW_AUTHENTICATE, X_FRAME_OPTIONS};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};

/// Maximum length of a `Location` of ours, in bytes. With the other fields and cookies, the head
/// stays below 4 KiB, the smallest buffer of common front proxies (nginx's `proxy_buffer_size`).
const MAX_LOCATION_BYTES: usize = 2560;

/// The same for a `Location` and the record of a session together, in a response that has only the
/// cookies of a sign-in besides.
const MAX_LOCATION_AND_RECORD_BYTES: usize = 3072;

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

    /// Redirects the browser. If the location would make the head of the response too long for a
    /// front proxy, a page leads there instead.
    pub(super) fn redirect(
        &self,
        status: StatusCode,
        location: &str,
    ) -> Result<Response<Body>, Refusal> {
        if location.len() > MAX_LOCATION_BYTES {
            let to = location.to_owned();
            return Ok(self.page(StatusCode::OK, &Page::Onward { to, is_shortened: false }));
        }
        reply::redirect(status, location)
            .ok_or(Refusal::Internal("the address is not a valid header value"))
    }

    /// Sends a signed-in person to the page where they were going. If only a part of its link is
    /// left, a page says so first.
    pub(super) fn go_on(&self, return_to: &ReturnTo) -> Result<Response<Body>, Refusal> {
        self.go_on_with(return_to, 0)
    }

    /// Like `go_on`, with the record of a session in a cookie of this length.
    pub(super) fn go_on_with(
        &self,
        return_to: &ReturnTo,
        record_bytes: usize,
    ) -> Result<Response<Body>, Refusal> {
        let is_shortened = return_to.is_shortened();
        let is_long = return_to.as_str().len() + record_bytes > MAX_LOCATION_AND_RECORD_BYTES;
        if is_shortened || (record_bytes > 0 && is_long) {
            let to = return_to.as_str().to_owned();
            return Ok(self.page(StatusCode::OK, &Page::Onward { to, is_shortened }));
        }
        self.redirect(StatusCode::SEE_OTHER, return_to.as_str())
    }

    /// Renders one of Entrada's pages in the language of the request.
    pub(super) fn page(&self, status: StatusCode, page: &Page) -> Response<Body> {
        let pages = &self.sidecar.pages;
        reply::page(status, pages.render(page, self.language()), pages.policy(page))
    }

    /// Returns the language that the browser prefers. Requests to the app do not need it, so it is
    /// not read earlier.
    pub(super) fn language(&self) -> Language {
        language(self.headers)
    }

    /// Renders the page that a frame shows to someone who is signed out. `start` is the path that
    /// starts a sign-in.
    pub(super) fn framed_page(&self, start: String, challenge: HeaderValue) -> Response<Body> {
        let mut response = self.page(StatusCode::UNAUTHORIZED, &Page::Framed { start });
        response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
        // The only page that may be framed: it has no name, no form and no cookie.
        response.headers_mut().remove(X_FRAME_OPTIONS);
        response
    }

    /// Renders the refusal of a sign-in that was under way, and counts and logs it once.
    pub(super) fn refuse_sign_in(
        &self,
        refusal: Refusal,
        facts: &mut RequestFacts,
    ) -> Response<Body> {
        facts.cause = Some(refusal.cause());
        refusal.record(self.sidecar, self.app, self.inbound.reference());
        self.refuse(refusal)
    }

    /// Renders a refusal in the format and language of the client.
    pub(super) fn refuse(&self, refusal: Refusal) -> Response<Body> {
        refusal.answer(
            self.sidecar,
            self.app,
            self.inbound.caller,
            self.language(),
            self.inbound.reference(),
        )
    }
}
