//! Who opened a WebSocket.

use crate::sidecar::Sidecar;
use http::HeaderMap;
use http::header::ORIGIN;

/// Whether a page of another site asks: it can open a WebSocket with this browser's cookies, and only its `Origin` tells.
pub(super) fn is_of_another_site(house: &Sidecar, headers: &HeaderMap) -> bool {
    headers.get_all(ORIGIN).iter().any(|it| !house.site.is_origin(it))
}
