//! Which page made the browser ask.

use super::exchange::Exchange;
use crate::sidecar::Sidecar;
use crate::sidecar::guesses::{GuessingClient, RequestSource};
use http::header::{ORIGIN, REFERER};
use http::{HeaderValue, Method};

impl Exchange<'_> {
    /// Whether a page of another site asks. It can open a WebSocket with this browser's cookies, and only its `Origin` tells.
    pub(super) fn is_of_another_site(&self) -> bool {
        self.headers.get_all(ORIGIN).iter().any(|it| !self.sidecar.site.is_origin(it))
    }

    /// Whether a page of another site made the browser send this POST.
    pub(super) fn is_post_of_another_site(&self) -> bool {
        let site = self.headers.get("sec-fetch-site").map(|it| it.as_bytes());
        // A page under `Referrer-Policy: no-referrer` sends `Origin: null` even to itself (Fetch 3.1); no script can forge the other header.
        let own = site == Some(b"same-origin") && self.headers.get_all(ORIGIN).iter().all(|it| it == "null" || self.sidecar.site.is_origin(it));
        !own && self.is_of_another_site() || site == Some(b"cross-site")
    }

    /// Whether this is a part of a page of another site, an image of it say: the browser asks, and nobody went here. What says nothing of it is
    /// taken for a person who did. A frame is such a part too: Entra shows itself in none.
    pub(super) fn is_part_of_another_sites_page(&self) -> bool {
        let says = |name: &str| self.headers.get(name).map(HeaderValue::as_bytes);
        matches!(says("sec-fetch-site"), Some(b"cross-site" | b"same-site")) && says("sec-fetch-dest").is_some_and(|it| it != b"document")
    }

    /// Whether a page of our own made the browser send this POST. What says nothing of it did not.
    pub(super) fn is_post_of_our_own_page(&self) -> bool {
        let site = self.headers.get("sec-fetch-site").map(|it| it.as_bytes());
        let mut origins = self.headers.get_all(ORIGIN).iter().peekable();
        let told = site == Some(b"same-origin") || site.is_none() && origins.peek().is_some();
        told && origins.all(|it| self.sidecar.site.is_origin(it))
    }

    /// Whether another site made the browser send this request, by a link, a form, a redirect or a script, as far as the browser says so.
    ///
    /// `none` is a bookmark, the address bar, or a link outside of the browser. Browsers without Fetch Metadata send `Origin` along with each POST
    /// to another site, and `Referer` unless the site forbids it. A client that is no browser says nothing of all this.
    pub(super) fn request_source(&self) -> RequestSource {
        let Exchange { sidecar, headers, .. } = *self;
        let of_this_site = match headers.get("sec-fetch-site").map(HeaderValue::as_bytes) {
            Some(b"same-origin" | b"none") => headers.get_all(ORIGIN).iter().all(|it| it == "null" || sidecar.site.is_origin(it)),
            Some(_) => false,
            None => !self.is_of_another_site() && headers.get_all(REFERER).iter().all(|it| is_of_our_own_page(sidecar, it)),
        };
        if of_this_site { RequestSource::Own } else { RequestSource::Other }
    }

    /// Who asks for what somebody typed. Only a POST is typed into our own page; a GET is a link, which any page or mail can hold.
    pub(super) fn typing_client(&self) -> GuessingClient {
        let source = if self.inbound.target.method() == Method::POST { self.request_source() } else { RequestSource::Other };
        GuessingClient { address: self.inbound.origin.client, source }
    }
}

fn is_of_our_own_page(sidecar: &Sidecar, referer: &HeaderValue) -> bool {
    let url = referer.to_str().ok().and_then(|it| url::Url::parse(it).ok());
    let origin = url.and_then(|it| HeaderValue::from_str(&it.origin().ascii_serialization()).ok());
    origin.is_some_and(|it| sidecar.site.is_origin(&it))
}
