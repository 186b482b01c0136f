//! Who sent it.

use super::groups;
use crate::session::record::Session;
use crate::sidecar::Sidecar;
use crate::wire::cookies::{Found, find};
use http::HeaderMap;
use std::sync::Arc;

/// The same, without noting a use.
pub(super) fn look(house: &Sidecar, headers: &HeaderMap) -> Option<Arc<Session>> {
    match find(headers, house.names.session()) {
        Found::One(id) => house.lasting.store.look(id),
        Found::None | Found::Several => None,
    }
}

/// The live session whose cookie the request carries. Two cookies of that name are none: one of them was planted.
pub(super) fn authenticate(house: &Sidecar, headers: &HeaderMap) -> Option<Arc<Session>> {
    match find(headers, house.names.session()) {
        Found::One(id) => house.lasting.store.find(id).inspect(|it| groups::follow(house, it)),
        Found::None | Found::Several => None,
    }
}
