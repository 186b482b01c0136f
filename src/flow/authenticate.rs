//! Who sent it.

use crate::session::record::Session;
use crate::sidecar::Sidecar;
use crate::wire::cookies::{Found, find};
use http::HeaderMap;
use std::sync::Arc;

/// The live session whose cookie the request carries. Two cookies of that name are none: one of them was planted.
pub(super) fn authenticate(house: &Sidecar, headers: &HeaderMap) -> Option<Arc<Session>> {
    match find(headers, house.names.session()) {
        Found::One(id) => house.lasting.store.find(id),
        Found::None | Found::Several => None,
    }
}
