//! Who sent it.

use super::groups;
use super::recheck::{self, Closed};
use crate::session::record::Session;
use crate::session::store::Seen;
use crate::sidecar::Sidecar;
use crate::wire::cookies::{Found, find};
use http::HeaderMap;
use std::sync::Arc;

/// The same, without noting a use, and without asking Entra.
pub(super) fn look(house: &Sidecar, headers: &HeaderMap) -> Option<Arc<Session>> {
    match find(headers, house.names.session()) {
        Found::One(id) => house.lasting.store.look(id),
        Found::None | Found::Several => None,
    }
}

/// The session of this browser that ended since Entra wants something proven first.
pub(super) fn ended(house: &Sidecar, headers: &HeaderMap) -> Option<Arc<Session>> {
    match find(headers, house.names.session()) {
        Found::One(id) => house.lasting.store.ended(id),
        Found::None | Found::Several => None,
    }
}

/// The live session whose cookie the request carries. Two cookies of that name are none: one of them was planted.
pub(super) async fn authenticate(house: &Sidecar, headers: &HeaderMap) -> Result<Option<Arc<Session>>, Closed> {
    let Found::One(id) = find(headers, house.names.session()) else { return Ok(None) };
    let session = match house.lasting.store.find(id) {
        Some(Seen { session, is_due: true }) => Box::pin(recheck::attend(house, session)).await?,
        seen => seen.map(|it| it.session),
    };
    Ok(session.inspect(|it| groups::follow(house, it)))
}
