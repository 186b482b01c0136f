//! Which page made the browser ask.

use crate::sidecar::Sidecar;
use http::HeaderMap;
use http::header::ORIGIN;

/// Whether a page of another site asks. It can open a WebSocket with this browser's cookies, and only its `Origin` tells.
pub(super) fn is_of_another_site(house: &Sidecar, headers: &HeaderMap) -> bool {
    headers.get_all(ORIGIN).iter().any(|it| !house.site.is_origin(it))
}

/// Whether a page of another site made the browser send this POST.
pub(super) fn is_post_of_another_site(house: &Sidecar, headers: &HeaderMap) -> bool {
    let site = headers.get("sec-fetch-site").map(|it| it.as_bytes());
    // A page under `Referrer-Policy: no-referrer` sends `Origin: null` even to itself (Fetch 3.1); no script can forge the other header.
    let own = site == Some(b"same-origin") && headers.get_all(ORIGIN).iter().all(|it| it == "null" || house.site.is_origin(it));
    !own && is_of_another_site(house, headers) || site == Some(b"cross-site")
}

/// Whether a page of our own made the browser send this POST. What says nothing of it did not.
pub(super) fn is_post_of_our_own_page(house: &Sidecar, headers: &HeaderMap) -> bool {
    let site = headers.get("sec-fetch-site").map(|it| it.as_bytes());
    let mut origins = headers.get_all(ORIGIN).iter().peekable();
    let told = site == Some(b"same-origin") || site.is_none() && origins.peek().is_some();
    told && origins.all(|it| house.site.is_origin(it))
}
