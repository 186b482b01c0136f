//! Which page made the browser ask.

use crate::sidecar::Sidecar;
use http::header::ORIGIN;
use http::{HeaderMap, HeaderValue};

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

/// Whether this is a part of a page of another site, an image of it say: the browser asks, and nobody went here. What says nothing of it is
/// taken for a person who did. A frame is such a part too: Entra shows itself in none.
pub(super) fn is_part_of_another_sites_page(headers: &HeaderMap) -> bool {
    let says = |name: &str| headers.get(name).map(HeaderValue::as_bytes);
    matches!(says("sec-fetch-site"), Some(b"cross-site" | b"same-site")) && says("sec-fetch-dest").is_some_and(|it| it != b"document")
}

/// Whether a page of our own made the browser send this POST. What says nothing of it did not.
pub(super) fn is_post_of_our_own_page(house: &Sidecar, headers: &HeaderMap) -> bool {
    let site = headers.get("sec-fetch-site").map(|it| it.as_bytes());
    let mut origins = headers.get_all(ORIGIN).iter().peekable();
    let told = site == Some(b"same-origin") || site.is_none() && origins.peek().is_some();
    told && origins.all(|it| house.site.is_origin(it))
}
