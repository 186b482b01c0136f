//! Which site made the browser send a request.

use super::exchange::Exchange;
use crate::sidecar::app::App;
use crate::sidecar::guesses::{GuessingClient, RequestSource};
use http::header::{ORIGIN, REFERER};
use http::{HeaderValue, Method};

impl Exchange<'_> {
    /// Whether a page of another site opens a WebSocket, which it can do with this browser's cookies;
    /// only its `Origin` reveals it. The operator can list other sites.
    pub(super) fn is_web_socket_of_another_site(&self) -> bool {
        let is_listed = |it| self.app.web_socket_origins.contains(it);
        let mut origins = self.headers.get_all(ORIGIN).iter();
        origins.any(|it| !self.app.site.is_origin(it) && !is_listed(it))
    }

    /// Whether a page of another site sent the request.
    pub(super) fn is_of_another_site(&self) -> bool {
        self.headers.get_all(ORIGIN).iter().any(|it| !self.app.site.is_origin(it))
    }

    /// Whether a page of another site made the browser send this POST.
    pub(super) fn is_post_of_another_site(&self) -> bool {
        let site = self.headers.get("sec-fetch-site").map(http::HeaderValue::as_bytes);
        // A page with `Referrer-Policy: no-referrer` sends `Origin: null` even to its own site
        // (Fetch 3.1). Scripts cannot forge `sec-fetch-site`.
        let own = site == Some(b"same-origin")
            && self
                .headers
                .get_all(ORIGIN)
                .iter()
                .all(|it| it == "null" || self.app.site.is_origin(it));
        !own && self.is_of_another_site() || site == Some(b"cross-site")
    }

    /// Whether the request is a subresource of another site's page, such as an image: the browser
    /// sends it, but the person did not navigate here. A request without these headers is treated
    /// as a navigation. A frame is a subresource too: Entra's pages cannot be framed.
    pub(super) fn is_part_of_another_sites_page(&self) -> bool {
        let says = |name: &str| self.headers.get(name).map(HeaderValue::as_bytes);
        matches!(says("sec-fetch-site"), Some(b"cross-site" | b"same-site"))
            && says("sec-fetch-dest").is_some_and(|it| it != b"document")
    }

    /// Whether the page would be shown inside another page. Entra's pages cannot be framed, so a
    /// sign-in would end on an empty frame.
    pub(super) fn is_in_frame(&self) -> bool {
        let dest = self.headers.get("sec-fetch-dest").map(HeaderValue::as_bytes);
        matches!(dest, Some(b"iframe" | b"frame" | b"embed" | b"object"))
    }

    /// Whether one of Entrada's own pages made the browser send this POST. A request without these
    /// headers does not count as such.
    pub(super) fn is_post_of_our_own_page(&self) -> bool {
        let site = self.headers.get("sec-fetch-site").map(http::HeaderValue::as_bytes);
        let mut origins = self.headers.get_all(ORIGIN).iter().peekable();
        let is_reported =
            site == Some(b"same-origin") || site.is_none() && origins.peek().is_some();
        is_reported && origins.all(|it| self.app.site.is_origin(it))
    }

    /// Whether another site made the browser send this request with a link, a form, a redirect or a
    /// script, as far as the browser reports it.
    ///
    /// `none` means a bookmark, the address bar, or a link outside the browser. Browsers without
    /// Fetch Metadata send `Origin` with each POST to another site, and `Referer` unless the site
    /// forbids it. Clients other than browsers send none of these headers.
    pub(super) fn request_source(&self) -> RequestSource {
        let Exchange { app, headers, .. } = *self;
        let of_this_site = match headers.get("sec-fetch-site").map(HeaderValue::as_bytes) {
            Some(b"same-origin" | b"none") => {
                headers.get_all(ORIGIN).iter().all(|it| it == "null" || app.site.is_origin(it))
            }
            Some(_) => false,
            None => {
                !self.is_of_another_site()
                    && headers.get_all(REFERER).iter().all(|it| is_of_our_own_page(app, it))
            }
        };
        if of_this_site { RequestSource::Own } else { RequestSource::Other }
    }

    /// Returns the client to which a typed value is attributed. Only a POST can come from Entrada's
    /// own page; a GET is a link, which any page or mail can contain.
    pub(super) fn typing_client(&self) -> GuessingClient {
        let source = if self.inbound.target.method() == Method::POST {
            self.request_source()
        } else {
            RequestSource::Other
        };
        GuessingClient { address: self.inbound.origin.client, source }
    }
}

fn is_of_our_own_page(app: &App, referer: &HeaderValue) -> bool {
    let url = referer.to_str().ok().and_then(|it| url::Url::parse(it).ok());
    let origin = url.and_then(|it| HeaderValue::from_str(&it.origin().ascii_serialization()).ok());
    origin.is_some_and(|it| app.site.is_origin(&it))
}
