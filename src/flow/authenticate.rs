//! Who sent it.

use super::groups;
use super::native::bearer::{self, NotSeen};
use super::recheck::{self, Closed};
use crate::session::record::Session;
use crate::session::store::Seen;
use crate::sidecar::Sidecar;
use crate::wire::cookies::{Found, find};
use http::HeaderMap;
use std::sync::Arc;

/// The live session of the access token or of the cookie that the request carries. An access token of ours decides alone.
pub(super) async fn authenticate(house: &Sidecar, headers: &HeaderMap) -> Result<Option<Arc<Session>>, NotSeen> {
    if let Some(token) = bearer::token(house, headers)? {
        let session = bearer::authenticate(house, token).await?;
        groups::follow(house, &session);
        return Ok(Some(session));
    }
    Ok(by_cookie(house, headers).await?)
}

/// The live session whose cookie the request carries.
pub(super) async fn by_cookie(house: &Sidecar, headers: &HeaderMap) -> Result<Option<Arc<Session>>, Closed> {
    let Some(id) = session_id(house, headers) else { return Ok(None) };
    let session = match house.lasting.store.find(id) {
        Some(Seen { session, is_due: true }) => Box::pin(recheck::attend(house, session)).await?,
        seen => seen.map(|it| it.session),
    };
    Ok(session.inspect(|it| groups::follow(house, it)))
}

/// The session of the cookie, without noting a use, and without asking Entra.
pub(super) fn look(house: &Sidecar, headers: &HeaderMap) -> Option<Arc<Session>> {
    session_id(house, headers).and_then(|id| house.lasting.store.look(id))
}

/// The session of this browser that ended since Entra wants something proven first.
pub(super) fn ended(house: &Sidecar, headers: &HeaderMap) -> Option<Arc<Session>> {
    session_id(house, headers).and_then(|id| house.lasting.store.ended(id))
}

/// What the cookie of a session holds. Two of that name are none: one of them was planted.
pub(super) fn session_id<'a>(house: &Sidecar, headers: &'a HeaderMap) -> Option<&'a str> {
    match find(headers, house.names.session()) {
        Found::One(id) => Some(id),
        Found::None | Found::Several => None,
    }
}
