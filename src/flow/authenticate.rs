//! Who sent it.

use super::groups;
use super::native::bearer::{self, BearerError};
use super::recheck::{self, GraceExpired};
use crate::session::record::Session;
use crate::session::store::SeenSession;
use crate::sidecar::Sidecar;
use crate::wire::cookies::{CookieMatch, find};
use http::HeaderMap;
use std::sync::Arc;

/// The live session of the access token or of the cookie that the request carries. An access token of ours decides alone.
pub(super) async fn authenticate(sidecar: &Sidecar, headers: &HeaderMap) -> Result<Option<Arc<Session>>, BearerError> {
    if let Some(token) = bearer::token(sidecar, headers)? {
        let session = bearer::authenticate(sidecar, token).await?;
        groups::follow(sidecar, &session);
        return Ok(Some(session));
    }
    Ok(by_cookie(sidecar, headers).await?)
}

/// The live session whose cookie the request carries.
pub(super) async fn by_cookie(sidecar: &Sidecar, headers: &HeaderMap) -> Result<Option<Arc<Session>>, GraceExpired> {
    let Some(id) = session_id(sidecar, headers) else { return Ok(None) };
    let session = match sidecar.process.store.find(id) {
        Some(SeenSession { session, is_due: true }) => Box::pin(recheck::attend(sidecar, session)).await?,
        seen => seen.map(|it| it.session),
    };
    Ok(session.inspect(|it| groups::follow(sidecar, it)))
}

/// The session of the cookie, without noting a use, and without asking Entra.
pub(super) fn session_of_cookie(sidecar: &Sidecar, headers: &HeaderMap) -> Option<Arc<Session>> {
    session_id(sidecar, headers).and_then(|id| sidecar.process.store.peek(id))
}

/// The session of this browser that ended since Entra wants something proven first.
pub(super) fn ended(sidecar: &Sidecar, headers: &HeaderMap) -> Option<Arc<Session>> {
    session_id(sidecar, headers).and_then(|id| sidecar.process.store.ended(id))
}

/// What the cookie of a session holds. Two of that name are none: one of them was planted.
pub(super) fn session_id<'a>(sidecar: &Sidecar, headers: &'a HeaderMap) -> Option<&'a str> {
    match find(headers, sidecar.names.session()) {
        CookieMatch::One(id) => Some(id),
        CookieMatch::None | CookieMatch::Several => None,
    }
}
